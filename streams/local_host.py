"""The processor on the embedded log, one process: durable first, then decided, then told.

One thread owns log and processor. It takes what has been submitted since, appends it in one transaction, answers the
submitters, applies it, and writes what that led to. A crash at any point loses nothing that was answered: on start the
last snapshot is restored and the log behind it replayed, which gives the same breaches under the same ids. Long because
all that the one thread does to log and processor is one class, in the order in which it does it.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

import msgspec

from haulwatch.admission import submitted
from haulwatch.city import City, build_city, unpack_city
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.instants import NEVER_MS, to_datetime, to_ms
from haulwatch.domain.live import Busy, SubmissionResult
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter, decode_logged, encode_event
from streams.live_trucks import LiveTrucks
from streams.local_log import LocalLog
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime
from streams.source_board import SourceBoard
from streams.ticking import TICK_MS, tick_due

QUEUE_EVENTS = 50_000
"""Events that may wait for the disk; more are refused with `Busy`."""
BATCH_EVENTS = 2_000
CHECKPOINT_EVENTS = 50_000
CHECKPOINT_S = 10.0
CITIES_KEPT = 4
NEWEST_EVENTS = 500


@dataclass(slots=True)
class Submission:
    """Good events on their way to the log, bad ones on their way to the dead letters, and who waits for the answer."""

    events: list[Event]
    dead: list[DeadLetter]
    answer: Future[int]
    """How many of the events were new."""


@dataclass(slots=True)
class Activation:
    """A city on its way into force, and who waits for it."""

    runtime: CityRuntime
    packed: bytes
    answer: Future[None]


class LocalHost:
    """The embedded system's middle; `start` recovers, `submit` is durable when it returns, `stop` checkpoints."""

    def __init__(
        self,
        path: Path,
        city: City,
        packed: bytes,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        on_breaches: Callable[[], None] = lambda: None,
        on_failure: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self._log = LocalLog(path)
        self._now_ms = now_ms
        self._on_breaches = on_breaches
        self._on_failure = on_failure
        self._runtimes: dict[str, CityRuntime] = {}
        self._city = city
        self._packed = packed
        self._queue: queue.Queue[Submission | Activation | None] = queue.Queue()
        self._activation: Activation | None = None
        self._queued = 0
        self._queue_lock = threading.Lock()
        self._processor = PartitionProcessor(None, self._runtime_of)
        self._offset = 0
        self._ticked = False
        self._applied_since = 0
        self._checkpoint_at = time.monotonic()
        self._stopping = False
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="local-host", daemon=True)
        self.trucks = LiveTrucks()
        self.sources = SourceBoard()
        self.counters: Counter[str] = Counter()
        self.failure: BaseException | None = None

    # -- life -------------------------------------------------------------------------------------------------------

    def start(self) -> int:
        """Restores the snapshot, replays the log behind it, puts the city in force. Returns events replayed."""
        try:
            replayed = self._recover()
            self._activate()
        except sqlite3.Error as error:
            raise _readable(error) from error
        self.trucks.update(self._processor.trucks(), changed_only=False)
        self._thread.start()
        return replayed

    def stop(self) -> None:
        """Finishes what is queued, saves a snapshot, closes the log."""
        self._queue.put(None)
        self._thread.join()
        self._log.close()

    @property
    def stopped(self) -> bool:
        """Whether it has been told to stop, or has failed."""
        return self._stopping or self.failure is not None

    def check(self) -> None:
        """Raises WorldError when the host no longer takes events."""
        if self.failure is not None:
            raise WorldError(Text(f"事件处理已停止：{self.failure}", f"processing has stopped: {self.failure}"))

    def processor_counters(self) -> dict[str, int]:
        """What the processor counts: duplicates, late events, dropped memory."""
        return dict(self._processor.counters)

    def _recover(self) -> int:
        saved = self._log.snapshot()
        if saved is not None:
            try:
                self._processor.restore(saved[1])
                self._offset = saved[0]
            except (ValueError, msgspec.MsgspecError):
                # The state of another version: the log has everything, from the beginning.
                self.counters["snapshot_unusable"] += 1
                self._processor = PartitionProcessor(None, self._runtime_of)
        replayed = 0
        for offset, raw in self._log.events_after(self._offset):
            self._apply_logged(offset, decode_logged(raw))
            replayed += 1
        self._ticked = self._clock_was_ticked()
        return replayed

    def _clock_was_ticked(self) -> bool:
        """Whether a tick was what last moved the log's clock, as far as its newest events tell."""
        newest = [decode_logged(raw) for raw in self._log.newest_events(NEWEST_EVENTS)]
        if not newest:
            return False
        return isinstance(max(newest, key=lambda event: to_ms(event.received_at or event.at)), Tick)

    def _apply_logged(self, offset: int, event: Event) -> None:
        breaches = self._processor.apply(event)
        self._offset = offset
        self._applied_since += 1
        if breaches:
            self._log.begin()
            self._log.add_breaches(offset, breaches)
            self._log.commit()

    def _activate(self) -> None:
        runtime = self._processor.runtime
        if runtime is not None and runtime.city_hash == self._city.city_hash:
            return
        self._put_in_force(self._city.city_hash, self._packed)

    def _put_in_force(self, city_hash: str, packed: bytes) -> None:
        # Not before what the log has seen, else the activation would stand in its past.
        at = to_datetime(self._processor.clock_ms if self._processor.clock_ms != NEVER_MS else 0)
        event = CityActivated(at=at, received_at=at, city_hash=city_hash)
        self._log.begin()
        self._log.save_city(city_hash, packed)
        offset = self._log.append(None, encode_event(event))
        self._log.commit()
        assert offset is not None
        self._apply_logged(offset, event)

    def _runtime_of(self, city_hash: str) -> CityRuntime:
        runtime = self._runtimes.get(city_hash)
        if runtime is None:
            runtime = CityRuntime(self._city if self._city.city_hash == city_hash else self._stored(city_hash))
            self._runtimes[city_hash] = runtime
            while len(self._runtimes) > CITIES_KEPT:
                del self._runtimes[next(iter(self._runtimes))]
        return runtime

    def _stored(self, city_hash: str) -> City:
        packed = self._log.city(city_hash)
        if packed is None:
            raise WorldError(
                Text(f"日志里没有城市 {city_hash}", f"the log names a city that it does not hold: {city_hash}")
            )
        return build_city(unpack_city(packed))

    @property
    def city(self) -> City:
        """The city in force, or the one that will be when the host has started."""
        return self._city

    def active(self) -> tuple[str, bytes]:
        """The hash and the pack of that city."""
        return self._city.city_hash, self._packed

    def activate(self, city: City, packed: bytes) -> None:
        """Puts another city in force from this point of the log on; returns when it decides. Raises WorldError."""
        activation = Activation(CityRuntime(city), packed, Future())  # made here: events go on being decided meanwhile
        with self._queue_lock:
            if self._closed:
                raise WorldError(Text("系统正在停止", "the system is stopping"), retryable=True)
            self._queue.put(activation)
        activation.answer.result()

    # -- in ---------------------------------------------------------------------------------------------------------

    def submit(self, body: bytes, content_type: str) -> SubmissionResult:
        """Takes one event, an array, or NDJSON; returns when the good ones are durable. Raises Busy, WorldError."""
        taken = submitted(body, content_type, self._now_ms())
        accepted = self._enqueue(taken.events, taken.dead).result() if taken.events or taken.dead else 0
        return SubmissionResult(accepted=accepted, duplicates=len(taken.events) - accepted, errors=taken.refused)

    def submit_events(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
        """Takes events of our own connectors, and what could not be one; returns how many were new, when all of it is
        durable."""
        return self._enqueue(list(events), list(letters)).result() if events or letters else 0

    def _enqueue(self, events: list[Event], dead: list[DeadLetter]) -> Future[int]:
        count = len(events) + len(dead)
        submission = Submission(events, dead, Future())
        # Under the lock: what is put here is seen by the thread, before it closes the queue or as it does.
        with self._queue_lock:
            if self._closed:
                raise WorldError(Text("系统正在停止", "the system is stopping"), retryable=True)
            if self._queued and self._queued + count > QUEUE_EVENTS:
                self.counters["refused_busy"] += 1
                raise Busy
            self._queued += count
            self._queue.put(submission)
        return submission.answer

    # -- the one thread ---------------------------------------------------------------------------------------------

    def _run(self) -> None:
        batch: list[Submission] = []
        try:
            while not self._stopping:
                batch = self._next_batch()
                self._take(batch)
                if self._activation is not None:
                    self._switch(self._activation)
                if self._checkpoint_due():
                    self._checkpoint()
                self.trucks.update_at_most_every_second(self._processor.trucks())
            self._checkpoint()
            self._refuse([], WorldError(Text("系统正在停止", "the system is stopping"), retryable=True))
        except BaseException as error:
            # Whatever it was, nothing may be answered as durable any more; the log and a restart put it right.
            self.failure = _readable(error)
            self._refuse(batch, self.failure)
            self._on_failure(self.failure)
            if not isinstance(self.failure, WorldError):
                raise

    def _next_batch(self) -> list[Submission]:
        batch: list[Submission] = []
        count = 0
        try:
            item = self._queue.get(timeout=TICK_MS / 1000)
            while True:
                if item is None:
                    self._stopping = True
                    break
                if isinstance(item, Activation):
                    self._activation = item
                    break
                batch.append(item)
                count += len(item.events) + len(item.dead)
                if count >= BATCH_EVENTS:
                    break
                item = self._queue.get_nowait()
        except queue.Empty:
            pass
        with self._queue_lock:
            self._queued -= count
        return batch

    def _take(self, batch: list[Submission]) -> None:
        logged: list[tuple[int, Event]] = []
        fresh: list[int] = []
        if not batch and not self._tick_due():
            return
        self._log.begin()
        try:
            for submission in batch:
                before = len(logged)
                for event in submission.events:
                    offset = self._log.append(getattr(event, "event_id", None), encode_event(event))
                    if offset is not None:
                        logged.append((offset, event))
                fresh.append(len(logged) - before)
                self._log.keep_dead(submission.dead)
            if self._tick_due(logged):
                now = to_datetime(self._now_ms())
                tick = Tick(at=now, received_at=now)
                offset = self._log.append(None, encode_event(tick))
                assert offset is not None
                logged.append((offset, tick))
            self._log.commit()
        except sqlite3.Error:
            self._log.rollback()
            raise
        self.sources.heard((event for _offset, event in logged), self._now_ms())
        for submission, new in zip(batch, fresh, strict=True):
            self.counters["events"] += new
            self.counters["duplicates"] += len(submission.events) - new
            self.counters["dead_letters"] += len(submission.dead)
            submission.answer.set_result(new)
        self._decide(logged)

    def _switch(self, activation: Activation) -> None:
        """Behind everything that was taken before it, and before everything that comes."""
        runtime = activation.runtime
        in_force = self._processor.runtime
        if in_force is None or in_force.city_hash != runtime.city_hash:
            self._runtimes[runtime.city_hash] = runtime
            self._put_in_force(runtime.city_hash, activation.packed)
            self._city, self._packed = runtime.city, activation.packed
            self.counters["activations"] += 1
            self._on_breaches()
        self._activation = None
        activation.answer.set_result(None)

    def _tick_due(self, logged: Sequence[tuple[int, Event]] = ()) -> bool:
        """Whether the log should be told the time, once what is in `logged` has been applied."""
        clock_ms, ticked = self._processor.clock_ms, self._ticked
        for _offset, event in logged:
            received_ms = to_ms(event.received_at or event.at)
            if received_ms > clock_ms:
                clock_ms, ticked = received_ms, isinstance(event, Tick)
        return tick_due(clock_ms, self._now_ms(), ticked=ticked)

    def _decide(self, logged: Sequence[tuple[int, Event]]) -> None:
        found = False
        writing = False
        for offset, event in logged:
            clock_ms = self._processor.clock_ms
            breaches = self._processor.apply(event)
            if self._processor.clock_ms > clock_ms:
                self._ticked = isinstance(event, Tick)
            self._offset = offset
            if breaches:
                if not writing:
                    self._log.begin()
                    writing = True
                self._log.add_breaches(offset, breaches)
                found = True
        self._applied_since += len(logged)
        if writing:
            self._log.commit()
        if found:
            self._on_breaches()

    def _checkpoint_due(self) -> bool:
        if not self._applied_since:
            return False
        return self._applied_since >= CHECKPOINT_EVENTS or time.monotonic() - self._checkpoint_at >= CHECKPOINT_S

    def _checkpoint(self) -> None:
        self._checkpoint_at = time.monotonic()
        if not self._applied_since:
            return
        state = self._processor.snapshot()
        self._log.begin()
        self._log.save_snapshot(self._offset, state)
        self._log.commit()
        self._applied_since = 0
        self.counters["checkpoints"] += 1

    def _refuse(self, batch: Sequence[Submission], error: BaseException) -> None:
        """Takes nothing more, and says so to all who wait."""
        with self._queue_lock:
            self._closed = True
        waiting = list(batch)
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, Activation):
                self._activation = item
            elif item is not None:
                waiting.append(item)
        refusal = error if isinstance(error, WorldError) else WorldError(Text("系统故障", "the system failed"))
        for submission in waiting:
            if not submission.answer.done():
                submission.answer.set_exception(refusal)
        if self._activation is not None:
            self._activation.answer.set_exception(refusal)


def _readable(error: BaseException) -> BaseException:
    """A disk that fails is the world's fault and a sentence; anything else is a bug and stays what it is."""
    if isinstance(error, sqlite3.Error):
        return WorldError(Text(f"事件日志出错：{error}", f"the event log failed: {error}"), retryable=True)
    return error
