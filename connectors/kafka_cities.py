"""Cities in Kafka: how one is put in force, and how every process has the one in force at hand.

The cities topic holds each packed city under its hash and two small records: `active` names the city in force,
`deploying` the one that is being put in force. A deployment writes the city, `deploying`, an activation into every
partition of the log, and `active` last. So one that broke off is seen (the two differ) and completed by running it
again; what is in force in a partition is decided by the log alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from msgspec import Struct

from connectors.kafka_client import POLL_MS, open_reader, reaching, reader, records_until, short_producer
from connectors.kafka_topics import partitions_of
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import CityActivated, Instant
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.topics import ACTIVE_CITY_KEY, MAX_LETTER_BYTES
from haulwatch.wire import encode_event

DEPLOYING_KEY = b"deploying"
MARKERS = (ACTIVE_CITY_KEY, DEPLOYING_KEY)
DEPLOYMENT_MS = 60_000
"""A deployment takes seconds; one that began within this and has not ended may still be at work."""
MAX_CITY_BYTES = MAX_LETTER_BYTES - 1024
"""Of a packed city: what the topic takes, less what a record adds."""
AHEAD_MS = 60_000
"""Readers of the log take nothing that is further ahead of the broker's clock."""
SEND_S = 40.0
CITIES_KEPT = 4
"""Packed cities kept in memory; an older one is fetched when the log asks for it."""


class Marker(Struct, frozen=True):
    """The value of `active` and `deploying`."""

    city_hash: str
    at: Instant


class Deployment(Struct, frozen=True):
    """What `publish_city` did: `changed` is False where the city was in force already, in every partition."""

    changed: bool
    partitions: int


class Register:
    """What the cities topic says, record by record."""

    def __init__(self) -> None:
        self.active: str | None = None
        self.deploying: str | None = None
        self.began_ms = 0
        self.offsets: dict[str, int] = {}

    def take(self, record: ConsumerRecord) -> None:
        """The next record of the topic. One that is not ours is passed over."""
        key, value = record.key, record.value
        if key is None or value is None:
            return
        if key not in MARKERS:
            self.offsets[key.decode("utf-8", "replace")] = record.offset
            return
        try:
            city_hash = msgspec.json.decode(value, type=Marker).city_hash
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return
        if key == ACTIVE_CITY_KEY:
            self.active = city_hash
        else:
            self.deploying, self.began_ms = city_hash, record.timestamp

    @property
    def finished(self) -> bool:
        """Whether no deployment is under way or has broken off."""
        return self.deploying in (None, self.active)


def read_register(settings: ClusterSettings) -> Register:
    """What the cities topic says now. Raises WorldError."""
    register = Register()
    partitions_of(settings, settings.topics.cities)
    with reader(settings) as consumer:
        _assign(consumer, settings.topics.cities)
        _catch_up(consumer, settings.topics.cities, register.take)
    return register


def publish_city(settings: ClusterSettings, city_hash: str, packed: bytes) -> Deployment:
    """Puts a city in force in every partition of the log; returns when the broker has all of it.

    May be repeated at any time, also after it broke off. Raises WorldError; also while another city is being deployed.
    """
    if len(packed) > MAX_CITY_BYTES:
        raise _too_large(len(packed))
    topics = settings.topics
    partitions = partitions_of(settings, topics.observations)
    with reader(settings) as consumer, short_producer(settings) as producer:
        register = Register()
        _assign(consumer, topics.cities)
        _catch_up(consumer, topics.cities, register.take)
        if register.active == city_hash and register.finished:
            return Deployment(False, partitions)
        now_ms = time.time_ns() // 1_000_000
        _refuse_another(register, city_hash, now_ms)
        if city_hash not in register.offsets:
            _wait([producer.send(topics.cities, packed, key=city_hash.encode())])
        marker = msgspec.json.encode(Marker(city_hash, to_datetime(now_ms)))
        _wait([producer.send(topics.cities, marker, key=DEPLOYING_KEY)])
        _refuse_a_rival(consumer, topics.cities, city_hash)
        _activate(producer, topics.observations, partitions, city_hash, now_ms)
        _wait([producer.send(topics.cities, marker, key=ACTIVE_CITY_KEY)])
    return Deployment(True, partitions)


def _refuse_a_rival(consumer: KafkaConsumer, topic: str, city_hash: str) -> None:
    """When two began at the same moment, the first in the topic goes on and the other stops."""
    began: list[str | None] = []
    register = Register()

    def take(record: ConsumerRecord) -> None:
        register.take(record)
        if record.key == DEPLOYING_KEY:
            began.append(register.deploying)

    _catch_up(consumer, topic, take)
    if began and began[0] != city_hash:
        raise _busy(began[0])


def _refuse_another(register: Register, city_hash: str, now_ms: int) -> None:
    """Two cities at once could end up in different orders in different partitions."""
    if not register.finished and register.deploying != city_hash and now_ms - register.began_ms < DEPLOYMENT_MS:
        raise _busy(register.deploying)


def _busy(city_hash: str | None) -> WorldError:
    seconds = DEPLOYMENT_MS // 1000
    return WorldError(
        Text(
            f"另一个城市（{city_hash}）正在部署，请在 {seconds} 秒后重试",
            f"another city ({city_hash}) is being deployed; try again in {seconds} s",
        ),
        retryable=True,
    )


