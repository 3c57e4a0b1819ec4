"""The engine finds exactly what the written definition says, on random books and random streams."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import TruckState
from rules.engine import Detection, Engine
from rules.engines import compile_book
from rules.model import Rule, RuleBook
from tests.properties.naive import Found, Seen, Story, findings
from tests.properties.naive_values import World
from tests.properties.random_books import a_book
from tests.properties.random_streams import PLATE, a_registry, a_stream, a_truck

OWNED = ("rules", "rule_deadline_ms")
TAIL_MS = 60_000


def run_engine(engine: Engine, truck: Truck, calls: list[Any], restarts: bool = False) -> list[Detection]:
    """The stream through the engine, its deadlines kept as the processor keeps them; `restarts` after every event."""
    state = TruckState(PLATE)
    found: list[Detection] = []
    for base, at_ms, derived, after in calls:
        if restarts:
            state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=TruckState)
        found += engine.on_deadline(state, truck, at_ms - 1)
        state = structs.replace(after, **{name: getattr(state, name) for name in OWNED})
        if base is None:
            found += engine.on_derived(state, truck, derived[0], at_ms)
        else:
            found += engine.on_event(state, truck, base, at_ms, derived)
    found += engine.on_deadline(state, truck, calls[-1][1] + TAIL_MS)
    return found


def as_story(world: World, truck: Truck, calls: list[Any]) -> Story:
    seen: list[Seen] = []
    for call, (base, at_ms, derived, state) in enumerate(calls):
        for event in ([] if base is None else [base]) + derived:
            kind = str(event.__struct_config__.tag)
            seen.append(Seen(len(seen), call, kind, event, at_ms, state))
    return Story(world, truck, seen, calls[-1][1] + TAIL_MS)


def of_condition(condition: Any) -> tuple[Any, ...]:
    return (
        condition.text,
        condition.name,
        condition.observed,
        condition.operator,
        condition.threshold,
        condition.unit,
        condition.event_id,
    )


def of_detection(found: Detection) -> Any:
    records = [(c.alias, c.event.event_id, c.at_ms, [of_condition(x) for x in c.conditions]) for c in found.captures]
    measured = [of_condition(condition) for condition in found.conditions]
    return (found.rule.rule_id, found.phase, found.started_ms, found.detected_ms, records, measured)


def of_found(found: Found) -> Any:
    records = [(t.alias, t.seen.event.event_id, t.seen.at_ms, list(t.conditions)) for t in found.records]
    return (found.rule_id, found.phase, found.started_ms, found.detected_ms, records, list(found.measured))


@dataclass(frozen=True)
class PerAxle:
    """A law with a limit that is easy to reckon."""

    kg: float

    def limit_kg(self, truck: Truck, axle_count: int | None, at_ms: int) -> float | None:  # noqa: ARG002
        axles = truck.axle_count or axle_count
        return None if axles is None else self.kg * axles


def engine_of(book: tuple[Rule, ...], world: World) -> Engine:
    law = PerAxle(world.kg_per_axle)
    compiled = compile_book(RuleBook(book, "random"), world.registry, law, world.tz, world.city_id)
    return Engine(compiled, world.tz)


def check(rng: Random) -> None:
    book, calls, truck, world = a_book(rng), a_stream(rng), a_truck(rng), World(a_registry(rng))
    engine = engine_of(book, world)
    story = as_story(world, truck, calls)
    expected = findings(book, story)
    found = run_engine(engine, truck, calls, restarts=rng.random() < 0.5)
    assert [of_detection(f) for f in found] == [of_found(f) for f in expected]
    assert sum(engine.counters.partials_dropped.values()) == story.pushed_out


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_engine_finds_what_the_definition_says(rng: Random) -> None:
    """Steered by Hypothesis: few examples, and the smallest book and stream when one fails."""
    check(rng)


@pytest.mark.parametrize("seed", range(400))
def test_the_engine_finds_what_the_definition_says_at_random(seed: int) -> None:
    """Not steered: large books and streams."""
    check(Random(seed))


@pytest.mark.slow
def test_the_engine_finds_what_the_definition_says_very_often() -> None:
    for seed in range(1_000, 11_000):
        check(Random(seed))
