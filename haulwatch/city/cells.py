"""What may stand in one cell of a table: each reader turns the text of a cell into its value or raises `CellError`.

Readers never see an empty cell (empty is null) nor blanks around the text.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import date

from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text

Reader = Callable[[str], object]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DAY = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})", re.ASCII)
_TRUE = frozenset({"true", "yes", "1", "是", "有"})
_FALSE = frozenset({"false", "no", "0", "否", "无"})
_HOURS_PUNCTUATION = str.maketrans("：－—–~～；，", ":-----;,")


class CellError(Exception):
    """What is wrong with one cell."""

    def __init__(self, code: str, text: Text, hint: Text | None = None) -> None:
        super().__init__(text.zh)
        self.code = code
        self.text = text
        self.hint = hint


def label(cell: str) -> str:
    """Any text of at most 256 characters (the length that events allow for a name)."""
    if len(cell) > 256:
        raise CellError(
            "C028", Text(f"文字过长（{len(cell)} 字，最多 256）", f"Too long ({len(cell)} characters, at most 256)")
        )
    return cell


def plate(cell: str) -> str:
    """A number plate as events carry it: at most 32 characters."""
    if len(cell) > 32:
        raise CellError("C028", Text("车牌超过 32 个字符", "A plate has at most 32 characters"))
    return cell


def bare_plate(cell: str) -> str:
    """The plate without what people add to read it better and devices never send: blanks, dots, full-width forms."""
    return re.sub(r"[\s·•・]", "", unicodedata.normalize("NFKC", cell))


def number(minimum: float, maximum: float, unit: str = "") -> Reader:
    """Reads a number in `[minimum, maximum]`."""

    def read(cell: str) -> float:
        value = _parse_number(cell)
        if not minimum <= value <= maximum:
            raise _out_of_range(cell, minimum, maximum, unit)
        return value

    return read


def whole(minimum: int, maximum: int) -> Reader:
    """Reads a whole number in `[minimum, maximum]`."""

    def read(cell: str) -> int:
        value = _parse_number(cell)
        if not minimum <= value <= maximum:
            raise _out_of_range(cell, minimum, maximum, "")
        if value != int(value):
            raise CellError("C027", Text(f"“{cell}” 应为整数", f"“{cell}” must be a whole number"))
        return int(value)

    return read


def _parse_number(cell: str) -> float:
    if _NUMBER.fullmatch(cell):
        return float(cell)
    _refuse_full_width(cell)
    plain = re.sub(r"(?<=\d),(?=\d{3}\b)", "", cell)
    with_unit = re.fullmatch(r"(.*?\d)\s*[^\d\s.,]+", cell)
    hint = None
    if _NUMBER.fullmatch(plain):
        hint = Text(f"去掉千位分隔符：{plain}", f"Leave out the thousands separators: {plain}")
    elif with_unit and _NUMBER.fullmatch(with_unit[1]):
        hint = Text("只写数字，单位在列名里", "Write the number only; the unit is in the column's name")
    raise CellError("C027", Text(f"“{cell}” 不是数字", f"“{cell}” is not a number"), hint)


def _out_of_range(cell: str, minimum: float, maximum: float, unit: str) -> CellError:
    span = f"{minimum:,.10g} – {maximum:,.10g}{' ' + unit if unit else ''}"
    tonnes = unit == "kg" and 0 < float(cell) < minimum
    degrees = unit == "°" and maximum == 90 and 90 < abs(float(cell)) <= 180
    hint = None
    if tonnes:
        hint = Text(
            f"单位是千克；若是吨，应写 {float(cell) * 1000:g}",
            f"The unit is kilograms; if these are tonnes write {float(cell) * 1000:g}",
        )
    elif degrees:
        hint = Text("经度和纬度可能写反了", "Longitude and latitude may be swapped")
    return CellError("C028", Text(f"{cell} 超出范围（{span}）", f"{cell} is out of range ({span})"), hint)


def day(cell: str) -> date:
    """`2026-05-01`, or `2026/5/1` as Excel writes it."""
    written = _DAY.fullmatch(cell)
    if written:
        try:
            return date(int(written[1]), int(written[3]), int(written[4]))
        except ValueError:
            raise CellError("C029", Text(f"没有 {cell} 这一天", f"There is no such day as {cell}")) from None
    _refuse_full_width(cell)
    raise CellError(
        "C029",
        Text(f"“{cell}” 不是日期", f"“{cell}” is not a date"),
        Text("写作 2026-05-01", "Write it like 2026-05-01"),
    )


def flag(cell: str) -> bool:
    """`true`/`false`, `yes`/`no`, `1`/`0`, `是`/`否`."""
    lowered = cell.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    _refuse_full_width(cell)
    raise CellError(
        "C030",
        Text(f"“{cell}” 不是“是/否”", f"“{cell}” is neither true nor false"),
        Text("写 true 或 false（也可写 是、否）", "Write true or false"),
    )


def one_of(*values: str) -> Reader:
    """Reads one of `values`."""

    def read(cell: str) -> str:
        if cell in values:
            return cell
        _refuse_full_width(cell)
        hint = did_you_mean(cell.lower(), values)
        listed = ", ".join(values)
        raise CellError("C031", Text(f"“{cell}” 不在可选值中：{listed}", f"“{cell}” is not one of: {listed}"), hint)

    return read


def hours(cell: str) -> tuple[Hours, ...]:
    """`22:00-05:00`; several are separated by `;` (or `|`, or blanks, or written as a JSON list)."""
    return tuple(_one_span(part) for part in _parts(cell))


def _one_span(part: str) -> Hours:
    try:
        return Hours.parse(part)
    except ValueError:
        plain = unicodedata.normalize("NFKC", part).translate(_HOURS_PUNCTUATION)
        hint = Text("写作 22:00-05:00，多段用分号隔开", "Write 22:00-05:00, several separated by semicolons")
        if plain != part:
            hint = Text(f"用半角字符写：{plain}", f"Write it with half-width characters: {plain}")
        raise CellError("C032", Text(f"“{part}” 不是时段", f"“{part}” is not a span of hours"), hint) from None


def names(cell: str) -> tuple[str, ...]:
    """Names separated by `;` (or `|`, or written as a JSON list)."""
    return tuple(_parts(cell, r"[;；|、]"))


def _parts(cell: str, separators: str = r"[;；|,、\s]") -> list[str]:
    if cell.startswith("["):
        try:
            listed = json.loads(cell)
        except json.JSONDecodeError:
            listed = None
        if isinstance(listed, list) and all(isinstance(part, str) for part in listed):
            return [part.strip() for part in listed]
    return [part for part in (piece.strip() for piece in re.split(separators, cell)) if part]


def _refuse_full_width(cell: str) -> None:
    """C033 where the cell has full-width characters that look like the right ones."""
    plain = unicodedata.normalize("NFKC", cell).replace("。", ".").replace("、", ",")
    if plain != cell:
        raise CellError(
            "C033",
            Text(f"“{cell}” 含有全角字符", f"“{cell}” has full-width characters"),
            Text(f"用半角写：{plain}", f"Write it half-width: {plain}"),
        )
