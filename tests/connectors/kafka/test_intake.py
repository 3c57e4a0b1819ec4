"""The gateway's intake: the answers of the embedded host, durable when given, bad events kept with their reasons."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from connectors.kafka import KafkaIntake, PackingProducer, RecentIds
from connectors.kafka_checksums import calc_crc32c
from haulwatch import logs
from haulwatch.city import build_city, pack_city
from haulwatch.domain.instants import to_ms
from haulwatch.settings import ClusterSettings
from haulwatch.testing import at, city_files_of, position, weighing
from haulwatch.wire import MAX_EVENT_BYTES, decode_events, encode_event, encode_events
from streams.local_host import LocalHost
from tests.connectors.kafka.conftest import PARTITIONS
from tests.connectors.kafka.log import logged, records

NOW_S = 1_000.0
JSON, NDJSON = "application/json", "application/x-ndjson"
FOR_EVER_MS = 600_000


def now_ms() -> int:
    return to_ms(at(NOW_S))


@pytest.fixture
def producer(made: ClusterSettings) -> Iterator[PackingProducer]:
    producer = PackingProducer(made, PARTITIONS)
    yield producer
    producer.close()


@pytest.fixture
def intake(producer: PackingProducer) -> KafkaIntake:
    return KafkaIntake(producer, now_ms=now_ms)


A, B, C = (encode_event(position(n, event_id=name)) for n, name in enumerate("abc"))
FUTURE = encode_event(position(NOW_S + 3600, received_s=NOW_S + 3600, event_id="f"))
AHEAD = encode_event(position(NOW_S + 3600, event_id="g"))
TICK = b'{"kind":"tick","at":"2026-05-01T00:00:00Z"}'
BODIES = [
    (A, JSON),
    (b"[" + A + b"," + TICK + b"," + B + b",3," + A + b"]", JSON),
    (b"\n".join([A, b"", b"{broken", FUTURE, B.replace(b'"lat":30.86', b'"lat":95'), B, AHEAD]), NDJSON),
    (b"\n".join([A, B, C]), JSON),
    (b"\xff\xfe", JSON),
    (b"", JSON),
    (b"[]", JSON),
    (b"\n\n", NDJSON),
    (b'{"kind":"city_activated","at":"2026-05-01T00:00:00Z","city_hash":"x"}', JSON),
]


def test_it_answers_as_the_embedded_host_does(intake: KafkaIntake, tmp_path: Path) -> None:
    files = city_files_of()
    host = LocalHost(tmp_path / "log.sqlite", build_city(files), pack_city(files), now_ms=now_ms)
    host.start()
    for body, content_type in BODIES:
        assert intake.submit(body, content_type) == host.submit(body, content_type)
    host.stop()


def test_events_are_stamped_when_they_come_and_keep_the_stamp_they_have(
    intake: KafkaIntake, made: ClusterSettings
) -> None:
    intake.submit(encode_events([position(5), weighing(6, 20_000, received_s=7)]), JSON)
    [record] = records(made, made.topics.observations)
    events, _ = decode_events(record.value)
    assert [(event.event_id, event.received_at) for event in events] == [  # type: ignore[union-attr]
        ("p-浙E12345-5", at(NOW_S)),
        ("w-浙E12345-6", at(7)),
    ]


def test_bad_events_are_in_the_dead_letters_when_it_answers(intake: KafkaIntake, made: ClusterSettings) -> None:
    intake.submit(b"\n".join([A, b"{broken", TICK]), NDJSON)
    intake.submit(b"\xff\xfe", JSON)
    binary = bytes(value for value in range(256) if value != 10) * 20_000  # one line
    assert intake.submit(binary, JSON).errors[0].code == "too_large"
    letters = records(made, made.topics.dead_letters)
    kept = [msgspec.json.decode(record.value) for record in letters]
    assert [(k["code"], k["source"], k.get("line"), k.get("offset")) for k in kept] == [
        ("not_json", "http", 2, None),
        ("not_an_observation", "http", 3, None),
        ("not_utf8", "http", None, 0),
        ("too_large", "http", None, 0),
    ]
    assert kept[0]["raw"] == "{broken"
    assert base64.b64decode(kept[3]["raw"].removeprefix("base64:")) == binary
    assert [dict(record.headers)["code"] for record in letters] == [k["code"].encode() for k in kept]
    assert len(logged(made)) == 1


def test_an_event_sent_again_is_a_duplicate_and_not_written_again(intake: KafkaIntake, made: ClusterSettings) -> None:
    both = b"[" + A + b"," + B + b"," + A + b"]"
    first, again = intake.submit(both, JSON), intake.submit(both, JSON)
    assert (first.accepted, first.duplicates) == (2, 1)
    assert (again.accepted, again.duplicates) == (0, 3)
    assert intake.submit_events([position(0, event_id="a"), position(9, event_id="new")]) == 1
    assert sorted(event_id for _, _, event_id in logged(made)) == ["a", "b", "new"]


def test_who_sends_again_too_early_waits_as_well(made: ClusterSettings) -> None:
    producer = PackingProducer(made, PARTITIONS, linger_ms=FOR_EVER_MS)
    intake = KafkaIntake(producer, now_ms=now_ms)
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(intake.submit, A, JSON) for _ in range(3)]
        deadline = time.monotonic() + 30
        while queued(producer) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)  # the threads are on their way; the deadline bounds it
        assert queued(producer) == 3
        assert not any(answer.done() for answer in answers)
        producer.close()
        results = [answer.result(30) for answer in answers]
    assert sorted((r.accepted, r.duplicates) for r in results) == [(0, 1), (0, 1), (1, 0)]


def queued(producer: PackingProducer) -> float:
    return next(sample.value for sample in producer.samples() if sample.name == "gateway_queue_events")


def test_many_threads_at_once_lose_nothing_and_count_right(intake: KafkaIntake, made: ClusterSettings) -> None:
    bodies = [
        encode_events([position(n, truck_id=f"浙E{n % 9}", event_id=f"{body // 2}-{n}") for n in range(50)])
        for body in range(60)  # each twice
    ]
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda body: intake.submit(body, JSON), bodies))
    assert sum(result.accepted for result in results) == 30 * 50
    assert sum(result.duplicates for result in results) == 30 * 50
    assert len({event_id for _, _, event_id in logged(made)}) == 30 * 50


def test_the_callers_trace_is_on_the_record(intake: KafkaIntake, made: ClusterSettings) -> None:
    parent = logs.traceparent()
    before = logs.TRACEPARENT.set(parent)
    try:
        intake.submit(b"[" + A + b",{}]", JSON)
    finally:
        logs.TRACEPARENT.reset(before)
    for topic in (made.topics.observations, made.topics.dead_letters):
        [record] = records(made, topic)
        assert ("traceparent", parent.encode()) in record.headers


@pytest.mark.parametrize("short_of", [0, 20, 200])
def test_what_is_taken_can_be_read_from_the_log_however_large(
    intake: KafkaIntake, made: ClusterSettings, short_of: int
) -> None:
    event = encode_event(position(0, event_id="fat", alarms=["x" * 250] * 4140, source="s"))
    padding = b'"' + b"x" * 200 + b'",'
    while len(event) + len(padding) < MAX_EVENT_BYTES - short_of:
        event = event.replace(b'"alarms":[', b'"alarms":[' + padding)
    rest = MAX_EVENT_BYTES - short_of - len(event)
    event = event.replace(b'"source":"s"', b'"source":"s' + b"s" * rest + b'"')
    assert len(event) == MAX_EVENT_BYTES - short_of
    result = intake.submit(b"[" + event + b"," + A + b"]", JSON)
    # As it was sent it is not too large; the time of receipt may make it so.
    assert [(error.index, error.code) for error in result.errors] == ([] if short_of == 200 else [(0, "too_large")])
    assert len(logged(made)) == result.accepted == 2 - len(result.errors)


def test_ids_are_remembered_lately_not_for_ever() -> None:
    known = RecentIds(10)
    events = [position(n, event_id=str(n)) for n in range(20)]
    assert known.add(events[:3]) == 3
    assert known.add(events[:4]) == 1
    assert known.unknown(events[:6]) == events[4:6]
    assert known.add(events) == 16
    assert known.unknown(events[-5:]) == []
    assert known.unknown(events[:10]) == events[:10]
    assert known.unknown([events[0], events[0]]) == [events[0]]


def test_checksums_are_those_that_kafka_defines() -> None:
    assert calc_crc32c(b"123456789") == 0xE3069283  # RFC 3720, B.4: the check value of CRC-32C
