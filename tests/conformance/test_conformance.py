"""Every case of the conformance suite, in three orders of arrival, with restarts at every position, on both engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from haulwatch.domain.breaches import Breach
from rules.engines import EngineName
from rules.judgements import inexpressible
from rules.model import ExampleEvent
from streams.scenes import Scene, play
from streams.stream_tests import differences, scene_of_test
from tests.conformance.cases import Case, all_cases
from tests.durable import ENGINES

SECTIONS = {
    "absence", "count", "duplicates", "episodes", "hold", "late", "schedule", "sequence", "ties", "unknown",
}  # fmt: skip
LEAST = 150
JITTER_MS = 590_000
"""Less than the lateness of cases that are not about arrival (10 min)."""


def arrivals(case: Case, scene: Scene) -> Iterator[tuple[str, Scene]]:
    """The scene in three orders of arrival; a case about arrival itself only in that which it is about."""
    yield "in order", scene
    if case.as_written:
        return
    last_ms = max(event.offset_ms for event in scene.events)
    yield "the other way round", _arriving(scene, [last_ms + last_ms - e.offset_ms for e in scene.events])
    rng = Random(case.name)
    yield "at random", _arriving(scene, [e.offset_ms + rng.randrange(JITTER_MS) for e in scene.events])


def _arriving(scene: Scene, arrive_ms: Sequence[int]) -> Scene:
    events = [
        ExampleEvent(event.offset_ms, event.kind, {**event.fields, "arrive": at_ms / 1000}, event.place)
        for event, at_ms in zip(scene.events, arrive_ms, strict=True)
    ]
    return replace(scene, events=events)


def positions(scene: Scene) -> list[int]:
    """Before every event, in order of arrival, and after the last."""
    arrive = [e.fields.get("arrive", e.offset_ms / 1000) for e in scene.events]
    at = sorted({round(float(str(seconds)) * 1000) for seconds in arrive})
    return [*at, at[-1] + 1]


def essence(breaches: Sequence[Breach]) -> list[tuple[Any, ...]]:
    """What is told of each breach, whenever its events arrived."""
    return sorted(
        (b.breach_id, b.phase, b.rule_id, b.started_at, b.detected_at, str(b.ended_at), b.occurrences, b.late)
        for b in breaches
    )


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", all_cases(), ids=lambda case: f"{case.section}: {case.written['en']}")
def test_case(case: Case, engine: EngineName) -> None:
    rules = case.rules()
    if engine == "durable" and inexpressible(rules):
        pytest.skip("the engine cannot express it")
    test = case.test(engine)
    told: list[tuple[Any, ...]] | None = None
    for order, scene in arrivals(case, scene_of_test(test)):
        every = positions(scene)
        singly = [[at_ms] for at_ms in every] if order == "in order" else []
        for restarts in ([], every, *singly):
            played = play(replace(scene, restart_at_ms=restarts), rules)
            where = f"{order}, restarted at {restarts} ms"
            assert [finding.text.en for finding in differences(test, played)] == [], where
            told = essence(played.breaches) if told is None else told
            assert essence(played.breaches) == told, where


def test_the_suite_covers_what_it_should() -> None:
    cases = all_cases()
    assert len(cases) >= LEAST
    assert {case.section for case in cases} == SECTIONS
    assert [name for name, count in Counter((case.section, case.name) for case in cases).items() if count > 1] == []
    for section in SECTIONS:
        assert {case.fires for case in cases if case.section == section} == {True, False}, section
    alone = Counter(str({k: v for k, v in case.written.items() if k not in ("zh", "en")}) for case in cases)
    assert [what for what, count in alone.items() if count > 1] == [], "the same case twice"


def test_the_second_engine_can_express_most_of_it() -> None:
    left_out = [case.name for case in all_cases() if inexpressible(case.rules())]
    assert len(left_out) <= 5, left_out
