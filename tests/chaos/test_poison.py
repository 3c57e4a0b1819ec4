"""Whatever a stranger writes into whichever topic: it is kept aside with its reason, and nothing behind it waits."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from haulwatch.dispatch.database import sqlite_url
from haulwatch.settings import ClusterSettings
from haulwatch.topics import ACTIVE_CITY_KEY, MIB
from haulwatch.wire import DeadLetter, partition
from tests.chaos.verdict import records_of
from tests.e2e.children import wait_until
from tests.e2e.cluster import Cluster
from tests.e2e.village import weighing, write_village

PARTITIONS = 3
WAIT_S = 90.0
NOISE = random.Random(7)
SMALL = [
    NOISE.randbytes(1_000),
    b"",
    None,
    b"null",
    b"42",
    b"{}",
    b"[[],{},7]",
    b'{"kind":"weighing"}',
    b'{"kind":"no such kind","event_id":"x"}',
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b'"\\ud800"',
    json.dumps(weighing("p-1", 1e300)).encode(),
    json.dumps(weighing("p-2", truck_id="x" * 10_000)).encode(),
    json.dumps(weighing("p-3", at="0001-01-01T00:00:00Z")).encode(),
    json.dumps(weighing("p-4", received_at="2190-01-01T00:00:00Z")).encode(),
    b'{"kind":"tick","at":"2190-01-01T00:00:00Z","received_at":"2190-01-01T00:00:00Z"}',
    b'{"kind":"tick","at":"nonsense"}',
    b'{"kind":"city_activated","at":"2026-05-01T00:00:00Z","city_hash":"nonsense"}',
    b'{"kind":"city_activated","at":"2026-05-01T00:00:00Z","city_hash":7}',
]


def large(limit: int) -> list[bytes]:
    """Records that nobody should send, just small enough for the broker."""
    size = limit - 200_000
    return [NOISE.randbytes(size), b"[" + b"7," * (size // 2) + b"7]", b'"' + b"a" * size + b'"']


@pytest.fixture
def village(tmp_path: Path) -> Path:
    return write_village(tmp_path / "village")


@pytest.fixture
def system(cluster: ClusterSettings, village: Path, tmp_path: Path) -> Iterator[Cluster]:
    database = sqlite_url(tmp_path)
    prefix = cluster.topic_prefix
    with Cluster(
        village, tmp_path / "cluster", cluster.kafka, database, partitions=PARTITIONS, prefix=prefix
    ) as running:
        yield running


@pytest.fixture
def stranger(cluster: ClusterSettings) -> Iterator[KafkaProducer]:
    """Somebody who may write anywhere."""
    producer = KafkaProducer(bootstrap_servers=cluster.brokers, acks="all", max_request_size=16 * MIB, retries=0)
    yield producer
    producer.close(timeout=10)


def plate_in(number: int) -> str:
    """A truck of a partition."""
    return next(f"浙P{n:05d}" for n in range(1_000) if partition(f"浙P{n:05d}", PARTITIONS) == number)


def write(stranger: KafkaProducer, topic: str, number: int, values: list[bytes | None]) -> set[tuple[str, int]]:
    """Writes them; where they then are, as dead letters say it: source and offset."""
    sent = [stranger.send(topic, value, key=b"stranger", partition=number) for value in values]
    return {(f"kafka:{topic}/{number}", future.get(timeout=60).offset) for future in sent}


def letters(settings: ClusterSettings) -> set[tuple[str, int | None]]:
    """Source and offset of every dead letter; each has a reason."""
    found = set()
    for batch in records_of(settings, settings.topics.dead_letters).values():
        for record in batch:
            letter = msgspec.json.decode(record.value, type=DeadLetter)
            assert letter.reason, letter
            assert letter.code, letter
            found.add((letter.source, letter.offset))
    return found


def plates_with_orders(system: Cluster) -> set[str]:
    return {order["truck_id"] for order in system.orders()}


def nobody_ended(system: Cluster) -> None:
    for child in system.wanted:
        assert child.running, f"{child.name} ended with {child.returncode}:\n{child.tail()}"
        assert child.starts == 1, child.name


@pytest.mark.timeout(300)
def test_poison_in_the_topics_that_strangers_write_to(system: Cluster, stranger: KafkaProducer) -> None:
    topics = system.topics
    poisoned: set[tuple[str, int]] = set()
    for topic in (*topics.inlets, topics.observations):
        poisoned |= write(stranger, topic, 0, [*SMALL, *large(12 * MIB)])
    behind = {}
    for number in range(PARTITIONS):
        for way, topic in (("i", topics.weighbridge), ("l", topics.observations)):
            truck_id = plate_in(number).replace("P", way.upper()) if way == "i" else plate_in(number)
            behind[truck_id] = (topic, number if way == "l" else 0, weighing(f"{way}-{number}", truck_id=truck_id))
    for topic, number, event in behind.values():
        write(stranger, topic, number, [json.dumps(event, ensure_ascii=False).encode()])
    assert system.post(json.dumps(weighing("h-1")).encode(), "application/json")[0] == 202

    wanted = {*behind, weighing("")["truck_id"]}
    wait_until(lambda: plates_with_orders(system) >= wanted, "orders of what stands behind the poison", WAIT_S)
    wait_until(lambda: letters(system.settings) >= poisoned, "a letter for every bad record", WAIT_S)
    nobody_ended(system)


@pytest.mark.timeout(300)
def test_poison_in_the_topics_that_are_ours(system: Cluster, stranger: KafkaProducer, village: Path) -> None:
    topics = system.topics
    poisoned = write(stranger, topics.breaches, 0, [*SMALL, *large(2 * MIB)])
    bad_trucks = [value for value in (*SMALL, *large(MIB)) if value is not None]  # null takes a truck off the map
    poisoned |= write(stranger, topics.trucks, 0, bad_trucks)
    write(stranger, topics.work_orders, 0, SMALL)
    for value in (*SMALL, *large(8 * MIB)):
        stranger.send(topics.cities, value, key=ACTIVE_CITY_KEY)
        stranger.send(topics.cities, value, key=b"nonsense")
    stranger.send(topics.cities, b'{"city_hash":"nonsense","at":"2026-05-01T00:00:00Z"}', key=ACTIVE_CITY_KEY)
    stranger.flush(timeout=60)

    first, second = plate_in(0), plate_in(1)
    write(stranger, topics.observations, 0, [json.dumps(weighing("a", truck_id=first), ensure_ascii=False).encode()])
    wait_until(lambda: first in plates_with_orders(system), "an order behind the poison", WAIT_S)
    wait_until(lambda: letters(system.settings) >= poisoned, "a letter for every bad record", WAIT_S)
    nobody_ended(system)

    # The state of every partition is spoilt, and the name of the city in force: all of it can be put right.
    system.deploy(village)
    for number in range(PARTITIONS):
        for value in SMALL:
            for key in (b"head", b"b000", b"b255", b"nonsense"):
                stranger.send(topics.snapshots, value, key=key, partition=number)
    stranger.flush(timeout=60)
    system.kill()
    system.restart()
    system.wait_ready()
    write(stranger, topics.observations, 1, [json.dumps(weighing("b", truck_id=second), ensure_ascii=False).encode()])
    wait_until(lambda: second in plates_with_orders(system), "an order behind the spoilt state", WAIT_S)
    orders = [order["breach_id"] for order in system.orders()]
    assert len(orders) == len(set(orders))
    for child in system.wanted:
        assert child.running, f"{child.name} ended with {child.returncode}:\n{child.tail()}"
