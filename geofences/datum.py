"""Datum conversions between WGS-84, GCJ-02 ("Mars coordinates") and BD-09 (Baidu).

Everything inside haulwatch is WGS-84; the other two are inputs (drawn maps, some platforms) and outputs (navigation
links) only. Both shifts have published forward formulas without a closed inverse, so the way back is a fixed-point
iteration on the forward formula: it contracts by a factor of 40 or more a round and ends below 1e-11 degrees (1 um).

Source of the formulas: the reverse-engineered obfuscation of GB 20263 map publishing as used by every open converter
(Krasovsky 1940 ellipsoid, a = 6378245 m, e2 = 0.00669342162296594323), and Baidu's polar shift of GCJ-02.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import atan2, cos, fabs, pi, sin, sqrt
from typing import Literal, get_args

Datum = Literal["wgs84", "gcj02", "bd09"]
DATUMS: tuple[Datum, ...] = get_args(Datum)

_AXIS_M = 6378245.0
_ECCENTRICITY2 = 0.00669342162296594323
_BAIDU_PI = pi * 3000.0 / 180.0
_SETTLED_DEG = 1e-12
_MAX_ROUNDS = 40

# The rectangle outside of which map services leave coordinates alone.
_WEST, _EAST, _SOUTH, _NORTH = 72.004, 137.8347, 0.8293, 55.8271


def in_china(lon: float, lat: float) -> bool:
    """Whether GCJ-02 shifts this WGS-84 point (degrees): the services' rectangle, not the border of the country."""
    return _WEST <= lon <= _EAST and _SOUTH <= lat <= _NORTH


def convert(lon: float, lat: float, from_: Datum, to: Datum) -> tuple[float, float]:
    """A point (degrees) of datum `from_` in datum `to`; `(lon, lat)` to about 1e-11 degrees.

    Within some 700 m of the rectangle of `in_china` GCJ-02 is not one-to-one; there the shifted reading is preferred.
    """
    if from_ == to:
        return lon, lat
    if from_ == "bd09":
        lon, lat = _gcj_of_bd(lon, lat)
    elif from_ == "wgs84":
        lon, lat = _gcj_of_wgs(lon, lat)
    if to == "bd09":
        return _bd_of_gcj(lon, lat)
    return _wgs_of_gcj(lon, lat) if to == "wgs84" else (lon, lat)


def convert_all(points: Iterable[tuple[float, float]], from_: Datum, to: Datum) -> list[tuple[float, float]]:
    """`convert` of every point, in order (about 10 us a point)."""
    return [convert(lon, lat, from_, to) for lon, lat in points]


def _shift(lon: float, lat: float) -> tuple[float, float]:
    """What GCJ-02 adds to a WGS-84 point, in degrees, wherever it is."""
    x, y = lon - 105.0, lat - 35.0
    waves = (20.0 * sin(6.0 * x * pi) + 20.0 * sin(2.0 * x * pi)) * 2.0 / 3.0
    north_m = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * sqrt(fabs(x)) + waves
    north_m += (20.0 * sin(y * pi) + 40.0 * sin(y / 3.0 * pi)) * 2.0 / 3.0
    north_m += (160.0 * sin(y / 12.0 * pi) + 320.0 * sin(y * pi / 30.0)) * 2.0 / 3.0
    east_m = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * sqrt(fabs(x)) + waves
    east_m += (20.0 * sin(x * pi) + 40.0 * sin(x / 3.0 * pi)) * 2.0 / 3.0
    east_m += (150.0 * sin(x / 12.0 * pi) + 300.0 * sin(x / 30.0 * pi)) * 2.0 / 3.0
    latitude = lat / 180.0 * pi
    bend = 1.0 - _ECCENTRICITY2 * sin(latitude) ** 2
    meridian_m = _AXIS_M * (1.0 - _ECCENTRICITY2) / (bend * sqrt(bend))
    parallel_m = _AXIS_M / sqrt(bend) * cos(latitude)
    return east_m * 180.0 / (parallel_m * pi), north_m * 180.0 / (meridian_m * pi)


def _gcj_of_wgs(lon: float, lat: float) -> tuple[float, float]:
    if not in_china(lon, lat):
        return lon, lat
    east, north = _shift(lon, lat)
    return lon + east, lat + north


def _wgs_of_gcj(lon: float, lat: float) -> tuple[float, float]:
    if not (_WEST - 0.1 <= lon <= _EAST + 0.1 and _SOUTH - 0.1 <= lat <= _NORTH + 0.1):
        return lon, lat
    found = _invert(_shift, lon, lat)
    return found if in_china(*found) else (lon, lat)


def _baidu_shift(lon: float, lat: float) -> tuple[float, float]:
    """What BD-09 adds to a GCJ-02 point, in degrees."""
    radius = sqrt(lon * lon + lat * lat) + 0.00002 * sin(lat * _BAIDU_PI)
    angle = atan2(lat, lon) + 0.000003 * cos(lon * _BAIDU_PI)
    return radius * cos(angle) + 0.0065 - lon, radius * sin(angle) + 0.006 - lat


def _bd_of_gcj(lon: float, lat: float) -> tuple[float, float]:
    east, north = _baidu_shift(lon, lat)
    return lon + east, lat + north


def _gcj_of_bd(lon: float, lat: float) -> tuple[float, float]:
    return _invert(_baidu_shift, lon, lat)


def _invert(shift: Callable[[float, float], tuple[float, float]], lon: float, lat: float) -> tuple[float, float]:
    """The point that `shift` moves to `(lon, lat)`."""
    x, y = lon, lat
    for _ in range(_MAX_ROUNDS):
        east, north = shift(x, y)
        next_x, next_y = lon - east, lat - north
        settled = fabs(next_x - x) + fabs(next_y - y) < _SETTLED_DEG
        x, y = next_x, next_y
        if settled:
            break
    return x, y
