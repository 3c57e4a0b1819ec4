"""A stretch of time of which recorded events are wanted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from haulwatch.domain.events import Event
from haulwatch.domain.instants import EPOCH, FOREVER_MS, NEVER_MS
from haulwatch.wire import Rejected


class Window(Struct, frozen=True):
    """Events received from `from_ms` on and before `to_ms`; one without a time of receipt goes by its `at`."""

    from_ms: int = NEVER_MS
    to_ms: int = FOREVER_MS

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return (self.from_ms, self.to_ms) == (NEVER_MS, FOREVER_MS)

    def of(self, records: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
        """The records that belong to it; of those that cannot be read nobody knows, so they stay."""
        return iter(records) if self.everything else (record for record in records if self._holds(record))

    def _holds(self, record: Event | Rejected) -> bool:
        if isinstance(record, Rejected):
            return True
        since = (record.received_at or record.at) - EPOCH
        ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        return self.from_ms <= ms < self.to_ms


EVERYTHING = Window()
