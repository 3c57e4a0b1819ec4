"""Hard random cities: holes, several parts, slivers, touching borders, routes, zones that do not always count."""

from __future__ import annotations

from datetime import date
from math import cos, pi, sin
from random import Random
from zoneinfo import ZoneInfo

import shapely
from shapely import affinity
from shapely.geometry.base import BaseGeometry

from geofences.zones import Zone, ZoneKind, grown
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEST, SOUTH, EAST, NORTH = 120.0, 30.8, 120.05, 30.85
NOON_MS = 1_777_608_000_000  # 2026-05-01T12:00 in Shanghai
MINUTE_MS = 60_000

_KINDS: tuple[ZoneKind, ...] = ("construction_site", "disposal_site", "transfer_site", "parking", "forbidden")


def zone(
    zone_id: str,
    geometry: BaseGeometry,
    kind: ZoneKind = "forbidden",
    *,
    buffer_m: float = 0.0,
    hours: tuple[str, ...] = (),
    valid_from: date | None = None,
    valid_to: date | None = None,
) -> Zone:
    """A zone with this outline."""
    return Zone(
        zone_id=zone_id,
        name=Text(zone_id, zone_id),
        kind=kind,
        geometry=grown(geometry, buffer_m),  # type: ignore[arg-type]  # always an area
        outline=geometry,
        buffer_m=buffer_m,
        hours=tuple(Hours.parse(span) for span in hours),
        valid_from=valid_from,
        valid_to=valid_to,
    )


def box_m(lon: float, lat: float, width_m: float, height_m: float) -> shapely.Polygon:
    """A rectangle with its lower left corner at the place."""
    return shapely.box(lon, lat, lon + width_m / 95_700, lat + height_m / 110_870)


def hard_city(seed: int, zones: int = 60, *, timed: bool = False) -> list[Zone]:
    """A city of some 5 km by 5 km."""
    random = Random(seed)
    made = _districts()
    while len(made) < zones:
        shape, kind, buffer_m = _shape(random)
        if not shape.is_valid or shape.is_empty:
            continue
        hours = random.choice(((), ("22:00-05:00",), ("07:00-09:00", "17:00-19:30"))) if timed else ()
        first = random.choice((None, date(2026, 5, 1))) if timed else None
        last = random.choice((None, date(2026, 5, 1), date(2026, 5, 2))) if timed else None
        zone_id = f"Z-{len(made):03d}"
        made.append(zone(zone_id, shape, kind, buffer_m=buffer_m, hours=hours, valid_from=first, valid_to=last))
    return made


def _districts() -> list[Zone]:
    """Four districts that share their borders, on the raster's own lines where that is possible."""
    west, east, south, north = WEST + 0.003, EAST - 0.003, SOUTH + 0.003, NORTH - 0.003
    lon, lat = 120.0249, 30.8253
    return [
        zone("D-1", shapely.box(west, south, lon, lat), "district"),
        zone("D-2", shapely.box(lon, south, east, lat), "district"),
        zone("D-3", shapely.box(west, lat, lon, north), "district"),
        zone("D-4", shapely.box(lon, lat, east, north), "district"),
    ]


def _shape(random: Random) -> tuple[BaseGeometry, ZoneKind, float]:
    lon, lat = random.uniform(WEST, EAST), random.uniform(SOUTH, NORTH)
    kind = random.choice(_KINDS)
    form = random.randrange(6)
    if form == 0:
        return _star(random, lon, lat, 0.004), kind, 0.0
    if form == 1:
        shell = _star(random, lon, lat, 0.005)
        return shell.difference(_star(random, lon, lat, 0.003)), kind, 0.0
    if form == 2:
        parts = [_star(random, lon + random.gauss(0, 0.004), lat + random.gauss(0, 0.004), 0.002) for _ in range(3)]
        return shapely.union_all(parts), kind, 0.0
    if form == 3:  # a sliver a metre wide or less
        sliver = shapely.box(lon, lat, lon + 0.01, lat + random.uniform(1e-7, 1e-5))
        return affinity.rotate(sliver, random.uniform(0, 180)), kind, 0.0
    if form == 4:
        way = [(lon, lat)]
        for _ in range(8):
            way.append((way[-1][0] + random.gauss(0, 0.003), way[-1][1] + random.gauss(0, 0.003)))
        return shapely.LineString(way), "route", 50.0
    return shapely.Point(lon, lat), "weigh_area", random.uniform(5.0, 80.0)


def _star(random: Random, lon: float, lat: float, radius: float) -> BaseGeometry:
    corners = random.randint(3, 12)
    lengths = [random.uniform(0.2, 1.0) * radius for _ in range(corners)]
    ring = [
        (lon + length * cos(2 * pi * k / corners), lat + length * sin(2 * pi * k / corners))
        for k, length in enumerate(lengths)
    ]
    return shapely.Polygon(ring)
