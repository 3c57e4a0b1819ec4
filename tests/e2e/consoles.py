"""Real consoles over one database and one set of topics; what the rest of a cluster would write is written for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from kafka.structs import TopicPartition

from connectors.kafka_cities import publish_city
from connectors.kafka_client import reader, records_until, short_producer
from connectors.kafka_topics import create
from haulwatch.city import build_city, pack_city
from haulwatch.console.testing import overweight
from haulwatch.domain.orders import Order
from haulwatch.settings import ClusterSettings
from haulwatch.testing import SETTINGS, city_files_of
from tests.e2e.children import Child
from tests.servers import free_port

PARTITIONS = 4
MS = 1_777_593_600_000
"""Where the findings' time begins."""


class Consoles:
    """Consoles over one database and one set of topics, and what the rest of the cluster would write."""

    def __init__(self, settings: ClusterSettings, folder: Path) -> None:
        self.settings, self.folder = settings, folder
        self.children: list[Child] = []
        create(settings, PARTITIONS)

    def add(self, *arguments: str) -> Child:
        """Starts one more, with these arguments too."""
        address = f"127.0.0.1:{free_port()}"
        name = f"console-{len(self.children) + 1}"
        environment = {
            "HAULWATCH_KAFKA": self.settings.kafka,
            "HAULWATCH_TOPIC_PREFIX": self.settings.topic_prefix,
            "HAULWATCH_DATABASE": self.settings.database,
        }
        log = self.folder / f"{name}.log"
        child = Child(name, ("console", "--http", address, *arguments), f"http://{address}", log, environment)
        child.start()
        self.children.append(child)
        return child

    def deploy(self, rules: str | None = None, settings: str = SETTINGS) -> None:
        """Puts a small city in force."""
        files = city_files_of(rules, settings=settings)
        publish_city(self.settings, build_city(files).city_hash, pack_city(files))

    def find(self, *numbers: int, **changes: Any) -> None:
        """The worker's part: findings of these numbers, each of a truck of its own."""
        breaches = [overweight(f"b{n}", MS + n * 1000, f"浙E{n:05d}", **changes) for n in numbers]
        self.write(self.settings.topics.breaches, {b.truck_id: msgspec.json.encode(b) for b in breaches})

    def write(self, topic: str, records: dict[str, bytes]) -> None:
        """Durable when it returns."""
        with short_producer(self.settings) as producer:
            for future in [producer.send(topic, value, key=key.encode()) for key, value in records.items()]:
                future.get(timeout=30)

    def work_orders(self) -> dict[str, Order]:
        """What the work-orders topic ends with."""
        topic = self.settings.topics.work_orders
        with reader(self.settings, isolation_level="read_committed") as consumer:
            places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            found = [
                msgspec.json.decode(record.value, type=Order)
                for record in records_until(consumer, consumer.end_offsets(places))
            ]
        return {order.order_id: order for order in found}
