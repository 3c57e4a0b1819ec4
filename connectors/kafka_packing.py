"""How events become records of the log: grouped by partition, packed up to a size, one trace a submission. Pure.

A record holds many small events, because what reads the log pays by the record.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import lru_cache

from haulwatch.domain.events import Event
from haulwatch.topics import MAX_LETTER_BYTES, TRACE_HEADER
from haulwatch.wire import DeadLetter, encode_dead_letter, encode_events, partition

RECORD_EVENTS = 500
RECORD_BYTES = 512 * 1024
MAX_TRACES = 32
"""Traces that one record carries; a record of many submissions must not be mostly headers."""
RECORD_OVERHEAD = 4096
"""Room for headers and framing within the broker's limit of a record."""
KNOWN_TRUCKS = 100_000

Headers = list[tuple[str, bytes]]


@dataclass(slots=True, eq=False)
class Ticket:
    """A submission on its way: `answer` is given when `parts_left` is 0. Times are of the monotonic clock."""

    trace: bytes
    events: int
    since_s: float
    deadline_s: float
    parts_left: int = 0
    answer: Future[int] = field(default_factory=Future)


@dataclass(slots=True, eq=False)
class Part:
    """Encoded events of one submission for one partition, without brackets; or one dead letter."""

    encoded: bytes
    events: int
    ticket: Ticket


@dataclass(slots=True, eq=False)
class Record:
    """A record as it is sent; `parts` are acknowledged with it."""

    topic: str
    partition: int
    value: bytes
    headers: Headers
    parts: list[Part]


@lru_cache(maxsize=KNOWN_TRUCKS)
def home(truck_id: str, partitions: int) -> int:
    """The partition of a truck, remembered."""
    return partition(truck_id, partitions)


def parts_of(events: Sequence[Event], partitions: int, ticket: Ticket) -> list[tuple[int, Part]]:
    """Observations as parts with their partitions; those of one partition in the order in which they came."""
    groups: dict[int, list[Event]] = {}
    for event in events:
        # Ticks and activations have no truck: who owns or moves a partition writes them, not this.
        groups.setdefault(home(event.truck_id, partitions), []).append(event)  # type: ignore[union-attr]
    return [
        (number, Part(encoded, count, ticket))
        for number, group in groups.items()
        for start in range(0, len(group), RECORD_EVENTS)
        for encoded, count in _encoded(group[start : start + RECORD_EVENTS])
    ]


def _encoded(events: Sequence[Event]) -> Iterator[tuple[bytes, int]]:
    """Comma-separated events and how many: small enough for a record, unless it is one event."""
    encoded = encode_events(events)[1:-1]
    if len(encoded) <= RECORD_BYTES or len(events) == 1:
        yield encoded, len(events)
        return
    half = len(events) // 2
    yield from _encoded(events[:half])
    yield from _encoded(events[half:])


def letter_record(topic: str, letter: DeadLetter, ticket: Ticket) -> Record:
    """A dead letter as a record of its own."""
    value = encode_dead_letter(letter, MAX_LETTER_BYTES - RECORD_OVERHEAD)
    headers = [("code", letter.code.encode()), ("source", letter.source.encode()), (TRACE_HEADER, ticket.trace)]
    return Record(topic, 0, value, headers, [Part(value, 1, ticket)])


class Packer:
    """Parts that wait for company: `take` gives records once the oldest has lingered, or a partition's record is full.

    Not thread-safe; its owner locks.
    """

    def __init__(self, topic: str, linger_s: float) -> None:
        self._topic = topic
        self._linger_s = linger_s
        self._parts: dict[int, list[Part]] = {}
        self._sizes: dict[int, tuple[int, int]] = {}
        self._full: set[int] = set()
        self._letters: list[Record] = []
        self._round_ends_s: float | None = None

    @property
    def due_s(self) -> float | None:
        """From when on `take` has something to give; None while nothing waits."""
        return 0.0 if self._full else self._round_ends_s

    def put(self, now_s: float, parts: Sequence[tuple[int, Part]], letters: Sequence[Record] = ()) -> bool:
        """Adds them; says whether `due_s` is earlier than before."""
        before = self.due_s
        if self._round_ends_s is None:
            self._round_ends_s = now_s + self._linger_s
        for number, part in parts:
            self._parts.setdefault(number, []).append(part)
            events, size = self._sizes.get(number, (0, 0))
            events, size = events + part.events, size + len(part.encoded)
            self._sizes[number] = (events, size)
            if events >= RECORD_EVENTS or size >= RECORD_BYTES:
                self._full.add(number)
        self._letters += letters
        return self.due_s != before

    def take(self, now_s: float, *, everything: bool = False) -> list[Record]:
        """The records that are due: full ones at once, all at the end of a round."""
        everything = everything or (self._round_ends_s is not None and self._round_ends_s <= now_s)
        records: list[Record] = []
        for number in list(self._parts) if everything else sorted(self._full):
            records.extend(packed(self._topic, number, self._parts.pop(number)))
            del self._sizes[number]
        self._full.clear()
        if everything:
            records += self._letters
            self._letters = []
        if not self._parts and not self._letters:
            self._round_ends_s = None
        return records

    def clear(self) -> None:
        """Forgets all that waits."""
        self._parts, self._sizes, self._letters, self._round_ends_s = {}, {}, [], None
        self._full.clear()


def packed(topic: str, number: int, parts: Sequence[Part]) -> Iterator[Record]:
    """The parts of one partition as records of at most `RECORD_EVENTS` or `RECORD_BYTES`, in order."""
    batch: list[Part] = []
    events = size = 0
    for part in parts:
        if batch and (events + part.events > RECORD_EVENTS or size + len(part.encoded) > RECORD_BYTES):
            yield _record(topic, number, batch)
            batch, events, size = [], 0, 0
        batch.append(part)
        events += part.events
        size += len(part.encoded) + 1
    if batch:
        yield _record(topic, number, batch)


def _record(topic: str, number: int, parts: list[Part]) -> Record:
    value = b"[" + b",".join([part.encoded for part in parts]) + b"]"
    traces = dict.fromkeys(part.ticket.trace for part in parts)
    headers = [(TRACE_HEADER, trace) for trace in list(traces)[:MAX_TRACES]]
    return Record(topic, number, value, headers, parts)
