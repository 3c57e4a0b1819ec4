"""A topic followed from its end by a thread: what is written from now on, for every process that follows it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, UnknownTopicOrPartitionError
from kafka.structs import TopicPartition

from connectors.kafka_client import open_reader, reaching
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings

POLL_MS = 500
RETRY_S = 1.0
ANSWER_MS = 3_000
STOP_S = 5.0

log = logging.getLogger(__name__)


class TopicFollower:
    """Gives every record to `take`, in a thread of its own, with `turn` at least twice a second in between.

    Neither may raise: what does is a fault of ours, ends the thread, and is told by `check`.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        topic: str,
        take: Callable[[ConsumerRecord], None],
        turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._settings, self._topic = settings, topic
        self._take, self._turn = take, turn
        self._stopping = threading.Event()
        self._trouble: Text | None = None
        self._consumer: KafkaConsumer | None = None
        self._thread = threading.Thread(target=self._run, name=f"follow-{topic}", daemon=True)
        self.on_failure: Callable[[BaseException], None] = lambda _error: None
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Follows from here on. Raises WorldError where no broker answers or there is no such topic."""
        consumer = self._consumer = open_reader(self._settings, auto_offset_reset="latest")
        with reaching(self._settings):
            places = [TopicPartition(self._topic, n) for n in sorted(consumer.partitions_for_topic(self._topic) or ())]
            if not places:
                consumer.close(autocommit=False)
                raise UnknownTopicOrPartitionError
            consumer.assign(places)
            for place, end in consumer.end_offsets(places, timeout_ms=ANSWER_MS).items():
                consumer.seek(place, end)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while the topic cannot be followed."""
        if self.failure is not None:
            name, failure = self._topic, self.failure
            raise WorldError(Text(f"{name} 已停止读取：{failure}", f"{name} is not followed: {failure}"))
        if self._trouble is not None:
            raise WorldError(self._trouble, retryable=True)

    def _run(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        try:
            while not self._stopping.is_set():
                for record in self._poll(consumer):
                    self._take(record)
                self._turn()
        except BaseException as error:
            self.failure = error
            self.on_failure(error)
            raise
        finally:
            consumer.close(autocommit=False, timeout_ms=ANSWER_MS)

    def _poll(self, consumer: KafkaConsumer) -> Sequence[ConsumerRecord]:
        try:
            records = [record for batch in consumer.poll(timeout_ms=POLL_MS).values() for record in batch]
        except (KafkaError, OSError) as error:
            self._trouble = Text(f"{self._topic} 读不到：{error}", f"{self._topic} cannot be read: {error}")
            log.warning("the broker does not answer", extra={"fields": {"error": repr(error)}})
            self._stopping.wait(RETRY_S)
            return ()
        self._trouble = None
        return records
