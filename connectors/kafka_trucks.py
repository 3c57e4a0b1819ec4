"""The trucks topic as a feed for maps: read from its beginning, then followed.

It needs no group: every console shows every truck. Bad records are ours, so there is a fault to be found: each is kept
aside once. As the topic is read from its beginning at every start, how far that has been done is kept as an offset of
the group `{prefix}-trucks-letters`, which has no members.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec
from kafka import KafkaConsumer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata, TopicPartition

from connectors.kafka_client import open_reader, reaching
from connectors.kafka_letters import count_letter, letter_of, write_letters
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.text import Text
from haulwatch.domain.truck_board import TruckBoard
from haulwatch.metrics import Counters, Sample
from haulwatch.settings import ClusterSettings

POLL_MS = 1_000
POLL_RECORDS = 5_000
RETRY_S = 1.0
LOOK_S = 5.0
ANSWER_MS = 3_000
STOP_S = 5.0
MAX_BAD = 1_000
"""Bad records that wait for the broker to take them; more are counted only."""

log = logging.getLogger(__name__)
_decoder = msgspec.json.Decoder(TruckPosition)


class KafkaTrucks:
    """A `TruckFeed` whose thread follows the topic; through an outage it shows what it knew."""

    def __init__(
        self, settings: ClusterSettings, *, on_failure: Callable[[BaseException], None] = lambda _error: None
    ) -> None:
        self._settings = settings
        self._topic = settings.topics.trucks
        self.on_failure = on_failure
        self._board = TruckBoard()
        self._consumer: KafkaConsumer | None = None
        self._goal: dict[TopicPartition, int] = {}
        self._bad: list[tuple[ConsumerRecord, DeviceError]] = []
        self._kept_aside: dict[TopicPartition, int] = {}
        self._look_at = 0.0
        self._stopping = threading.Event()
        self._trouble: Text | None = None
        self._thread = threading.Thread(target=self._run, name="trucks-feed", daemon=True)
        self.caught_up = threading.Event()
        self.counters = Counters()
        self.failure: BaseException | None = None

    # -- the feed -----------------------------------------------------------------------------------------------------

    def snapshot(self) -> Sequence[TruckPosition]:
        """All trucks, in any order."""
        return self._board.snapshot()

    def changed_since(self, revision: int) -> tuple[int, Sequence[TruckPosition]]:
        """The current revision, and the trucks that changed after `revision` (0: all)."""
        return self._board.changed_since(revision)

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begins to read. Raises WorldError where no broker answers or there is no such topic."""
        group = f"{self._settings.topic_prefix}-trucks-letters"
        consumer = self._consumer = open_reader(self._settings, group_id=group, max_poll_records=POLL_RECORDS)
        with reaching(self._settings):
            numbers = consumer.partitions_for_topic(self._topic)
            if not numbers:
                consumer.close(autocommit=False)
                raise UnknownTopicOrPartitionError
            places = [TopicPartition(self._topic, number) for number in sorted(numbers)]
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            self._goal = consumer.end_offsets(places, timeout_ms=ANSWER_MS)
            self._kept_aside = {place: consumer.committed(place, timeout_ms=ANSWER_MS) or 0 for place in places}
        self._thread.start()

    def finish(self) -> None:
        """Follows no longer. Does not wait."""
        self._stopping.set()

    def stop(self) -> None:
        """Ends the thread."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError until all trucks are known, and while the broker is away."""
        if self.failure is not None:
            raise WorldError(Text(f"车辆位置已停止更新：{self.failure}", f"trucks are not followed: {self.failure}"))
        if self._trouble is not None:
            raise WorldError(self._trouble, retryable=True)
        if not self.caught_up.is_set():
            raise WorldError(Text("正在读取车辆位置", "the trucks' positions are being read"), retryable=True)

    def samples(self) -> list[Sample]:
        """Counts."""
        return [Sample("trucks_shown", "Trucks on the map", len(self._board.snapshot())), *self.counters.samples()]

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
            consumer.close(autocommit=False, timeout_ms=ANSWER_MS)

    def _turn(self, consumer: KafkaConsumer) -> None:
        try:
            self._show(record for batch in consumer.poll(timeout_ms=POLL_MS).values() for record in batch)
            self._keep_aside(consumer)
            self._look(consumer)
            self._trouble = None
        except (KafkaError, OSError, WorldError) as error:
            self._trouble = Text(f"车辆位置未更新，Kafka 不可用：{error}", f"trucks cannot be read from Kafka: {error}")
            self.counters.add("trucks_reads_failed_total", "Times that the broker did not answer the trucks feed")
            log.warning("the broker does not answer", extra={"fields": {"error": repr(error)}})
            self._stopping.wait(RETRY_S)

    def _show(self, records: Iterable[ConsumerRecord]) -> None:
        fresh: dict[str, TruckPosition] = {}
        gone: set[str] = set()
        for record in records:
            try:
                truck_id, truck = decoded(record)
            except DeviceError as error:
                self._found_bad(record, error)
                continue
            fresh.pop(truck_id, None)
            gone.discard(truck_id)
            if truck is None:
                gone.add(truck_id)
            else:
                fresh[truck_id] = truck
        if fresh or gone:
            self._board.apply(fresh.values(), gone)

    def _found_bad(self, record: ConsumerRecord, error: DeviceError) -> None:
        place = TopicPartition(record.topic, record.partition)
        if record.offset < self._kept_aside[place]:
            return  # at an earlier start
        count_letter(self.counters, self._topic, error)
        if len(self._bad) < MAX_BAD:
            self._bad.append((record, error))

    def _keep_aside(self, consumer: KafkaConsumer) -> None:
        if not self._bad:
            return
        write_letters(self._settings, [letter_of(record, error) for record, error in self._bad])
        for record, _error in self._bad:
            self._kept_aside[TopicPartition(record.topic, record.partition)] = record.offset + 1
        self._bad.clear()
        offsets = {place: OffsetAndMetadata(offset, "", -1) for place, offset in self._kept_aside.items() if offset}
        consumer.commit(offsets, timeout_ms=ANSWER_MS)

    def _look(self, consumer: KafkaConsumer) -> None:
        """Whether everything that was there at the start is known, and whether the broker still answers."""
        if not self.caught_up.is_set():
            reached = {place: consumer.position(place, timeout_ms=ANSWER_MS) or 0 for place in self._goal}
            if all(reached[place] >= end for place, end in self._goal.items()):
                self.caught_up.set()
        if time.monotonic() >= self._look_at:
            consumer.end_offsets(list(self._goal), timeout_ms=ANSWER_MS)
            self._look_at = time.monotonic() + LOOK_S


def decoded(record: ConsumerRecord) -> tuple[str, TruckPosition | None]:
    """The truck of a record and where it is; None where it was taken away. Raises DeviceError."""
    try:
        truck_id = (record.key or b"").decode()
        if record.value is None:
            return truck_id, None
        truck = _decoder.decode(record.value)
    except msgspec.ValidationError as error:
        raise DeviceError("not_a_truck", Text(f"不是车辆位置：{error}", f"not a truck's position: {error}")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DeviceError("not_json", Text(f"不是 JSON：{error}", f"not JSON: {error}")) from error
    if truck.truck_id != truck_id:
        text = Text(f"键 {truck_id} 与车牌 {truck.truck_id} 不同", f"key {truck_id} is not truck {truck.truck_id}")
        raise DeviceError("wrong_key", text)
    if not (-180 <= truck.lon <= 180 and -90 <= truck.lat <= 90):
        raise DeviceError("out_of_range", Text("坐标超出范围", "coordinates out of range"))
    return truck_id, truck
