"""Order changes to the work-orders topic, for other platforms: every change, in the order in which they were made.

Written at least once. Two guards keep an older state of an order from ever following a newer one: one console at a
time has the lease of the outbox's reader (the others wait for it), and all of them use the same transactional id, so
that Kafka refuses whatever a console that lost the lease has still on its way. The place in the outbox moves after the
broker has acknowledged. A reader sees a change again after a crash; of two copies of an order the one with the larger
`change_id` is newer.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import Change
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MIB

BATCH_CHANGES = 200
LEASE_MS = 15_000
RENEW_S = 4.0
LOOK_S = 0.5
RETRY_S = 1.0
ANSWER_S = 10.0
"""How long the broker may take for one batch; then another producer tries again."""
CLOSE_S = 2.0
STOP_S = 6.0
MAX_REQUEST = 2 * MIB

log = logging.getLogger(__name__)


class OrderOutbox(Protocol):
    """The changes and a place in them; see `haulwatch.dispatch.outbox.OutboxReader`. Every method raises WorldError."""

    def claim(self, holder: str, lease_ms: int) -> int | None: ...

    def changes(self, after: int, limit: int) -> Sequence[Change]: ...

    def advance(self, holder: str, change_id: int, lease_ms: int) -> bool: ...

    def release(self, holder: str) -> None: ...


class LeaseLost(Exception):  # noqa: N818  # what happened, not a fault
    """Another console publishes now."""


class OrderPublisher:
    """Publishes in a thread of its own for as long as this console holds the lease."""

    def __init__(
        self,
        settings: ClusterSettings,
        outbox: OrderOutbox,
        *,
        on_failure: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self._settings = settings
        self._outbox = outbox
        self.on_failure = on_failure
        self._holder = f"{socket.gethostname()[:40]}-{secrets.token_hex(8)}"
        self._place: int | None = None
        self._claim_at = 0.0
        self._stopping = threading.Event()
        self._news = threading.Event()
        self._trouble: Text | None = None
        self._thread = threading.Thread(target=self._run, name="order-publisher", daemon=True)
        self.counters = Counters()
        self.failure: BaseException | None = None

    # -- what others call ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins where the last publisher was."""
        self._thread.start()

    def notify(self) -> None:
        """There are new changes."""
        self._news.set()

    def finish(self) -> None:
        """Publishes no more batches. Does not wait."""
        self._stopping.set()
        self._news.set()

    def stop(self) -> None:
        """Ends the thread and gives up the lease, as far as that can be done at once."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while changes cannot be published."""
        if self.failure is not None:
            raise WorldError(Text(f"工单已停止外发：{self.failure}", f"orders are not published: {self.failure}"))
        if self._trouble is not None:
            raise WorldError(self._trouble, retryable=True)

    @property
    def publishes(self) -> bool:
        """Whether this console is the one that publishes."""
        return self._place is not None

    def samples(self) -> list[Sample]:
        """Counts, and whether it is this console that publishes."""
        return [
            Sample("orders_publisher", "Whether this console publishes the order changes", int(self.publishes)),
            *self.counters.samples(),
        ]

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    # A loop of its own for each producer: with it goes all that a failed one has still to do.
                    asyncio.run(self._session())
                except LeaseLost:
                    self._place = None
                    self._trouble = None
                    self._stopping.wait(RETRY_S)
                except (WorldError, KafkaError, OSError, TimeoutError) as error:
                    self._say(error)
                    self._claim_at = 0.0
                    self._stopping.wait(RETRY_S)
            self._release()
        except BaseException as error:
            self.failure = error
            self.on_failure(error)
            raise

    async def _session(self) -> None:
        """Publishes with one producer until there is an error or an end."""
        producer: AIOKafkaProducer | None = None
        try:
            while not self._stopping.is_set():
                place = self._hold()
                changes = self._outbox.changes(place, BATCH_CHANGES)
                if not changes:
                    self._trouble = None
                    await asyncio.to_thread(self._news.wait, LOOK_S)
                    self._news.clear()
                elif producer is None:
                    producer = await self._connected()
                    # From here on nobody else can write. What was written until now shows in the place.
                    self._claim_at = 0.0
                else:
                    await asyncio.wait_for(self._write(producer, changes), ANSWER_S)
                    self._advance(changes)
        finally:
            if producer is not None:
                with contextlib.suppress(KafkaError, OSError, TimeoutError):
                    await asyncio.wait_for(producer.stop(), CLOSE_S)

    def _hold(self) -> int:
        """The place from which to go on, under a lease that was taken or prolonged when that was due."""
        if self._place is None or time.monotonic() >= self._claim_at:
            place = self._outbox.claim(self._holder, LEASE_MS)
            if place is None:
                raise LeaseLost
            if self._place is None:
                log.info("publishes the order changes", extra={"fields": {"after": place}})
            self._place = place
            self._claim_at = time.monotonic() + RENEW_S
        return self._place

    def _advance(self, changes: Sequence[Change]) -> None:
        place = changes[-1].change_id
        if not self._outbox.advance(self._holder, place, LEASE_MS):
            raise LeaseLost
        self._place = place
        self._claim_at = time.monotonic() + RENEW_S
        self._trouble = None
        self.counters.add("orders_published_total", "Order changes written to Kafka", len(changes))

    async def _connected(self) -> AIOKafkaProducer:
        """A producer whose start has put an end to every other of the same transactional id."""
        producer = AIOKafkaProducer(
            **connection(self._settings),
            transactional_id=f"{self._settings.topics.work_orders}-publisher",
            max_request_size=MAX_REQUEST,
            request_timeout_ms=round(ANSWER_S * 1000),
        )
        try:
            await asyncio.wait_for(producer.start(), ANSWER_S)
        except BaseException:
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(producer.stop(), CLOSE_S)
            raise
        return producer

    async def _write(self, producer: AIOKafkaProducer, changes: Sequence[Change]) -> None:
        # No abort on the way out: after an error the next producer's start aborts what this one began.
        await producer.begin_transaction()
        for change in changes:
            await producer.send(
                self._settings.topics.work_orders,
                msgspec.json.encode(change.order),
                key=change.order.order_id.encode(),
                headers=[("kind", change.kind.encode())],
            )
        await producer.commit_transaction()

    def _say(self, error: BaseException) -> None:
        reason = str(error) or type(error).__name__
        self._trouble = Text(f"工单变更未外发：{reason}", f"order changes are not published: {reason}")
        self.counters.add("orders_publish_failures_total", "Times that order changes could not be published")
        log.warning("order changes are not published", extra={"fields": {"error": repr(error)}})

    def _release(self) -> None:
        if self._place is None:
            return
        self._place = None
        try:
            self._outbox.release(self._holder)
        except WorldError as error:
            log.warning("the lease ends by itself", extra={"fields": {"error": str(error)}})


def connection(settings: ClusterSettings) -> dict[str, Any]:
    """Keyword arguments with which aiokafka's clients reach the Kafka of the settings."""
    options: dict[str, Any] = {
        "bootstrap_servers": settings.brokers,
        "client_id": "haulwatch",
        "security_protocol": settings.kafka_security,
    }
    if settings.kafka_security.endswith("SSL"):
        cafile = None if settings.kafka_ca_file is None else str(settings.kafka_ca_file)
        options["ssl_context"] = ssl.create_default_context(cafile=cafile)
    if settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password,
        }
    return options
