"""The dead letters of a cluster: read newest first or in their order, and which of them were sent again.

Letters have no key. A record with the key `retried` says which offsets of this topic were sent again; it is written
after they were. So a crash in between sends them once more, which the event ids make harmless, and loses none.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from msgspec import Struct

from connectors.kafka_client import reader, records_until
from connectors.kafka_topics import partitions_of
from haulwatch.domain.instants import rfc3339
from haulwatch.settings import ClusterSettings
from haulwatch.wire import DeadLetter, printable

RETRIED_KEY = b"retried"
CHUNK = 1_000
"""Offsets read at a time when looking backwards."""
UNREADABLE = "unreadable_letter"
_SOURCE = re.compile(r"kafka:(.+)/(\d+)")


class Letter(Struct, frozen=True, kw_only=True):
    """A letter with its place in the topic: `number` is its offset there, `at` when it was written."""

    number: int
    at: str
    code: str
    reason: str
    source: str
    raw: str
    line: int | None = None
    offset: int | None = None
    retried: bool = False


class Wanted(Struct, frozen=True):
    """Which letters: of these codes (none: all), from sources that begin like this, not before this instant."""

    codes: Sequence[str] = ()
    source: str = ""
    since_ms: int | None = None

    def takes(self, record: ConsumerRecord) -> bool:
        """Whether a record is a wanted letter, as far as its headers and time can say."""
        headers = dict(record.headers)
        if record.key is not None or (self.since_ms is not None and record.timestamp < self.since_ms):
            return False
        code, source = (headers.get(name, b"").decode("utf-8", "replace") for name in ("code", "source"))
        return (not self.codes or code in self.codes) and source.startswith(self.source)


class _Retried(Struct):
    retried: list[int]


@contextmanager
def letter_box(settings: ClusterSettings) -> Iterator[LetterBox]:
    """The letters of a cluster, for one piece of work. Raises WorldError, also where there is no such topic."""
    topic = settings.topics.dead_letters
    partitions_of(settings, topic)
    with reader(settings) as consumer:
        yield LetterBox(consumer, topic)


class LetterBox:
    """The dead-letters topic through a consumer that is this object's alone."""

    def __init__(self, consumer: KafkaConsumer, topic: str) -> None:
        self._consumer = consumer
        self._partition = TopicPartition(topic, 0)
        consumer.assign([self._partition])

    def newest(
        self, wanted: Wanted, limit: int, raw_characters: int | None, on_progress: Callable[[int], None]
    ) -> list[Letter]:
        """The newest wanted letters, oldest first; `raw` cut to so many characters. Raises KafkaError."""
        first, after = self._range(wanted)
        retried: set[int] = set()
        found: list[Letter] = []
        while after > first and len(found) < limit:
            start = max(first, after - CHUNK)
            records = []
            for record in self._read(start, after):
                retried |= retried_in(record)
                if wanted.takes(record):
                    records.append(letter_at(record, raw_characters))
            on_progress(after - start)
            found = records[-(limit - len(found)) :] + found
            after = start
        return [msgspec.structs.replace(letter, retried=letter.number in retried) for letter in found]

    def waiting(self, wanted: Wanted, on_progress: Callable[[int], None]) -> Iterator[Letter]:
        """Wanted letters that were not sent again yet, in their order. Raises KafkaError."""
        first, after = self._range(wanted)
        retried: set[int] = set()
        for count, record in enumerate(self._read(first, after), 1):
            retried |= retried_in(record)
            if count % CHUNK == 0:
                on_progress(CHUNK)
        for record in self._read(first, after):
            if record.offset not in retried and wanted.takes(record):
                yield letter_at(record, None)

    def _range(self, wanted: Wanted) -> tuple[int, int]:
        """From the first letter that can be wanted to the present end."""
        after = int(self._consumer.end_offsets([self._partition])[self._partition])
        if wanted.since_ms is None:
            return int(self._consumer.beginning_offsets([self._partition])[self._partition]), after
        found = self._consumer.offsets_for_times({self._partition: wanted.since_ms})[self._partition]
        return (after if found is None else int(found.offset)), after

    def _read(self, start: int, after: int) -> Iterator[ConsumerRecord]:
        self._consumer.seek(self._partition, start)
        return records_until(self._consumer, {self._partition: after})


def retried_in(record: ConsumerRecord) -> set[int]:
    """The letters of which a record says that they were sent again; none for a letter."""
    if record.key != RETRIED_KEY:
        return set()
    try:
        return set(msgspec.json.decode(record.value or b"", type=_Retried).retried)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return set()


def mark_retried(producer: KafkaProducer, topic: str, numbers: Sequence[int]) -> Any:
    """Notes that these letters were sent again; the answer is the producer's future."""
    return producer.send(topic, msgspec.json.encode(_Retried(list(numbers))), key=RETRIED_KEY, partition=0)


def letter_at(record: ConsumerRecord, raw_characters: int | None) -> Letter:
    """The letter in a record. One that is none (somebody else's record) is shown as it is."""
    value = record.value or b""
    try:
        letter = msgspec.json.decode(value, type=DeadLetter)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        reason = "这条死信本身无法读取 / this letter itself cannot be read"
        letter = DeadLetter(reason=reason, code=UNREADABLE, source="", raw=printable(value))
    return Letter(
        number=record.offset,
        at=rfc3339(record.timestamp),
        code=letter.code,
        reason=letter.reason,
        source=letter.source,
        raw=letter.raw[:raw_characters],
        line=letter.line,
        offset=letter.offset,
    )


def raw_bytes(raw: str) -> bytes:
    """The record as it came: `base64:…` is what was not UTF-8 (or too large as text)."""
    if raw.startswith("base64:"):
        try:
            return base64.b64decode(raw.removeprefix("base64:"), validate=True)
        except binascii.Error:
            pass  # a text that begins so
    return raw.encode()


def topic_of(source: str) -> tuple[str, int] | None:
    """Topic and partition from which a letter's record was read; None where it came otherwise."""
    match = _SOURCE.fullmatch(source)
    return (match[1], int(match[2])) if match else None
