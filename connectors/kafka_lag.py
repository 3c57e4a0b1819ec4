"""How a cluster's broker, consumer groups and partitions stand: read only, for those who look after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from msgspec import Struct

from connectors.kafka_client import admin_client, reader, records_until
from haulwatch.settings import ClusterSettings

SMALL_FETCH = 1 << 16
TAIL = 600
"""More than the records of one snapshot: looked through where the last offsets hold no record."""


class BrokerState(Struct, frozen=True):
    """The cluster that answered; `version` is the least that its first broker can be."""

    brokers: int
    cluster_id: str
    version: str


class GroupLag(Struct, frozen=True):
    """What a consumer group has yet to take: its members, records, and when the oldest of them was written (ms)."""

    members: int
    records: int
    oldest_ms: int | None


def broker_state(settings: ClusterSettings, connect_ms: int) -> BrokerState:
    """Who answers at the address. Raises WorldError."""
    with admin_client(settings, connect_ms) as admin:
        found = admin.describe_cluster()
        version = admin.get_broker_version_data(found["brokers"][0]["broker_id"]).broker_version
    return BrokerState(len(found["brokers"]), found["cluster_id"], ".".join(map(str, version)))


def group_lag(settings: ClusterSettings, group: str, topics: Sequence[str]) -> GroupLag:
    """How far a group is behind on these topics; what it has never acknowledged counts from the beginning.

    Raises WorldError.
    """
    with admin_client(settings) as admin:
        members = len(admin.describe_groups([group])[group]["members"])
        done = admin.list_group_offsets([group])[group]
    with reader(settings, max_partition_fetch_bytes=SMALL_FETCH) as consumer:
        places = _places(consumer, topics)
        begin, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        starts = {place: max(begin[place], done[place].offset if place in done else 0) for place in places}
        records = sum(max(0, end[place] - start) for place, start in starts.items())
        ages = [record.timestamp for record in _first_of(consumer, starts, end)]
    return GroupLag(members, records, min(ages, default=None))


def waiting_since_ms(settings: ClusterSettings, topic: str, nexts: Mapping[int, int]) -> dict[int, int]:
    """Of each partition with records at or after its offset in `nexts` (else all): when the first was written (ms).

    Raises WorldError.
    """
    with reader(settings, max_partition_fetch_bytes=SMALL_FETCH) as consumer:
        places = _places(consumer, [topic])
        begin, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        starts = {place: max(begin[place], nexts.get(place.partition, 0)) for place in places}
        return {record.partition: record.timestamp for record in _first_of(consumer, starts, end)}


def _places(consumer: KafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    """All partitions of the topics."""
    return [TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()]


def _first_of(
    consumer: KafkaConsumer, starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> Iterator[ConsumerRecord]:
    """The first record at or after each start; none where only marks of transactions are."""
    for place, start in starts.items():
        if start >= ends[place]:
            continue
        consumer.assign([place])
        consumer.seek(place, start)
        record = next(records_until(consumer, {place: ends[place]}), None)
        if record is not None:
            yield record


def newest_records(settings: ClusterSettings, topic: str, key: bytes | None = None) -> dict[int, ConsumerRecord]:
    """The last record of each partition that has one (with this key). Raises WorldError."""
    newest: dict[int, ConsumerRecord] = {}
    with reader(settings, isolation_level="read_committed") as consumer:
        places = _places(consumer, [topic])
        begin, end = consumer.beginning_offsets(places), consumer.end_offsets(places)
        for place in places:
            # The very last offset may be the mark that ends a transaction.
            for back in (2, TAIL):
                consumer.assign([place])
                consumer.seek(place, max(begin[place], end[place] - back))
                for record in records_until(consumer, {place: end[place]}):
                    if key is None or record.key == key:
                        newest[place.partition] = record
                if place.partition in newest or begin[place] >= end[place]:
                    break
    return newest
