"""The sentence of a finding: in words and rounded, in both languages, as the page says it."""

from __future__ import annotations

import json

import pytest

from haulwatch.console.pages import STATIC
from haulwatch.domain.breaches import Condition
from haulwatch.domain.text import Text
from streams.wording import MEASURES, said


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (
            Condition("", "held", 210.0, ">=", 120.0, "s"),
            Text("持续时间 3 分 30 秒（≥ 2 分）", "held for 3 min 30 s (≥ 2 min)"),
        ),
        (Condition("", "held", 0.2, ">=", 0, "s"), Text("持续时间 0 秒（≥ 0 秒）", "held for 0 s (≥ 0 s)")),
        (
            Condition("", "distance_m(camera, here)", 17056.110477, ">=", 3000.0, "m"),
            Text("距离 17.1 km（≥ 3 km）", "distance 17.1 km (≥ 3 km)"),
        ),
        (
            Condition("", "truck.speed_kmh", 93.52, ">", 60, "km/h"),
            Text("车速 93.5 km/h（> 60 km/h）", "speed 93.5 km/h (> 60 km/h)"),
        ),
        (
            Condition("", "gross_kg", 52900, ">", 25000),
            Text("总质量 52,900 kg（> 25,000 kg）", "gross mass 52,900 kg (> 25,000 kg)"),
        ),
        (Condition("", "count", 4, ">", 3), Text("次数 4（> 3）", "count 4 (> 3)")),
        (
            Condition("", "over_ratio(gross_kg)", 1.116, ">", 0.2, "ratio"),
            Text("超限比例 111.6 %（> 20 %）", "share over the limit 111.6 % (> 20 %)"),
        ),
        (
            Condition("", "gross_kg * 3", 18, ">", 12),
            Text("gross_kg * 3 18（> 12）", "gross_kg * 3 18 (> 12)"),
        ),
    ],
)
def test_a_measured_value_is_said_in_words(condition: Condition, words: Text) -> None:
    assert said(condition) == words


@pytest.mark.parametrize(("lang", "field"), [("zh", "zh"), ("en", "en")])
def test_a_measure_has_one_name_here_and_on_the_page(lang: str, field: str) -> None:
    page = json.loads((STATIC / "i18n" / f"{lang}.json").read_text("utf-8"))
    on_page = {name: page.get(f"name.{name}") or page.get(f"call.{name}") for name in MEASURES}
    assert on_page == {name: getattr(text, field) for name, text in MEASURES.items()}
