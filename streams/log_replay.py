"""The log of a cluster once more, offline: the same records through the same code, partition by partition.

Every partition has its own clock, as in the cluster. A partition ends where its log ends, so what is found is what the
workers must have found by then.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import NEVER_MS
from haulwatch.wire import DeadLetter
from streams.partition_host import PartitionHost
from streams.processor import PartitionProcessor
from streams.replay import ReplayStats
from streams.runtime import CityRuntime

LoggedRecord = tuple[bytes | None, int, int]
"""A record's value, the broker's time of it (ms), its offset."""
PROGRESS_EVENTS = 10_000


class LogReplay:
    """Replays partitions of the observations log `topic`.

    `runtime_of` gives the cities that the log puts in force. With `instead`, that city decides from the beginning on,
    whatever the log says.
    """

    def __init__(
        self,
        topic: str,
        partitions: int,
        runtime_of: Callable[[str], CityRuntime | None],
        *,
        instead: CityRuntime | None = None,
        on_dead: Callable[[DeadLetter], None] = lambda _letter: None,
        on_progress: Callable[[int], None] = lambda _events: None,
    ) -> None:
        self._topic = topic
        self._partitions = partitions
        self._runtime_of = runtime_of if instead is None else lambda _hash: instead
        self._instead = instead
        self._on_dead = on_dead
        self._on_progress = on_progress
        self._counters: Counter[str] = Counter()
        self._dead: Counter[str] = Counter()
        self._breaches: Counter[str] = Counter()
        self._events = self._trucks = 0
        self._last_ms = NEVER_MS
        self._seconds = 0.0

    def run(self, number: int, records: Iterable[LoggedRecord], *, until_ms: int | None = None) -> Iterator[Breach]:
        """The breaches of one partition in their order; the clock moves on to `until_ms` plus lateness at the end."""
        started = time.perf_counter()
        host = PartitionHost(self._topic, number, self._partitions, self._runtime_of)
        if (instead := self._instead) is not None:
            host.processor = PartitionProcessor(instead, lambda _hash: instead)
        told = 0
        for value, timestamp_ms, offset in records:
            decided = host.apply(value, timestamp_ms, offset)
            for letter in decided.dead:
                self._dead[letter.code] += 1
                self._on_dead(letter)
            yield from self._counted(decided.breaches)
            if host.counters["events"] - told >= PROGRESS_EVENTS:
                self._on_progress(host.counters["events"] - told)
                told = host.counters["events"]
        processor = host.processor
        if until_ms is not None and processor.runtime is not None:
            yield from self._counted(processor.advance_to(until_ms + processor.runtime.lateness_ms + 1))
        self._events += host.counters["events"]
        self._trucks += len(processor.trucks())
        self._counters.update(processor.counters)
        self._last_ms = max(self._last_ms, processor.clock_ms)
        self._seconds += time.perf_counter() - started

    def _counted(self, breaches: list[Breach]) -> list[Breach]:
        for breach in breaches:
            self._breaches[f"{breach.category}.{breach.phase}"] += 1
        return breaches

    def stats(self) -> ReplayStats:
        """Counts of the partitions so far; events are not told apart by kind."""
        return ReplayStats(
            events={"all": self._events},
            dead_letters=dict(sorted(self._dead.items())),
            counters=dict(sorted(self._counters.items())),
            breaches=dict(sorted(self._breaches.items())),
            trucks=self._trucks,
            seconds=self._seconds,
            last_ms=None if self._last_ms == NEVER_MS else self._last_ms,
        )
