"""`haulwatch worker` as a process on a real Kafka: strangers' records, its pages, its end."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from connectors.kafka_cities import publish_city
from connectors.kafka_topics import create
from haulwatch.city import build_city, pack_city
from haulwatch.domain.events import Position
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of
from haulwatch.wire import encode_event, encode_events, partition
from tests.e2e import children
from tests.e2e.children import Child
from tests.servers import free_port
from tests.streams.test_processor import FAST

pytestmark = pytest.mark.kafka

PARTITIONS = 3
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def worker(cluster: ClusterSettings, tmp_path: Path) -> Iterator[Child]:
    """A worker on a city whose only rule is a speed limit; started by the test."""
    create(cluster, PARTITIONS)
    files = city_files_of("rules:\n" + FAST)
    publish_city(cluster, build_city(files).city_hash, pack_city(files))
    port = free_port()
    arguments = ["worker", "--kafka", cluster.kafka, "--topic-prefix", cluster.topic_prefix]
    child = Child(
        "worker", [*arguments, "--http", f"127.0.0.1:{port}"], f"http://127.0.0.1:{port}", tmp_path / "worker.log"
    )
    yield child
    child.kill()


@pytest.fixture
def producer(cluster: ClusterSettings) -> Iterator[KafkaProducer]:
    made = KafkaProducer(bootstrap_servers=cluster.brokers, max_request_size=12 << 20)
    yield made
    made.close()


def fast(truck_id: str, number: int, **fields: Any) -> Position:
    """A position of a speeding truck, half a minute ago: old enough to be decided at once by what comes behind it."""
    at = datetime.now(UTC) - timedelta(seconds=30)
    values = {"event_id": f"{truck_id}-{number}", "truck_id": truck_id, "at": at, "received_at": at, **fields}
    return Position(lon=120.1, lat=30.86, speed_kmh=120.0, **values)


def wait_until(true: Callable[[], bool], what: str) -> None:
    children.wait_until(true, what, 60.0, 0.3)


def read(settings: ClusterSettings, topic: str) -> list[Any]:
    """All records of a topic so far."""
    consumer = KafkaConsumer(bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
    consumer.assign(places)
    consumer.seek_to_beginning(*places)
    end = consumer.end_offsets(places)
    found: list[Any] = []
    while any(consumer.position(place) < end[place] for place in places):
        found += [record for records in consumer.poll(300).values() for record in records]
    consumer.close()
    return found


def breaches(settings: ClusterSettings) -> list[dict[str, Any]]:
    return [msgspec.json.decode(record.value) for record in read(settings, settings.topics.breaches)]


def figures(worker: Child) -> str:
    with urllib.request.urlopen(f"{worker.url}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def test_strangers_records_of_every_kind_reach_a_decision(
    cluster: ClusterSettings, worker: Child, producer: KafkaProducer
) -> None:
    topics = cluster.topics
    worker.start()
    # Through an inlet under any key; into the log in its own partition; into the log in another truck's partition.
    producer.send(topics.gps, encode_event(fast("浙E00001", 1)), key=b"whatever")
    home = partition("浙E00002", PARTITIONS)
    headers = [("traceparent", TRACE.encode())]
    producer.send(topics.observations, encode_event(fast("浙E00002", 1)), partition=home, headers=headers)
    stray = (partition("浙E00003", PARTITIONS) + 1) % PARTITIONS
    producer.send(topics.observations, encode_events([fast("浙E00003", 1)]), partition=stray)
    producer.flush()
    worker.wait_ready()
    plates = {"浙E00001", "浙E00002", "浙E00003"}
    wait_until(lambda: {b["truck_id"] for b in breaches(cluster) if b["phase"] == "opened"} == plates, "three breaches")
    traced = [r for r in read(cluster, topics.breaches) if r.key == "浙E00002".encode()]
    assert traced[0].headers == headers, "a breach belongs to the trace that brought its evidence"
    wait_until(lambda: len(read(cluster, topics.trucks)) >= 3, "three trucks for the map")
    shown = {json.loads(record.value)["truck_id"] for record in read(cluster, topics.trucks)}
    assert shown == plates
    text = figures(worker)
    assert 'haulwatch_inlet_events_total{topic="' in text
    assert "haulwatch_worker_carried_home_total 1" in text
    for name in ("checkpoint_age_seconds", "checkpoint_bytes", "event_time_lag_seconds", "reorder_depth", "trucks"):
        assert re.search(rf"^haulwatch_{name}\{{partition=", text, re.M), name
    assert re.search(r'haulwatch_breaches_total\{partition="\d",phase="opened",rule="fast"\} 1', text)


def test_records_are_read_however_they_are_compressed(cluster: ClusterSettings, worker: Child) -> None:
    plates = {"gzip": "浙E00001", "snappy": "浙E00002", "lz4": "浙E00003", "zstd": "浙E00004"}

    async def write() -> None:
        for codec, plate in plates.items():
            producer = AIOKafkaProducer(bootstrap_servers=cluster.brokers, compression_type=codec)
            await producer.start()
            await producer.send_and_wait(cluster.topics.gps, encode_event(fast(plate, 1)))
            await producer.stop()

    asyncio.run(write())
    worker.start()
    worker.wait_ready()
    wait_until(lambda: {b["truck_id"] for b in breaches(cluster)} == set(plates.values()), "four breaches")


def test_told_to_stop_it_saves_and_goes_and_the_next_one_goes_on(
    cluster: ClusterSettings, worker: Child, producer: KafkaProducer
) -> None:
    worker.start()
    worker.wait_ready()
    home = partition("浙E00002", PARTITIONS)
    producer.send(cluster.topics.observations, encode_event(fast("浙E00002", 1)), partition=home).get(10)
    wait_until(lambda: len(breaches(cluster)) >= 1, "the breach")
    assert worker.stop() == 0
    before = {(b["breach_id"], b["phase"], b["occurrences"]) for b in breaches(cluster)}
    count = len(breaches(cluster))
    worker.start()
    worker.wait_ready()
    assert re.search(rf'haulwatch_trucks\{{partition="{home}"\}} 1', figures(worker)), "the truck is remembered"
    producer.send(cluster.topics.observations, encode_event(fast("浙E00002", 1)), partition=home).get(10)  # again
    slower = msgspec.structs.replace(fast("浙E00002", 2), speed_kmh=20.0)
    producer.send(cluster.topics.observations, encode_event(slower), partition=home).get(10)
    position = f'haulwatch_records_total{{partition="{home}"}}'
    wait_until(lambda: re.search(rf"{re.escape(position)} ([2-9]|\d\d)", figures(worker)) is not None, "both applied")
    assert worker.stop() == 0
    after = breaches(cluster)
    assert before <= {(b["breach_id"], b["phase"], b["occurrences"]) for b in after}
    assert len({b["breach_id"] for b in after}) == 1, "the same conduct, the same breach"
    assert len(after) <= count + 1, "nothing was told twice: the state had been saved"


def test_a_worker_that_is_killed_tells_the_same_again(
    cluster: ClusterSettings, worker: Child, producer: KafkaProducer
) -> None:
    worker.start()
    worker.wait_ready()
    home = partition("浙E00002", PARTITIONS)
    producer.send(cluster.topics.observations, encode_event(fast("浙E00002", 1)), partition=home).get(10)
    wait_until(lambda: len(breaches(cluster)) >= 1, "the breach")
    worker.kill()
    worker.start()
    worker.wait_ready()
    later = fast("浙E00002", 2, at=datetime.now(UTC), received_at=datetime.now(UTC))
    producer.send(cluster.topics.observations, encode_event(later), partition=home).get(10)
    wait_until(lambda: any(b["phase"] != "opened" for b in breaches(cluster)) or len(breaches(cluster)) > 1, "more")
    opened = [b for b in breaches(cluster) if b["phase"] == "opened"]
    assert len({json.dumps(b, sort_keys=True) for b in opened}) == 1, "told again, it is told byte for byte"


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "haulwatch.cli.main", "worker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_without_topics_or_kafka_it_says_what_is_missing(cluster: ClusterSettings) -> None:
    answer = started("--kafka", cluster.kafka, "--topic-prefix", cluster.topic_prefix)
    assert answer.returncode == 3
    assert "haulwatch topics create" in answer.stderr
    answer = started("--kafka", f"127.0.0.1:{free_port()}")
    assert answer.returncode == 3
    assert "Traceback" not in answer.stderr
    assert "Kafka" in answer.stderr


def test_told_to_stop_before_it_has_begun(worker: Child) -> None:
    worker.start()
    assert worker.process is not None
    wait_until(lambda: "SigCgt" in _status(worker) and _handles_term(worker), "a handler of SIGTERM")
    assert worker.stop() == 0


def _status(worker: Child) -> str:
    assert worker.process is not None
    return Path(f"/proc/{worker.process.pid}/status").read_text()


def _handles_term(worker: Child) -> bool:
    """Whether the process has a handler for SIGTERM in place."""
    found = re.search(r"SigCgt:\s*([0-9a-f]+)", _status(worker))
    return found is not None and bool(int(found[1], 16) & (1 << (signal.SIGTERM - 1)))
