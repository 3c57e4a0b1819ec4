"""Logs in memory as sources of an archive: records of random traffic, out of order, late, with ticks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random

import msgspec

from connectors.archive.writing import PartitionArchive
from connectors.recorded import Recorded
from connectors.window import EVERYTHING, Window
from haulwatch.bootstrap.archive import Archiver, ArchiveStats, Record
from haulwatch.domain.events import Event, Observation
from haulwatch.testing import at, tick
from haulwatch.wire import Rejected, encode_event, encode_events, partition
from streams.records import LogReader
from tests.properties.traffic import PLATES, stream

TOPIC = "log"
TAKEN_MS = 4_000_000_000_000
"""When the broker took a record: after anything in it."""


class MemoryLog:
    """A log of several partitions; `shown` is how many records of each have been written by now."""

    name = TOPIC

    def __init__(self, records: Sequence[Sequence[bytes]]) -> None:
        self._records = records
        self.partitions = len(records)
        self.shown = [len(own) for own in records]
        self.begins = [0] * self.partitions

    def bounds(self, number: int) -> tuple[int, int]:
        return self.begins[number], self.shown[number]

    def records(self, number: int, start: int, end: int, stats: ArchiveStats) -> Iterator[Record]:
        reader = LogReader(TOPIC, number, self.partitions)
        for offset in range(start, end):
            value = self._records[number][offset]
            found = reader.read(value, TAKEN_MS, offset)
            stats.dead_letters.update(letter.code for letter in found.dead)
            stats.misplaced += len(found.misplaced)
            yield offset, value, [(event, encode_event(event)) for event in found.events]

    def close(self) -> None:
        pass

    def logged(self, number: int) -> list[tuple[bytes, int, int]]:
        """The records as a check of the log reads them."""
        return [(value, TAKEN_MS, offset) for offset, value in enumerate(self._records[number])]

    def events(self, number: int) -> list[bytes]:
        """The events that belong into the archive, in their order."""
        whole = self.records(number, 0, self.shown[number], ArchiveStats())
        return [raw for _offset, _value, events in whole for _event, raw in events]


def random_log(rng: Random, partitions: int = 1, *, trips: int = 1, disorder_s: float = 20.0) -> MemoryLog:
    """Traffic of a few hours as gateways may write it: each one's events late or out of order by its own clock."""
    observed: list[list[Observation]] = [[] for _ in range(partitions)]
    for _ in range(trips):
        for plate in PLATES:
            events = [_delayed(rng, event) for event in stream(rng, plate)]
            observed[partition(plate, partitions)] += _out_of_reach(rng, events)
    return MemoryLog([_records(rng, own, disorder_s) for own in observed])


def _delayed(rng: Random, event: Observation) -> Observation:
    late_s = rng.choice((0.0, 0.0, 0.0, 0.5, 2.9, 3.0, 3.1, 40.0, 400.0, 4_000.0)) if rng.random() < 0.2 else 0.0
    return msgspec.structs.replace(event, received_at=event.at + timedelta(seconds=late_s))


def _out_of_reach(rng: Random, events: list[Observation]) -> list[Observation]:
    """A stretch of a truck's events arrives after it, one right after the other."""
    first = rng.randrange(len(events))
    stretch = events[first : first + rng.randint(5, 25)]
    after = stretch[-1].at + timedelta(seconds=rng.choice((30, 200)))
    late = [
        msgspec.structs.replace(event, received_at=after + timedelta(milliseconds=10 * n), resent=True)
        for n, event in enumerate(stretch)
    ]
    return events[:first] + events[first + len(stretch) :] + late


def _records(rng: Random, observed: list[Observation], disorder_s: float) -> list[bytes]:
    """In the order of receipt, more or less; what is out of order keeps its time of receipt."""
    keyed: list[tuple[float, Event]] = [
        ((event.received_at or event.at).timestamp() + (rng.uniform(0, disorder_s) if rng.random() < 0.2 else 0), event)
        for event in observed
    ]
    start = at(0).timestamp()
    keyed += [(start + t, tick(t)) for t in (rng.uniform(0, 20_000) for _ in range(rng.choice((0, 5, 60))))]
    events = [event for _key, event in sorted(keyed, key=lambda pair: pair[0])]
    records: list[bytes] = []
    while events:
        size = rng.choice((1, 1, 2, 7, 40))
        records.append(encode_events(events[:size]))
        events = events[size:]
    return records


def archived(log: MemoryLog, out: Path) -> ArchiveStats:
    """Archives the log as far as it is shown."""
    return Archiver(log, out).run()


def read_back(out: Path, window: Window = EVERYTHING) -> dict[int, list[bytes]]:
    """The events of an archive, partition by partition, in the order in which they are read."""
    found: dict[int, list[bytes]] = {}
    for name, records in Recorded([str(out)], window).logs().items():
        own = found[int(name.rpartition("=")[2])] = []
        for record in records:
            assert not isinstance(record, Rejected)
            own.append(encode_event(record))
    return found


def one_partition(out: Path) -> PartitionArchive:
    """The first partition of an archive, to be written by hand."""
    return PartitionArchive(out, TOPIC, 0, 1)
