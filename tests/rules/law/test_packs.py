"""Law packs are written by people: every mistake is told with its line."""

from __future__ import annotations

import pytest

from rules.findings import Report
from rules.law_packs import available_packs, load_packs, load_references, read_pack, shipped_law

GOOD = """\
id: x-1
title: {zh: 一, en: one}
jurisdiction: {code: CN, zh: 全国, en: National}
edition: 2020-01-01
effective_from: 2020-02-01
verified: read
overweight_penalty:
  article: {zh: 第一条, en: art. 1}
  cap_yuan: 30000
  bands:
    - {above_kg: 0, consequence: warning}
    - {above_kg: 1000, consequence: fine, yuan: 500, of: whole, rounding: up}
"""


def findings(text: str) -> list[tuple[int, str]]:
    report = Report()
    assert read_pack("x-1.yaml", text.encode(), report) is None
    return [(f.line, f.code) for f in report.findings]


def test_all_shipped_packs_and_references_load() -> None:
    packs = load_packs(available_packs(), shipped_law())
    assert {p.id for p in packs} == set(available_packs()) >= {"cn-2016-62", "zj-2020"}
    wanted = {"cn-air-116", "huzhou-air-20", "cn-solid-111", "cn-139", "cn-penalty-41", "cn-road-66"}
    assert wanted <= set(load_references(shipped_law()))


def test_a_good_pack_has_no_findings() -> None:
    report = Report()
    pack = read_pack("x-1.yaml", GOOD.encode(), report)
    assert report.findings == []
    assert pack is not None
    assert pack.id == "x-1"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cap_yuan: 30000", "cap_yaun: 30000", {(9, "E010"), (8, "E011")}),
        ("verified: read", "verified: maybe", {(6, "E014")}),
        ("edition: 2020-01-01", "edition: 2020-13-01", {(4, "E013")}),
        ("cap_yuan: 30000", "cap_yuan: -5", {(9, "E013")}),
        ("above_kg: 1000,", "above_kg: 0,", {(8, "E013")}),
        ("yuan: 500, ", "", {(12, "E013")}),
        ("above_kg: 1000,", "above_pct: 20,", {(8, "E013")}),
    ],
)
def test_a_mistake_is_told_where_it_is(old: str, new: str, expected: set[tuple[int, str]]) -> None:
    assert set(findings(GOOD.replace(old, new))) == expected


def test_empty_and_broken_files() -> None:
    assert findings("") == [(0, "E011")]
    assert [code for _line, code in findings("id: [")] == ["E001"]
