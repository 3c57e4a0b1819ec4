"""`haulwatch city deploy`: stored, activated in every partition, marked last; completed when it broke off."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from kafka import KafkaProducer

from connectors.kafka_cities import CITIES_KEPT, DEPLOYING_KEY, CityShelf, Marker, publish_city
from haulwatch.city import build_city, city_files, pack_city, unpack_city
from haulwatch.domain.events import CityActivated
from haulwatch.domain.instants import to_datetime
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of
from haulwatch.wire import decode_events
from tests.cli.cluster.conftest import PARTITIONS, SETTINGS, Command, records
from tests.e2e.children import wait_until

LONG_AGO_MS = 120_000


def activated(settings: ClusterSettings) -> list[list[str]]:
    """The cities that each partition puts in force, in order."""
    found: list[list[str]] = [[] for _ in range(PARTITIONS)]
    for record in records(settings, settings.topics.observations):
        for event in decode_events(record.value)[0]:
            assert isinstance(event, CityActivated)
            found[record.partition].append(event.city_hash)
    return found


def keys(settings: ClusterSettings) -> list[bytes]:
    return [record.key for record in records(settings, settings.topics.cities)]


@pytest.fixture
def producer(topics: ClusterSettings) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    yield producer
    producer.close()


def test_a_city_is_put_in_force_once(command: Command, topics: ClusterSettings, city: Callable[..., Path]) -> None:
    folder = city()
    done = command.json("city", "deploy", folder)
    files = city_files(folder)
    city_hash = build_city(files).city_hash
    assert done == {"city_id": "city", "city_hash": city_hash, "changed": True, "partitions": PARTITIONS}
    stored, deploying, active = records(topics, topics.topics.cities)
    assert (stored.key, unpack_city(stored.value)) == (city_hash.encode(), unpack_city(pack_city(files)))
    assert (deploying.key, active.key) == (DEPLOYING_KEY, b"active")
    assert msgspec.json.decode(active.value, type=Marker).city_hash == city_hash
    log = records(topics, topics.topics.observations)
    assert max(record.timestamp for record in log) <= active.timestamp + 1_000
    assert activated(topics) == [[city_hash]] * PARTITIONS

    assert "未作更改" in command("city", "deploy", folder)
    assert "nothing changed" in command("city", "deploy", folder, "--lang", "en")
    assert (len(keys(topics)), activated(topics)) == (3, [[city_hash]] * PARTITIONS)


def test_a_wrong_city_changes_nothing(command: Command, topics: ClusterSettings, city: Callable[..., Path]) -> None:
    folder = city()
    (folder / "city.yaml").write_text("id: x\nname: x\ntimezone: Mars/Olympus\ndatum: wgs84\n", encoding="utf-8")
    assert "Mars/Olympus" in command("city", "deploy", folder, code=2)
    assert "C" in command("city", "deploy", folder, "--lang", "en", code=2)
    command("city", "deploy", folder / "nowhere", code=3)
    assert records(topics, topics.topics.cities) == records(topics, topics.topics.observations) == []


def test_without_topics_or_broker(command: Command, city: Callable[..., Path]) -> None:
    assert "haulwatch topics create" in command("city", "deploy", city(), code=3)
    assert "is not available" in command("city", "deploy", city(), "--kafka", "127.0.0.1:1", "--lang", "en", code=3)


def broke_off(settings: ClusterSettings, producer: KafkaProducer, folder: Path, ago_ms: int) -> str:
    """What a deployment leaves that was killed after it had activated its city in the first partition."""
    files = city_files(folder)
    city_hash = build_city(files).city_hash
    then_ms = time.time_ns() // 1_000_000 - ago_ms
    producer.send(settings.topics.cities, pack_city(files), key=city_hash.encode()).get(10)
    marker = msgspec.json.encode(Marker(city_hash, to_datetime(then_ms)))
    producer.send(settings.topics.cities, marker, key=DEPLOYING_KEY, timestamp_ms=then_ms).get(10)
    at = to_datetime(then_ms)
    activation = msgspec.json.encode([CityActivated(at=at, received_at=at, city_hash=city_hash)])
    producer.send(settings.topics.observations, activation, partition=0).get(10)
    return city_hash


def test_one_that_broke_off_is_completed_by_running_it_again(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], producer: KafkaProducer
) -> None:
    folder = city()
    city_hash = broke_off(topics, producer, folder, 0)
    assert command.json("city", "deploy", folder)["changed"] is True
    assert activated(topics) == [[city_hash] * 2, [city_hash], [city_hash]]
    assert keys(topics) == [city_hash.encode(), DEPLOYING_KEY, DEPLOYING_KEY, b"active"]  # stored only once


def test_the_city_in_force_is_put_back_where_another_broke_off(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], producer: KafkaProducer
) -> None:
    ours, another = city("ours"), city("another")
    command("city", "deploy", ours)
    other_hash = broke_off(topics, producer, another, LONG_AGO_MS)
    assert command.json("city", "deploy", ours)["changed"] is True
    assert [hashes[-1] for hashes in activated(topics)] == [build_city(city_files(ours)).city_hash] * PARTITIONS
    assert other_hash in activated(topics)[0]


def test_two_cities_are_not_deployed_at_once(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], producer: KafkaProducer
) -> None:
    other_hash = broke_off(topics, producer, city("another"), 0)
    refused = command("city", "deploy", city("ours"), "--lang", "en", code=3)
    assert f"another city ({other_hash}) is being deployed" in refused
    assert activated(topics) == [[other_hash], [], []]


def test_a_city_too_large_for_a_record(topics: ClusterSettings) -> None:
    with pytest.raises(Exception, match="at most"):
        publish_city(topics, "0" * 64, bytes(21 << 20))
    assert keys(topics) == []


def packs(count: int) -> list[tuple[str, bytes]]:
    made = [city_files_of(settings=SETTINGS.format(name=f"c{number}")) for number in range(count)]
    return [(build_city(files).city_hash, pack_city(files)) for files in made]


def test_a_shelf_has_every_city_and_follows_the_one_in_force(topics: ClusterSettings) -> None:
    cities = packs(CITIES_KEPT + 3)
    publish_city(topics, *cities[0])
    told: list[str] = []
    shelf = CityShelf(topics, told.append)
    shelf.start()
    try:
        assert shelf.active() == cities[0]
        for city_hash, packed in cities[1:]:
            publish_city(topics, city_hash, packed)
            assert shelf.city(city_hash, 10.0) == packed
        wait_until(lambda: told[-1:] == [cities[-1][0]], "the last city is in force", 10.0)
        assert shelf.active() == cities[-1]
        assert set(told) <= {city_hash for city_hash, _packed in cities[1:]}
        for city_hash, packed in cities:  # also those that are no longer in memory
            assert shelf.city(city_hash) == packed
        assert shelf.city("unheard of") is None
    finally:
        shelf.stop()


def test_a_shelf_before_any_city(topics: ClusterSettings, producer: KafkaProducer) -> None:
    producer.send(topics.topics.cities, b"not ours", key=b"active").get(10)
    producer.send(topics.topics.cities, json.dumps({"city_hash": "gone"}).encode(), key=b"active").get(10)
    shelf = CityShelf(topics)
    shelf.start()
    assert shelf.active() is None
    shelf.stop()
