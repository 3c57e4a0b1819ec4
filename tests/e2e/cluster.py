"""A real cluster as child processes: gateway, workers, console; with Kafka and an order database from outside."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from connectors import kafka_cities, kafka_topics
from haulwatch.bootstrap import open_order_store
from haulwatch.bootstrap.console import PUBLISHER
from haulwatch.city import build_city, city_files, pack_city
from haulwatch.settings import ClusterSettings
from tests.e2e.api import Api, figures_of
from tests.e2e.children import STARTUP_S, Child, wait_until
from tests.servers import free_port

GATEWAY, CONSOLE = "gateway", "console"
PARTITIONS = 12
SETTLE_S = 120.0


class Cluster(Api):
    """Makes the topics and deploys `city`, then runs the processes; the topics are left to whoever gave the Kafka.

    Children are named `gateway`, `console`, `worker-1`, `worker-2`, …; `kill` and `restart` without a name mean all.
    """

    def __init__(
        self,
        city: Path,
        folder: Path,
        kafka: str,
        database: str,
        *,
        workers: int = 1,
        partitions: int = PARTITIONS,
        prefix: str | None = None,
        gateway: Sequence[str] = (),
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """`gateway` are further options of the gateway, `secrets` further variables of its environment."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.partitions = folder, partitions
        self.settings = ClusterSettings(
            kafka=kafka, topic_prefix=prefix or f"t{uuid.uuid4().hex[:12]}", database=database
        )
        self.topics = self.settings.topics
        kafka_topics.create(self.settings, partitions)
        self.deploy(city)
        self.children: dict[str, Child] = {}
        self.gateway = self._child(GATEWAY, GATEWAY, *gateway, **(secrets or {}))
        self.console = self.child = self._child(CONSOLE, CONSOLE)
        self.url, self.events_url = self.console.url, self.gateway.url
        self._workers = 0
        self.gateway.start()
        self.console.start()
        self.scale(workers)

    def deploy(self, city: Path) -> str:
        """Puts a city folder in force; returns its hash."""
        files = city_files(city)
        city_hash = build_city(files).city_hash
        kafka_cities.publish_city(self.settings, city_hash, pack_city(files))
        return city_hash

    def _child(self, name: str, verb: str, *more: str, **secrets: str) -> Child:
        address = f"127.0.0.1:{free_port()}"
        environment = {
            "HAULWATCH_KAFKA": self.settings.kafka,
            "HAULWATCH_TOPIC_PREFIX": self.settings.topic_prefix,
            "HAULWATCH_DATABASE": self.settings.database,
            **secrets,
        }
        child = Child(
            name, (verb, "--http", address, *more), f"http://{address}", self.folder / f"{name}.log", environment
        )
        self.children[name] = child
        return child

    def __enter__(self) -> Cluster:
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.children.values():
            if error is not None:
                sys.stderr.write(f"--- {child.name}, ended: {child.returncode}\n{child.tail()}\n")
        self.kill()

    @property
    def workers(self) -> list[Child]:
        """The workers that are wanted, by number."""
        return [self.children[f"worker-{number + 1}"] for number in range(self._workers)]

    @property
    def wanted(self) -> list[Child]:
        """Every process that ought to run."""
        return [self.gateway, self.console, *self.workers]

    def scale(self, workers: int) -> list[int]:
        """Starts workers, or asks the last ones to end, until there are so many; does not wait for new ones.

        Returns how those ended that were asked to.
        """
        codes: list[int] = []
        while self._workers > workers:
            child = self.children[f"worker-{self._workers}"]
            self._workers -= 1
            if child.running:
                codes.append(child.stop())
        while self._workers < workers:
            self._workers += 1
            name = f"worker-{self._workers}"
            child = self.children.get(name) or self._child(name, "worker")
            child.start()
        return codes

    def _named(self, name: str | None) -> Iterable[Child]:
        return self.wanted if name is None else (self.children[name],)

    def kill(self, name: str | None = None) -> None:
        """Takes one process, or all, away without a word of warning."""
        for child in self.children.values() if name is None else self._named(name):
            child.kill()

    def restart(self, name: str | None = None) -> None:
        """Starts one process, or all wanted ones, again; does not wait until it is ready."""
        for child in self._named(name):
            child.start()

    def stop(self) -> int:
        """Asks all to end; 0 when every one ended with 0."""
        return max(child.stop() for child in reversed(self.wanted))

    def wait_ready(self, timeout_s: float = STARTUP_S) -> None:
        """Returns when all say that they are ready."""
        for child in self.wanted:
            child.wait_ready(timeout_s)

    # -- how far it has come ------------------------------------------------------------------------------------------

    def ends(self, topic: str) -> dict[int, int]:
        """The end of each partition of a topic, as a reader of committed records sees it."""
        consumer = KafkaConsumer(bootstrap_servers=self.settings.brokers, isolation_level="read_committed")
        try:
            places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
            return {place.partition: end for place, end in consumer.end_offsets(places).items()}
        finally:
            consumer.close()

    def committed(self, topic: str) -> dict[int, int]:
        """The furthest offset that any group of ours has acknowledged, by partition."""
        admin = KafkaAdminClient(bootstrap_servers=self.settings.brokers)
        try:
            names = [group["group_id"] for group in admin.list_groups()]
            ours = [name for name in names if name.startswith(self.settings.topic_prefix)]
            found: dict[int, int] = {}
            for group in admin.list_group_offsets(dict.fromkeys(ours)).values():
                for place, offset in group.items():
                    if place.topic == topic:
                        found[place.partition] = max(found.get(place.partition, 0), offset.offset)
            return found
        finally:
            admin.close()

    def settle(self, timeout_s: float = SETTLE_S) -> None:
        """Everything that was taken in has become orders: what stands in the topics now is acknowledged by its reader.

        In the order of the data path: inlets, log, breaches, order changes.
        """
        for topic in (*self.topics.inlets, self.topics.observations):
            self._wait_read(topic, timeout_s)
        self.settle_breaches(timeout_s)

    def settle_breaches(self, timeout_s: float = SETTLE_S) -> None:
        """What the workers have said so far has become orders, and these have been told."""
        self._wait_read(self.topics.breaches, timeout_s)
        store = open_order_store(self.settings.database)
        try:
            outbox = store.outbox_reader(PUBLISHER)
            wait_until(lambda: outbox.position() >= store.last_change_id(), "all order changes told", timeout_s, 0.5)
        finally:
            store.close()

    def _wait_read(self, topic: str, timeout_s: float) -> None:
        ends = {number: end for number, end in self.ends(topic).items() if end > 0}

        def unread() -> dict[int, tuple[int, int]]:
            try:
                done = self.committed(topic)
            except KafkaError:  # a broker that has just come back may not know its groups yet
                done = {}
            return {n: (done.get(n, 0), end) for n, end in ends.items() if done.get(n, 0) < end}

        try:
            wait_until(lambda: not unread(), f"all of {topic} read", timeout_s, 0.5)
        except AssertionError as error:
            raise AssertionError(f"{error}; partition: (read, end) {unread()}") from error

    def figures(self, name: str) -> dict[str, float]:
        """What a process says on /metrics."""
        return figures_of(self.children[name].url)
