"""The strip below a map: scale, north, what the signs mean."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from haulwatch.dispatch.evidence.map_style import BACKGROUND, GREY, INK, PLACE, TRACK, WHITE, ZONES, Rgb
from haulwatch.dispatch.evidence.map_view import MapView
from haulwatch.domain.text import Lang, Text
from haulwatch.fonts.drawing import draw_text, text_width

STRIP_PX = 58
SIZE_PX = 15
TRACK_NAME, PLACE_NAME = Text("行车轨迹", "track"), Text("认定地点", "place of the finding")
DATUM = Text("示意图 · WGS-84", "Sketch · WGS-84")


def draw(picture: Image.Image, metres_per_px: float, kinds: Sequence[str], lang: Lang) -> None:
    """Covers the lowest part of the picture with the strip, and puts the north arrow into its corner."""
    pen = ImageDraw.Draw(picture, "RGBA")
    width, height = picture.size
    pen.rectangle((0, height - STRIP_PX, width, height), fill=WHITE)
    pen.line((0, height - STRIP_PX, width, height - STRIP_PX), fill=(*GREY, 255), width=1)
    pen.rectangle((0, 0, width - 1, height - 1), outline=(*GREY, 255), width=1)
    _north(pen, width - 34, 22)
    right = _scale(pen, metres_per_px, width, height)
    x, middle = 18.0, height - STRIP_PX / 2
    for sign, name in [("track", TRACK_NAME), ("place", PLACE_NAME), *((kind, ZONES[kind].name) for kind in kinds)]:
        needed = 34 + text_width(name.lang(lang), SIZE_PX) + 20
        if x + needed > right:
            break
        _sign(pen, sign, x, middle)
        x = draw_text(pen, (x + 32, middle + 5), name.lang(lang), SIZE_PX, fill=INK) + 20
    note = DATUM.lang(lang)
    draw_text(pen, (14, 26), note, SIZE_PX - 2, fill=GREY, halo=BACKGROUND)


def _sign(pen: ImageDraw.ImageDraw, sign: str, x: float, y: float) -> None:
    if sign == "track":
        pen.line((x, y, x + 26, y), fill=TRACK, width=4)
        pen.ellipse((x + 10, y - 4, x + 18, y + 4), fill=WHITE, outline=TRACK, width=2)
    elif sign == "place":
        pen.ellipse((x + 3, y - 10, x + 23, y + 10), outline=PLACE, width=3)
        pen.ellipse((x + 9, y - 4, x + 17, y + 4), fill=PLACE)
    else:
        colour: Rgb = ZONES[sign].colour
        fill = (*colour, round(255 * max(ZONES[sign].opacity, 0.0)))
        pen.rectangle((x, y - 9, x + 26, y + 9), fill=fill, outline=(*colour, 255), width=2)


def _scale(pen: ImageDraw.ImageDraw, metres_per_px: float, width: int, height: int) -> float:
    """A bar of a round length at the right; returns where it begins."""
    length_m, length_px = MapView(0, 0, metres_per_px, width, height).scale_bar()
    label = f"{length_m // 1000} km" if length_m >= 1000 else f"{length_m} m"
    x1, y = width - 24, height - 20
    x0 = x1 - length_px
    pen.line((x0, y, x1, y), fill=INK, width=3)
    for x in (x0, x1):
        pen.line((x, y - 7, x, y + 1), fill=INK, width=3)
    draw_text(pen, ((x0 + x1) / 2 - text_width(label, SIZE_PX) / 2, y - 11), label, SIZE_PX, fill=INK)
    return x0 - 16


def _north(pen: ImageDraw.ImageDraw, x: float, y: float) -> None:
    pen.ellipse((x - 20, y - 8, x + 20, y + 32), fill=(*WHITE, 220), outline=(*GREY, 255))
    pen.polygon([(x, y - 4), (x - 7, y + 13), (x, y + 9), (x + 7, y + 13)], fill=INK)
    draw_text(pen, (x - text_width("N", 13, bold=True) / 2, y + 27), "N", 13, fill=INK, bold=True)
