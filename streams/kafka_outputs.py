"""What a worker writes to Kafka: kept until the broker has it, in order, across any failure of producer or broker."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError
from msgspec import Struct

MAX_UNACKNOWLEDGED = 5_000
"""Records that may wait for the broker; more make the worker wait."""
RETRY_S = 1.0

log = logging.getLogger(__name__)

Headers = tuple[tuple[str, bytes], ...]


class Outgoing(Struct, frozen=True):
    """One record to be written."""

    topic: str
    value: bytes
    key: bytes | None = None
    partition: int | None = None
    headers: Headers = ()


class Outputs:
    """Writes records; `send` answers with a future that is done when the broker has the record.

    When the producer fails for good, another one takes its place and everything that is not acknowledged is written
    again in its order: readers see some records twice, none missing and none overtaken by a later one.
    """

    def __init__(self, connection: dict[str, Any], max_record_bytes: int) -> None:
        self._connection = connection
        self._max_record_bytes = max_record_bytes
        self._producer: AIOKafkaProducer | None = None
        self._unacknowledged: dict[int, tuple[Outgoing, asyncio.Future[None]]] = {}
        self._number = 0
        self._lock = asyncio.Lock()
        self._mending: asyncio.Task[None] | None = None
        self._stopping = False
        self.counters: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Records that the broker has not acknowledged."""
        return len(self._unacknowledged)

    async def start(self) -> None:
        """Connects. Raises KafkaError when no broker answers."""
        producer = await self._connected()
        async with self._lock:
            await self._begin_with(producer)

    async def _begin_with(self, producer: AIOKafkaProducer) -> None:
        """Puts a producer in use; what waits for one is written first, in its order."""
        self._producer = producer
        for number, (record, _done) in sorted(self._unacknowledged.items()):
            if self._producer is not producer:
                return  # failed again; the next one begins anew
            await self._hand_over(number, record)

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **self._connection,
            enable_idempotence=True,
            acks="all",
            linger_ms=5,
            max_batch_size=1 << 18,
            max_request_size=self._max_record_bytes,
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        """Waits a moment for what is on its way, then lets go."""
        self._stopping = True
        if self._mending is not None:
            self._mending.cancel()
        if self._producer is not None:
            await _within(self._producer.stop(), 10.0)

    async def send(self, record: Outgoing) -> asyncio.Future[None]:
        """Writes `record` after all before it; waits while too much is unacknowledged."""
        while len(self._unacknowledged) >= MAX_UNACKNOWLEDGED:
            await next(iter(self._unacknowledged.values()))[1]
        async with self._lock:
            number = self._number = self._number + 1
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._unacknowledged[number] = (record, done)
            await self._hand_over(number, record)
        return done

    async def _hand_over(self, number: int, record: Outgoing) -> None:
        producer = self._producer
        if producer is None:
            return  # being mended: it will be written then
        try:
            delivery = await producer.send(
                record.topic, record.value, key=record.key, partition=record.partition, headers=list(record.headers)
            )
        except (KafkaError, AssertionError) as error:
            self._failed(number, error, producer)
            return
        delivery.add_done_callback(lambda future: self._delivered(number, future, producer))

    def _delivered(self, number: int, delivery: asyncio.Future[Any], producer: AIOKafkaProducer) -> None:
        if delivery.cancelled():
            self._failed(number, KafkaError("cancelled"), producer)
            return
        error = delivery.exception()
        if error is not None:
            self._failed(number, error, producer)
            return
        self._finish(number)

    def _finish(self, number: int) -> None:
        entry = self._unacknowledged.pop(number, None)
        if entry is not None and not entry[1].done():
            entry[1].set_result(None)

    def _failed(self, number: int, error: BaseException, producer: AIOKafkaProducer) -> None:
        if self._stopping or number not in self._unacknowledged:
            return
        record = self._unacknowledged[number][0]
        if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError):
            # No repetition makes it smaller. Nothing of ours should ever be this large.
            log.error(
                "a record is too large for its topic",
                extra={"fields": {"topic": record.topic, "bytes": len(record.value)}},
            )
            self.counters["too_large"] += 1
            self._finish(number)
            return
        if self._producer is producer:
            log.warning(
                "the producer failed and is replaced", extra={"fields": {"topic": record.topic, "error": repr(error)}}
            )
            self.counters["producer_replaced"] += 1
            self._producer = None
            self._mending = asyncio.get_running_loop().create_task(self._mend(producer))

    async def _mend(self, failed: AIOKafkaProducer) -> None:
        await _within(failed.stop(), 5.0)
        while not self._stopping:
            try:
                producer = await self._connected()
                break
            except (KafkaError, OSError) as error:
                log.warning("no broker answers", extra={"fields": {"error": repr(error)}})
                await asyncio.sleep(RETRY_S)
        else:
            return
        async with self._lock:
            await self._begin_with(producer)


async def _within(what: Any, seconds: float) -> None:
    """Awaits a clean-up that a missing broker may keep from ending."""
    try:
        await asyncio.wait_for(what, seconds)
    except (TimeoutError, KafkaError, asyncio.CancelledError) as error:
        log.warning("a client did not close in order", extra={"fields": {"error": repr(error)}})
