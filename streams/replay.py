"""The processor over recorded events, as fast as it goes: tests, backtests, and the reference for every host."""

from __future__ import annotations

import gc
import heapq
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Event
from haulwatch.domain.instants import NEVER_MS, to_ms
from haulwatch.wire import Rejected, partition
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

PROGRESS_EVERY = 50_000


class ReplayStats(Struct):
    """What a replay went through; `seconds` is wall time, `last_ms` is where the log's own time ended."""

    events: dict[str, int] = {}
    dead_letters: dict[str, int] = {}
    counters: dict[str, int] = {}
    breaches: dict[str, int] = {}
    trucks: int = 0
    seconds: float = 0.0
    last_ms: int | None = None

    @property
    def total(self) -> int:
        """Events read, dead letters not counted."""
        return sum(self.events.values())

    @property
    def events_per_s(self) -> float:
        """Events read per second of wall time."""
        return self.total / self.seconds if self.seconds else 0.0


class Replay:
    """Runs logs through a city. `partitions` splits the trucks as a cluster would; the findings are the same."""

    def __init__(
        self,
        runtime: CityRuntime,
        *,
        partitions: int = 1,
        on_rejected: Callable[[str, Rejected], None] | None = None,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        self.processors = [PartitionProcessor(runtime) for _ in range(partitions)]
        self._runtime = runtime
        self._on_rejected = on_rejected
        self._on_progress = on_progress
        self._kinds: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()
        self._breaches: Counter[str] = Counter()
        self._seconds = 0.0

    def run(self, logs: Mapping[str, Iterable[Event | Rejected]], *, until_ms: int | None = None) -> Iterator[Breach]:
        """Breaches in the order in which they are concluded. `logs` are named; several are merged by `received_at`.

        Ends by moving the clock to the last instant (or `until_ms`, if later) plus lateness.
        """
        started = time.perf_counter()
        # Everything read so far is long-lived or freed by reference counts; the collector only costs time here.
        gc.freeze()
        gc.disable()
        try:
            for event in self._merged(logs):
                for breach in self._apply(event):
                    self._breaches[f"{breach.category}.{breach.phase}"] += 1
                    yield breach
            end_ms = max(self._clock_ms(), until_ms if until_ms is not None else NEVER_MS)
            for processor in self.processors:
                # "has passed" is strict, so one millisecond more.
                for breach in processor.advance_to(end_ms + self._runtime.lateness_ms + 1):
                    self._breaches[f"{breach.category}.{breach.phase}"] += 1
                    yield breach
        finally:
            gc.enable()
            gc.unfreeze()
            self._seconds += time.perf_counter() - started

    def _clock_ms(self) -> int:
        return max(processor.clock_ms for processor in self.processors)

    def _apply(self, event: Event) -> list[Breach]:
        processors = self.processors
        if isinstance(event, CityActivated):
            return []  # the city that was asked for decides, not the one that was in force when this was recorded
        if len(processors) == 1:
            return processors[0].apply(event)
        truck_id = getattr(event, "truck_id", None)
        if truck_id is not None:
            return processors[partition(truck_id, len(processors))].apply(event)
        return [breach for processor in processors for breach in processor.apply(event)]

    def _merged(self, logs: Mapping[str, Iterable[Event | Rejected]]) -> Iterator[Event]:
        return merged([self._good(name, logs[name]) for name in sorted(logs)])

    def _good(self, name: str, records: Iterable[Event | Rejected]) -> Iterator[Event]:
        kinds: Counter[type] = Counter()
        try:
            for count, record in enumerate(records, 1):
                kind = type(record)
                if kind is Rejected:
                    assert isinstance(record, Rejected)
                    self._dead[record.error.code] += 1
                    if self._on_rejected is not None:
                        self._on_rejected(name, record)
                    continue
                kinds[kind] += 1
                if count % PROGRESS_EVERY == 0 and self._on_progress is not None:
                    self._on_progress(PROGRESS_EVERY)
                yield record  # type: ignore[misc]
        finally:
            for kind, number in kinds.items():
                self._kinds[str(kind.__struct_config__.tag)] += number

    def stats(self) -> ReplayStats:
        """Counts so far."""
        counters: Counter[str] = Counter()
        for processor in self.processors:
            counters.update(processor.counters)
        clock_ms = self._clock_ms()
        return ReplayStats(
            events=dict(sorted(self._kinds.items())),
            dead_letters=dict(sorted(self._dead.items())),
            counters=dict(sorted(counters.items())),
            breaches=dict(sorted(self._breaches.items())),
            trucks=sum(len(p.trucks()) for p in self.processors),
            seconds=self._seconds,
            last_ms=None if clock_ms == NEVER_MS else clock_ms,
        )


def merged(logs: Sequence[Iterator[Event]]) -> Iterator[Event]:
    """Several logs as one, in the order of their clocks; each keeps its own order."""
    if len(logs) == 1:
        yield from logs[0]
        return
    for _clock_ms, _log, _line, event in heapq.merge(*(_by_clock(log, n) for n, log in enumerate(logs))):
        yield event


def _by_clock(events: Iterator[Event], stream: int) -> Iterator[tuple[int, int, int, Event]]:
    """Events with the clock of their own log (which never runs back), so that merging keeps each log's order."""
    clock_ms = NEVER_MS
    for line, event in enumerate(events):
        clock_ms = max(clock_ms, to_ms(event.received_at or event.at))
        yield clock_ms, stream, line, event
