"""Breaches from Kafka into the order store: an offset is committed only when the store has what came before it.

Any number of consoles take part as one consumer group. A record may be read again after a crash or when partitions
change hands: the store recognises what it has. While the store is away nothing is read: the records stay where they
are, and this member stays in the group.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, KafkaError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata, TopicPartition

from connectors.kafka_client import open_reader, reaching
from connectors.kafka_letters import count_letter, letter_of, write_letters
from haulwatch import logs
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.orders import IntakeResult
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MIB, TRACE_HEADER

BATCH_RECORDS = 200
POLL_MS = 500
RETRY_MS = 1_000
SESSION_MS = 6_000
"""After so long without a sign of life a console's share goes to the others."""
POLL_INTERVAL_MS = 600_000
"""A database may keep one transaction waiting for so long before this console counts as stuck."""
LOOK_S = 2.0
"""How often the end of the topic is asked for, which also shows whether the broker answers."""
ANSWER_MS = 3_000
STOP_S = 8.0

log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(Breach)

Batch = dict[TopicPartition, list[ConsumerRecord]]
Bad = tuple[ConsumerRecord, DeviceError]
Intake = Callable[[list[Breach]], IntakeResult]
"""Takes findings in one transaction; raises WorldError while its database is away. Repeating it changes nothing."""


