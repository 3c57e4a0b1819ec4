"""Recorded events into a cluster's log, and a cluster's log through the rules once more."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from datetime import timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from connectors.kafka_cities import CityShelf
from connectors.kafka_client import reader
from connectors.kafka_log import LogSource
from connectors.kafka_producer import PackingProducer
from connectors.kafka_topics import partitions_of
from haulwatch.bootstrap.cities import load_runtime
from haulwatch.city import build_city, unpack_city
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.instants import to_datetime, to_ms
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.wire import DeadLetter, Rejected, encode_event
from streams.log_replay import LogReplay
from streams.replay import ReplayStats, merged
from streams.runtime import CityRuntime

BATCH_EVENTS = 2_000
ON_THEIR_WAY = 16
"""Batches that may wait for the broker at once."""
SOON_S = 0.02
AHEAD = timedelta(seconds=60)
"""Readers of the log take nothing that was received further in the broker's future."""

Logs = Mapping[str, Iterable[Event | Rejected]]


class PlayStats(Struct, kw_only=True):
    """What became of recorded events: in the log, unreadable (by code), or not for a log that lives (ticks)."""

    events: int = 0
    skipped: int = 0
    dead_letters: Counter[str] = msgspec.field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def events_per_s(self) -> float:
        """Events written per second of wall time."""
        return self.events / self.seconds if self.seconds else 0.0


class Player:
    """Writes recorded events into the observations log, each into its truck's partition, in the order of their clocks.

    `speed` is times real time; None is as fast as it goes. They keep their `received_at`; one without gets its `at`.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        *,
        speed: float | None = None,
        on_rejected: Callable[[str, Rejected], None] = lambda _name, _rejected: None,
        on_progress: Callable[[int], None] = lambda _events: None,
    ) -> None:
        self._settings = settings
        self._speed = speed
        self._on_rejected = on_rejected
        self._on_progress = on_progress
        self._sent: deque[Future[int]] = deque()
        self.stats = PlayStats()

    def play(self, logs: Logs) -> PlayStats:
        """Returns when the broker has all of it. Raises WorldError; then what is in the log may be sent again."""
        started = time.perf_counter()
        producer = PackingProducer(self._settings, partitions_of(self._settings, self._settings.topics.observations))
        try:
            for batch in self._batches(merged([self._good(name, logs[name]) for name in sorted(logs)])):
                self._submit(producer, batch)
            self._settle(0)
        except WorldError as error:
            raise self._broken_off(error) from error
        finally:
            producer.close()
            self.stats.seconds = time.perf_counter() - started
        return self.stats

    def _broken_off(self, error: WorldError) -> WorldError:
        done = self.stats.events
        return WorldError(
            Text(
                f"{error.text.zh}。已写入 {done} 条；可以再次运行，重复的事件不起作用",
                f"{error.text.en}. {done} events were written; run it again, events sent twice have no effect",
            ),
            retryable=True,
        )

    def _good(self, name: str, records: Iterable[Event | Rejected]) -> Iterator[Event]:
        for number, record in enumerate(records, 1):
            if isinstance(record, Rejected):
                self._reject(name, record)
                continue
            if isinstance(record, Tick | CityActivated):
                self.stats.skipped += 1  # the cluster has a clock and a city of its own
                continue
            event = record if record.received_at else msgspec.structs.replace(record, received_at=record.at)
            if (event.received_at or event.at) > to_datetime(time.time_ns() // 1_000_000) + AHEAD:
                text = Text("received_at 晚于现在", "received_at is later than now")
                self._reject(name, Rejected(number, DeviceError("received_in_future", text), encode_event(record)))
                continue
            yield event

    def _reject(self, name: str, rejected: Rejected) -> None:
        self.stats.dead_letters[rejected.error.code] += 1
        self._on_rejected(name, rejected)

    def _batches(self, events: Iterator[Event]) -> Iterator[list[Event]]:
        """What is due by now, up to a batch; waits for what is not."""
        batch: list[Event] = []
        started, first_ms, clock_ms = time.monotonic(), None, 0
        for event in events:
            if self._speed is not None:
                clock_ms = max(clock_ms, to_ms(event.received_at or event.at))
                first_ms = clock_ms if first_ms is None else first_ms
                due_s = started + (clock_ms - first_ms) / 1000 / self._speed
                if due_s - time.monotonic() > SOON_S:
                    yield batch
                    batch = []
                    self._wait_until(due_s)
            batch.append(event)
            if len(batch) >= BATCH_EVENTS:
                yield batch
                batch = []
        yield batch

    def _wait_until(self, due_s: float) -> None:
        """Counts on what the broker acknowledges meanwhile."""
        while (left_s := due_s - time.monotonic()) > 0:
            while self._sent and self._sent[0].done():
                self._settle(len(self._sent) - 1)
            time.sleep(min(left_s, 0.25))

    def _submit(self, producer: PackingProducer, batch: list[Event]) -> None:
        if not batch:
            return
        while True:
            self._settle(ON_THEIR_WAY - 1)
            try:
                self._sent.append(producer.submit(batch))
                return
            except Busy:
                self._settle(0)

    def _settle(self, at_most: int) -> None:
        while len(self._sent) > at_most:
            done = self._sent.popleft().result()
            self.stats.events += done
            self._on_progress(done)


class LogCheck:
    """The whole observations log through the rules, as the workers must have seen it.

    With a city `folder` that city decides from the beginning; without one, the cities that the log put in force.
    """

    def __init__(
        self,
        settings: ClusterSettings,
        folder: Path | None,
        *,
        on_dead: Callable[[DeadLetter], None] = lambda _letter: None,
        on_progress: Callable[[int], None] = lambda _events: None,
    ) -> None:
        self._settings = settings
        topic = settings.topics.observations
        instead = None if folder is None else load_runtime(folder)
        self._partitions = partitions_of(settings, topic)
        self._shelf = CityShelf(settings)
        self._runtimes: dict[str, CityRuntime | None] = {}
        self._replay = LogReplay(
            topic, self._partitions, self._runtime_of, instead=instead, on_dead=on_dead, on_progress=on_progress
        )

    def run(self, *, until_ms: int | None = None) -> Iterator[Breach]:
        """Breaches, partition by partition. Raises WorldError."""
        self._shelf.start()
        try:
            with reader(self._settings, max_poll_records=5_000) as consumer:
                source = LogSource(consumer, self._settings.topics.observations, self._partitions)
                for number in range(self._partitions):
                    yield from self._replay.run(number, source.records(number), until_ms=until_ms)
        finally:
            self._shelf.stop()

    def _runtime_of(self, city_hash: str) -> CityRuntime | None:
        if city_hash not in self._runtimes:
            packed = self._shelf.city(city_hash)
            self._runtimes[city_hash] = None if packed is None else CityRuntime(build_city(unpack_city(packed)))
        return self._runtimes[city_hash]

    def stats(self) -> ReplayStats:
        """Counts so far."""
        return self._replay.stats()
