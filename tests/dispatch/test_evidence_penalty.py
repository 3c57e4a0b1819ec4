"""What the paper of an order says about the penalty: the real suggestion, in both languages, marked as no decision."""

from __future__ import annotations

from datetime import UTC, datetime

from haulwatch.dispatch.evidence.penalty import lines_of
from haulwatch.domain.instants import to_ms
from haulwatch.domain.registry import Truck
from rules.law import load_law

AT = to_ms(datetime(2026, 5, 1, tzinfo=UTC))
TRUCK = Truck(truck_id="浙E12345", axle_count=4, body="rigid")
FOUND = load_law(["cn-2016-62", "zj-2020"]).suggestion("overweight", TRUCK, 40_500, None, AT) or {}


def test_edition_article_calculation_and_open_questions_are_on_the_paper() -> None:
    lines = list(lines_of(FOUND, "zh"))
    assert lines[0] == "建议（不是处罚决定）：限值 31,000 kg，称重 40,500 kg，超限 9,500 kg（30 %）"
    assert "浙江省公路条例 第五十三条 (2020-05-15 版) · 建议罚款 990 元 · 本地适用" in lines
    assert "    超过 6,200 kg 的部分 3,300 kg：3.3 × 300 = 990 元" in lines
    assert "    其他算法：零头进位 1,200 元；零头舍去 900 元" in lines
    assert any(line.startswith("    条文未明：条文未写明不足一吨的部分如何计算") for line in lines)
    assert any("第四十三条第一款第二项 (2016-08-19 版) · 建议罚款 5,000 元" in line for line in lines)
    asked = lines[lines.index("尚待执法人员查明：") + 1 :]
    assert len(asked) == len(FOUND["to_check"])
    assert asked[0].startswith("    1. 空气悬架未登记")


def test_the_english_paper_says_the_same_in_english() -> None:
    lines = list(lines_of(FOUND, "en"))
    assert lines[0].startswith("Suggestion (not a decision): limit 31,000 kg")
    assert len(lines) == len(list(lines_of(FOUND, "zh")))
    assert not any("一" <= letter <= "龥" for line in lines for letter in line)


def test_what_an_earlier_suggestion_did_not_have_is_left_out() -> None:
    assert list(lines_of({}, "zh")) == []
    assert list(lines_of({"text": {"zh": "建议", "en": "advice"}}, "en")) == ["Suggestion (not a decision): advice"]
