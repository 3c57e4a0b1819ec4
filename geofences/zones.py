"""A zone: a named area of the city with a kind, and the hours and days in which it counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import cos, radians, sin, sqrt
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text

ZoneKind = Literal[
    "construction_site",
    "disposal_site",
    "transfer_site",
    "parking",
    "forbidden",
    "route",
    "district",
    "township",
    "weigh_area",
]
Coordinates = NDArray[np.float64]

# WGS-84 ellipsoid.
_AXIS_M = 6378137.0
_ECCENTRICITY2 = 6.69437999014e-3

# A quarter of a circle in so many chords: 0.03 % of the radius off for a circle that someone asked for, 0.5 % at the
# corners of a corridor, which has hundreds of them.
_CIRCLE_QUARTER = 32
_CORNER_QUARTER = 8


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone in WGS-84 degrees.

    `outline` is the geometry as drawn (after the datum shift), `geometry` the area that counts: the outline grown by
    `buffer_m` metres (for a Point: its radius). With `hours` it counts only then, with `valid_from`/`valid_to` only on
    those local days (both inclusive, None is open).
    """

    zone_id: str
    name: Text
    kind: ZoneKind
    geometry: Polygon | MultiPolygon
    outline: BaseGeometry
    buffer_m: float = 0.0
    hours: tuple[Hours, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None
    parent: str | None = None

    @property
    def timed(self) -> bool:
        """Whether it does not always count."""
        return bool(self.hours or self.valid_from or self.valid_to)

    def counts_on(self, day: int, minute: int) -> bool:
        """Whether it counts at `minute` (0-1439) of the local day with this proleptic ordinal.

        Both are looked up for the same instant: the hours 22:00-05:00 of the last valid day end at its midnight.
        """
        if self.valid_from is not None and day < self.valid_from.toordinal():
            return False
        if self.valid_to is not None and day > self.valid_to.toordinal():
            return False
        return not self.hours or any(hours.contains(minute) for hours in self.hours)


def metres_per_degree(lat: float) -> tuple[float, float]:
    """Metres on the ground for one degree of longitude and of latitude at `lat` (WGS-84 radii of curvature)."""
    bend = 1.0 - _ECCENTRICITY2 * sin(radians(lat)) ** 2
    parallel_m = _AXIS_M / sqrt(bend) * cos(radians(lat))
    meridian_m = _AXIS_M * (1.0 - _ECCENTRICITY2) / (bend * sqrt(bend))
    return radians(parallel_m), radians(meridian_m)


def grown(outline: BaseGeometry, buffer_m: float) -> BaseGeometry:
    """`outline` (degrees) grown by `buffer_m` metres on all sides; unchanged by 0.

    A plane at the middle latitude of the outline: for one that reaches 100 km from north to south at 31 degrees the
    margin is off by at most 0.5 %.
    """
    if buffer_m == 0:
        return outline
    west, south, east, north = outline.bounds
    lon, lat = (west + east) / 2, (south + north) / 2
    scale = np.array(metres_per_degree(lat))
    centre = np.array((lon, lat))
    plane = _moved(outline, lambda points: (points - centre) * scale)
    quarter = _CIRCLE_QUARTER if outline.geom_type == "Point" else _CORNER_QUARTER
    area = plane.buffer(buffer_m, quad_segs=quarter)
    return _moved(area, lambda points: points / scale + centre)


def _moved(geometry: BaseGeometry, move: Callable[[Coordinates], Coordinates]) -> BaseGeometry:
    moved: BaseGeometry = shapely.transform(geometry, move)
    return moved


def feature_collection(zones: Sequence[Zone]) -> dict[str, Any]:
    """The areas that count as GeoJSON for a map: properties `zone_id`, `kind`, `name` (`{zh, en}`)."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": shapely.geometry.mapping(zone.geometry),
                "properties": {
                    "zone_id": zone.zone_id,
                    "kind": zone.kind,
                    "name": {"zh": zone.name.zh, "en": zone.name.en},
                },
            }
            for zone in zones
        ],
    }
