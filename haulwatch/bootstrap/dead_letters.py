"""Dead letters sent again the way they came, once they are good: after a fault was mended, here or at a vendor."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from kafka import KafkaProducer
from msgspec import Struct

from connectors.kafka_breaches import decoded
from connectors.kafka_client import REQUEST_MS, short_producer
from connectors.kafka_dead_letters import Letter, Wanted, letter_box, mark_retried, raw_bytes, topic_of
from connectors.kafka_producer import PackingProducer
from connectors.kafka_topics import partitions_of
from haulwatch.admission import submitted
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MIB, Topics
from streams.inlets import Inlet

BATCH_LETTERS = 200
BATCH_BYTES = 32 * MIB
EVENT_BYTES = 1_000
"""About what an event takes."""
NO_WAY_BACK = "no_way_back"
"""Of what cannot be sent again: it came from a topic that nothing of ours may write to."""


class RetryResult(Struct, frozen=True, kw_only=True):
    """How many letters were sent again, and how many are as bad as before, by code."""

    retried: int
    still_bad: int
    still_bad_by_code: dict[str, int]


class Again(Struct, frozen=True):
    """A good letter's record: bytes for the topic it came from, or events for the log."""

    topic: str | None = None
    partition: int | None = None
    key: bytes | None = None
    value: bytes = b""
    events: list[Event] = []


class Ways:
    """Where a letter's record goes back in; the same checks as there, so that what is still bad is not sent."""

    def __init__(self, topics: Topics, partitions: int, now_ms: Callable[[], int]) -> None:
        self._topics = topics
        self._partitions = partitions
        self._now_ms = now_ms

    def again(self, letter: Letter) -> Again | str:
        """What to send, or the code of what is still wrong with it."""
        came_from = topic_of(letter.source)
        raw = raw_bytes(letter.raw)
        if came_from is None or came_from[0] == self._topics.observations:
            return self._observed(raw)
        topic, number = came_from
        if topic in self._topics.inlets:
            return self._inlet(topic, raw)
        return self._breach(number, raw) if topic == self._topics.breaches else NO_WAY_BACK

    def _observed(self, raw: bytes) -> Again | str:
        taken = submitted(raw, "application/json", self._now_ms())
        return taken.dead[0].code if taken.dead else Again(events=taken.events)

    def _inlet(self, topic: str, raw: bytes) -> Again | str:
        inlet = Inlet(topic, self._topics.inlets[topic], self._partitions)
        inlet.take(raw, self._now_ms(), 0, 0)
        dead = inlet.swap().dead
        return dead[0].code if dead else Again(topic, value=raw)

    def _breach(self, number: int, raw: bytes) -> Again | str:
        try:
            truck_id = decoded(raw).truck_id
        except DeviceError as error:
            return error.code
        return Again(self._topics.breaches, number, truck_id.encode(), raw)


def retry_letters(
    settings: ClusterSettings, wanted: Wanted, limit: int | None, on_progress: Callable[[int], None]
) -> RetryResult:
    """Sends the wanted letters that are good now, at most `limit` of them, each once. Raises WorldError.

    Batch by batch: sent, acknowledged, and only then noted as sent.
    """
    topics = settings.topics
    partitions = partitions_of(settings, topics.observations)
    ways = Ways(topics, partitions, lambda: time.time_ns() // 1_000_000)
    still_bad: Counter[str] = Counter()
    retried = 0
    packing = PackingProducer(settings, partitions)
    try:
        with letter_box(settings) as box, short_producer(settings) as producer:
            good = _good(box.waiting(wanted, on_progress), ways, still_bad)
            for batch in _batches(islice(good, limit)):
                _send(producer, packing, [again for _number, again in batch])
                numbers = [number for number, _again in batch]
                mark_retried(producer, topics.dead_letters, numbers).get(timeout=REQUEST_MS / 1000)
                retried += len(numbers)
                on_progress(len(numbers))
    finally:
        packing.close()
    return RetryResult(retried=retried, still_bad=still_bad.total(), still_bad_by_code=dict(sorted(still_bad.items())))


def _good(letters: Iterable[Letter], ways: Ways, still_bad: Counter[str]) -> Iterator[tuple[int, Again]]:
    for letter in letters:
        again = ways.again(letter)
        if isinstance(again, str):
            still_bad[again] += 1
        else:
            yield letter.number, again


def _batches(good: Iterator[tuple[int, Again]]) -> Iterator[list[tuple[int, Again]]]:
    batch: list[tuple[int, Again]] = []
    size = 0
    for number, again in good:
        batch.append((number, again))
        size += len(again.value) + EVENT_BYTES * len(again.events)
        if len(batch) >= BATCH_LETTERS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _send(producer: KafkaProducer, packing: PackingProducer, batch: list[Again]) -> None:
    """Returns when the broker has all of it."""
    sent = [
        producer.send(again.topic, again.value, key=again.key, partition=again.partition)
        for again in batch
        if again.topic is not None
    ]
    logged = packing.submit([event for again in batch for event in again.events])
    for future in sent:
        future.get(timeout=REQUEST_MS / 1000)
    logged.result()
