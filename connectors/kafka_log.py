"""The observations log as it stands: every record of every partition, once, up to where it ended at the start."""

from __future__ import annotations

from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition

from connectors.kafka_client import records_until


class LogSource:
    """Reads the log through a consumer that is this object's alone."""

    def __init__(self, consumer: KafkaConsumer, topic: str, partitions: int) -> None:
        self._consumer = consumer
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._ends = consumer.end_offsets(self._places)

    def records(self, number: int) -> Iterator[tuple[bytes | None, int, int]]:
        """Value, broker's time (ms) and offset of each record of a partition, in order. Raises KafkaError."""
        place = self._places[number]
        self._consumer.assign([place])
        self._consumer.seek_to_beginning(place)
        for record in records_until(self._consumer, {place: self._ends[place]}):
            yield record.value, record.timestamp, record.offset
