"""Text on pictures: Chinese and Latin in one line, on one base line."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

from haulwatch.fonts import drawable, runs

Colour = tuple[int, int, int] | tuple[int, int, int, int]


@lru_cache(maxsize=64)
def _font(path: Path, size_px: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size_px)


def text_width(text: str, size_px: int, *, bold: bool = False) -> float:
    """How wide one line of the text is, in pixels."""
    return sum(_font(path, size_px).getlength(part) for path, part in runs(drawable(text), bold=bold))


def draw_text(
    draw: ImageDraw.ImageDraw,
    at: tuple[float, float],
    text: str,
    size_px: int,
    *,
    fill: Colour,
    bold: bool = False,
    halo: Colour | None = None,
    halo_px: int = 2,
) -> float:
    """Draws one line with its base line's left end `at`; returns where it ends. `halo` surrounds the letters."""
    x, y = at
    for path, part in runs(drawable(text), bold=bold):
        font = _font(path, size_px)
        stroke_px = 0 if halo is None else halo_px
        draw.text((x, y), part, font=font, fill=fill, anchor="ls", stroke_width=stroke_px, stroke_fill=halo)
        x += font.getlength(part)
    return x
