"""The map of an order as a picture: base map, zones as they were, the truck's track, the place. Nothing is fetched.

Drawn twice as large and made smaller, which smooths every line. Coordinates are WGS-84 as stored, never shifted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
from PIL import Image, ImageDraw

from haulwatch.dispatch.evidence import map_legend
from haulwatch.dispatch.evidence.contents import Contents
from haulwatch.dispatch.evidence.map_names import Names
from haulwatch.dispatch.evidence.map_style import (
    BACKGROUND,
    GREEN,
    PLACE,
    ROAD_EDGE,
    ROAD_FILL,
    ROADS,
    TRACK,
    WATER,
    WHITE,
    ZONE_ORDER,
    ZONES,
    Rgb,
)
from haulwatch.dispatch.evidence.map_view import Geometry, MapView, Point, areas, view_of
from haulwatch.dispatch.evidence.tracks import Fix, stretches
from haulwatch.domain.text import Lang

WIDTH_PX, HEIGHT_PX = 1280, 860
LARGER = 2


def png_of(picture: Image.Image) -> bytes:
    """The picture as PNG."""
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=False, compress_level=9)
    return out.getvalue()


def draw_map(contents: Contents, lang: Lang) -> Image.Image | None:
    """The map; None for an order without track and place."""
    order = contents.order
    here = [] if order.lon is None or order.lat is None else [(order.lon, order.lat)]
    places = [(lon, lat) for _, lon, lat, _ in contents.track] + here
    view = view_of(places, WIDTH_PX * LARGER, (HEIGHT_PX - map_legend.STRIP_PX) * LARGER)
    if view is None:
        return None
    canvas = Canvas(view)
    if contents.then is not None:
        for layer in ("green", "water", "roads"):
            canvas.base(layer, contents.then.basemap(layer))
    canvas.zones(contents.scene.zones["features"])
    for part in stretches(contents.track):
        canvas.track(part)
    if here:
        canvas.trigger(*here[0])
    names = Names(view, lang)
    names.of_track(contents.track, contents.scene.timezone)
    names.of_zones(contents.scene.zones["features"])
    if contents.then is not None:
        names.of_places(contents.then.basemap("labels"))
        names.of_roads(contents.then.basemap("roads"))
    names.draw(canvas.picture, here)
    picture = Image.new("RGB", (WIDTH_PX, HEIGHT_PX), WHITE)
    smooth = canvas.picture.resize((WIDTH_PX, HEIGHT_PX - map_legend.STRIP_PX), Image.Resampling.LANCZOS)
    picture.paste(smooth, (0, 0))
    map_legend.draw(picture, view.metres_per_px * LARGER, sorted(canvas.kinds, key=ZONE_ORDER.index), lang)
    return picture


class Canvas:
    """What has been drawn so far; `kinds` of zones that are to be seen."""

    def __init__(self, view: MapView) -> None:
        self.view = view
        self.picture = Image.new("RGB", (view.width_px, view.height_px), BACKGROUND)
        self.kinds: set[str] = set()
        self._draw = ImageDraw.Draw(self.picture)

    # Below

    def base(self, layer: str, data: bytes | None) -> None:
        """A layer of the base map."""
        if data is None:
            return
        features = msgspec.json.decode(data)["features"]
        if layer == "roads":
            self._roads(features)
            return
        for feature in features:
            for rings in areas(feature["geometry"]):
                self._area(rings, {"water": WATER, "green": GREEN}[layer], 1.0)

    def _roads(self, features: Sequence[Mapping[str, Any]]) -> None:
        lines = [
            (ROADS.get(str(feature["properties"].get("class")), ROADS["local"]), points)
            for feature in features
            for line in _lines(feature["geometry"])
            if self.view.shows(points := self.view.places(line))
        ]
        for edge in (True, False):
            for width, points in sorted(lines, key=lambda one: one[0]):
                self._line(points, ROAD_EDGE if edge else ROAD_FILL, (width + 2 if edge else width) * LARGER)

    # Zones

    def zones(self, features: Sequence[Mapping[str, Any]]) -> None:
        """Those of the scene, large ones below."""
        for feature in sorted(features, key=lambda feature: ZONE_ORDER.index(feature["properties"]["kind"])):
            self._zone(feature)

    def _zone(self, feature: Mapping[str, Any]) -> None:
        kind = feature["properties"]["kind"]
        style = ZONES[kind]
        for rings in areas(feature["geometry"]):
            outline = self.view.places(rings[0])
            if not self.view.shows(outline):
                continue
            self.kinds.add(kind)
            self._area(rings, style.colour, style.opacity)
            for ring in rings:
                self._line(self.view.places(ring), style.colour, style.line * LARGER)

    # The truck

    def track(self, part: Sequence[Fix]) -> None:
        """One stretch, with its fixes, its direction and the time at its ends."""
        points = self.view.places([(lon, lat) for _, lon, lat, _ in part])
        self._line(points, WHITE, 9 * LARGER)
        self._line(points, TRACK, 5 * LARGER)
        for x, y in points:
            self._dot(x, y, 3.2 * LARGER, WHITE, TRACK, 2 * LARGER)
        for arrow in _arrows(points, 90 * LARGER, 9 * LARGER):
            self._draw.polygon(arrow, fill=TRACK, outline=WHITE)

    def trigger(self, lon: float, lat: float) -> None:
        """Where the rule was satisfied."""
        x, y = self.view.place(lon, lat)
        self._dot(x, y, 17 * LARGER, None, WHITE, 8 * LARGER)
        self._dot(x, y, 15 * LARGER, None, PLACE, 4 * LARGER)
        self._dot(x, y, 5 * LARGER, PLACE, WHITE, 2 * LARGER)

    # Shapes

    def _dot(self, x: float, y: float, radius: float, fill: Rgb | None, edge: Rgb, width: float) -> None:
        box = (x - radius, y - radius, x + radius, y + radius)
        self._draw.ellipse(box, fill=fill, outline=edge, width=round(width))

    def _line(self, points: Sequence[Point], colour: Rgb, width: float) -> None:
        if len(points) > 1:
            self._draw.line(points, fill=colour, width=max(round(width), 1), joint="curve")

    def _area(self, rings: Sequence[Sequence[Sequence[float]]], colour: Rgb, opacity: float) -> None:
        """A filled area with its holes."""
        points = [self.view.places(ring) for ring in rings]
        if opacity == 0 or not self.view.shows(points[0]) or len(points[0]) < 3:
            return
        mask = Image.new("L", self.picture.size, 0)
        drawing = ImageDraw.Draw(mask)
        drawing.polygon(points[0], fill=round(255 * opacity))
        for hole in points[1:]:
            drawing.polygon(hole, fill=0)
        self.picture.paste(colour, (0, 0), mask)


def _lines(geometry: Geometry) -> Iterator[Sequence[Sequence[float]]]:
    if geometry["type"] == "LineString":
        yield geometry["coordinates"]
    elif geometry["type"] == "MultiLineString":
        yield from geometry["coordinates"]


def _arrows(points: Sequence[Point], every_px: float, size_px: float) -> Iterator[list[Point]]:
    """Small triangles along the line, in its direction."""
    gone = every_px / 2
    for (x0, y0), (x1, y1) in pairwise(points):
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        while gone < length:
            ux, uy = (x1 - x0) / length, (y1 - y0) / length
            x, y = x0 + ux * gone, y0 + uy * gone
            left = (x - ux * size_px - uy * size_px * 0.7, y - uy * size_px + ux * size_px * 0.7)
            right = (x - ux * size_px + uy * size_px * 0.7, y - uy * size_px - ux * size_px * 0.7)
            yield [(x + ux * size_px, y + uy * size_px), left, right]
            gone += every_px
        gone -= length
