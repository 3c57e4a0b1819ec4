"""Number plates as cameras write them: with a colour before, blanks, full-width letters, or words for "none"."""

from __future__ import annotations

import re

from msgspec import Struct

from haulwatch.city.cells import bare_plate
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_COLORS = {
    "黄绿": "yellow_green",
    "蓝": "blue",
    "黄": "yellow",
    "白": "white",
    "黑": "black",
    "绿": "green",
    "红": "red",
}
_AFTER_A_COLOR = re.compile(rf"[{_PROVINCES}使][A-Z0-9]|WJ|[A-Z]{{2}}\d{{5}}$|[A-Z]\d{{4,5}}领")
"""What a plate begins with: 黑 before it is a colour, and 黑 alone is Heilongjiang."""
_NONE = frozenset({"", "noplate", "unknown", "none", "null", "无", "无牌", "无车牌", "未识别", "未知", "车牌未识别"})
_PLATE = re.compile(r"(?=.*\d)[A-Z0-9\u4e00-\u9fff-]{4,12}")
_LETTERS = re.compile(r"[A-Z0-9]")


class Plate(Struct, frozen=True):
    """A plate that was read, and the colour that stood before it."""

    truck_id: str
    color: str | None = None


def read_plate(text: str) -> Plate | None:
    """The plate in `text`; None where the camera says that there is none or that it could not read it.

    Raises DeviceError (`bad_plate`) where it is neither: 4 to 12 letters, digits, Chinese characters, with a digit.
    """
    if len(text) <= 64:
        bare = bare_plate(text).upper()
        if bare.lower() in _NONE:
            return None
        color = None
        for prefix, name in _COLORS.items():
            rest = bare.removeprefix(prefix)
            if rest != bare and _AFTER_A_COLOR.match(rest):
                bare, color = rest, name
                break
        if _PLATE.fullmatch(bare) and len(_LETTERS.findall(bare)) >= 4:
            return Plate(bare, color)
    raise DeviceError("bad_plate", Text(f"“{text[:64]}” 不像车牌", f"“{text[:64]}” is not like a plate"))
