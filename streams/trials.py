"""Recorded events through one or several cities at once, every event read once: what the rules of each find."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from msgspec import Struct

from haulwatch.city import City
from haulwatch.domain.events import Event
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS
from haulwatch.wire import Rejected
from rules.engines import compile_book
from streams.coverage import ConditionWatch
from streams.replay import merged
from streams.runtime import CityRuntime
from streams.trial_notes import CityFindings, TrialNotes, in_order
from streams.truckwise import Arrived, Stretches, TruckwiseProcessor


class Tried(Struct, kw_only=True):
    """What a stretch of recorded data was, and what each city's rules found in it."""

    kinds: dict[str, int] = {}
    dead_letters: dict[str, int] = {}
    trucks: int = 0
    first_ms: int = FOREVER_MS
    last_ms: int = NEVER_MS
    cities: list[CityFindings] = []


def trial_runtime(city: City) -> CityRuntime:
    """The city ready to be tried: drafts run as if they were in shadow, for trying them is what they are there for."""
    rules = tuple(replace(rule, status="shadow") if rule.status == "draft" else rule for rule in city.book.rules)
    if rules == city.book.rules:
        return CityRuntime(city)
    book = replace(city.book, rules=rules)
    compiled = compile_book(book, city.registry, city.law, city.timezone, city.city_id, city.rules_engine)
    return CityRuntime(replace(city, book=book, compiled=compiled))


def try_rules(
    cities: Sequence[City],
    logs: Mapping[str, Iterable[Event | Rejected]],
    *,
    on_progress: Callable[[int], None] | None = None,
    watch: bool = False,
) -> Tried:
    """Runs the logs through every city. `watch`: also which conditions were never true, which takes its time."""
    trial = _Trial([trial_runtime(city) for city in cities], watch, on_progress or (lambda _count: None))
    with _uncollected():
        return trial.run(logs)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector: what is read is long-lived or freed by reference counts."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


class _Trial:
    def __init__(self, runtimes: Sequence[CityRuntime], watch: bool, on_progress: Callable[[int], None]) -> None:
        self._deciding = [(TruckwiseProcessor(runtime), TrialNotes(runtime)) for runtime in runtimes]
        self._watches = [ConditionWatch() for _ in runtimes] if watch else []
        for seen, runtime in zip(self._watches, runtimes, strict=False):
            seen.attach(runtime)
        self._runtimes = runtimes
        self._on_progress = on_progress
        self._kinds: Counter[type] = Counter()
        self._dead: Counter[str] = Counter()
        self._trucks: set[str] = set()
        self._first_ms = FOREVER_MS
        self._last_ms = NEVER_MS

    def run(self, logs: Mapping[str, Iterable[Event | Rejected]]) -> Tried:
        """All of it, and the clock moved on at the end as a replay does."""
        stretches = Stretches()
        for by_truck in stretches.of(merged([self._good(logs[name]) for name in sorted(logs)])):
            for truck_id, arrived in by_truck.items():
                self._take(truck_id, arrived)
            self._on_progress(sum(map(len, by_truck.values())))
        self._first_ms, self._last_ms = stretches.first_ms, stretches.clock_ms
        for processor, notes in self._deciding:
            assert processor.runtime is not None
            for breach in processor.advance_to(self._last_ms + processor.runtime.lateness_ms + 1):
                notes.take(breach)
        return self._tried()

    def _take(self, truck_id: str, arrived: Sequence[Arrived]) -> None:
        self._trucks.add(truck_id)
        self._kinds.update([event.__class__ for _, _, event in arrived])
        for processor, notes in self._deciding:
            for breach in processor.take(truck_id, arrived):
                notes.take(breach)

    def _good(self, records: Iterable[Event | Rejected]) -> Iterator[Event]:
        for record in records:
            if isinstance(record, Rejected):
                self._dead[record.error.code] += 1
            else:
                yield record

    def _tried(self) -> Tried:
        found = [notes.found() for _, notes in self._deciding]
        for city, seen, runtime in zip(found, self._watches, self._runtimes, strict=False):
            city.never_true = seen.never_true(runtime.city.book)
        return Tried(
            kinds=dict(sorted((str(kind.__struct_config__.tag), number) for kind, number in self._kinds.items())),  # type: ignore[attr-defined]
            dead_letters=dict(sorted(self._dead.items())),
            trucks=len(self._trucks),
            first_ms=self._first_ms,
            last_ms=self._last_ms if self._kinds else NEVER_MS,
            cities=found,
        )


def together(parts: Sequence[Tried]) -> Tried:
    """What was found in the shares of trucks that the data was split into."""
    kinds: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    for part in parts:
        kinds.update(part.kinds)
        dead.update(part.dead_letters)
    return Tried(
        kinds=dict(sorted(kinds.items())),
        dead_letters=dict(sorted(dead.items())),
        trucks=sum(part.trucks for part in parts),
        first_ms=min(part.first_ms for part in parts),
        last_ms=max(part.last_ms for part in parts),
        cities=[_city_together(cities) for cities in zip(*(part.cities for part in parts), strict=True)],
    )


def _city_together(parts: Sequence[CityFindings]) -> CityFindings:
    unknown: dict[str, Counter[str]] = {}
    for part in parts:
        for rule_id, names in part.unknown.items():
            unknown.setdefault(rule_id, Counter()).update(names)
    never = [part.never_true for part in parts if part.never_true is not None]
    return CityFindings(
        findings=in_order(finding for part in parts for finding in part.findings),
        unknown={rule_id: dict(sorted(names.items())) for rule_id, names in sorted(unknown.items())},
        never_true=[one for one in never[0] if all(one in other for other in never)] if never else None,
    )
