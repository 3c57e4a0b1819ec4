"""Borders of zones as plain numbers: sides of points and crossings of ways without a call into GEOS.

Nothing here decides what rounding could turn: within `HAIR_DEG` (0.1 mm) of a border or a corner the answer is None,
and GEOS is asked. Doubles at 180 degrees are exact to 3e-14 degrees, so that there are four digits to spare.

Two statements carry it, with P a point of a convex cell, and the sides all those of a valid zone that meet the cell,
each directed so that the zone is on its left.

- P left of all sides is inside; right of all is outside. If P were outside, the way to the nearest point of the zone
  in the cell would end from outside on a side (or on a corner between two): P would be to the right of one of them.
- If the piece of the zone in the cell is to the left of every side (it is convex), a P to the right of any is outside.
  If the rest of the cell is to the right of every side, a P to the left of any is inside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import hypot

import numpy as np
import shapely
from numpy.typing import NDArray

from geofences.zones import Zone

HAIR_DEG = 1e-9
"""Closer than this to a border GEOS decides."""
_TOUCH_DEG = 1e-10

Line = tuple[float, float, float]
"""`a * lon + b * lat + c`: degrees to the left of a directed straight line."""
Side = tuple[Line, float, float, float, float]
"""One side of a border, the zone to its left: its line, `lon0, lat0, lon1, lat1`."""
Box = tuple[float, float, float, float]
"""West, south, east, north."""


class Border:
    """All sides of one zone; made into tuples where trucks come by."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        # Left and right are not told apart in a geometry that crosses itself.
        self.valid = bool(shapely.is_valid(zone.geometry))
        rings = [_directed(ring, hole) for ring, hole in _rings(zone)]
        ends = np.concatenate([np.hstack((ring[:-1], ring[1:])) for ring in rings])
        self._ends = ends[(ends[:, :2] != ends[:, 2:]).any(axis=1)]
        self._lows = np.minimum(self._ends[:, :2], self._ends[:, 2:])
        self._highs = np.maximum(self._ends[:, :2], self._ends[:, 2:])
        self._made: dict[int, Side] = {}

    def sides_in(self, box: Box) -> tuple[Side, ...]:
        """The sides that meet the box, and perhaps some that just miss it."""
        met = (self._lows <= box[2:]).all(axis=1) & (self._highs >= box[:2]).all(axis=1)
        sides = (self._side(number) for number in np.flatnonzero(met).tolist())
        return tuple(side for side in sides if _meets(side, box))

    def _side(self, number: int) -> Side:
        side = self._made.get(number)
        if side is None:
            lon0, lat0, lon1, lat1 = self._ends[number].tolist()
            length = hypot(lon1 - lon0, lat1 - lat0)
            a, b = (lat0 - lat1) / length, (lon1 - lon0) / length
            side = self._made[number] = ((a, b, -(a * lon0 + b * lat0)), lon0, lat0, lon1, lat1)
        return side


def shape_in(border: Border, sides: Sequence[Side], box: Box) -> bool | None:
    """Whether the piece of the zone in the box is convex (True), or the rest of the box is (False); None is neither.

    With one side both are; `sides` are all those that meet the box.
    """
    if not border.valid or not sides:
        return None
    if len(sides) == 1:
        return True
    west, south, east, north = box
    corners = [(west, south), (east, south), (east, north), (west, north)]
    held = shapely.intersects_xy(border.zone.geometry, *np.array(corners).T).tolist()
    ends = [end for side in sides for end in _clipped(side, box)]
    piece = ends + [corner for corner, inside in zip(corners, held, strict=True) if inside]
    if all(a * x + b * y + c > -_TOUCH_DEG for (a, b, c), *_ in sides for x, y in piece):
        return True
    rest = ends + [corner for corner, inside in zip(corners, held, strict=True) if not inside]
    if all(a * x + b * y + c < _TOUCH_DEG for (a, b, c), *_ in sides for x, y in rest):
        return False
    return None


