"""Limits and penalty suggestions, held against the published cases."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulwatch.domain.errors import AuthorError
from haulwatch.domain.instants import to_ms
from haulwatch.domain.registry import Truck
from rules.law import Law, fine_yuan, load_law

AT = to_ms(datetime(2026, 5, 1, tzinfo=UTC))
LAW = load_law(["cn-2016-62", "zj-2020"])


def truck(axles: int | None = 4, body: str | None = "rigid", **more: object) -> Truck:
    return Truck(truck_id="浙E12345", axle_count=axles, body=body, **more)  # type: ignore[arg-type]


def amounts(law: Law, whom: Truck, gross_kg: float) -> dict[str, tuple[str, float]]:
    found = law.suggestion("overweight", whom, gross_kg, None, AT)
    assert found is not None
    return {p["pack_id"]: (p["consequence"], p["amount_yuan"]) for p in found["packs"]}


@pytest.mark.parametrize(
    ("axles", "body", "limit"),
    [
        (2, None, 18_000),
        (3, "rigid", 25_000),
        (3, "articulated", 27_000),
        (4, "rigid", 31_000),
        (4, "articulated", 36_000),
        (5, "articulated", 43_000),
        (6, "articulated", 49_000),
        (8, "articulated", 49_000),
    ],
)
def test_table_of_limits(axles: int, body: str | None, limit: float) -> None:
    assert LAW.limit_kg(truck(axles, body), None, AT) == limit


def test_unknown_axles_have_no_limit_and_the_event_can_tell_them() -> None:
    assert LAW.limit_kg(truck(None), None, AT) is None
    assert LAW.limit_kg(truck(None), 4, AT) == 31_000
    assert LAW.limit_kg(truck(3), 4, AT) == 25_000, "the registry goes before what a lane counted"
    assert LAW.limit_kg(truck(1), None, AT) is None


def test_unknown_body_takes_the_highest_possible_limit_and_says_so() -> None:
    assert LAW.limit_kg(truck(3, None), None, AT) == 27_000
    assert LAW.limit_kg(truck(4, None), None, AT) == 36_000
    found = LAW.suggestion("overweight", truck(4, None), 40_000, None, AT)
    assert found is not None
    assert found["limit"]["alternatives"] == [
        {"body": "rigid", "limit_kg": 31_000},
        {"body": "articulated", "limit_kg": 36_000},
    ]


def test_air_suspension_adds_a_tonne_only_where_the_registry_says_so() -> None:
    assert LAW.limit_kg(truck(4, air_suspension=True), None, AT) == 32_000
    assert LAW.limit_kg(truck(3, air_suspension=True), None, AT) == 26_000
    assert LAW.limit_kg(truck(4, air_suspension=False), None, AT) == 31_000
    assert LAW.limit_kg(truck(4, "articulated", air_suspension=True), None, AT) == 36_000


def test_never_above_the_registered_mass() -> None:
    assert LAW.limit_kg(truck(4, registered_gross_kg=30_000.0), None, AT) == 30_000
    assert LAW.limit_kg(truck(4, air_suspension=True, registered_gross_kg=31_000.0), None, AT) == 31_000
    assert LAW.limit_kg(truck(4, registered_gross_kg=33_000.0), None, AT) == 31_000


def test_no_limit_before_the_order_was_in_force() -> None:
    """2016-09-21 in legal time of China begins at 16:00 UTC of the day before."""
    first = to_ms(datetime(2016, 9, 20, 16, tzinfo=UTC))
    assert LAW.limit_kg(truck(), None, first) == 31_000
    assert LAW.limit_kg(truck(), None, first - 1) is None
    found = LAW.suggestion("overweight", truck(), 40_000, None, first)
    assert found is not None
    assert [p["pack_id"] for p in found["packs"]] == ["cn-2016-62"], "the Zhejiang regulation is of 2020"


def test_the_published_case_of_52_9_tonnes() -> None:
    found = LAW.suggestion("overweight", truck(3), 52_900, None, AT)
    assert found is not None
    assert (found["limit_kg"], found["raw_excess_kg"], found["raw_excess_pct"]) == (25_000, 27_900, 111.6)
    assert "超限 27,900 kg（111 %）" in found["text"]["zh"]
    assert amounts(LAW, truck(3), 52_900) == {"cn-2016-62": ("fine", 14_000), "zj-2020": ("fine", 9_950)}


@pytest.mark.parametrize(
    ("gross", "national", "zhejiang"),
    [
        (40_000, ("fine", 4_500), ("fine", 840)),
        (34_000, ("fine", 1_500), ("education", 0)),
        (31_000, ("none", 0), ("none", 0)),
        (31_001, ("warning", 0), ("education", 0)),
        (32_000, ("warning", 0), ("education", 0)),
        (32_001, ("fine", 1_000), ("education", 0)),
        (37_200, ("fine", 3_500), ("education", 0)),
        (46_500, ("fine", 8_000), ("fine", 2_790)),
        (60_000, ("fine", 14_500), ("fine", 9_540)),
        (150_000, ("fine", 30_000), ("fine", 30_000)),
    ],
)
def test_worked_examples(gross: float, national: tuple[str, float], zhejiang: tuple[str, float]) -> None:
    assert amounts(LAW, truck(), gross) == {"cn-2016-62": national, "zj-2020": zhejiang}


def test_penalty_rests_on_the_judged_mass_and_shows_both() -> None:
    found = LAW.suggestion("overweight", truck(), 40_000, 38_000.0, AT)
    assert found is not None
    assert (found["raw_excess_kg"], found["judged_excess_kg"]) == (9_000, 7_000)
    assert (found["raw_excess_pct"], found["judged_excess_pct"]) == (29.0, 22.5)
    assert [p["amount_yuan"] for p in found["packs"]] == [3_500, 240]


def test_every_suggestion_names_edition_article_steps_and_what_is_open() -> None:
    found = LAW.suggestion("overweight", truck(), 60_000, None, AT)
    assert found is not None
    national, zhejiang = found["packs"]
    assert (national["edition"], national["article"]["zh"]) == ("2016-08-19", "第四十三条第一款第二项")
    assert (zhejiang["edition"], zhejiang["article"]["zh"]) == ("2020-05-15", "第五十三条")
    assert "rounding" in {q["id"] for q in national["open_questions"]}
    assert "rounding" in {q["id"] for q in zhejiang["open_questions"]}
    assert [s["zh"] for s in zhejiang["steps"]][1:] == [
        "超过 6,200 kg 的部分 9,300 kg：9.3 × 300 = 2,790 元",
        "超过 15,500 kg 的部分 13,500 kg：13.5 × 500 = 6,750 元",
    ]
    assert (national["applies"], zhejiang["applies"], found["applies"]) == (False, True, "zj-2020")


def test_other_readings_of_the_open_rounding() -> None:
    found = LAW.suggestion("overweight", truck(), 40_500, None, AT)
    assert found is not None
    national, zhejiang = found["packs"]
    assert national["amount_yuan"] == 5_000
    assert {"rounding": "down", "amount_yuan": 4_500} in national["other_readings"]
    assert zhejiang["amount_yuan"] == 990
    assert {"rounding": "up", "amount_yuan": 1_200} in zhejiang["other_readings"]


def test_without_a_zhejiang_pack_the_order_applies() -> None:
    found = load_law(["cn-2016-62"]).suggestion("overweight", truck(), 40_000, None, AT)
    assert found is not None
    assert found["applies"] == "cn-2016-62"


def test_nothing_to_suggest() -> None:
    assert LAW.suggestion("uncovered", truck(), 40_000, None, AT) is None
    assert LAW.suggestion("overweight", truck(None), 40_000, None, AT) is None
    assert LAW.suggestion("overweight", truck(), None, None, AT) is None
    assert load_law([]).suggestion("overweight", truck(), 40_000, None, AT) is None


def test_basis_is_the_cited_articles() -> None:
    assert LAW.basis(["cn-air-116", "own-rule"]) == ["《中华人民共和国大气污染防治法》第一百一十六条", "own-rule"]


def test_an_unknown_pack_is_named_with_what_was_probably_meant() -> None:
    with pytest.raises(AuthorError) as caught:
        load_law(["cn-2016-63"])
    (finding,) = caught.value.findings
    assert "cn-2016-63" in finding.text.zh
    assert finding.hint is not None
    assert "cn-2016-62" in finding.hint.zh


masses = st.integers(min_value=1, max_value=200_000)
bodies = st.sampled_from(["rigid", "articulated", None])


@given(masses, masses, st.integers(2, 8), bodies)
def test_more_mass_is_never_cheaper_and_never_above_the_cap(a: int, b: int, axles: int, body: str | None) -> None:
    whom = truck(axles, body)
    light, heavy = amounts(LAW, whom, min(a, b)), amounts(LAW, whom, max(a, b))
    for pack, (_kind, amount) in light.items():
        assert 0 <= amount <= heavy[pack][1] <= 30_000


@given(masses, st.integers(2, 8), bodies, st.sampled_from([None, 18_000.0, 25_000.0, 31_000.0]))
def test_unknown_body_is_never_stricter_than_a_known_one(
    mass: int, axles: int, body: str | None, registered: float | None
) -> None:
    unknown = LAW.limit_kg(truck(axles, None, registered_gross_kg=registered), None, AT)
    known = LAW.limit_kg(truck(axles, body, registered_gross_kg=registered), None, AT)
    assert unknown is not None
    assert known is None or unknown >= known
    found = LAW.suggestion("overweight", truck(axles, body, registered_gross_kg=registered), mass, None, AT)
    assert found is None or (found["raw_excess_kg"] > 0) == (mass > found["limit_kg"])


@given(st.floats(0, 150_000), st.sampled_from([18_000.0, 25_000.0, 31_000.0, 49_000.0]))
def test_rounding_down_is_never_dearer_than_rounding_up(excess: float, limit: float) -> None:
    for pack in LAW.packs:
        assert pack.overweight_penalty is not None
        low, high = (fine_yuan(pack.overweight_penalty, excess, limit, r) for r in ("down", "up"))
        assert low <= high
