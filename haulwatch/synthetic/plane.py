"""The city's own flat map: metres east and north of its centre, and how they become WGS-84 degrees.

Only `+ - * /`, `sqrt` and comparisons decide anything here, so that every machine computes the same city.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import atan2, degrees, sqrt

CENTRE_LON = 120.10
CENTRE_LAT = 30.86
M_PER_DEG_LON = 95643.47
"""Metres per degree of longitude at the centre: 111412.84 cos φ - 93.5 cos 3φ (series for the WGS-84 ellipsoid)."""
M_PER_DEG_LAT = 110867.04
"""Metres per degree of latitude at the centre: 111132.92 - 559.82 cos 2φ + 1.175 cos 4φ."""

Point = tuple[float, float]


def degrees_of(point: Point) -> tuple[float, float]:
    """`(lon, lat)` in degrees, to about 0.1 m."""
    return (round(CENTRE_LON + point[0] / M_PER_DEG_LON, 6), round(CENTRE_LAT + point[1] / M_PER_DEG_LAT, 6))


def metres_of(lon: float, lat: float) -> Point:
    """The inverse of `degrees_of`."""
    return ((lon - CENTRE_LON) * M_PER_DEG_LON, (lat - CENTRE_LAT) * M_PER_DEG_LAT)


def distance(a: Point, b: Point) -> float:
    """Metres between two points."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    return sqrt(dx * dx + dy * dy)


def heading(a: Point, b: Point) -> float:
    """Direction from `a` to `b` in whole degrees clockwise from north, 0-359."""
    return float(round(degrees(atan2(b[0] - a[0], b[1] - a[1]))) % 360)


def between(a: Point, b: Point, share: float) -> Point:
    """The point at `share` (0-1) of the way from `a` to `b`."""
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def length(line: Sequence[Point]) -> float:
    """Metres along a polyline."""
    return sum(distance(a, b) for a, b in pairwise(line))


def along(line: Sequence[Point], metres: float) -> tuple[Point, int]:
    """The point `metres` along a polyline and the index of the segment it is on; clipped to the ends."""
    rest = max(metres, 0.0)
    for index in range(len(line) - 1):
        step = distance(line[index], line[index + 1])
        if rest <= step and step > 0:
            return between(line[index], line[index + 1], rest / step), index
        rest -= step
    return line[-1], len(line) - 2


def project(line: Sequence[Point], point: Point) -> tuple[float, float]:
    """The nearest place on a polyline: `(metres along it, metres away from it)`."""
    best_along, best_away, done = 0.0, float("inf"), 0.0
    for a, b in pairwise(line):
        dx, dy = b[0] - a[0], b[1] - a[1]
        square = dx * dx + dy * dy
        share = 0.0 if square == 0 else ((point[0] - a[0]) * dx + (point[1] - a[1]) * dy) / square
        foot = between(a, b, min(1.0, max(0.0, share)))
        away = distance(foot, point)
        if away < best_away:
            best_along, best_away = done + distance(a, foot), away
        done += sqrt(square)
    return best_along, best_away


def inside(ring: Sequence[Point], point: Point) -> bool:
    """Whether `point` is inside the polygon with this outer ring (even-odd rule)."""
    x, y = point
    result = False
    for a, b in zip(ring, [*ring[1:], ring[0]], strict=True):
        if (a[1] > y) != (b[1] > y) and x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]:
            result = not result
    return result


def shifted(line: Sequence[Point], metres: float) -> list[Point]:
    """The polyline moved sideways, positive to its left; good for gentle curves."""
    moved: list[Point] = []
    for index, point in enumerate(line):
        a, b = line[max(index - 1, 0)], line[min(index + 1, len(line) - 1)]
        size = distance(a, b) or 1.0
        moved.append((point[0] - (b[1] - a[1]) / size * metres, point[1] + (b[0] - a[0]) / size * metres))
    return moved