class BreachReader:
    """Reads the breaches topic in a thread of its own and hands it to `intake`."""

    def __init__(
        self,
        settings: ClusterSettings,
        intake: Intake,
        *,
        on_taken: Callable[[], None] = lambda: None,
        on_failure: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self._settings = settings
        self._topic = settings.topics.breaches
        self._intake = intake
        self._on_taken, self.on_failure = on_taken, on_failure
        self._consumer: KafkaConsumer | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="breach-reader", daemon=True)
        self._uncommitted: dict[TopicPartition, int] = {}
        self._waiting_since_ms: int | None = None
        self._lag_records = 0
        self._last_taken_ms = 0
        self._look_at = 0.0
        self._store_trouble: Text | None = None
        self._kafka_trouble: Text | None = None
        self.counters = Counters()
        self.failure: BaseException | None = None

    # -- what others call ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Joins the group. Raises WorldError where no broker answers or there is no such topic."""
        consumer = self._consumer = open_reader(
            self._settings,
            group_id=f"{self._settings.topic_prefix}-intake",
            max_poll_records=BATCH_RECORDS,
            max_poll_interval_ms=POLL_INTERVAL_MS,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 4,
            max_partition_fetch_bytes=2 * MIB,
        )
        with reaching(self._settings):
            if not consumer.partitions_for_topic(self._topic):
                consumer.close(autocommit=False)
                raise UnknownTopicOrPartitionError
            consumer.subscribe([self._topic])
        self._thread.start()

    def finish(self) -> None:
        """Takes no more batches. Does not wait."""
        self._stopping.set()

    def stop(self) -> None:
        """Finishes the batch at hand and leaves the group; what cannot be finished is read again later."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while breaches are not taken in."""
        if self.failure is not None:
            raise WorldError(Text(f"工单入库已停止：{self.failure}", f"intake has stopped: {self.failure}"))
        trouble = self._store_trouble or self._kafka_trouble
        if trouble is not None:
            raise WorldError(trouble, retryable=True)

    def samples(self) -> list[Sample]:
        """Counts, and how far the store is behind the topic."""
        behind_s = 0.0
        since = self._waiting_since_ms or (self._last_taken_ms if self._lag_records else None)
        if since:
            behind_s = max(0.0, time.time() - since / 1000)
        return [
            Sample("breaches_lag_records", "Breaches of this console's share not taken in yet", self._lag_records),
            Sample("breaches_lag_seconds", "Age of the oldest breach not taken in yet", behind_s),
            *self.counters.samples(),
        ]

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        try:
            while not self._stopping.is_set():
                self._turn(consumer)
        except BaseException as error:
            self.failure = error
            self.on_failure(error)
            raise
        finally:
            self._leave(consumer)

    def _turn(self, consumer: KafkaConsumer) -> None:
        try:
            records = consumer.poll(timeout_ms=POLL_MS)
            if records and not self._take(records):
                self._wait(consumer, records)
            self._commit(consumer)
            self._look(consumer)
        except (KafkaError, OSError) as error:
            self._kafka_away(error)
            self._stopping.wait(RETRY_MS / 1000)

    def _take(self, records: Batch) -> bool:
        """Whether all of it is where it belongs: the good ones in the store, the bad ones among the dead letters."""
        self._waiting_since_ms = min(record.timestamp for batch in records.values() for record in batch)
        good: list[tuple[ConsumerRecord, Breach]] = []
        bad: list[Bad] = []
        for record in (record for batch in records.values() for record in batch):
            try:
                good.append((record, decoded(record.value)))
            except DeviceError as error:
                bad.append((record, error))
        try:
            result = self._taken_in(good, bad)
            self._keep_aside(bad)
        except WorldError as error:
            self._store_trouble = error.text
            self.counters.add("intake_retries_total", "Times that breaches could not be taken in and were tried again")
            log.warning("breaches are not taken in", extra={"fields": {"records": len(good), "error": str(error)}})
            return False
        self._store_trouble = self._waiting_since_ms = None
        for place, batch in records.items():
            self._uncommitted[place] = batch[-1].offset + 1
            self._last_taken_ms = max(self._last_taken_ms, batch[-1].timestamp)
        if good:
            self._tell(records, result)
            self._on_taken()
        return True

    def _taken_in(self, good: Sequence[tuple[ConsumerRecord, Breach]], bad: list[Bad]) -> IntakeResult:
        """What became of the `good` ones; one that the store cannot hold joins the `bad`."""
        if not good:
            return IntakeResult()
        try:
            return self._intake([breach for _record, breach in good])
        except WorldError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever one finding leads to, it must not keep the others out
            if len(good) == 1:
                bad.append((good[0][0], _refused(error)))
                return IntakeResult()
        half = len(good) // 2
        first, second = self._taken_in(good[:half], bad), self._taken_in(good[half:], bad)
        return IntakeResult(
            opened=first.opened + second.opened,
            joined=first.joined + second.joined,
            updated=first.updated + second.updated,
            shadow=first.shadow + second.shadow,
            unchanged=first.unchanged + second.unchanged,
        )

    def _tell(self, records: Batch, result: IntakeResult) -> None:
        outcomes = {
            "opened": len(result.opened),
            "joined": len(result.joined),
            "updated": len(result.updated),
            "shadow": result.shadow,
            "unchanged": result.unchanged,
        }
        for outcome, count in outcomes.items():
            self.counters.add("breaches_total", "Breaches taken in by what became of them", count, outcome=outcome)
        fields: dict[str, Any] = {name: count for name, count in outcomes.items() if count}
        traces = Counter(trace for batch in records.values() for record in batch if (trace := trace_of(record)))
        if traces:
            fields["trace"] = ",".join(traces)
        log.info("breaches taken in", extra={"fields": fields})

    def _keep_aside(self, bad: Sequence[Bad]) -> None:
        write_letters(self._settings, [letter_of(record, error) for record, error in bad])
        for _record, error in bad:
            count_letter(self.counters, self._topic, error)

    # -- while the store is away --------------------------------------------------------------------------------------

    def _wait(self, consumer: KafkaConsumer, records: Batch) -> None:
        """Goes back to where `records` began, and reads nothing for a moment without leaving the group."""
        _rewind(consumer, records)
        deadline = time.monotonic() + RETRY_MS / 1000
        while (left_ms := round((deadline - time.monotonic()) * 1000)) > 0 and not self._stopping.is_set():
            consumer.pause(*consumer.assignment())
            # Partitions that come to us in this moment are not paused yet.
            _rewind(consumer, consumer.poll(timeout_ms=min(left_ms, POLL_MS)))
        consumer.resume(*consumer.assignment())

    # -- offsets and lag ----------------------------------------------------------------------------------------------

    def _commit(self, consumer: KafkaConsumer) -> None:
        ours = consumer.assignment()
        # What has gone to another console is its to commit.
        self._uncommitted = {place: offset for place, offset in self._uncommitted.items() if place in ours}
        if not self._uncommitted:
            return
        offsets = {place: OffsetAndMetadata(offset, "", -1) for place, offset in self._uncommitted.items()}
        try:
            consumer.commit(offsets, timeout_ms=ANSWER_MS)
        except CommitFailedError as error:
            # The group has moved on: who has these partitions now reads the records again, and the store knows them.
            self.counters.add("breach_commits_lost_total", "Offsets not committed because partitions changed hands")
            log.info("offsets were not committed", extra={"fields": {"error": str(error)}})
        self._uncommitted.clear()

    def _look(self, consumer: KafkaConsumer) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        ours = consumer.assignment()
        asked = list(ours) or [TopicPartition(self._topic, 0)]
        ends = consumer.end_offsets(asked, timeout_ms=ANSWER_MS)
        self._lag_records = sum(
            max(0, ends[place] - (consumer.position(place, timeout_ms=ANSWER_MS) or 0)) for place in ours
        )
        self._kafka_trouble = None

    def _kafka_away(self, error: Exception) -> None:
        self._kafka_trouble = Text(
            f"读不到违规记录，Kafka 不可用：{error}", f"breaches cannot be read from Kafka: {error}"
        )
        self.counters.add("breach_reads_failed_total", "Times that the broker did not answer the breach reader")
        log.warning("the broker does not answer", extra={"fields": {"error": repr(error)}})

    def _leave(self, consumer: KafkaConsumer) -> None:
        try:
            consumer.close(autocommit=False, timeout_ms=ANSWER_MS)
        except (KafkaError, OSError) as error:
            log.warning("left the group without a word", extra={"fields": {"error": repr(error)}})


def decoded(value: bytes | None) -> Breach:
    """A breach from its record. Raises DeviceError."""
    if value is None:
        raise DeviceError("empty", Text("记录没有内容", "the record has no value"))
    if len(value) > 2 * MIB:
        raise DeviceError("too_large", Text(f"记录过大（{len(value)} 字节）", f"record too large ({len(value)} bytes)"))
    try:
        return _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise DeviceError("not_a_breach", Text(f"不是违规记录：{error}", f"not a breach: {error}")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeviceError("not_json", Text(f"不是 JSON：{error}", f"not JSON: {error}")) from error


def _refused(error: Exception) -> DeviceError:
    reason = " ".join(str(error).split())[:500]
    text = Text(f"工单库不接受这条违规：{reason}", f"the order store does not take this breach: {reason}")
    return DeviceError("refused_by_store", text)


def trace_of(record: ConsumerRecord) -> str | None:
    """The trace id in a record's headers, if there is one."""
    for name, value in record.headers:
        if name == TRACE_HEADER and value is not None:
            return logs.trace_id(value)
    return None


def _rewind(consumer: KafkaConsumer, records: Batch) -> None:
    ours = consumer.assignment()
    for place, batch in records.items():
        if place in ours:
            consumer.seek(place, batch[0].offset)
