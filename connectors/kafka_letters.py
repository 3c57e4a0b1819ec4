"""Dead letters of records that this process read from Kafka: durable before it goes on."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from connectors.kafka_client import short_producer
from haulwatch.domain.errors import DeviceError
from haulwatch.metrics import Counters
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MAX_LETTER_BYTES
from haulwatch.wire import DeadLetter, printable

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


def letter_value(letter: DeadLetter) -> bytes:
    """The letter as a record's value. What is too large for the topic even as Base64 is cut, and says so."""
    value = msgspec.json.encode(letter)
    if len(value) > _ROOM and not letter.raw.startswith("base64:"):
        # Control characters take six bytes each in JSON; Base64 is never more than a third longer than what came.
        raw = "base64:" + base64.b64encode(letter.raw.encode()).decode()
        value = msgspec.json.encode(msgspec.structs.replace(letter, raw=raw))
    if len(value) > _ROOM:
        raw = "base64:" + base64.b64encode(letter.raw.encode()[: _ROOM // 2]).decode()
        reason = f"{letter.reason}（原文过大，仅保留开头 / too large, only its beginning is kept）"
        value = msgspec.json.encode(msgspec.structs.replace(letter, raw=raw, reason=reason))
    return value


def write_letters(settings: ClusterSettings, letters: Sequence[DeadLetter]) -> None:
    """Returns when the broker has them all. Raises WorldError; then some of them may have been written."""
    if not letters:
        return
    with short_producer(settings) as producer:
        written = [
            producer.send(
                settings.topics.dead_letters,
                letter_value(letter),
                headers=[("code", letter.code.encode()), ("source", letter.source.encode())],
            )
            for letter in letters
        ]
        producer.flush(timeout=30)
        for future in written:
            future.get(timeout=30)
