"""What `rules explain` says agrees with what the engine does, on random books and streams, at every instant."""

from __future__ import annotations

from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.registry import Truck
from rules.engine import Engine
from rules.engines import compile_book
from rules.judging import Judged
from rules.model import Rule, RuleBook, SequenceMatch, WhileMatch
from rules.nodes import Expression
from rules.standing import Explanation, Part, explanation
from rules.witness import Look, Trace, Witness, WitnessedEngine
from tests.properties.naive import findings
from tests.properties.naive_values import World
from tests.properties.random_books import a_book
from tests.properties.random_streams import PLATE, a_registry, a_stream, a_truck
from tests.properties.test_engine_oracle import TAIL_MS, PerAxle, as_story, of_detection, run_engine

GATE = ("schedule", "exception", "unless")


def an_engine(rule: Rule, world: World, witness: Witness | None) -> Engine:
    law = PerAxle(world.kg_per_axle)
    compiled = compile_book(RuleBook((rule,), "random"), world.registry, law, world.tz, world.city_id)
    return Engine(compiled, world.tz) if witness is None else WitnessedEngine(compiled, world.tz, witness)


def kleene(node: Judged) -> str:
    """The result of a tree from the results of its leaves, straight from the definition."""
    if node.op is None:
        return node.result
    results = [kleene(item) for item in node.items]
    decisive, other = ("FAIL", "PASS") if node.op == "and" else ("PASS", "FAIL")
    return decisive if decisive in results else "UNKNOWN" if "UNKNOWN" in results else other


def check_part(part: Part) -> None:
    if part.condition is None:
        return
    assert part.condition.result == kleene(part.condition)
    if part.role in ("event", "until") and part.result in ("PASS", "FAIL", "UNKNOWN"):
        assert part.result == part.condition.result


def check_look(look: Look) -> None:
    """The generated code and the tree that people are shown say the same."""
    if look.tree is not None:
        assert look.tree.result == {True: "PASS", False: "FAIL", None: "UNKNOWN"}[look.value]


def explained(rule: Rule, world: World, truck: Truck, calls: list[Any], until_ms: int) -> tuple[Explanation, Trace]:
    witness = Witness("r0", until_ms=until_ms)
    run_engine(an_engine(rule, world, witness), truck, calls)
    trace = witness.traces.get((PLATE, False)) or Trace(PLATE, late=False)
    for look in (*trace.latest.values(), *trace.taken.values()):
        check_look(look)
    return explanation(rule, trace, False, world.tz), trace


def check_reasons(found: Explanation) -> None:
    """A rule that did not fire has something to show for it; nothing that is told contradicts itself."""
    for part in (*found.now.parts, *(found.last.parts if found.last is not None else ())):
        check_part(part)
    if found.last is not None:
        assert all(part.result == "PASS" for part in found.last.parts)
        return
    assert any(part.result != "PASS" for part in found.now.parts)
    kept = any(part.role in GATE and part.result in ("FAIL", "UNKNOWN") for part in found.now.parts)
    assert (found.verdict == "held_back") is kept


def conditions_of(rule: Rule, records: int) -> list[Expression | None]:
    """What each record of a finding satisfied, in order."""
    match = rule.match
    if isinstance(match, SequenceMatch):
        return [step.where for step in match.steps if not step.absent]
    return [match.condition if isinstance(match, WhileMatch) else match.where] * records


def check(rng: Random) -> None:
    (rule, *_), calls, truck, world = a_book(rng, 1), a_stream(rng), a_truck(rng), World(a_registry(rng))
    plain = run_engine(an_engine(rule, world, None), truck, calls)
    watched = run_engine(an_engine(rule, world, Witness("r0")), truck, calls)
    assert [of_detection(found) for found in watched] == [of_detection(found) for found in plain]
    defined = findings((rule,), as_story(world, truck, calls))
    fired_ms = sorted(found.detected_ms for found in defined if found.phase == "fired")
    for until_ms in {calls[-1][1] + TAIL_MS, *(at_ms + rng.choice((0, 0, 1, 5_000)) for _, at_ms, _, _ in calls)}:
        found, _ = explained(rule, world, truck, calls, until_ms)
        assert found.fired_at == [rfc3339(ms) for ms in fired_ms if ms <= until_ms]
        assert (found.verdict == "fired") is bool(found.fired_at)
        check_reasons(found)
        if found.last is not None:
            assert found.last.detected_at == found.fired_at[-1]
            told = [part.condition is not None for part in found.last.parts if part.role == "event"]
            assert told == [where is not None for where in conditions_of(rule, len(told))]


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_an_explanation_agrees_with_the_engine_and_with_the_definition(rng: Random) -> None:
    """Steered by Hypothesis: few examples, and the smallest book and stream when one fails."""
    check(rng)


@pytest.mark.parametrize("seed", range(150))
def test_an_explanation_agrees_with_the_engine_and_with_the_definition_at_random(seed: int) -> None:
    check(Random(seed))


@pytest.mark.parametrize("seed", range(300, 500))
def test_what_is_waited_for_is_decided_at_the_told_deadline_and_not_before(seed: int) -> None:
    """Left alone from then on, the first of what is open fires or is gone when it was told to."""
    rng = Random(seed)
    (rule, *_), calls, truck, world = a_book(rng, 1), a_stream(rng, 12), a_truck(rng), World(a_registry(rng))
    end_ms = calls[-1][1]
    found, _ = explained(rule, world, truck, calls, end_ms)
    due = [to_ms(datetime.fromisoformat(opened.until)) for opened in found.now.open if opened.until is not None]
    if not due or not end_ms < min(due) <= end_ms + TAIL_MS:
        return
    before, _ = explained(rule, world, truck, calls, min(due) - 1)
    after, _ = explained(rule, world, truck, calls, min(due))
    assert (before.fired_at, before.now.open) == (found.fired_at, found.now.open)
    assert (after.fired_at, after.now.open) != (found.fired_at, found.now.open)