def _too_large(size: int) -> WorldError:
    return WorldError(
        Text(
            f"打包后的城市有 {size} 字节，上限 {MAX_CITY_BYTES}",
            f"the packed city has {size} bytes; at most {MAX_CITY_BYTES} are taken",
        )
    )


def _activate(producer: KafkaProducer, topic: str, partitions: int, city_hash: str, now_ms: int) -> None:
    now = to_datetime(now_ms)
    value = encode_event(CityActivated(at=now, received_at=now, city_hash=city_hash))
    sent = _wait([producer.send(topic, b"[" + value + b"]", partition=number) for number in range(partitions)])
    ahead_ms = now_ms - min(sent)
    if ahead_ms > AHEAD_MS:
        ahead = timedelta(milliseconds=ahead_ms)
        raise WorldError(
            Text(
                f"本机时钟比 Kafka 快 {ahead}：激活记录不会被采用。请校时后重新部署",
                f"this machine's clock is {ahead} ahead of Kafka's: the activation is not taken; set it, deploy again",
            )
        )


def _wait(futures: list[Any]) -> list[int]:
    """Until the broker has the records: its timestamps of them (ms)."""
    return [int(future.get(timeout=SEND_S).timestamp) for future in futures]


def _assign(consumer: KafkaConsumer, topic: str) -> None:
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    consumer.seek_to_beginning(partition)


def _catch_up(consumer: KafkaConsumer, topic: str, take: Callable[[ConsumerRecord], None]) -> None:
    """Reads on to what is now the end of the topic."""
    for record in records_until(consumer, consumer.end_offsets([TopicPartition(topic, 0)])):
        take(record)


class CityShelf:
    """The city in force and every other that was deployed, kept up to date by a thread of its own.

    `on_change` is called by that thread with the hash of each city that is put in force after `start`.
    """

    def __init__(self, settings: ClusterSettings, on_change: Callable[[str], None] = lambda _hash: None) -> None:
        self.on_change = on_change
        self._settings = settings
        self._topic = settings.topics.cities
        self._register = Register()
        self._kept: dict[str, bytes] = {}
        self._news = threading.Condition()
        self._stopping = False
        self._consumer: KafkaConsumer | None = None
        self._thread = threading.Thread(target=self._follow, name="city-shelf", daemon=True)

    def start(self) -> None:
        """Reads all that is there, then follows. Raises WorldError when Kafka or the topic is not there."""
        partitions_of(self._settings, self._topic)
        self._consumer = open_reader(self._settings)
        with reaching(self._settings):
            _assign(self._consumer, self._topic)
            _catch_up(self._consumer, self._topic, self._take)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join()
        if self._consumer is not None:
            self._consumer.close(autocommit=False)

    def active(self) -> tuple[str, bytes] | None:
        """The city in force, its hash and its pack; None before the first deployment. Raises WorldError."""
        city_hash = self._register.active
        if city_hash is None:
            return None
        packed = self.city(city_hash)
        return None if packed is None else (city_hash, packed)

    def city(self, city_hash: str, timeout_s: float = 0.0) -> bytes | None:
        """The pack of a city, waiting up to `timeout_s` for it to come. Raises WorldError while Kafka is away.

        None means that the topic does not hold it, not that this shelf has not seen it: readers of the log drop what
        names a city that does not exist.
        """
        with self._news:
            self._news.wait_for(lambda: city_hash in self._register.offsets or self._stopping, timeout_s)
            packed = self._kept.get(city_hash)
            offset = self._register.offsets.get(city_hash)
        return packed if packed is not None else self._fetched(city_hash, offset)

    def _fetched(self, city_hash: str, offset: int | None) -> bytes | None:
        """One that is no longer kept, from its place in the topic or behind it, or from anywhere."""
        partition = TopicPartition(self._topic, 0)
        key = city_hash.encode()
        with reader(self._settings) as consumer:
            consumer.assign([partition])
            if offset is None:
                consumer.seek_to_beginning(partition)
            else:
                consumer.seek(partition, offset)
            for record in records_until(consumer, consumer.end_offsets([partition])):
                if record.key == key and record.value is not None:
                    with self._news:
                        self._keep(city_hash, record.value)
                    return bytes(record.value)
        return None

    def _take(self, record: ConsumerRecord) -> None:
        with self._news:
            self._register.take(record)
            if record.key is not None and record.value is not None and record.key not in MARKERS:
                self._keep(record.key.decode("utf-8", "replace"), record.value)
            self._news.notify_all()

    def _keep(self, city_hash: str, packed: bytes) -> None:
        """The newest few, and always the one in force."""
        self._kept.pop(city_hash, None)
        self._kept[city_hash] = packed
        for old in list(self._kept)[: max(len(self._kept) - CITIES_KEPT, 0)]:
            if old != self._register.active:
                del self._kept[old]

    def _follow(self) -> None:
        assert self._consumer is not None
        partition = TopicPartition(self._topic, 0)
        while not self._stopping:
            before = self._register.active
            try:
                records = self._consumer.poll(POLL_MS).get(partition, ())
            except KafkaError:
                # The broker is away: what is known stays in force, the client looks for it by itself.
                time.sleep(POLL_MS / 1000)
                continue
            for record in records:
                self._take(record)
            after = self._register.active
            if after is not None and after != before:
                self.on_change(after)
