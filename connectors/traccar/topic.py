"""Positions out of the topic that Traccar writes to: an offset is committed only when our log has what came before it.

Any number of gateways take part as one consumer group. A record may be read again after a crash or when partitions
change hands: its event has the same id. While our log is away nothing is read, and this member stays in the group.
"""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYetError

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CommitFailedError, KafkaError
from kafka.structs import OffsetAndMetadata, TopicPartition

from connectors.kafka_client import open_reader
from connectors.traccar.intake import Intake
from connectors.traccar.settings import KafkaTopic
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MIB

BATCH_RECORDS = 500
POLL_MS = 500
RETRY_S = 1.0
SESSION_MS = 6_000
POLL_INTERVAL_MS = 600_000
"""Our log may be away for so long before this member counts as stuck; it keeps polling, so longer is no harm."""
LOOK_S = 2.0
"""How often the end of the topic is asked for, which also shows whether the broker answers."""
CONNECT_MS = 3_000
ANSWER_MS = 3_000
STOP_S = 8.0

log = logging.getLogger(__name__)
Batch = dict[TopicPartition, list[ConsumerRecord]]


def settings_of(topic: KafkaTopic) -> ClusterSettings:
    """How its brokers are reached. Raises WorldError where the password is not at its place."""
    return ClusterSettings(
        kafka=topic.brokers,
        kafka_security=topic.security,
        kafka_mechanism=topic.mechanism,
        kafka_username=topic.username,
        kafka_password="" if topic.password is None else topic.password.value(),
        kafka_ca_file=topic.ca_file,
    )


class TopicReader:
    """Reads the topic in a thread of its own; a broker that is away is looked for until it is there."""

    def __init__(self, topic: KafkaTopic, intake: Intake) -> None:
        self._topic, self._intake = topic, intake
        self._settings = settings_of(topic)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traccar-reader", daemon=True)
        self._kafka_trouble: Text | None = Text("正在连接 Kafka", "Kafka is being looked for")
        self._log_trouble: Text | None = None
        self._look_at = 0.0
        self._lag: int | None = None
        self.counters = Counters()
        self.failure: BaseException | None = None

    # -- what others call ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to look for the broker."""
        self._thread.start()

    def stop(self) -> None:
        """Finishes the batch at hand where our log takes it; what it does not take is read again later."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while positions are not read; Elsewhere where it is Traccar's Kafka that is away."""
        if self.failure is not None:
            raise WorldError(Text(f"读取已停止：{self.failure}", f"reading has stopped: {self.failure}"))
        for trouble, kind in ((self._log_trouble, WorldError), (self._kafka_trouble, Elsewhere)):
            if trouble is not None:
                raise kind(trouble, retryable=True)

    def samples(self) -> list[Sample]:
        """How far we are behind the topic, once that is known, and what went wrong."""
        lag = [] if self._lag is None else [Sample("traccar_lag_records", "Records not taken in yet", self._lag)]
        return [*lag, *self.counters.samples()]

    # -- the thread ---------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._follow()
                except (WorldError, KafkaError, OSError) as error:
                    self._away(error)
        except BaseException as error:
            self.failure = error
            raise

    def _follow(self) -> None:
        """One consumer's life: until the end, or until there is no broker to begin with."""
        consumer = open_reader(
            self._settings,
            group_id=self._topic.group,
            bootstrap_timeout_ms=CONNECT_MS,
            max_poll_records=BATCH_RECORDS,
            max_poll_interval_ms=POLL_INTERVAL_MS,
            session_timeout_ms=SESSION_MS,
            heartbeat_interval_ms=SESSION_MS // 4,
            max_partition_fetch_bytes=2 * MIB,
        )
        try:
            if not consumer.partitions_for_topic(self._topic.topic):
                name = self._topic.topic
                raise WorldError(Text(f"Kafka 中没有主题 {name}", f"Kafka has no topic {name}"), retryable=True)
            consumer.subscribe([self._topic.topic])
            while not self._stopping.is_set():
                self._turn(consumer)
        finally:
            self._leave(consumer)

    def _turn(self, consumer: KafkaConsumer) -> None:
        try:
            records = consumer.poll(timeout_ms=POLL_MS)
            if records:
                if self._take(records):
                    self._commit(consumer, records)
                else:
                    self._wait(consumer, records)
            self._look(consumer)
        except (KafkaError, OSError) as error:
            self._away(error)

    def _take(self, records: Batch) -> bool:
        """Whether our log has all of it, or what could not be read among its dead letters."""
        try:
            read = self._intake.read([record.value or b"" for batch in records.values() for record in batch])
            if not self._durable(self._intake.submit(read)):
                return False
        except (WorldError, Busy) as error:
            self._log_trouble = error.text
            self.counters.add("traccar_retries_total", "Times that positions could not be taken in and were read again")
            log.warning("positions are not taken in", extra={"fields": {"error": str(error)}})
            return False
        self._log_trouble = None
        self._intake.count(read)
        return True

    def _durable(self, future: Future[None]) -> bool:
        """True when it is; False where we are to stop before it is. Raises WorldError."""
        while True:
            try:
                future.result(timeout=POLL_MS / 1000)
                return True
            except NotYetError:
                if self._stopping.is_set():
                    return False

    def _wait(self, consumer: KafkaConsumer, records: Batch) -> None:
        """Goes back to where `records` began, and reads nothing for a moment without leaving the group."""
        _rewind(consumer, records)
        deadline = time.monotonic() + RETRY_S
        while (left_s := deadline - time.monotonic()) > 0 and not self._stopping.is_set():
            consumer.pause(*consumer.assignment())
            # Partitions that come to us in this moment are not paused yet.
            _rewind(consumer, consumer.poll(timeout_ms=min(round(left_s * 1000), POLL_MS)))
        consumer.resume(*consumer.assignment())

    def _commit(self, consumer: KafkaConsumer, records: Batch) -> None:
        ours = consumer.assignment()
        offsets = {
            place: OffsetAndMetadata(batch[-1].offset + 1, "", -1) for place, batch in records.items() if place in ours
        }
        try:
            consumer.commit(offsets, timeout_ms=ANSWER_MS)
        except CommitFailedError as error:
            # The group has moved on: who has these partitions now reads them again, and their events are known.
            log.info("offsets were not committed", extra={"fields": {"error": str(error)}})

    def _look(self, consumer: KafkaConsumer) -> None:
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        ours = consumer.assignment()
        ends = consumer.end_offsets(list(ours) or [TopicPartition(self._topic.topic, 0)], timeout_ms=ANSWER_MS)
        behind = (ends[place] - (consumer.position(place, timeout_ms=ANSWER_MS) or 0) for place in ours)
        self._lag = sum(max(0, records) for records in behind)
        self._kafka_trouble = None

    def _away(self, error: Exception) -> None:
        self._kafka_trouble = Text(f"读不到 Traccar 的主题：{error}", f"Traccar's topic cannot be read: {error}")
        self.counters.add("traccar_reads_failed_total", "Times that the broker did not answer")
        log.warning("the broker does not answer", extra={"fields": {"error": repr(error)}})
        self._stopping.wait(RETRY_S)

    def _leave(self, consumer: KafkaConsumer) -> None:
        try:
            consumer.close(autocommit=False, timeout_ms=ANSWER_MS)
        except (KafkaError, OSError) as error:
            log.warning("left the group without a word", extra={"fields": {"error": repr(error)}})


def _rewind(consumer: KafkaConsumer, records: Batch) -> None:
    ours = consumer.assignment()
    for place, batch in records.items():
        if place in ours:
            consumer.seek(place, batch[0].offset)
