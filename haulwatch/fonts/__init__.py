"""Fonts for what the program draws itself: papers, maps, watermarks. They come along, so a server needs none.

Droid Sans Fallback has every character of GB 2312 (28,601 in all) but no Latin letters and no digits; Open Sans, by the
same hand, has those. `runs` says which stretch of a text needs which.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

_FOLDER = Path(__file__).parent

HAN = _FOLDER / "DroidSansFallbackFull.ttf"
LATIN = _FOLDER / "OpenSans-Regular.ttf"
LATIN_BOLD = _FOLDER / "OpenSans-Bold.ttf"

_FIRST_HAN = 0x2E80
"""CJK radicals; from here on up to the full-width forms the characters are the Chinese font's."""

_REPLACED = str.maketrans({"→": "›", "←": "‹", "✓": "√", "●": "•", "㎡": "m²", "㎥": "m³", "\t": " ", "\u3000": "  "})
"""Characters that neither font has, by what they may be written as."""


def drawable(text: str) -> str:
    """The text with what neither font has written otherwise, and without control characters except line ends."""
    kept = text.translate(_REPLACED)
    return "".join(char for char in kept if char == "\n" or (char.isprintable() and ord(char) <= 0xFFFF))


def is_han(char: str) -> bool:
    """Whether the character is the Chinese font's."""
    return ord(char) >= _FIRST_HAN


def runs(text: str, *, bold: bool = False) -> Iterator[tuple[Path, str]]:
    """The text in stretches of one font each, in order."""
    latin = LATIN_BOLD if bold else LATIN
    for han, stretch in groupby(text, is_han):
        yield (HAN if han else latin), "".join(stretch)
