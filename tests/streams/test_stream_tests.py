"""Stream tests: virtual time, late and double arrival, restarts, exact expectation, and what their author is told."""

from __future__ import annotations

import pytest

from haulwatch.domain.errors import AuthorError, Finding
from rules.loading import load_books
from rules.model import RuleBook
from streams.coverage import ConditionWatch
from streams.examples import run_examples
from streams.stream_tests import Outcome, cases_of, run_stream_tests

RULES = """
rules:
  - id: fast
    title: {zh: 超速, en: Fast}
    category: speed
    severity: minor
    status: active
    owner: 科
    match: {on: position, where: speed_kmh > 80 and not ignition == false}
    episode: {key: [truck_id], cooldown: 5m}
    work_order: {urgency: low, departments: [交警]}
    examples:
      - {name: a, events: [{t: 0s, on: position, speed_kmh: 90, ignition: true}], expect: [{at: 0s}]}
      - {name: b, events: [{t: 0s, on: position, speed_kmh: 70}], expect: []}
  - id: open
    title: {zh: 敞开, en: Open}
    category: uncovered
    severity: minor
    status: draft
    owner: 科
    match:
      sequence:
        - {as: seen, on: sighting, where: cover == "open"}
        - {as: kept, absent: cover_change, where: cover == "closed", for: 2m}
      within: 15m
    unless: zones.parking
    episode: {key: [truck_id], cooldown: 30m}
    work_order: {urgency: low, departments: [交警], evidence: [seen]}
    examples:
      - {name: a, events: [{t: 0s, on: position}, {t: 1s, on: sighting, cover: open}], expect: [{at: 121s}]}
      - {name: b, events: [{t: 0s, on: position}, {t: 1s, on: sighting, cover: closed}], expect: []}
"""
STORY = """
tests:
  - name: late, twice and restarted
    rules: [open]
    trucks: [{truck_id: 浙A1, axle_count: 4}, {truck_id: 浙A2}]
    restart_at: [30s, 90s]
    events:
      - {t: 0s, on: position, truck_id: 浙A1}
      - {t: 0s, on: position, truck_id: 浙A2}
      - {t: 10s, arrive: 12s, on: sighting, truck_id: 浙A1, cover: open, duplicates: 2}
      - {t: 10s, on: sighting, truck_id: 浙A2, cover: open}
      - {t: 70s, on: sighting, truck_id: 浙A2, cover: closed}
    until: 40m
    expect:
      - {at: 2m10s, rule: open, category: uncovered, truck_id: 浙A1, late: false, occurrences: 1, ended: 2m10s}
"""


def book() -> RuleBook:
    found, findings = load_books([("rules/a.yaml", RULES.encode())], today=None)
    assert found is not None, [finding.render("en") for finding in findings]
    return found


def run(text: str, watch: ConditionWatch | None = None) -> list[Outcome]:
    return run_stream_tests(book(), [("rules/a.test.yaml", text.encode())], watch)


def findings(text: str) -> list[Finding]:
    return [finding for outcome in run(text) for finding in outcome.findings]


def test_a_story_comes_out_exactly() -> None:
    assert findings(STORY) == []
    assert run(STORY)[0].fired == {"open"}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("at: 2m10s,", "at: 2m11s,", "missing {at: 2m11s, rule: open"),
        ("truck_id: 浙A1, late", "truck_id: 浙A2, late", "unexpected {at: 2m10s, rule: open"),
        ("late: false", "late: true", "late: false"),
        ("occurrences: 1", "occurrences: 2", "occurrences: 1"),
        ("ended: 2m10s", "ended: null", "ended: 2m10s"),
        ("cover: closed", "cover: open", "missing none, unexpected {at: 2m10s, rule: open"),
        ("rules: [open]", "rules: [opn]", "Did you mean open?"),
        ("axle_count: 4", "axle_count: 99", "trucks.csv"),
    ],
)
def test_what_differs_is_told(old: str, new: str, told: str) -> None:
    assert old in STORY
    found = findings(STORY.replace(old, new))
    assert len(found) == 1
    assert told in found[0].render("en")
    assert found[0].snippet == "  - name: late, twice and restarted"


def test_an_event_that_arrives_too_late_is_not_taken_as_if_it_had_come_in_time() -> None:
    late = STORY.replace("{t: 70s, on: sighting", "{t: 70s, arrive: 3m, on: sighting")
    assert "truck_id: 浙A2" in findings(late)[0].render("en")


def test_without_names_the_whole_book_takes_part() -> None:
    """A draft takes no part."""
    assert [outcome.fired for outcome in run(STORY.replace("    rules: [open]\n", ""))] == [frozenset()]


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("restart_at: [30s", "restart_at: [30", (6, "E016")),
        ("duplicates: 2", "duplicates: 1.5", (10, "E014")),
        ("late: false", "late: perhaps", (15, "E013")),
        ("until: 40m", "untill: 40m", (13, "E010")),
        ("cover: open, dup", "covr: open, dup", (10, "E012")),
        ("ended: 2m10s", "eneded: 32m10s", (15, "E010")),
    ],
)
def test_every_error_of_a_test_file_has_its_place(old: str, new: str, place: tuple[int, str]) -> None:
    assert old in STORY
    with pytest.raises(AuthorError) as raised:
        run(STORY.replace(old, new))
    assert [(found.line, found.code) for found in raised.value.findings] == [place]


def test_coverage_names_what_was_never_true_and_counts_the_cases() -> None:
    watch = ConditionWatch()
    assert run_examples(book(), watch=watch) == []
    never = {(c.rule_id, c.slot, c.text, c.negated) for c in watch.never_true(book())}
    assert never == {
        ("open", ("step", 1), 'cover == "closed"', False),
        ("open", "unless", "zones.parking", False),
    }
    outcomes = run(STORY, watch)
    assert {c.text for c in watch.never_true(book())} == {"zones.parking"}
    cases = {case.rule_id: (case.positive, case.negative) for case in cases_of(book(), outcomes)}
    assert cases == {"fast": (1, 1), "open": (2, 1)}
