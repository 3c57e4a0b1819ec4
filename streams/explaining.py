"""Recorded events through a city with one rule under observation: why it fired, or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

from haulwatch.city import City
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.instants import FOREVER_MS
from haulwatch.wire import Rejected
from rules.engines import compile_book
from rules.standing import Explanation, explanation
from rules.witness import Trace, Witness, WitnessedEngine
from streams.replay import Replay
from streams.runtime import CityRuntime


def explain(
    city: City,
    rule_id: str,
    logs: Mapping[str, Iterable[Event | Rejected]],
    *,
    truck_id: str | None = None,
    at_ms: int | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Explanation | None:
    """Why the rule fired on a truck up to `at_ms` (None: the end of the log), or why not.

    Without `truck_id` it is the truck on which the rule fired last, else the one that came nearest to it; None when the
    log has no event of any truck that was asked for. A draft runs as if it were in shadow. `rule_id` is in the book.
    """
    runtime = CityRuntime(_with_rule_running(city, rule_id))
    witness = Witness(rule_id, truck_id, FOREVER_MS if at_ms is None else at_ms)
    runtime.engine = WitnessedEngine(runtime.city.compiled, runtime.timezone, witness)
    asked = logs if truck_id is None else {name: _only(truck_id, log) for name, log in logs.items()}
    for _breach in Replay(runtime, on_progress=on_progress).run(asked, until_ms=at_ms):
        pass
    trace = _chosen(witness)
    if trace is None:
        return None
    return explanation(runtime.city.compiled.rules[_index(runtime.city, rule_id)], trace, at_ms is None, city.timezone)


def _index(city: City, rule_id: str) -> int:
    return next(k for k, rule in enumerate(city.compiled.rules) if rule.rule_id == rule_id)


def _with_rule_running(city: City, rule_id: str) -> City:
    """The city with the rule under observation alone: rules do not see one another."""
    rule = next(rule for rule in city.book.rules if rule.rule_id == rule_id)
    if rule.status not in ("active", "shadow"):
        rule = replace(rule, status="shadow")
    book = replace(city.book, rules=(rule,))
    compiled = compile_book(book, city.registry, city.law, city.timezone, city.city_id, city.rules_engine)
    return replace(city, book=book, compiled=compiled)


def _only(truck_id: str, log: Iterable[Event | Rejected]) -> Iterator[Event | Rejected]:
    """The truck's own events; of the others' nothing but the time that they bring to the log's clock."""
    for event in log:
        if isinstance(event, (Tick, CityActivated, Rejected)) or event.truck_id == truck_id:
            yield event
        else:
            yield Tick(at=event.at, received_at=event.received_at)


def _chosen(witness: Witness) -> Trace | None:
    """The truck that was asked for, the one on which the rule fired last, or the one that came nearest to it."""
    live = [_joined(witness, truck_id) for truck_id in dict.fromkeys(truck_id for truck_id, _ in witness.traces)]
    return max(live, key=lambda trace: (max(trace.fired_ms, default=-1), trace.rank), default=None)


def _joined(witness: Witness, truck_id: str) -> Trace:
    """What is known of the truck live, with the firings that only late data brought to light."""
    live = witness.traces.get((truck_id, False)) or Trace(truck_id, late=False)
    late = witness.traces.get((truck_id, True))
    if late is None or late.firing is None:
        return live
    if live.firing is None or live.firing.detection.detected_ms < late.firing.detection.detected_ms:
        live.firing = late.firing
    live.fired_ms = sorted({*live.fired_ms, *late.fired_ms})
    return live
