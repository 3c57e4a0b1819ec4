"""Names on an order's map, the important ones first; one that would cover another is left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from PIL import Image, ImageDraw

from haulwatch.dispatch.evidence.map_style import GREY, TRACK, WHITE, ZONES, Rgb
from haulwatch.dispatch.evidence.map_view import MapView, Point, areas
from haulwatch.dispatch.evidence.tracks import Fix
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Lang
from haulwatch.fonts.drawing import draw_text, text_width

SIZE_PX, SMALL_PX = 26, 24
LARGE_ROADS = ("ring", "arterial", "tunnel")

Box = tuple[float, float, float, float]


class _Name(NamedTuple):
    text: str
    middle: Point
    colour: Rgb
    size_px: int


class Names:
    """Collects names, then draws those for which there is room."""

    def __init__(self, view: MapView, lang: Lang) -> None:
        self._view = view
        self._lang = lang
        self._names: list[_Name] = []

    def of_track(self, track: Sequence[Fix], timezone: str | None) -> None:
        """Local times at its ends."""
        zone = ZoneInfo(timezone) if timezone else UTC
        for at_ms, lon, lat, _ in dict.fromkeys((track[0], track[-1])) if track else ():
            x, y = self._view.place(lon, lat)
            clock = to_datetime(at_ms).astimezone(zone).strftime("%H:%M:%S")
            self._names.append(_Name(clock, (x, y - 44), TRACK, SIZE_PX))

    def of_zones(self, features: Sequence[Mapping[str, Any]]) -> None:
        """Above what is to be seen of them."""
        for feature in features:
            style = ZONES[feature["properties"]["kind"]]
            for rings in areas(feature["geometry"]) if style.named else ():
                points = self._view.places(rings[0])
                if self._view.shows(points):
                    west, east = _within([x for x, _ in points], self._view.width_px)
                    top = max(min(y for _, y in points), 0.0)
                    name = str(feature["properties"]["name"][self._lang])
                    self._names.append(_Name(name, ((west + east) / 2, top - 18), style.colour, SIZE_PX))

    def of_places(self, labels: bytes | None) -> None:
        """Roads, parks and rivers that the base map names."""
        if labels is None:
            return
        for feature in msgspec.json.decode(labels)["features"]:
            lon, lat = feature["geometry"]["coordinates"][:2]
            name = self._name_of(feature["properties"])
            if name:
                self._names.append(_Name(name, self._view.place(lon, lat), GREY, SMALL_PX))

    def of_roads(self, roads: bytes | None) -> None:
        """The larger ones, each once, in the middle of what is to be seen of it; those with most to be seen first."""
        seen: dict[str, list[Point]] = {}
        for feature in [] if roads is None else msgspec.json.decode(roads)["features"]:
            name = self._name_of(feature["properties"])
            if (
                name
                and feature["properties"].get("class") in LARGE_ROADS
                and feature["geometry"]["type"] == "LineString"
            ):
                points = self._view.places(feature["geometry"]["coordinates"])
                seen.setdefault(name, []).extend(at for at in points if self._view.shows([at]))
        for name, points in sorted(seen.items(), key=lambda one: (-len(one[1]), one[0])):
            if points and name not in {one.text for one in self._names}:
                self._names.append(_Name(name, sorted(points)[len(points) // 2], GREY, SMALL_PX))

    def _name_of(self, properties: Mapping[str, Any]) -> str:
        name = properties.get("name_en") if self._lang == "en" else None
        return str(name or properties.get("name") or "")

    def draw(self, picture: Image.Image, here: Sequence[Point]) -> None:
        """Onto the picture; nothing covers `here` (degrees)."""
        pen = ImageDraw.Draw(picture)
        places = [self._view.place(*at) for at in here]
        taken: list[Box] = [(x - 40, y - 40, x + 40, y + 40) for x, y in places]
        for name in self._names:
            box = self._box(name)
            if box is None or any(_cover(box, other) for other in taken):
                continue
            taken.append(box)
            at = (box[0], box[3] - name.size_px * 0.25)
            draw_text(pen, at, name.text, name.size_px, fill=name.colour, halo=WHITE, halo_px=5)

    def _box(self, name: _Name) -> Box | None:
        """Where it would stand; moved inwards at the edge, None where its place is not to be seen."""
        x, y = name.middle
        width, height = text_width(name.text, name.size_px), name.size_px * 1.25
        if not (0 <= x <= self._view.width_px and -height <= y <= self._view.height_px) or width > self._view.width_px:
            return None
        left = min(max(x - width / 2, 12), self._view.width_px - width - 12)
        top = min(max(y - height / 2, 8), self._view.height_px - height - 8)
        return (left, top, left + width, top + height)


def _within(values: Sequence[float], end: float) -> Point:
    return max(min(values), 0.0), min(max(values), end)


def _cover(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
