"""The trucks topic as a feed: all of it first, then what changes, bad records aside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import pytest
from kafka import KafkaProducer

from connectors.kafka_client import short_producer
from connectors.kafka_topics import create
from connectors.kafka_trucks import KafkaTrucks
from haulwatch.console.testing import truck
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TruckPosition
from haulwatch.settings import ClusterSettings
from haulwatch.wire import DeadLetter
from tests.connectors.kafka_console.records import everything, until, write
from tests.kafka.broker import Broker

MS = 1_777_593_600_000


def send(producer: KafkaProducer, settings: ClusterSettings, *trucks: TruckPosition) -> None:
    write(producer, settings.topics.trucks, *((one.truck_id, one) for one in trucks))


@contextmanager
def feed(settings: ClusterSettings) -> Iterator[KafkaTrucks]:
    trucks = KafkaTrucks(settings)
    trucks.start()
    try:
        yield trucks
    finally:
        trucks.stop()


def shown(trucks: KafkaTrucks) -> dict[str, int]:
    return {one.truck_id: one.at_ms for one in trucks.snapshot()}


@pytest.mark.kafka
def test_it_is_ready_when_it_has_read_what_was_there(topics: ClusterSettings, producer: KafkaProducer) -> None:
    send(producer, topics, *(truck(f"浙E{n:05d}", MS) for n in range(2_000)), truck("浙E00000", MS + 1))
    with feed(topics) as trucks:
        with pytest.raises(WorldError, match="being read"):
            trucks.check()
        assert trucks.caught_up.wait(20)
        trucks.check()
        assert len(trucks.snapshot()) == 2_000
        assert shown(trucks)["浙E00000"] == MS + 1


@pytest.mark.kafka
def test_an_empty_topic_is_read_at_once(topics: ClusterSettings) -> None:
    with feed(topics) as trucks:
        assert trucks.caught_up.wait(10)
        assert trucks.changed_since(0)[1] == []


@pytest.mark.kafka
def test_it_follows(topics: ClusterSettings, producer: KafkaProducer) -> None:
    with feed(topics) as trucks:
        send(producer, topics, truck("浙E1", MS), truck("浙E2", MS))
        until(lambda: len(shown(trucks)) == 2)
        revision, _all = trucks.changed_since(0)
        send(producer, topics, truck("浙E2", MS + 5))
        until(lambda: trucks.changed_since(0)[0] > revision)
        assert [one.truck_id for one in trucks.changed_since(revision)[1]] == ["浙E2"]


@pytest.mark.kafka
def test_a_truck_that_is_taken_away_leaves_the_map(topics: ClusterSettings, producer: KafkaProducer) -> None:
    with feed(topics) as trucks:
        send(producer, topics, truck("浙E1", MS), truck("浙E2", MS))
        until(lambda: len(shown(trucks)) == 2)
        revision, _all = trucks.changed_since(0)
        write(producer, topics.topics.trucks, ("浙E1", None))
        until(lambda: list(shown(trucks)) == ["浙E2"])
        assert trucks.changed_since(0)[0] < revision, "it began anew, so that nobody keeps the other one"


POISON = {
    "not_json": ("浙E9", b"\xff\x00"),
    "not_a_truck": ("浙E9", b"{}"),
    "wrong_key": ("浙E8", msgspec.json.encode(truck("浙E9", MS))),
    "out_of_range": ("浙E9", msgspec.json.encode(truck("浙E9", MS, lat=1e9))),
}


@pytest.mark.kafka
def test_bad_records_are_kept_aside_once(topics: ClusterSettings, producer: KafkaProducer) -> None:
    write(producer, topics.topics.trucks, *POISON.values(), partition=1)
    send(producer, topics, truck("浙E1", MS))
    for _start in range(2):
        with feed(topics) as trucks:
            until(lambda trucks=trucks: list(shown(trucks)) == ["浙E1"])
            until(lambda: len(everything(topics, topics.topics.dead_letters)) >= len(POISON))
            assert trucks.caught_up.wait(10)
            trucks.check()
    kept = [msgspec.json.decode(r.value, type=DeadLetter) for r in everything(topics, topics.topics.dead_letters)]
    assert [(letter.code, letter.offset) for letter in kept] == [(code, n) for n, code in enumerate(POISON)]


@pytest.mark.kafka
def test_a_broker_that_goes_and_comes_back(own_broker: Broker) -> None:
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="t")
    create(settings, 3)
    with feed(settings) as trucks:
        with short_producer(settings) as producer:
            send(producer, settings, truck("浙E1", MS))
        until(lambda: shown(trucks) == {"浙E1": MS})
        own_broker.kill()
        until(lambda: away(trucks))
        assert shown(trucks) == {"浙E1": MS}, "what was known is still shown"
        own_broker.start()
        own_broker.wait_ready()
        with short_producer(settings) as producer:
            send(producer, settings, truck("浙E1", MS + 1))
        until(lambda: shown(trucks) == {"浙E1": MS + 1})
        until(lambda: not away(trucks))


def away(trucks: KafkaTrucks) -> bool:
    try:
        trucks.check()
    except WorldError:
        return True
    return False


@pytest.mark.kafka
def test_topics_that_are_not_there_are_said(cluster: ClusterSettings) -> None:
    with pytest.raises(WorldError, match="haulwatch topics create"):
        KafkaTrucks(cluster).start()