def holds(lines: Sequence[Line], convex: bool, lon: float, lat: float) -> bool | None:
    """Whether the zone holds the point of the box that `lines` and `convex` (see `shape_in`) are of; None: ask GEOS."""
    near = False
    for a, b, c in lines:
        left = a * lon + b * lat + c
        if left > HAIR_DEG:
            if not convex:
                return True
        elif left < -HAIR_DEG:
            if convex:
                return False
        else:
            near = True
    return None if near else convex


def crossings(sides: Sequence[Side], lon0: float, lat0: float, lon1: float, lat1: float) -> list[float] | None:
    """Shares of the straight way at which it crosses the sides, sorted; None where it all but touches a corner.

    None, too, where there are no sides: the zone's are of no use.
    """
    found: list[float] = []
    dx, dy = lon1 - lon0, lat1 - lat0
    hair = 0.0
    for (a, b, c), x0, y0, x1, y1 in sides:
        left0 = a * lon0 + b * lat0 + c
        left1 = a * lon1 + b * lat1 + c
        if left0 > HAIR_DEG:
            if left1 > HAIR_DEG:
                continue
        elif left0 < -HAIR_DEG and left1 < -HAIR_DEG:
            continue
        if not hair:
            hair = HAIR_DEG * (abs(dx) + abs(dy))
        start = dx * (y0 - lat0) - dy * (x0 - lon0)
        end = dx * (y1 - lat0) - dy * (x1 - lon0)
        if start > hair:
            if end > hair:
                continue
        elif start < -hair and end < -hair:
            continue
        if not (abs(start) > hair and abs(end) > hair and abs(left0) > HAIR_DEG and abs(left1) > HAIR_DEG):
            return None
        found.append(left0 / (left0 - left1))
    if len(found) > 1:
        found.sort()
    return found if sides else None


def _rings(zone: Zone) -> Iterator[tuple[shapely.LinearRing, bool]]:
    """Every ring, and whether it is a hole."""
    for part in shapely.get_parts(zone.geometry).tolist():
        yield part.exterior, False
        for ring in part.interiors:
            yield ring, True


def _directed(ring: shapely.LinearRing, hole: bool) -> NDArray[np.float64]:
    """The ring's points in the order that has the zone to the left."""
    points: NDArray[np.float64] = shapely.get_coordinates(ring)
    return points if bool(shapely.is_ccw(ring)) is not hole else points[::-1]


def _meets(side: Side, box: Box) -> bool:
    """Whether the side's line runs through the box, or misses it by a hair."""
    a, b, c = side[0]
    west, south, east, north = box
    lefts = (a * west + b * south + c, a * east + b * south + c, a * east + b * north + c, a * west + b * north + c)
    return min(lefts) < HAIR_DEG and max(lefts) > -HAIR_DEG


def _clipped(side: Side, box: Box) -> list[tuple[float, float]]:
    """Both ends of the side's part in the box; nothing where it misses it (Liang and Barsky, 1984)."""
    _, x0, y0, x1, y1 = side
    west, south, east, north = box
    dx, dy, first, last = x1 - x0, y1 - y0, 0.0, 1.0
    for step, room in ((-dx, x0 - west), (dx, east - x0), (-dy, y0 - south), (dy, north - y0)):
        if step < 0:
            first = max(first, room / step)
        elif step > 0:
            last = min(last, room / step)
        elif room < 0:
            return []
    return [(x0 + first * dx, y0 + first * dy), (x0 + last * dx, y0 + last * dy)] if first <= last else []


def sides_meeting(sides: Sequence[Side], box: Box) -> tuple[Side, ...]:
    """Those of the sides that meet the box, and perhaps some that just miss it."""
    west, south, east, north = box
    met = []
    for side in sides:
        _, lon0, lat0, lon1, lat1 = side
        if (
            (lon0 <= east or lon1 <= east)
            and (lon0 >= west or lon1 >= west)
            and (lat0 <= north or lat1 <= north)
            and (lat0 >= south or lat1 >= south)
            and _meets(side, box)
        ):
            met.append(side)
    return tuple(met)
