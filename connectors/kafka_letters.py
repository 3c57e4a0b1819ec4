"""Dead letters of records that this process read from Kafka: durable before it goes on."""

from __future__ import annotations

from collections.abc import Sequence

from kafka.consumer.fetcher import ConsumerRecord

from connectors.kafka_client import short_producer
from haulwatch.domain.errors import DeviceError
from haulwatch.metrics import Counters
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MAX_LETTER_BYTES
from haulwatch.wire import DeadLetter, encode_dead_letter, printable

_ROOM = MAX_LETTER_BYTES - 4096
"""What a letter may take, beside the headers of its record."""
_REASON = 2_000


def letter_of(record: ConsumerRecord, error: DeviceError) -> DeadLetter:
    """The record as a dead letter."""
    return DeadLetter(
        reason=str(error)[:_REASON],
        code=error.code,
        source=f"kafka:{record.topic}/{record.partition}",
        raw=printable(record.value or b""),
        offset=record.offset,
    )


def count_letter(counters: Counters, topic: str, error: DeviceError) -> None:
    """Counts a record of `topic` that was kept aside."""
    counters.add("dead_letters_total", "Records kept aside by code", code=error.code, source=f"kafka:{topic}")


def write_letters(settings: ClusterSettings, letters: Sequence[DeadLetter]) -> None:
    """Returns when the broker has them all. Raises WorldError; then some of them may have been written."""
    if not letters:
        return
    with short_producer(settings) as producer:
        written = [
            producer.send(
                settings.topics.dead_letters,
                encode_dead_letter(letter, _ROOM),
                headers=[("code", letter.code.encode()), ("source", letter.source.encode())],
            )
            for letter in letters
        ]
        producer.flush(timeout=30)
        for future in written:
            future.get(timeout=30)
