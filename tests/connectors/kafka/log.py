"""What is in the topics of a test's cluster."""

from __future__ import annotations

from typing import Any

from kafka import TopicPartition

from connectors.kafka_client import reader, records_until
from connectors.kafka_topics import partitions_of
from haulwatch.domain.events import CityActivated, Tick
from haulwatch.settings import ClusterSettings
from haulwatch.wire import decode_events


def records(settings: ClusterSettings, topic: str) -> list[Any]:
    """All records of a topic; those of one partition in order."""
    places = [TopicPartition(topic, number) for number in range(partitions_of(settings, topic))]
    with reader(settings) as consumer:
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        return list(records_until(consumer, consumer.end_offsets(places)))


def logged(settings: ClusterSettings) -> list[tuple[int, str, str]]:
    """Partition, truck and id of every observation in the log; those of one partition in order."""
    found: list[tuple[int, str, str]] = []
    for record in records(settings, settings.topics.observations):
        events, bad = decode_events(record.value)
        assert bad == []
        found += [
            (record.partition, event.truck_id, event.event_id)
            for event in events
            if not isinstance(event, Tick | CityActivated)
        ]
    return found
