"""Each lint warns of what it is for, where it stands, and a tidy file gives no warnings."""

from __future__ import annotations

from datetime import date

import pytest

from rules.findings import CODES
from rules.loading import load_books

TIDY = """\
lists:
  spared: [A]
conditions:
  fast: speed_kmh > $limit_kmh
rules:
  - id: speeding
    title: {zh: 超速, en: Speeding}
    category: speed
    severity: info
    status: active
    owner: 渣土科
    law: [x-1]
    params:
      limit_kmh: {value: 60, min: 30, max: 100}
    match:
      on: position
      where: fast and truck_id not in spared
    episode: {cooldown: 10m}
    work_order: {urgency: normal}
    runbook: 提醒
    exceptions: [{zone: Z, reason: r, approved_by: b, expires: 2027-01-31}]
    examples:
      - {name: 快, events: [{t: 0s, on: position, speed_kmh: 90}], expect: [{at: 0s}]}
      - {name: 慢, events: [{t: 0s, on: position, speed_kmh: 20}], expect: []}
"""
CASES = [
    ("W101", 14, "min: 30, max: 100", "min: 30"),
    ("W102", 15, "max: 100}", "max: 100}\n      spare: {value: 1, min: 0, max: 2}"),
    ("W103", 2, " and truck_id not in spared", ""),
    ("W103", 4, "fast and truck_id", "speed_kmh > $limit_kmh and truck_id"),
    ("W104", 17, "fast and truck_id", "fast and speed_kmh >= 0 and truck_id"),
    ("W105", 6, "    law: [x-1]\n", ""),
    ("W106", 6, "    runbook: 提醒\n", ""),
    ("W107", 7, "{zh: 超速, en: Speeding}", "超速"),
    ("W108", 15, "    episode: {cooldown: 10m}\n", ""),
    ("W109", 21, "2027-01-31", "2026-11-30"),
    ("W110", 21, "2027-01-31", "2029-11-30"),
    ("W111", 22, "on: position\n      where: fast",
     "sequence:\n        - as: quick\n          on: position\n          where: fast"),
    ("W112", 19, "urgency: normal", "urgency: urgent"),
    ("W113", 22, "events: [{t: 0s, on: position, speed_kmh: 20}]", "events: []"),
    ("W114", 22, "name: 慢", "name: 快"),
]  # fmt: skip


def warnings(text: str) -> list[tuple[str, int]]:
    book, findings = load_books([("rules/a.yaml", text.encode())], today=date(2026, 11, 22))
    assert book is not None, [f.render() for f in findings]
    return [(f.code, f.line) for f in findings]


def test_a_tidy_file_gives_no_warning() -> None:
    assert warnings(TIDY) == []


@pytest.mark.parametrize(("code", "line", "old", "new"), CASES)
def test_a_lint_warns_where_the_reason_stands(code: str, line: int, old: str, new: str) -> None:
    assert TIDY.count(old) == 1
    text = TIDY.replace(old, new)
    if code == "W111":
        text = text.replace("in spared\n", "in spared\n      within: 5m\n")
    assert (code, line) in warnings(text)


def test_a_copied_rule_is_told() -> None:
    rule = TIDY[TIDY.index("  - id") :]
    assert warnings(TIDY + rule.replace("id: speeding", "id: speeding-again")) == [("W115", 25)]


def test_every_lint_is_tried_here() -> None:
    assert {code for code, *_ in CASES} | {"W115"} == {code for code in CODES if code.startswith("W")}
