"""A share of the trucks of a log, so that several processes can each decide for some: every truck is in one share.

What is found of a truck depends on its own events and on how far the log's clock had come when each of them arrived.
So a share carries ticks where the events of other trucks had moved the clock past that of its own next event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct

from haulwatch.domain.events import Event, Tick
from haulwatch.domain.instants import EPOCH, NEVER_MS, to_datetime
from haulwatch.wire import Rejected, partition


class Share(Struct, frozen=True):
    """Share `number` of `of`, by the partition function of the cluster. What is of no truck is in the first."""

    number: int = 0
    of: int = 1

    def of_log(self, records: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
        """The records of the share in their order, with ticks where its own clock would lag behind the log's."""
        return iter(records) if self.of == 1 else self._share(records)

    def holds(self, truck_id: str | None) -> bool:
        """Whether a truck, or None for what is of no truck, is in it."""
        return (0 if truck_id is None else _number(truck_id, self.of)) == self.number

    def _share(self, records: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
        clock_ms = shown_ms = NEVER_MS
        for record in records:
            if isinstance(record, Rejected):
                if self.number == 0:
                    yield record
                continue
            held = self.holds(getattr(record, "truck_id", None))
            since = (record.received_at or record.at) - EPOCH
            ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
            if held:
                if ms < clock_ms and shown_ms < clock_ms:
                    yield tick_at(clock_ms)
                yield record
                shown_ms = max(shown_ms, clock_ms, ms)
            clock_ms = max(clock_ms, ms)
        if shown_ms < clock_ms:
            yield tick_at(clock_ms)


EVERY_TRUCK = Share()
_number = lru_cache(maxsize=1 << 17)(partition)


def tick_at(clock_ms: int) -> Tick:
    """What moves a log's clock there."""
    at = to_datetime(clock_ms)
    return Tick(at=at, received_at=at)
