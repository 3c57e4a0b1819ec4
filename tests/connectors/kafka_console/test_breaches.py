"""Breaches from a real Kafka into a real order store: each once, whatever happens in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import msgspec
import pytest
from kafka import KafkaProducer
from kafka.admin import NewTopic

from connectors.kafka_breaches import BreachReader
from connectors.kafka_client import admin_client, short_producer
from connectors.kafka_topics import create
from haulwatch.console.testing import overweight
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import IntakeResult
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MIB
from haulwatch.wire import DeadLetter
from tests.connectors.kafka_console.conftest import PARTITIONS
from tests.connectors.kafka_console.records import committed, everything, until, write
from tests.kafka.broker import Broker

MS = 1_777_593_600_000


def found(number: int, **changes: object) -> Breach:
    """The finding number `number`, of a truck of its own."""
    return overweight(f"b{number}", MS + number * 1000, f"浙E{number:05d}", **changes)


def send(producer: KafkaProducer, settings: ClusterSettings, *breaches: Breach) -> None:
    write(producer, settings.topics.breaches, *((breach.truck_id, breach) for breach in breaches))


def letters(settings: ClusterSettings) -> list[DeadLetter]:
    return [msgspec.json.decode(r.value, type=DeadLetter) for r in everything(settings, settings.topics.dead_letters)]


def orders(store: OrderStore) -> int:
    return sum(store.counts().values())


def figure(reader: BreachReader, name: str, **labels: str) -> float:
    wanted = tuple(sorted(labels.items()))
    return sum(s.value for s in reader.samples() if s.name == name and (not labels or s.labels == wanted))


@contextmanager
def reading(settings: ClusterSettings, intake: Callable[[list[Breach]], IntakeResult]) -> Iterator[BreachReader]:
    reader = BreachReader(settings, intake)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()


class Fickle:
    """An intake that can be away."""

    def __init__(self, store: OrderStore) -> None:
        self._store = store
        self.away = True
        self.asked: list[float] = []

    def __call__(self, breaches: Sequence[Breach]) -> IntakeResult:
        self.asked.append(time.monotonic())
        if self.away:
            raise WorldError(Text("数据库不可用", "the database is away"), retryable=True)
        return self._store.intake(breaches)


@pytest.mark.kafka
def test_every_breach_becomes_an_order(topics: ClusterSettings, producer: KafkaProducer, store: OrderStore) -> None:
    send(producer, topics, *(found(n) for n in range(500)))
    with reading(topics, store.intake) as reader:
        until(lambda: orders(store) == 500)
        until(lambda: committed(topics, topics.topics.breaches, f"{topics.topic_prefix}-intake") == 500)
        until(lambda: figure(reader, "breaches_lag_records") == 0)
        assert figure(reader, "breaches_total", outcome="opened") == 500
        assert figure(reader, "breaches_lag_seconds") == 0
        reader.check()


@pytest.mark.kafka
def test_what_was_taken_in_is_not_read_again(
    topics: ClusterSettings, producer: KafkaProducer, store: OrderStore
) -> None:
    send(producer, topics, found(1))
    with reading(topics, store.intake):
        until(lambda: committed(topics, topics.topics.breaches, f"{topics.topic_prefix}-intake") == 1)
    send(producer, topics, found(2))
    with reading(topics, store.intake) as reader:
        until(lambda: orders(store) == 2)
        assert figure(reader, "breaches_total", outcome="unchanged") == 0


@pytest.mark.kafka
def test_a_breach_sent_twice_is_one_order(topics: ClusterSettings, producer: KafkaProducer, store: OrderStore) -> None:
    send(producer, topics, found(1), found(1), found(2))
    with reading(topics, store.intake) as reader:
        until(lambda: orders(store) == 2)
        until(lambda: figure(reader, "breaches_total", outcome="unchanged") == 1)


POISON = {
    "random": (b"\x00\xff\x9a\x12" * 8, "not_json"),
    "empty": (b"", "not_json"),
    "nothing": (None, "empty"),
    "shape": (b'{"breach_id": 7}', "not_a_breach"),
    "array": (b"[]", "not_a_breach"),
    "deep": (b'{"evidence": [{"payload": ' + b'{"a": ' * 200_000, "not_json"),
    "surrogate": (b'{"breach_id": "\\ud800"}', "not_json"),
    "large": (b"x" * (10 * MIB), "too_large"),
}


@pytest.mark.kafka
def test_poison_is_kept_aside_and_stops_nobody(cluster: ClusterSettings, store: OrderStore) -> None:
    topics = cluster
    with admin_client(topics) as admin:  # a topic that somebody made, and with other limits than ours
        admin.create_topics(
            [NewTopic(topics.topics.breaches, PARTITIONS, 1, topic_configs={"max.message.bytes": str(12 * MIB)})]
        )
    create(topics, PARTITIONS)
    poison = [("poison", raw) for raw, _code in POISON.values()]
    with short_producer(topics) as producer:
        write(producer, topics.topics.breaches, ("before", found(1)), *poison, ("after", found(2)), partition=0)
    with reading(topics, store.intake) as reader:
        until(lambda: orders(store) == 2)
        until(lambda: committed(topics, topics.topics.breaches, f"{topics.topic_prefix}-intake") == 2 + len(POISON))
        reader.check()
        source = f"kafka:{topics.topics.breaches}"
        assert figure(reader, "dead_letters_total", code="not_json", source=source) == 4
    kept = letters(topics)
    assert [(letter.code, letter.offset) for letter in kept] == [
        (code, number) for number, (_raw, code) in enumerate(POISON.values(), 1)
    ]
    assert {letter.source for letter in kept} == {f"{source}/0"}
    assert kept[-1].raw == "x" * (10 * MIB)


@pytest.mark.kafka
def test_a_breach_that_the_store_cannot_hold_is_kept_aside_alone(
    topics: ClusterSettings, producer: KafkaProducer, store: OrderStore
) -> None:
    send(producer, topics, *(found(n) for n in range(5)), found(5, detected_at="yesterday"), found(6))
    with reading(topics, store.intake):
        until(lambda: orders(store) == 6)
        until(lambda: committed(topics, topics.topics.breaches, f"{topics.topic_prefix}-intake") == 7)
    (letter,) = letters(topics)
    assert letter.code == "refused_by_store"
    assert msgspec.json.decode(letter.raw, type=Breach).breach_id == "b5"


@pytest.mark.kafka
def test_while_the_store_is_away_nothing_is_lost_and_the_member_stays(
    topics: ClusterSettings, producer: KafkaProducer, store: OrderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.kafka_breaches.POLL_INTERVAL_MS", 6_000)
    intake = Fickle(store)
    send(producer, topics, *(found(n) for n in range(50)))
    with reading(topics, intake) as reader:
        until(lambda: len(intake.asked) >= 9)  # longer than the poll interval and the session
        with pytest.raises(WorldError, match="the database is away"):
            reader.check()
        assert figure(reader, "intake_retries_total") >= 8
        assert figure(reader, "breaches_lag_records") == 50
        assert figure(reader, "breaches_lag_seconds") > 5
        gaps = [later - earlier for earlier, later in zip(intake.asked, intake.asked[1:], strict=False)]
        assert min(gaps) > 0.8, "it asks once a second, not all the time"
        assert members(topics) == 1
        intake.away = False
        until(lambda: orders(store) == 50, 10)
        reader.check()


def members(settings: ClusterSettings) -> int:
    group = f"{settings.topic_prefix}-intake"
    with admin_client(settings) as admin:
        return len(admin.describe_groups([group])[group]["members"])


@pytest.mark.kafka
def test_two_consoles_share_the_work_and_one_takes_over(
    topics: ClusterSettings, producer: KafkaProducer, store: OrderStore
) -> None:
    taken: dict[str, int] = {"one": 0, "two": 0}

    def intake_of(name: str) -> Callable[[list[Breach]], IntakeResult]:
        def intake(breaches: list[Breach]) -> IntakeResult:
            taken[name] += len(breaches)
            return store.intake(breaches)

        return intake

    sent = 0
    with reading(topics, intake_of("one")):
        with reading(topics, intake_of("two")):
            while not all(taken.values()):
                send(producer, topics, *(found(n) for n in range(sent, sent + 20)))
                sent += 20
                assert sent < 10_000, "the second one never gets a share"
                until(lambda sent=sent: orders(store) == sent)
        send(producer, topics, *(found(n) for n in range(sent, sent + 20)))
        sent += 20
        until(lambda: orders(store) == sent)
    assert orders(store) == sent


@pytest.mark.kafka
def test_partitions_that_change_hands_while_the_store_is_away_double_nothing(
    topics: ClusterSettings, producer: KafkaProducer, store: OrderStore
) -> None:
    first, second = Fickle(store), Fickle(store)
    send(producer, topics, *(found(n) for n in range(60)))
    with reading(topics, first):
        until(lambda: len(first.asked) >= 1)
        with reading(topics, second):
            until(lambda: len(second.asked) >= 2)
            first.away = second.away = False
            until(lambda: orders(store) == 60)
    assert orders(store) == 60
    assert store.verify().problem is None


@pytest.mark.kafka
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_broker_that_goes_and_comes_back(own_broker: Broker, store: OrderStore, end: str) -> None:
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="t")
    create(settings, 3)
    with short_producer(settings) as producer:
        send(producer, settings, found(1))
    with reading(settings, store.intake) as reader:
        until(lambda: orders(store) == 1)
        getattr(own_broker, end)()
        until(lambda: failing(reader))
        own_broker.start()
        own_broker.wait_ready()
        with short_producer(settings) as producer:
            send(producer, settings, found(2), found(3))
        until(lambda: orders(store) == 3)
        until(lambda: not failing(reader))


def failing(reader: BreachReader) -> bool:
    try:
        reader.check()
    except WorldError:
        return True
    return False


@pytest.mark.kafka
def test_it_stops_within_seconds_while_the_store_and_the_broker_are_away(own_broker: Broker, store: OrderStore) -> None:
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="t")
    create(settings, 3)
    intake = Fickle(store)
    with short_producer(settings) as producer:
        send(producer, settings, found(1))
    with reading(settings, intake) as reader:
        until(lambda: intake.asked)
        own_broker.kill()
        began = time.monotonic()
        reader.stop()
        assert time.monotonic() - began < 9
    assert "breach-reader" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.kafka
def test_topics_that_are_not_there_are_said(cluster: ClusterSettings, store: OrderStore) -> None:
    with pytest.raises(WorldError, match="haulwatch topics create"):
        BreachReader(cluster, store.intake).start()


def test_a_broker_that_is_not_there_is_said(store: OrderStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.kafka_client.CONNECT_MS", 300)
    with pytest.raises(WorldError, match=r"127\.0\.0\.1:1"):
        BreachReader(ClusterSettings(kafka="127.0.0.1:1"), store.intake).start()
