"""Places in Kafka's topics: what a consumer hands over is checked against them, for it may skip, repeat or stop.

Seen under rebalances with Faust 0.15.3: records dropped because a read offset of the time before was set after the
reset, and buffers of an assignment that had ended.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Collection
from contextlib import asynccontextmanager
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

RETRY_S = 1.0

log = logging.getLogger(__name__)


class Seek(Protocol):
    """Makes the consumer read a partition from an offset on."""

    def __call__(self, topic: str, number: int, offset: int) -> Awaitable[None]:
        """Moves it; raises nothing for a partition that is not assigned any more."""


class Places:
    """Whether a record is the next one, and reading again where it is not."""

    def __init__(self, connection: dict[str, Any], seek: Seek, counters: Counter[str]) -> None:
        self._connection = connection
        self._seek = seek
        self._counters = counters

    async def is_next(self, topic: str, number: int, expected: int, offset: int) -> bool:
        """Whether the topic itself has nothing from `expected` up to `offset`; else reads from `expected` again."""
        if offset == expected:
            return True
        fields = {"topic": topic, "partition": number, "from": expected, "to": offset}
        while True:
            try:
                first = await first_offset_from(self._connection, topic, number, expected)
                break
            except (KafkaError, OSError) as error:
                log.warning("a topic cannot be read", extra={"fields": {**fields, "error": repr(error)}})
                await asyncio.sleep(RETRY_S)
        if first == offset:
            log.info("the topic has no records here (retention, or markers)", extra={"fields": fields})
            self._counters["offsets_absent"] += offset - expected
            return True
        self._counters["reread"] += 1
        await self._seek(topic, number, expected)
        return False


async def first_offset_from(connection: dict[str, Any], topic: str, partition: int, offset: int) -> int | None:
    """The offset of the first record at or after `offset` that the broker has; None where there is none yet."""
    place = TopicPartition(topic, partition)
    async with reader(connection, auto_offset_reset="earliest", max_poll_records=1) as consumer:
        consumer.assign([place])
        consumer.seek(place, offset)
        end = (await consumer.end_offsets([place]))[place]
        while await consumer.position(place) < end:
            for records in (await consumer.getmany(place, timeout_ms=500, max_records=1)).values():
                for record in records:
                    return int(record.offset)
        return None


async def committed_offsets(
    connection: dict[str, Any], group: str, topic: str, numbers: Collection[int]
) -> dict[int, int | None]:
    """What the group has committed of a topic's partitions; waits while Kafka is away."""
    while True:
        try:
            async with reader(connection, group_id=group) as consumer:
                places = {number: TopicPartition(topic, number) for number in numbers}
                consumer.assign(list(places.values()))
                return {number: await consumer.committed(place) for number, place in places.items()}
        except (KafkaError, OSError) as error:
            log.warning("offsets cannot be read", extra={"fields": {"group": group, "error": repr(error)}})
            await asyncio.sleep(RETRY_S)


@asynccontextmanager
async def reader(connection: dict[str, Any], **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """A consumer that commits nothing by itself, for as long as the block lasts. Raises KafkaError."""
    consumer = AIOKafkaConsumer(**connection, enable_auto_commit=False, **options)
    await consumer.start()
    try:
        yield consumer
    finally:
        await consumer.stop()
