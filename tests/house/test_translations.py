"""Every text has its two languages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "haulwatch/console/static"
TEXTS: dict[str, dict[str, str]] = {
    lang: json.loads((STATIC / f"i18n/{lang}.json").read_text(encoding="utf-8")) for lang in ("zh", "en")
}
HAN = re.compile(r"[\u4e00-\u9fff]")
PLACE = re.compile(r"\{\w+\}")


def test_both_languages_have_the_same_keys_in_the_same_order() -> None:
    assert list(TEXTS["zh"]) == list(TEXTS["en"])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_no_text_is_empty(lang: str) -> None:
    assert [key for key, text in TEXTS[lang].items() if not text.strip()] == []


def test_english_texts_have_no_chinese_in_them() -> None:
    assert [key for key, text in TEXTS["en"].items() if HAN.search(text)] == []


def test_both_languages_fill_in_the_same_values() -> None:
    different = [
        key for key in TEXTS["zh"] if set(PLACE.findall(TEXTS["zh"][key])) != set(PLACE.findall(TEXTS["en"][key]))
    ]
    assert different == []


def test_every_text_that_a_module_asks_for_exists() -> None:
    missing = {
        f"{path.name}: {key}"
        for path in (STATIC / "js").rglob("*.js")
        for key in re.findall(r'\bt\("([\w.]+)"', path.read_text(encoding="utf-8"))
        if key not in TEXTS["zh"]
    }
    assert missing == set()
