"""Events into the observations log on Kafka: packed into few records, answered only when the broker has them.

One thread packs and sends; kafka-python's own thread says what was acknowledged. How long a submission may wait is
decided here, not by the client: after one failed delivery an idempotent producer of kafka-python 3.0.12 has no producer
id, asks for no other, and neither sends nor fails what it is given next (measured). So every failure retires the
producer with all that it holds: its submissions fail, their senders send again (a copy that is written nevertheless is
harmless), and a new one is made when the broker answers.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError

from connectors.kafka_client import client_options, connected
from connectors.kafka_packing import Packer, Record, Ticket, letter_record, parts_of
from haulwatch import logs
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Histogram, Sample
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MAX_LETTER_BYTES, MIB
from haulwatch.wire import DeadLetter

LINGER_MS = 50
ACK_TIMEOUT_S = 10.0
STALL_S = 3.0
"""A broker that has not acknowledged what was submitted so long ago is away, as far as new submissions go."""
MAX_EVENTS = 50_000
MAX_BYTES = 64 * MIB
DRAIN_S = 8.0

BATCH_BYTES = 512 * 1024
BOOTSTRAP_S = 5.0
METADATA_S = 2.0
RETRY_S = 0.5
SEND_AGAIN_S = 0.1
CLOSE_S = 2.0
LATENCY_BOUNDS_S = (0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

log = logging.getLogger(__name__)


class PackingProducer:
    """Takes submissions from many threads; at most `max_events` and `max_bytes` of them are unacknowledged.

    Connects when it is made. Raises WorldError where no broker answers, a topic is missing, or the log has another
    number of partitions than `partitions`.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        partitions: int,
        *,
        linger_ms: int = LINGER_MS,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        stall_s: float = STALL_S,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._settings, self._topics = settings, settings.topics
        self.partitions = partitions
        self._ack_timeout_s, self._stall_s = ack_timeout_s, stall_s
        self._max_events, self._max_bytes = max_events, max_bytes
        self.counters = Counters()
        self._latency = Histogram("gateway_ack_seconds", "Time until the broker acknowledged", LATENCY_BOUNDS_S)
        self.on_failure: Callable[[BaseException], None] = lambda _error: None
        self.failure: BaseException | None = None
        self._changed = threading.Condition()
        # From here on, under the condition's lock.
        self._packer = Packer(self._topics.observations, linger_ms / 1000)
        self._waiting: OrderedDict[int, Ticket] = OrderedDict()
        self._events = self._bytes = 0
        self._generation = 0
        self._broken: BaseException | None = None
        self._trouble: Text | None = None
        self._away_since_s: float | None = None
        self._away_s = 0.0
        self._closing = False
        # The packing thread's own.
        self._unsent: deque[Record] = deque()
        self._producer: KafkaProducer | None = self._connected()
        self._thread = threading.Thread(target=self._run, name="kafka-packer", daemon=True)
        self._thread.start()

    # -- what others call ---------------------------------------------------------------------------------------------

    def submit(
        self, events: Sequence[Event], trace: str | None = None, letters: Sequence[DeadLetter] = ()
    ) -> Future[int]:
        """How many events were written: known once the broker has every record that holds one, and every letter.

        `trace` is a `traceparent`. Raises Busy, or WorldError while the broker is away or this is closing; then nothing
        was taken. The future fails with a retryable WorldError when the broker does not acknowledge in time.
        """
        now = time.monotonic()
        ticket = Ticket((trace or logs.traceparent()).encode(), len(events), now, now + self._ack_timeout_s)
        ticket.answer.set_running_or_notify_cancel()
        parts = parts_of(events, self.partitions, ticket)
        kept = [letter_record(self._topics.dead_letters, letter, ticket) for letter in letters]
        ticket.parts_left = len(parts) + len(kept)
        if not ticket.parts_left:
            ticket.answer.set_result(0)
            return ticket.answer
        count = len(events) + len(letters)
        size = sum(len(part.encoded) for _number, part in parts) + sum(len(record.value) for record in kept)
        with self._changed:
            self._admit(now, count, size)
            self._waiting[id(ticket)] = ticket
            self._events += count
            self._bytes += size
            if self._packer.put(now, parts, kept):
                self._changed.notify()
        return ticket.answer

    def check_room(self) -> None:
        """Raises what `submit` would raise: a cheap answer before any work is done."""
        with self._changed:
            self._admit(time.monotonic(), 1, 1)

    def check(self) -> None:
        """Raises WorldError while the broker is away or this is closing."""
        with self._changed:
            refusal = self._refusal(time.monotonic())
        if refusal is not None:
            raise refusal

    def finish(self, within_s: float = DRAIN_S) -> None:
        """Takes nothing more and sends what was taken; what is not acknowledged in time fails. Does not wait."""
        with self._changed:
            latest = time.monotonic() + within_s
            self._closing = True
            for ticket in self._waiting.values():
                ticket.deadline_s = min(ticket.deadline_s, latest)
            self._changed.notify()

    def close(self, within_s: float = DRAIN_S) -> None:
        """`finish`, and waits for it."""
        self.finish(within_s)
        self._thread.join()

    def samples(self) -> list[Sample]:
        """Figures of the queue and of the broker's answers."""
        with self._changed:
            now = time.monotonic()
            away_s = self._away_s + (0.0 if self._away_since_s is None else now - self._away_since_s)
            gauges = [
                Sample("gateway_queue_events", "Events that the broker has not acknowledged", self._events),
                Sample("gateway_queue_bytes", "Bytes that the broker has not acknowledged", self._bytes),
                Sample("gateway_broker_away", "Whether the broker is away", int(self._is_away(now))),
                Sample("gateway_broker_away_seconds_total", "Seconds without the broker", away_s, type="counter"),
            ]
        return [*gauges, *self.counters.samples(), *self._latency.samples()]

    # -- under the lock -----------------------------------------------------------------------------------------------

    def _admit(self, now: float, count: int, size: int) -> None:
        refusal = self._refusal(now)
        if refusal is not None:
            self.counters.add("gateway_refused_away_total", "Submissions refused while the broker was away")
            raise refusal
        # When nothing waits, even more than the bound is taken: it would be refused for ever.
        if self._waiting and (self._events + count > self._max_events or self._bytes + size > self._max_bytes):
            self.counters.add("gateway_refused_busy_total", "Submissions refused because the queue was full")
            raise Busy

    def _refusal(self, now: float) -> WorldError | None:
        if self._closing:
            return WorldError(Text("系统正在停止", "the system is stopping"), retryable=True)
        if self._is_away(now):
            return WorldError(self._trouble or Text("Kafka 没有应答", "Kafka does not answer"), retryable=True)
        return None

    def _is_away(self, now: float) -> bool:
        return self._trouble is not None or now - self._oldest_s(now) > self._stall_s

    def _oldest_s(self, now: float) -> float:
        return next(iter(self._waiting.values())).since_s if self._waiting else now

    def _pause_s(self, now: float) -> float | None:
        """How long the packing thread may sleep; None: until it is called."""
        if self._broken is not None or (self._closing and not self._waiting):
            return 0.0
        ends = [] if self._packer.due_s is None else [self._packer.due_s]
        if self._unsent:
            ends.append(now + SEND_AGAIN_S)
        if self._waiting:
            ends.append(next(iter(self._waiting.values())).deadline_s)
        return max(0.0, min(ends) - now) if ends else None

    # -- kafka-python's thread ----------------------------------------------------------------------------------------

    def _acknowledged(self, generation: int, record: Record, _metadata: object) -> None:
        done: list[Ticket] = []
        with self._changed:
            if generation != self._generation:
                return  # its submissions have been told that it failed
            for part in record.parts:
                ticket = part.ticket
                ticket.parts_left -= 1
                self._events -= part.events
                self._bytes -= len(part.encoded)
                if not ticket.parts_left:
                    del self._waiting[id(ticket)]
                    done.append(ticket)
            if self._closing and not self._waiting:
                self._changed.notify()
        now = time.monotonic()
        for ticket in done:
            self._latency.observe(now - ticket.since_s)
            ticket.answer.set_result(ticket.events)

    def _failed(self, generation: int, error: BaseException) -> None:
        with self._changed:
            if generation == self._generation and self._broken is None:
                self._broken = error
                self._changed.notify()

    # -- the packing thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._round():
                pass
        except BaseException as error:
            # A fault of ours: nobody may be left waiting, and nothing may be taken any more.
            with self._changed:
                self._closing = True
            self.failure = error
            self._retire(Text(f"发送线程故障：{error}", f"the sending thread failed: {error}"))
            self.on_failure(error)
            raise
        finally:
            _abandon(self._producer)

    def _round(self) -> bool:
        """Waits for something to do and does it; True at the end."""
        with self._changed:
            now = time.monotonic()
            self._changed.wait(self._pause_s(now))
            now = time.monotonic()
            broken, overdue = self._broken, bool(self._waiting) and self._next_deadline_s() <= now
            if self._closing and not self._waiting:
                return True
            if broken is None and not overdue:
                self._unsent.extend(self._packer.take(now, everything=self._closing))
        if broken is not None or overdue:
            self._retire(_reason(broken))
        else:
            self._send()
        while self._producer is None and not self._closing:
            self._reconnect()
        return False

    def _next_deadline_s(self) -> float:
        return next(iter(self._waiting.values())).deadline_s

    def _send(self) -> None:
        assert self._producer is not None
        while self._unsent:
            record = self._unsent[0]
            try:
                sent = self._producer.send(
                    record.topic, record.value, partition=record.partition, headers=record.headers
                )
            except (KafkaError, ValueError) as error:
                # The client has lost sight of the topic (a ValueError, for a partition): again until time is over.
                self.counters.add("gateway_send_retries_total", "Times a record could not be handed to the client")
                log.debug("not sent", extra={"fields": {"topic": record.topic, "error": str(error)}})
                return
            self._unsent.popleft()
            self.counters.add("gateway_records_total", "Records sent", topic=record.topic)
            generation = self._generation
            sent.add_callback(partial(self._acknowledged, generation, record))
            sent.add_errback(partial(self._failed, generation))

    def _retire(self, reason: Text) -> None:
        """The broker is away: everything that waits fails, and the producer goes with what it holds."""
        producer, self._producer = self._producer, None
        with self._changed:
            now = time.monotonic()
            self._away_since_s = self._away_since_s or self._oldest_s(now)
            self._trouble = reason
            self._generation += 1
            self._broken = None
            failed = list(self._waiting.values())
            self._waiting.clear()
            self._packer.clear()
            self._events = self._bytes = 0
        self._unsent.clear()
        for ticket in failed:
            ticket.answer.set_exception(WorldError(reason, retryable=True))
        log.warning("Kafka is away", extra={"fields": {"reason": reason.en, "failed_submissions": len(failed)}})
        threading.Thread(target=_abandon, args=(producer,), name="kafka-abandon", daemon=True).start()

    def _reconnect(self) -> None:
        try:
            self._producer = self._connected()
        except WorldError as error:
            with self._changed:
                self._trouble = error.text
                self._changed.wait(RETRY_S)
            return
        with self._changed:
            away_s = time.monotonic() - (self._away_since_s or time.monotonic())
            self._away_s += away_s
            self._trouble = self._away_since_s = None
        log.info("Kafka is back", extra={"fields": {"away_s": round(away_s, 1)}})

    def _connected(self) -> KafkaProducer:
        timeout_ms = int(self._ack_timeout_s * 1000)
        producer = connected(
            self._settings,
            KafkaProducer,
            **client_options(self._settings),
            enable_idempotence=True,
            acks="all",
            max_in_flight_requests_per_connection=5,
            batch_size=BATCH_BYTES,
            max_request_size=MAX_LETTER_BYTES,
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=int(BOOTSTRAP_S * 1000),
            max_block_ms=int(METADATA_S * 1000),
            request_timeout_ms=timeout_ms,
            delivery_timeout_ms=timeout_ms * 2,  # never before our own
        )
        try:
            self._check_topics(producer)
        except WorldError:
            _abandon(producer)
            raise
        return producer

    def _check_topics(self, producer: KafkaProducer) -> None:
        for topic, expected in ((self._topics.observations, self.partitions), (self._topics.dead_letters, 1)):
            try:
                found = len(producer.partitions_for(topic))
            except KafkaError as error:
                raise WorldError(
                    Text(
                        f"Kafka 里没有主题 {topic}：先运行 haulwatch topics create",
                        f"Kafka has no topic {topic}: run `haulwatch topics create` first",
                    ),
                    retryable=True,
                ) from error
            if found != expected:
                raise WorldError(
                    Text(
                        f"主题 {topic} 有 {found} 个分区，应为 {expected} 个",
                        f"topic {topic} has {found} partitions, expected {expected}",
                    ),
                    retryable=True,
                )


def _abandon(producer: KafkaProducer | None) -> None:
    """Ends a producer at once. `close` alone does not end one that cannot send: it waits, raises and leaves it be."""
    if producer is None:
        return
    producer._sender.force_close()
    with contextlib.suppress(KafkaTimeoutError):  # its thread is in the middle of something; it ends by itself
        producer.close(timeout=CLOSE_S)


def _reason(error: BaseException | None) -> Text:
    if error is None:
        return Text("Kafka 没有按时确认", "Kafka did not acknowledge in time")
    return Text(f"Kafka 没有收下：{error}", f"Kafka did not take it: {error}")
