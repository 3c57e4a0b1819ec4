"""Forwarded reports into the log: events, or dead letters with their reason. The same for HTTP and Kafka."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future

from msgspec import Struct

from connectors.dead_letters import dead_letter
from connectors.gate import Gate, Tally
from connectors.traccar.mapping import Mapper
from connectors.traccar.reports import Report, read_report
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.wire import DeadLetter

Reader = Callable[[bytes], Report]


class Read(Struct):
    """What became of reports: events, and what could not be one. A report without a position is neither."""

    events: list[Event]
    letters: list[DeadLetter]


class Intake:
    """Reads what came by one `way` ("http", "kafka") and hands it on."""

    def __init__(self, way: str, gate: Gate, mapper: Mapper, tally: Tally) -> None:
        self._way, self._gate, self._mapper, self._tally = way, gate, mapper, tally

    def read(self, raws: list[bytes], reader: Reader = read_report) -> Read:
        """Raises WorldError while no trucks are known, and nothing else."""
        read = Read([], [])
        received_ms = self._gate.now_ms()
        for raw in raws:
            source = f"traccar:{self._way}"
            try:
                report = reader(raw)
                source = f"traccar:{report.unique_id}"
                event = self._mapper.event(report, received_ms)
            except DeviceError as error:
                read.letters.append(dead_letter(error, source, raw))
                continue
            if event is not None:
                read.events.append(event)
        return read

    def submit(self, read: Read) -> Future[None]:
        """See `Gate.submit`."""
        return self._gate.submit(read.events, read.letters)

    def count(self, read: Read) -> None:
        """These are durable."""
        self._tally.took(self._way, read.events)
        for letter in read.letters:
            self._tally.fault(self._way, letter.code)
