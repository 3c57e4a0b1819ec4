"""What a test of the console's Kafka clients writes to topics and reads from them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec
from kafka import KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.structs import TopicPartition

from connectors.kafka_client import reader, records_until
from haulwatch.settings import ClusterSettings


def write(producer: KafkaProducer, topic: str, *records: tuple[str | None, Any], **more: Any) -> None:
    """Writes records, each a key and a value (bytes as they are, anything else as JSON); returns when all are there."""
    sent = [
        producer.send(
            topic,
            value if value is None or isinstance(value, bytes) else msgspec.json.encode(value),
            key=None if key is None else key.encode(),
            **more,
        )
        for key, value in records
    ]
    for future in sent:
        future.get(timeout=30)


def everything(settings: ClusterSettings, topic: str) -> list[ConsumerRecord]:
    """All records that are in a topic now, partition by partition in their order."""
    with reader(settings, isolation_level="read_committed") as consumer:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found = list(records_until(consumer, consumer.end_offsets(places)))
    return sorted(found, key=lambda record: (record.partition, record.offset))


def committed(settings: ClusterSettings, topic: str, group: str) -> int:
    """How many records of a topic the group has committed, all partitions together."""
    with reader(settings, group_id=group) as consumer:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic)]
        return sum(consumer.committed(place) or 0 for place in places)


def until(what: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Returns when `what` is true. Fails when it is not in time."""
    deadline = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)  # looking at a real system; the deadline above bounds it
