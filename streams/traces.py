"""Which trace a breach belongs to: the one of the record that brought its evidence, seconds before it was decided."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from haulwatch.domain.breaches import Breach
from haulwatch.logs import trace_id
from haulwatch.topics import TRACE_HEADER
from streams.kafka_outputs import Headers

KEPT_RECORDS = 256
KEPT_BYTES = 4 << 20


class Traces:
    """The traced records of a partition that came last. Looked through only when a breach is found, which is rare."""

    def __init__(self) -> None:
        self._recent: deque[tuple[Headers, bytes]] = deque()
        self._bytes = 0

    def note(self, headers: Headers, value: bytes | None) -> None:
        """Remembers a record that carries a trace."""
        if not headers or value is None or len(value) > KEPT_BYTES:
            return
        self._recent.append((headers, value))
        self._bytes += len(value)
        while len(self._recent) > KEPT_RECORDS or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._recent.popleft()[1])

    def of(self, breach: Breach) -> Headers:
        """The trace headers of the newest evidence whose record is still known."""
        for event_id in _evidence(breach):
            for headers, value in reversed(self._recent):
                if event_id in value:
                    return headers
        return ()


def _evidence(breach: Breach) -> Iterator[bytes]:
    for evidence in reversed(breach.evidence):
        if evidence.event_id:
            yield b'"' + evidence.event_id.encode() + b'"'


def ids(headers: Headers) -> list[str]:
    """The trace ids that headers carry."""
    return [found for name, value in headers if name == TRACE_HEADER and (found := trace_id(value))]
