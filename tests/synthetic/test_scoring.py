"""Scoring by hand-made cases: what is a hit, a duplicate, false, unobservable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulwatch.domain.breaches import Breach, LawNote
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.text import Text
from haulwatch.synthetic.scoring import score
from haulwatch.synthetic.truths import Truth, encode_rows, read_truths

T0 = 1_778_457_600_000


def truth(truth_id: str = "T1", *, start_s: int = 0, end_s: int = 600, **fields: Any) -> Truth:
    known: dict[str, Any] = {"truck_id": "浙Z1", "category": "dumping", "observable": True, "note": "dump_lot: by hand"}
    return Truth(
        truth_id=truth_id, from_at=rfc3339(T0 + start_s * 1000), to_at=rfc3339(T0 + end_s * 1000), **known | fields
    )


def breach(breach_id: str = "b1", *, at_s: float = 60, **fields: Any) -> Breach:
    known: dict[str, Any] = {
        "phase": "opened",
        "rule_id": "dumping-lift-raised",
        "rule_hash": "r",
        "city_hash": "c",
        "category": "dumping",
        "severity": "major",
        "status": "active",
        "truck_id": "浙Z1",
        "started_at": rfc3339(T0),
        "detected_at": rfc3339(T0 + round(at_s * 1000)),
        "ended_at": None,
        "occurrences": 1,
        "late": False,
        "lon": None,
        "lat": None,
        "zone_ids": [],
        "title": Text("倾倒", "Dumping"),
        "summary": Text("倾倒", "Dumping"),
        "conditions": [],
        "evidence": [],
        "track": [],
        "law": LawNote([], None),
    }
    return Breach(breach_id=breach_id, **known | fields)


def test_a_finding_within_the_truth_is_a_hit() -> None:
    result = score([breach()], [truth()])
    row = result.categories[0]
    assert (row.category, row.truths, row.found, row.hits, row.false, row.duplicates) == ("dumping", 1, 1, 1, 0, 0)
    assert (row.precision, row.recall) == (1.0, 1.0)
    assert (row.delay_median_s, row.delay_p95_s) == (60.0, 60.0)


@pytest.mark.parametrize(("at_s", "hit"), [(-0.001, False), (0, True), (600, True), (720, True), (720.001, False)])
def test_the_window_is_from_begin_to_end_and_two_minutes(at_s: float, hit: bool) -> None:
    row = score([breach(at_s=at_s)], [truth()]).categories[0]
    assert (row.hits, row.false) == ((1, 0) if hit else (0, 1))


def test_a_second_opened_finding_is_a_duplicate_not_false() -> None:
    row = score([breach("b1"), breach("b2", at_s=90)], [truth()]).categories[0]
    assert (row.hits, row.duplicates, row.false, row.precision) == (1, 1, 0, 1.0)


@pytest.mark.parametrize("fields", [{"phase": "updated"}, {"phase": "ended"}, {"status": "shadow"}])
def test_only_opened_findings_of_active_rules_count(fields: dict[str, str]) -> None:
    row = score([breach(**fields)], [truth()]).categories[0]
    assert (row.found, row.hits, row.recall, row.missed) == (0, 0, 0.0, ["T1"])


@pytest.mark.parametrize("fields", [{"truck_id": "浙Z2"}, {"category": "route"}])
def test_another_truck_or_category_is_false(fields: dict[str, str]) -> None:
    result = score([breach(**fields)], [truth()])
    assert result.total.false == 1
    assert result.total.hits == 0


def test_false_findings_are_named() -> None:
    row = score([breach("odd", at_s=9_999)], []).categories[0]
    assert [(f.breach_id, f.rule_id) for f in row.false_findings] == [("odd", "dumping-lift-raised")]
    assert (row.precision, row.recall) == (0.0, None)


def test_a_finding_of_an_unobservable_truth_is_neither_asked_for_nor_false() -> None:
    unseen = truth(observable=False)
    row = score([breach()], [unseen]).categories[0]
    assert (row.truths, row.unobservable, row.found, row.hits, row.false, row.recall) == (0, 1, 1, 0, 0, None)
    assert score([], [unseen]).categories[0].missed == []


def test_overlapping_truths_are_each_hit_once() -> None:
    truths = [truth("T1"), truth("T2", start_s=30)]
    row = score([breach("b1"), breach("b2", at_s=90)], truths).categories[0]
    assert (row.hits, row.duplicates) == (2, 0)


def test_delays_are_nearest_rank_quantiles() -> None:
    truths = [truth(f"T{n}", start_s=2_000 * n, end_s=2_000 * n + 600) for n in range(20)]
    found = [breach(f"b{n}", at_s=2_000 * n + 10 * (n + 1)) for n in range(20)]
    row = score(found, truths).categories[0]
    assert (row.delay_median_s, row.delay_p95_s) == (100.0, 190.0)


def test_the_total_sums_the_categories() -> None:
    result = score([breach(), breach("b2", category="route")], [truth(), truth("T2", category="time")])
    total = result.total
    assert (total.truths, total.found, total.hits, total.false) == (2, 2, 1, 1)
    assert [row.category for row in result.categories] == ["dumping", "route", "time"]


def test_the_table_is_aligned_in_both_languages_and_json_round_trips() -> None:
    result = score([breach()], [truth(), truth("T2", start_s=4_000, end_s=5_000)])
    assert "乱倾倒" in result.table("zh")
    lines = result.table("en").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert lines[1].split()[:6] == ["dumping", "2", "0", "1", "1", "0"]
    assert msgspec.to_builtins(result)["total"]["recall"] == 0.5


def test_truth_files_round_trip_and_bad_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "truth.ndjson"
    path.write_bytes(encode_rows([truth()]) + b"\n")
    assert read_truths(path) == [truth()]
    path.write_bytes(encode_rows([truth()]) + b'{"truth_id": 3}\n')
    with pytest.raises(DeviceError, match="第 2 行"):
        read_truths(path)
    with pytest.raises(WorldError):
        read_truths(tmp_path / "absent")
