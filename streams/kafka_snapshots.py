"""Snapshots of partitions in a compacted Kafka topic: written in one transaction each, by one writer at a time.

A transaction makes the parts of a snapshot and the offset they stand for one thing: a reader sees all of it or the one
before. The transactional id of a partition belongs to whoever claimed it last; an earlier owner that was thought dead
and still writes is refused by the broker (fenced), so that two workers can never mix their parts.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import msgspec
import zstandard
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError
from msgspec import Struct

from streams.kafka_places import reader
from streams.partition_host import Saved
from streams.snapshots import Changes

HEAD_KEY = b"head"
MAX_PART_BYTES = 8 << 20
CONNECT_S = 60.0
SAVE_S = 90.0
TRANSACTION_MS = 60_000

log = logging.getLogger(__name__)


class Mark(Struct, array_like=True):
    """The head record: how far the state goes, and the head of its parts."""

    next_offset: int
    ticked: bool
    head: bytes


_encode = msgspec.msgpack.Encoder().encode
_mark_decoder = msgspec.msgpack.Decoder(Mark)


class SnapshotError(Exception):
    """The claim is lost or in doubt: claim again, and write the whole state again."""


class SnapshotClaim:
    """The right to write one partition's snapshots, until somebody else claims it."""

    def __init__(self, connection: dict[str, Any], topic: str, partition: int, producer: AIOKafkaProducer) -> None:
        self._connection = connection
        self._topic = topic
        self._partition = partition
        self._producer = producer

    @classmethod
    async def take(cls, connection: dict[str, Any], topic: str, partition: int) -> SnapshotClaim:
        """Claims the partition; ends what an earlier owner left unfinished. Raises KafkaError, TimeoutError."""
        producer = AIOKafkaProducer(
            **connection,
            transactional_id=f"{topic}-{partition}",
            transaction_timeout_ms=TRANSACTION_MS,
            max_request_size=MAX_PART_BYTES,
            max_batch_size=1 << 20,
        )
        try:
            await asyncio.wait_for(producer.start(), CONNECT_S)
        except BaseException:
            await _close(producer)
            raise
        return cls(connection, topic, partition, producer)

    async def read(self) -> Saved | None:
        """The last whole snapshot; None when there is none. Raises KafkaError, and ValueError for damaged bytes."""
        latest = await read_latest(self._connection, self._topic, self._partition)
        raw = latest.pop(HEAD_KEY, None)
        if raw is None:
            return None
        try:
            mark = _mark_decoder.decode(raw)
            unpack = zstandard.ZstdDecompressor().decompress
            buckets = [unpack(part, max_output_size=1 << 30) for part in latest.values()]
        except (msgspec.MsgspecError, zstandard.ZstdError) as error:
            raise ValueError(f"damaged snapshot: {error}") from error
        return Saved(mark.next_offset, mark.ticked, mark.head, buckets)

    async def save(self, next_offset: int, ticked: bool, changes: Changes) -> int:
        """Writes the changed parts and the offset they stand for; returns bytes written. Raises SnapshotError."""
        pack = zstandard.ZstdCompressor(level=1).compress
        records = [(f"b{bucket:03}".encode(), pack(states)) for bucket, states in sorted(changes.buckets.items())]
        records.append((HEAD_KEY, _encode(Mark(next_offset, ticked, changes.head))))
        try:
            await asyncio.wait_for(self._write(records), SAVE_S)
        except (KafkaError, TimeoutError, AssertionError) as error:
            raise SnapshotError(repr(error)) from error
        return sum(len(value) for _key, value in records)

    async def _write(self, records: list[tuple[bytes, bytes]]) -> None:
        async with self._producer.transaction():
            written = [
                await self._producer.send(self._topic, value, key=key, partition=self._partition)
                for key, value in records
            ]
            await asyncio.gather(*written)

    async def close(self) -> None:
        """Lets go; the claim stays with its last owner until another takes it."""
        await _close(self._producer)


async def read_latest(connection: dict[str, Any], topic: str, partition: int) -> dict[bytes, bytes]:
    """The newest committed value of every key of a compacted topic's partition, up to its present end."""
    place = TopicPartition(topic, partition)
    options = {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}
    async with reader(connection, max_partition_fetch_bytes=MAX_PART_BYTES, **options) as consumer:
        consumer.assign([place])
        await consumer.seek_to_beginning(place)
        end = (await consumer.end_offsets([place]))[place]
        latest: dict[bytes, bytes] = {}
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(place, timeout_ms=500)).values():
                for record in records:
                    if record.key is not None and record.value is not None:
                        latest[record.key] = record.value
        return latest


async def _close(producer: AIOKafkaProducer) -> None:
    try:
        await asyncio.wait_for(producer.stop(), 5.0)
    except (TimeoutError, KafkaError, asyncio.CancelledError) as error:
        log.debug("a snapshot producer did not close in order", extra={"fields": {"error": repr(error)}})
