"""The worked examples of docs/law.md are what the shipped packs say: limits, excess, fine or not, by which article."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from haulwatch.domain.instants import to_ms
from haulwatch.domain.registry import Truck
from rules.law import load_law

PAGE = (Path(__file__).parents[3] / "docs" / "law.md").read_text(encoding="utf-8")
AT = to_ms(datetime(2026, 5, 1, tzinfo=UTC))
LAW = load_law(["cn-2016-62", "zj-2020"])
BODIES = {"单车": "rigid", "汽车列车": "articulated", "不论": None}
SAID = {"不处罚": ("none", 0.0), "警告": ("warning", 0.0), "批评教育": ("education", 0.0)}


def table(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading of the page."""
    below = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in below.splitlines() if line[:1] == "|"]
    return rows[2:]


LIMITS = table("限值案例")
CASES = table("处罚案例")


def amount(cell: str) -> float:
    return float(cell.replace(",", ""))


def said(cell: str) -> tuple[str, float]:
    """`4,500 元` is a fine; anything else a word for a consequence without money."""
    fine = re.fullmatch(r"([\d,]+) 元", cell)
    return ("fine", amount(fine[1])) if fine else SAID[cell]


def suggested(axles: str, body: str, gross: str) -> dict[str, Any]:
    truck = Truck(truck_id="浙E12345", axle_count=int(axles), body=BODIES[body])  # type: ignore[arg-type]
    found = LAW.suggestion("overweight", truck, amount(gross), None, AT)
    assert found is not None
    return found


def test_the_page_has_examples_of_every_kind() -> None:
    assert {row[0] for row in LIMITS} == {"2", "3", "4", "5", "6", "8"}
    assert {said(cell)[0] for row in CASES for cell in row[6:8]} == {"none", "warning", "education", "fine"}
    assert any(said(row[6]) == said(row[7]) == ("fine", 30_000) for row in CASES), "one that reaches both caps"


@pytest.mark.parametrize(("axles", "body", "air", "registered", "limit"), LIMITS)
def test_a_limit_of_the_page(axles: str, body: str, air: str, registered: str, limit: str) -> None:
    truck = Truck(
        truck_id="浙E12345",
        axle_count=int(axles),
        body=BODIES[body],  # type: ignore[arg-type]
        air_suspension=True if air == "有" else None,
        registered_gross_kg=None if registered == "-" else amount(registered),
    )
    assert LAW.limit_kg(truck, None, AT) == amount(limit)
    found = LAW.suggestion("overweight", truck, 60_000, None, AT)
    assert found is not None
    assert (found["limit"]["pack_id"], found["limit"]["article"]["zh"]) == ("cn-2016-62", "第三条")


@pytest.mark.parametrize(("axles", "body", "gross", "limit", "excess", "share", "national", "zhejiang"), CASES)
def test_a_case_of_the_page(
    axles: str, body: str, gross: str, limit: str, excess: str, share: str, national: str, zhejiang: str
) -> None:
    found = suggested(axles, body, gross)
    assert (found["limit_kg"], found["raw_excess_kg"]) == (amount(limit), amount(excess))
    assert found["raw_excess_pct"] == float(share)
    order, province = found["packs"]
    assert (order["consequence"], order["amount_yuan"]) == said(national)
    assert (province["consequence"], province["amount_yuan"]) == said(zhejiang)
    assert (order["article"]["zh"], order["edition"]) == ("第四十三条第一款第二项", "2016-08-19")
    assert (province["article"]["zh"], province["edition"]) == ("第五十三条", "2020-05-15")
    assert (order["applies"], province["applies"]) == (False, True), "the province's own scale where there is one"


def test_the_calculation_is_told_line_by_line_up_to_the_cap() -> None:
    order, province = suggested("3", "单车", "52,900")["packs"]
    assert [step["zh"] for step in order["steps"]] == [
        "判定超限 27,900 kg ÷ 限值 25,000 kg = 111.6 %",
        "全部超限量 27,900 kg：28 × 500 = 14,000 元",
    ]
    assert [step["zh"] for step in province["steps"][1:]] == [
        "超过 5,000 kg 的部分 7,500 kg：7.5 × 300 = 2,250 元",
        "超过 12,500 kg 的部分 15,400 kg：15.4 × 500 = 7,700 元",
    ]
    for pack in suggested("4", "单车", "150,000")["packs"]:
        assert pack["steps"][-1]["zh"].endswith("最高不超过 30,000 元")


def test_what_the_registry_cannot_tell_is_asked_and_never_subtracted() -> None:
    """Single tyres take off 3,000 kg, some layouts have 37,000, 42,000 and 46,000 kg: the registry knows neither."""
    limit = suggested("6", "汽车列车", "55,000")["limit"]
    asked = {question["id"]: question["zh"] for question in limit["open_questions"]}
    assert "3000千克" in asked["single-tyres"]
    assert all(mass in asked["layouts"] for mass in ("37000千克", "42000千克", "46000千克"))
