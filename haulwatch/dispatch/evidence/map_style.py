"""Colours and widths of the maps in evidence packs; zones have the colours that they have on the console by day."""

from __future__ import annotations

from dataclasses import dataclass

from haulwatch.domain.text import Text

Rgb = tuple[int, int, int]

INK: Rgb = (28, 36, 44)
GREY: Rgb = (96, 108, 118)
WHITE: Rgb = (255, 255, 255)
BACKGROUND: Rgb = (246, 245, 241)
WATER: Rgb = (198, 220, 234)
GREEN: Rgb = (219, 232, 208)
ROAD_EDGE: Rgb = (203, 200, 192)
ROAD_FILL: Rgb = (255, 255, 255)
TRACK: Rgb = (20, 82, 190)
PLACE: Rgb = (204, 24, 40)

ROADS = {"ring": 9, "arterial": 7, "tunnel": 7, "local": 4, "access": 3, "track": 2}
"""Widths in pixels by class."""


@dataclass(frozen=True)
class ZoneStyle:
    """How a kind of zone is drawn, and what it is called."""

    colour: Rgb
    opacity: float
    line: float
    named: bool
    name: Text


ZONES = {
    "district": ZoneStyle((124, 139, 153), 0.0, 2.5, False, Text("区县", "district")),
    "township": ZoneStyle((154, 167, 178), 0.0, 1.5, False, Text("镇街", "township")),
    "route": ZoneStyle((47, 98, 207), 0.10, 1.0, False, Text("核准路线", "permitted route")),
    "weigh_area": ZoneStyle((138, 67, 214), 0.14, 1.5, True, Text("称重区", "weigh area")),
    "parking": ZoneStyle((106, 122, 136), 0.18, 1.5, True, Text("停车场", "parking")),
    "transfer_site": ZoneStyle((18, 129, 143), 0.18, 2.0, True, Text("中转场", "transfer site")),
    "disposal_site": ZoneStyle((31, 138, 82), 0.18, 2.0, True, Text("消纳场", "disposal site")),
    "construction_site": ZoneStyle((176, 125, 0), 0.18, 2.0, True, Text("工地", "construction site")),
    "forbidden": ZoneStyle((208, 41, 58), 0.16, 2.5, True, Text("禁行区", "forbidden area")),
}
"""By kind, what lies below first."""
ZONE_ORDER = list(ZONES)
