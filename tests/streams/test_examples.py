"""Inline examples run through the real processor, and what an author is told when one does not hold."""

from __future__ import annotations

import pytest

from haulwatch.domain.errors import Finding
from rules.loading import load_books
from streams.examples import run_examples

BOOK = """
rules:
  - id: uncovered-on-road
    title: {zh: 未密闭运输, en: Uncovered load on the road}
    category: uncovered
    severity: major
    status: draft
    owner: 渣土科
    match:
      sequence:
        - as: seen
          on: sighting
          where: cover == "open" and cover_confidence >= 0.8 and truck.load != "empty"
        - as: not_corrected
          absent: cover_change
          where: cover == "closed"
          for: 2m
      within: 15m
    unless: zones.construction_site or zones.disposal_site
    episode: {key: [truck_id, trip_id], cooldown: 30m}
    work_order: {urgency: urgent, departments: [综合执法], evidence: [seen]}
    examples:
      - name: 摄像头看到敞开，两分钟内没有盖上
        truck: {axle_count: 4}
        events:
          - {t: 0s, on: position, speed_kmh: 40, load: full, lon: 120.10, lat: 30.86}
          - {t: 10s, on: sighting, cover: open, cover_confidence: 0.93}
        until: 5m
        expect: [{at: 2m10s, category: uncovered}]
      - name: 一分钟后盖上了
        events:
          - {t: 0s, on: position, speed_kmh: 40, load: full}
          - {t: 10s, on: sighting, cover: open, cover_confidence: 0.93}
          - {t: 70s, on: sighting, cover: closed, cover_confidence: 0.93}
        until: 5m
        expect: []
      - name: 在消纳场
        zones: [{kind: disposal_site, id: D1, at: [120.1, 30.86], radius_m: 200}]
        events:
          - {t: 0s, on: position, speed_kmh: 4, load: full}
          - {t: 40s, on: position, speed_kmh: 4}
          - {t: 50s, on: sighting, cover: open, cover_confidence: 0.93}
        until: 5m
        expect: []
"""


def check(old: str = "", new: str = "") -> list[Finding]:
    assert old in BOOK
    text = BOOK.replace(old, new)
    book, findings = load_books([("rules/a.yaml", text.encode())], today=None)
    assert book is not None, [finding.render("en") for finding in findings]
    return run_examples(book, {"rules/a.yaml": text.encode()})


def test_an_example_fires_at_exactly_its_instant_and_runs_whatever_the_rules_status() -> None:
    assert check() == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("at: 2m10s", "at: 2m11s", "expected 2m11s uncovered, found 2m10s uncovered"),
        (
            "{at: 2m10s, category: uncovered}",
            "{at: 2m10s}, {at: 3m}",
            "expected 2m10s uncovered, 3m uncovered, found 2m10s uncovered",
        ),
        ("{at: 2m10s, category: uncovered}", "{at: 2m10s, category: dumping}", "expected 2m10s dumping, found 2m10s"),
        ("until: 5m\n        expect: [{at: 2m10s", "until: 2m9s\n        expect: [{at: 2m10s", "found none"),
        ("cover: open, cover_confidence: 0.93}\n        until", "cover: open}\n        until", "found none"),
    ],
    ids=["another instant", "more", "another category", "time does not get there", "unknown"],
)
def test_an_example_that_does_not_hold_is_told_at_its_place(old: str, new: str, told: str) -> None:
    found = check(old, new)[0]
    assert found.code == "T002"
    assert told in found.render("en")
    assert found.snippet == "      - name: 摄像头看到敞开，两分钟内没有盖上"


def test_the_author_is_told_what_was_unknown_or_held_back() -> None:
    unknown = check(
        ", cover_confidence: 0.93}\n        until: 5m\n        expect: [{", "}\n        until: 5m\n        expect: [{"
    )
    assert "unknown: cover_confidence" in unknown[0].render("en")
    held = check("truck: {axle_count: 4}", "zones: [{kind: disposal_site, id: D1}]")
    assert "held back by unless" in held[0].render("en")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("radius_m: 200", "radius_m: -1", "zones.geojson"),
        ("kind: disposal_site, id", "kind: dumping_site, id", "zones.geojson"),
        ("truck: {axle_count: 4}", "truck: {axle_count: 40}", "trucks.csv"),
        ("truck: {axle_count: 4}", "start: yesterday", "yesterday"),
        ("truck: {axle_count: 4}", "city: {lateness: 3}", "city.yaml"),
    ],
)
def test_an_example_that_makes_no_sense_is_told_at_its_place(old: str, new: str, told: str) -> None:
    findings = check(old, new)
    assert [finding.code for finding in findings] == ["T001"]
    assert "- name:" in (findings[0].snippet or "")
    assert told in findings[0].render("en")
