"""What the Kafka benchmarks share: servers of their own or given ones, the benchmark's city, traffic in topics."""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaProducer
from kafka.admin import KafkaAdminClient
from workload import city_files, records

from connectors import kafka_checksums, kafka_cities, kafka_topics
from haulwatch.city import build_city, pack_city
from haulwatch.city import city_files as folder_files
from haulwatch.settings import ClusterSettings
from haulwatch.wire import partition
from tests.e2e.children import Child
from tests.kafka.broker import new_broker
from tests.servers import free_port

BOOKS = Path(__file__).parents[1] / "rules" / "books"
PARTITIONS = 12
PACKED = 100
_PLATE = b'"truck_id":"'


def options_of(description: str | None) -> argparse.ArgumentParser:
    """The options that every Kafka benchmark has."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a running Kafka (default: one of its own)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the load: whether it works, not how fast")
    parser.add_argument("--partitions", type=int, default=PARTITIONS)
    return parser


kafka_checksums.install()


@dataclass
class Ground:
    """Where a benchmark runs: a Kafka, a topic prefix and a folder of its own."""

    kafka: str
    prefix: str
    folder: Path

    @property
    def settings(self) -> ClusterSettings:
        """Of every process that is measured."""
        return ClusterSettings(kafka=self.kafka, topic_prefix=self.prefix)

    def prepare(self, city: Path, partitions: int) -> None:
        """Makes the topics and puts the city of a folder in force."""
        kafka_topics.create(self.settings, partitions)
        files = folder_files(city)
        kafka_cities.publish_city(self.settings, build_city(files).city_hash, pack_city(files))

    def another(self) -> Ground:
        """The same with topics of its own."""
        return Ground(self.kafka, f"{self.prefix}-{uuid.uuid4().hex[:4]}", self.folder)

    def process(self, verb: str, database: str = "") -> Child:
        """A `haulwatch` process, started."""
        address = f"127.0.0.1:{free_port()}"
        environment = {"HAULWATCH_KAFKA": self.kafka, "HAULWATCH_TOPIC_PREFIX": self.prefix}
        environment |= {"HAULWATCH_DATABASE": database} if database else {}
        log = self.folder / f"{self.prefix}-{verb}.log"
        child = Child(verb, (verb, "--http", address), f"http://{address}", log, environment)
        child.start()
        return child


@contextlib.contextmanager
def ground(kafka: str | None) -> Iterator[Ground]:
    """A place to measure; nothing of it stays behind."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="haulwatch-bench-")))
        if kafka is None:
            say("starting a broker")
            broker = new_broker()
            stack.callback(broker.remove)
            broker.start()
            broker.wait_ready()
            kafka = broker.bootstrap
        here = Ground(kafka, f"bench{uuid.uuid4().hex[:8]}", folder)
        stack.callback(_remove_topics, here)
        yield here


def _remove_topics(here: Ground) -> None:
    admin = KafkaAdminClient(bootstrap_servers=here.kafka)
    try:
        ours = [name for name in admin.list_topics() if name.startswith(here.prefix)]
        if ours:
            admin.delete_topics(ours)
    finally:
        admin.close()


def write_city(folder: Path, trucks: int, zones: int = 1_000, rules: int = 50) -> Path:
    """The benchmark's city with the shipped books and as many more rules as make `rules`; returns the folder."""
    shipped = {path.name: path.read_bytes() for path in BOOKS.glob("*.yaml")}
    count = sum(data.count(b"\n  - id:") for name, data in shipped.items() if not name.endswith(".test.yaml"))
    files = city_files(zones, max(rules - count, 1), trucks)
    files |= {f"rules/{name}": data for name, data in shipped.items()}
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def packed_city(folder: Path, path: Path) -> Path:
    """The city of a folder as one file."""
    path.write_bytes(pack_city(folder_files(folder)))
    return path


def single_events(trucks: int, seconds: int) -> Iterator[tuple[str, bytes]]:
    """The benchmark's traffic `(truck_id, event)`, in order of arrival."""
    for _count, record in records(trucks, seconds, per_record=1):
        start = record.index(_PLATE) + len(_PLATE)
        yield record[start : record.index(b'"', start)].decode(), record[1:-1]


def packs(events: Iterable[tuple[str, bytes]], partitions: int, size: int = PACKED) -> Iterator[tuple[int, bytes]]:
    """Records of the log `(partition, JSON array)`, each of `size` events of one partition (the last ones fewer)."""
    places: dict[str, int] = {}
    open_packs: dict[int, list[bytes]] = {}
    for truck_id, event in events:
        place = places.get(truck_id)
        if place is None:
            place = places[truck_id] = partition(truck_id, partitions)
        pack = open_packs.setdefault(place, [])
        pack.append(event)
        if len(pack) == size:
            yield place, b"[" + b",".join(pack) + b"]"
            pack.clear()
    for place, pack in sorted(open_packs.items()):
        if pack:
            yield place, b"[" + b",".join(pack) + b"]"


def write(kafka: str, topic: str, items: Iterable[tuple[int | None, str | None, bytes]]) -> int:
    """Writes records `(partition, key, value)`; returns how many, when the broker has them all."""
    producer = KafkaProducer(
        bootstrap_servers=kafka, acks="all", linger_ms=20, batch_size=1 << 20, max_request_size=16 << 20
    )
    sent = []
    for place, key, value in items:
        sent.append(producer.send(topic, value, key=key.encode() if key else None, partition=place))
    producer.flush(timeout=300)
    for future in sent:
        future.get(timeout=60)
    producer.close()
    return len(sent)


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()
