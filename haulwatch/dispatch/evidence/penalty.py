"""What the law packs suggest for an order, line by line for the paper: editions, calculation, what is still open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haulwatch.domain.text import Lang, Text

_SUGGESTION = Text("建议（不是处罚决定）：", "Suggestion (not a decision): ")
_EDITION = Text("{date} 版", "edition of {date}")
_APPLIES = Text("本地适用", "applies here")
_OPEN = Text("条文未明：", "Not settled by the text: ")
_ROUNDED = {
    "up": Text("零头进位", "remainders rounded up"),
    "down": Text("零头舍去", "remainders dropped"),
    "none": Text("按比例", "in proportion"),
}
_OTHERWISE = Text("其他算法：", "Other readings: ")
_YUAN = Text("{amount:,.0f} 元", "{amount:,.0f} yuan")
_TO_CHECK = Text("尚待执法人员查明：", "For the officer to find out:")


def lines_of(suggestion: Mapping[str, Any], lang: Lang) -> Iterator[str]:
    """A suggestion as lines of plain text; what an older one does not have is left out."""
    if said := _said(suggestion.get("text"), lang):
        yield _SUGGESTION.lang(lang) + said
    if limit := suggestion.get("limit"):
        yield from _part(limit, lang, [_title(limit, lang)])
    for pack in suggestion.get("packs") or ():
        heads = [_title(pack, lang), _said(pack.get("text"), lang)]
        if pack.get("applies"):
            heads.append(_APPLIES.lang(lang))
        yield from _part(pack, lang, heads)
        if others := list(_others(pack, lang)):
            yield "    " + _OTHERWISE.lang(lang) + _joined(others, lang)
    if asked := [_said(one, lang) for one in suggestion.get("to_check") or ()]:
        yield _TO_CHECK.lang(lang)
        yield from (f"    {number}. {question}" for number, question in enumerate(asked, 1))


def _part(part: Mapping[str, Any], lang: Lang, heads: list[str]) -> Iterator[str]:
    """Its heading, the steps of the calculation, and what the text leaves open."""
    yield " · ".join(head for head in heads if head)
    for step in part.get("steps") or ():
        yield "    " + _said(step, lang)
    for question in part.get("open_questions") or ():
        yield "    " + _OPEN.lang(lang) + _said(question, lang)


def _title(part: Mapping[str, Any], lang: Lang) -> str:
    named = " ".join(words for words in (_said(part.get(name), lang) for name in ("title", "article")) if words)
    edition = _EDITION.lang(lang).format(date=part["edition"]) if part.get("edition") else ""
    return f"{named} ({edition})" if named and edition else named


def _others(pack: Mapping[str, Any], lang: Lang) -> Iterator[str]:
    for reading in pack.get("other_readings") or ():
        amount = _YUAN.lang(lang).format(amount=reading["amount_yuan"])
        yield f"{_ROUNDED[reading['rounding']].lang(lang)} {amount}"


def _joined(words: list[str], lang: Lang) -> str:
    return ("；" if lang == "zh" else "; ").join(words)


def _said(text: object, lang: Lang) -> str:
    """The words of a `{zh, en}`; nothing where there are none."""
    return str(text.get(lang) or "") if isinstance(text, Mapping) else ""
