"""The packing producer on a real broker: what is answered is in the log, and no more is taken than can be held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from kafka import KafkaProducer

from connectors.kafka_client import short_producer
from connectors.kafka_producer import PackingProducer
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Position
from haulwatch.domain.live import Busy
from haulwatch.settings import ClusterSettings
from haulwatch.testing import position
from haulwatch.wire import encode_event
from tests.connectors.kafka.conftest import PARTITIONS
from tests.connectors.kafka.log import logged, records
from tests.servers import free_port

FOR_EVER_MS = 600_000


@contextmanager
def producer_on(settings: ClusterSettings, **options: Any) -> Iterator[PackingProducer]:
    producer = PackingProducer(settings, PARTITIONS, **options)
    try:
        yield producer
    finally:
        producer.close()


def drive(sender: int, number: int) -> Position:
    return position(number, truck_id=f"浙E{sender % 7:05d}", event_id=f"{sender}-{number}", received_s=number)


def figure(producer: PackingProducer, name: str) -> float:
    return sum(sample.value for sample in producer.samples() if sample.name == name)


def test_many_small_submissions_become_few_records_with_everything_in_order(made: ClusterSettings) -> None:
    senders, each = 12, 60
    with producer_on(made, linger_ms=100) as producer, ThreadPoolExecutor(senders) as pool:

        def send(sender: int) -> int:
            futures = [producer.submit([drive(sender, n)]) for n in range(each)]
            return sum(future.result(30) for future in futures)

        assert sum(pool.map(send, range(senders))) == senders * each
    log = logged(made)
    assert len(log) == senders * each
    for sender in range(senders):
        assert [e for _, _, e in log if e.startswith(f"{sender}-")] == [f"{sender}-{n}" for n in range(each)]
    assert len(records(made, made.topics.observations)) <= senders * each / 10


def test_a_foreign_record_keyed_by_its_truck_lands_where_ours_do(made: ClusterSettings) -> None:
    trucks = [f"浙E{n:05d}" for n in range(40)]
    with producer_on(made) as producer, short_producer(made) as foreign:
        ours = [position(n, truck_id=truck, event_id=f"o{n}") for n, truck in enumerate(trucks)]
        producer.submit(ours).result(30)
        for n, truck in enumerate(trucks):
            event = encode_event(position(n, truck_id=truck, event_id=f"f{n}"))
            foreign.send(made.topics.observations, event, key=truck.encode())
        foreign.flush()
    places: dict[str, set[int]] = {}
    for number, truck, _ in logged(made):
        places.setdefault(truck, set()).add(number)
    assert set(map(len, places.values())) == {1}
    assert len(places) == len(trucks)
    assert len(set().union(*places.values())) == PARTITIONS


def test_a_record_carries_the_traces_of_its_submissions(made: ClusterSettings) -> None:
    traces = [f"00-{n:032x}-{n:016x}-01" for n in range(1, 4)]
    with producer_on(made, linger_ms=FOR_EVER_MS) as producer:
        futures = [producer.submit([position(n, event_id=str(n))], trace) for n, trace in enumerate(traces)]
        producer.close()
        assert [future.result(0) for future in futures] == [1, 1, 1]
    [record] = records(made, made.topics.observations)
    assert record.key is None
    assert record.headers == [("traceparent", trace.encode()) for trace in traces]


def test_more_than_can_be_held_is_refused_and_nothing_of_it_taken(made: ClusterSettings) -> None:
    with producer_on(made, linger_ms=FOR_EVER_MS, max_events=10, max_bytes=5_000) as producer:
        first = producer.submit([drive(0, n) for n in range(6)])
        with pytest.raises(Busy):
            producer.submit([drive(1, n) for n in range(5)])
        second = producer.submit([drive(2, n) for n in range(4)])
        with pytest.raises(Busy):
            producer.check_room()
        assert figure(producer, "gateway_queue_events") == 10
        assert figure(producer, "gateway_refused_busy_total") == 2
        producer.close()
        assert (first.result(0), second.result(0)) == (6, 4)
        assert figure(producer, "gateway_queue_events") == figure(producer, "gateway_queue_bytes") == 0
    assert len(logged(made)) == 10
    with producer_on(made, linger_ms=FOR_EVER_MS, max_bytes=5_000) as producer:
        producer.submit([position(0, event_id="fat", source="s" * 256, alarms=["a" * 250] * 18)])
        with pytest.raises(Busy):
            producer.submit([drive(3, n) for n in range(5)])


def test_what_is_larger_than_the_bound_is_taken_when_nothing_else_waits(made: ClusterSettings) -> None:
    with producer_on(made, max_events=10) as producer:
        assert producer.submit([drive(0, n) for n in range(2_000)]).result(30) == 2_000
    assert len(logged(made)) == 2_000


def test_at_the_end_it_sends_what_it_took_and_takes_nothing_more(made: ClusterSettings) -> None:
    producer = PackingProducer(made, PARTITIONS, linger_ms=FOR_EVER_MS)
    taken = producer.submit([drive(0, 0)])
    producer.close()
    assert taken.result(0) == 1
    for refused in (lambda: producer.submit([drive(0, 1)]), producer.check, producer.check_room):
        with pytest.raises(WorldError, match="stopping"):
            refused()
    producer.close()
    assert len(logged(made)) == 1


def test_nothing_is_left_of_a_producer_that_was_closed(made: ClusterSettings) -> None:
    before = set(threading.enumerate())
    with producer_on(made) as producer:
        producer.submit([drive(0, 0)]).result(30)
    assert set(threading.enumerate()) <= before


def test_a_fault_of_ours_leaves_nobody_waiting(made: ClusterSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[BaseException] = []
    with producer_on(made) as producer:
        producer.on_failure = told.append

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("bug")

        monkeypatch.setattr(KafkaProducer, "send", broken)
        monkeypatch.setattr(threading, "excepthook", lambda _: None)
        with pytest.raises(WorldError, match="bug"):
            producer.submit([drive(0, 0)]).result(30)
        with pytest.raises(WorldError):
            producer.submit([drive(0, 1)])
        producer.close()
    assert [str(error) for error in told] == ["bug"]


def test_where_it_cannot_begin_it_says_why(made: ClusterSettings) -> None:
    with pytest.raises(WorldError, match=f"{PARTITIONS} partitions, expected {PARTITIONS + 1}"):
        PackingProducer(made, PARTITIONS + 1)
    elsewhere = made.model_copy(update={"topic_prefix": f"{made.topic_prefix}none"})
    with pytest.raises(WorldError, match="haulwatch topics create"):
        PackingProducer(elsewhere, PARTITIONS)
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(WorldError, match=nobody.replace(".", "[.]")):
        PackingProducer(made.model_copy(update={"kafka": nobody}), PARTITIONS)
