"""Packing: few records, each small enough, nothing split, nothing out of order."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2

from connectors.kafka_packing import (
    MAX_TRACES,
    RECORD_BYTES,
    RECORD_EVENTS,
    Packer,
    Part,
    Record,
    Ticket,
    home,
    letter_record,
    packed,
    parts_of,
)
from haulwatch.testing import position
from haulwatch.topics import MAX_LETTER_BYTES
from haulwatch.wire import DeadLetter, decode_events


def ticket(name: str = "t") -> Ticket:
    return Ticket(name.encode(), 0, 0.0, 0.0)


def part(size: int = 10, events: int = 1, name: str = "t") -> Part:
    return Part(b"1" * size, events, ticket(name))


def ids(record: Record) -> list[str]:
    events, bad = decode_events(record.value)
    assert bad == []
    return [event.event_id for event in events]  # type: ignore[union-attr]


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=32), st.integers(1, 200))
def test_a_truck_is_where_kafkas_own_producers_put_its_key(truck_id: str, partitions: int) -> None:
    assert home(truck_id, partitions) == (murmur2(truck_id.encode()) & 0x7FFFFFFF) % partitions


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 4))
def test_every_event_is_packed_once_in_the_order_of_its_partition(trucks: list[int], partitions: int) -> None:
    events = [position(n, truck_id=f"浙E{truck}", event_id=f"{n}") for n, truck in enumerate(trucks)]
    packer = Packer("log", 1.0)
    for n, event in enumerate(events):
        packer.put(0.0, parts_of([event], partitions, ticket(str(n))))
    found: dict[int, list[str]] = {}
    for record in packer.take(2.0):
        found.setdefault(record.partition, []).extend(ids(record))
    expected: dict[int, list[str]] = {}
    for event in events:
        expected.setdefault(home(event.truck_id, partitions), []).append(event.event_id)
    assert found == expected
    assert packer.due_s is None


@given(st.lists(st.tuples(st.integers(1, RECORD_BYTES), st.integers(1, RECORD_EVENTS)), max_size=12))
def test_a_record_is_small_unless_it_is_one_part(parts: list[tuple[int, int]]) -> None:
    given_parts = [part(size, events) for size, events in parts]
    records = list(packed("log", 0, given_parts))
    assert [p for record in records for p in record.parts] == given_parts
    for record in records:
        assert sum(p.events for p in record.parts) <= RECORD_EVENTS
        assert len(record.value) <= RECORD_BYTES + 2


def test_a_large_submission_is_cut_between_events_never_within_one() -> None:
    small = [position(n, event_id=f"s{n}") for n in range(RECORD_EVENTS * 2 + 1)]
    assert [p.events for _, p in parts_of(small, 4, ticket())] == [RECORD_EVENTS, RECORD_EVENTS, 1]
    large = [position(n, event_id=f"l{n}", alarms=["x" * 250] * 1500) for n in range(4)]
    parts = [p for _, p in parts_of(large, 4, ticket())]
    assert [p.events for p in parts] == [1, 1, 1, 1]
    huge = position(0, event_id="h", alarms=["x" * 250] * 4000)
    [record] = packed("log", 0, [p for _, p in parts_of([huge], 4, ticket())])
    assert len(record.value) > RECORD_BYTES
    assert ids(record) == ["h"]


def test_a_full_partition_leaves_at_once_and_the_others_at_the_end_of_the_round() -> None:
    packer = Packer("log", 0.05)
    assert packer.put(10.0, [(1, part())])
    assert packer.due_s == 10.05
    assert not packer.put(10.01, [(1, part())])
    assert packer.put(10.02, [(2, part(events=RECORD_EVENTS))])
    assert [record.partition for record in packer.take(10.02)] == [2]
    # That somebody else was in a hurry does not make the first wait longer.
    assert packer.due_s == 10.05
    assert packer.take(10.04) == []
    assert [(record.partition, len(record.parts)) for record in packer.take(10.05)] == [(1, 2)]
    assert packer.due_s is None


def test_a_record_names_its_submissions_but_is_not_mostly_names() -> None:
    [record] = packed("log", 0, [part(name=f"trace-{n % 40}") for n in range(80)])
    assert len(record.headers) == MAX_TRACES
    assert record.headers[:2] == [("traceparent", b"trace-0"), ("traceparent", b"trace-1")]


def test_a_letter_fits_its_topic_whatever_was_sent() -> None:
    raw = "\x00" * (8 << 20)
    record = letter_record("dead", DeadLetter(reason="r", code="not_json", source="http", raw=raw), ticket("t"))
    assert len(record.value) < MAX_LETTER_BYTES
    assert msgspec.json.decode(record.value)["raw"].startswith("base64:AAAA")
    small = letter_record("dead", DeadLetter(reason="r", code="c", source="http", raw="{", line=3), ticket("t"))
    assert msgspec.json.decode(small.value) == {"reason": "r", "code": "c", "source": "http", "raw": "{", "line": 3}
    assert small.headers == [("code", b"c"), ("source", b"http"), ("traceparent", b"t")]
