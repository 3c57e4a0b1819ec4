"""What is remembered of a truck: no more than needed, the same after a restart, only of rules that are unchanged."""

from __future__ import annotations

import msgspec
import pytest

from haulwatch.domain.instants import FOREVER_MS
from haulwatch.domain.trucks import TruckState
from rules.compiling import CompiledBook
from tests.rules.engine.timeline import ZERO_MS, Timeline, compiled, ms, said

SEQUENCE = """
    sequence:
      - {as: a, on: sighting}
      - {as: b, absent: weighing, for: 1m}
    within: 2m
"""
HEAD = """
    sequence:
      - {as: no_papers, absent: manifest, for: 1h}
      - {as: leaves, on: sighting}
    within: 1m
"""
HOLD = "while: speed_kmh > 80\nfor: 1m"
COUNT = "count: 2\nof: {on: weighing}\nwithin: 1h"


@pytest.mark.parametrize(
    ("match", "line", "deadline"),
    [
        (SEQUENCE, "0s sighting", "1m"),
        (HEAD, "0s manifest", "1h"),
        (HOLD, "0s position speed_kmh=90", "1m"),
        (COUNT, "0s weighing", "1h"),
    ],
    ids=["sequence", "head", "hold", "count"],
)
def test_the_deadline_is_the_next_instant_with_something_to_do(match: str, line: str, deadline: str) -> None:
    timeline = Timeline(compiled(match))
    assert timeline.state.rule_deadline_ms == FOREVER_MS
    timeline.tell([line])
    assert timeline.state.rule_deadline_ms == ZERO_MS + ms(deadline)
    timeline.tell([f"{deadline} position"])
    timeline.until(deadline)
    assert timeline.state.rules == {}
    assert timeline.state.rule_deadline_ms == FOREVER_MS


@pytest.mark.parametrize("match", [SEQUENCE, HEAD, HOLD, COUNT], ids=["sequence", "head", "hold", "count"])
def test_nothing_is_remembered_of_a_truck_at_rest(match: str) -> None:
    timeline = Timeline(compiled(match))
    timeline.tell(["0s position speed_kmh=10", "1m position"])
    assert timeline.state.rules == {}


@pytest.mark.parametrize("match", [SEQUENCE, HOLD, COUNT], ids=["sequence", "hold", "count"])
def test_a_state_from_a_snapshot_finds_the_same(match: str) -> None:
    lines = [
        "0s sighting",
        "0s weighing",
        "1s position speed_kmh=90",
        "50s weighing",
        "51s sighting",
        "70s position speed_kmh=0",
    ]
    straight, restarted = Timeline(compiled(match)), Timeline(compiled(match))
    for line in lines:
        straight.tell([line])
        restarted.tell([line])
        restarted.state = msgspec.msgpack.decode(msgspec.msgpack.encode(restarted.state), type=TruckState)
    for timeline in (straight, restarted):
        timeline.until("1h")
    assert straight.found
    assert restarted.found == straight.found


def activate(timeline: Timeline, book: CompiledBook, previous: CompiledBook) -> int:
    timeline.engine = Timeline(book).engine
    return timeline.engine.drop_changed(timeline.state, previous)


def test_an_unchanged_match_keeps_its_state() -> None:
    before, after = compiled(SEQUENCE), compiled(SEQUENCE, rest="unless: zones.parking")
    timeline = Timeline(before)
    timeline.tell(["0s truck zones=none", "0s sighting"])
    assert activate(timeline, after, before) == 0
    timeline.until("1h")
    assert [said(detection) for detection in timeline.found] == ["1m fired since 0s: a=e1"]


@pytest.mark.parametrize("rule_id", ["rule", "other"], ids=["edited", "removed"])
def test_a_changed_match_loses_its_state(rule_id: str) -> None:
    before, after = compiled(SEQUENCE), compiled(SEQUENCE.replace("1m", "90s"), rule_id=rule_id)
    timeline = Timeline(before)
    timeline.tell(["0s sighting"])
    assert activate(timeline, after, before) == 1
    assert timeline.engine.counters.memories_dropped == {"rule": 1}
    assert timeline.state.rule_deadline_ms == FOREVER_MS
    timeline.until("1h")
    assert timeline.found == []


def test_a_new_rule_does_not_take_what_it_has_not_seen_for_absent() -> None:
    before, after = compiled(HOLD), compiled(HEAD)
    timeline = Timeline(before)
    timeline.tell(["0s position", "2h manifest", "2h10m position"])
    activate(timeline, after, before)
    timeline.tell(["2h30m sighting", "3h10m sighting", "3h10m1s sighting"])
    assert [said(detection) for detection in timeline.found] == ["3h10m1s fired since 3h10m1s: leaves=e6"]


def test_a_finding_explains_itself() -> None:
    timeline = Timeline(compiled(SEQUENCE.replace("on: sighting", "on: sighting, where: cover == 'open'")))
    timeline.tell(["0s sighting cover=open"])
    timeline.until("1m")
    found = timeline.found[0]
    seen = found.captures[0].conditions
    assert [(c.name, c.observed, c.operator, c.threshold, c.event_id) for c in seen] == [
        ("cover", "open", "==", "open", "e1")
    ]
    assert [(c.text, c.observed, c.operator, c.threshold, c.unit) for c in found.conditions] == [
        ("absent weighing", 60.0, ">=", 60.0, "s"),
        ("within", 60.0, "<=", 120.0, "s"),
    ]
