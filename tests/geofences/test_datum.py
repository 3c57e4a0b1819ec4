"""Datum conversions: known points, exact ways back, nothing shifted outside China."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geofences.datum import DATUMS, Datum, convert, convert_all, in_china
from haulwatch.domain.motion import distance_m

LONS = st.floats(73.0, 135.0)
LATS = st.floats(3.0, 53.5)
DATUM = st.sampled_from(DATUMS)


@pytest.mark.parametrize(
    ("from_", "to", "point", "expected"),
    [
        # Tiananmen, by the published formulas; the second one is Baidu's own documented pair of shifts.
        ("wgs84", "gcj02", (116.404, 39.915), (116.41024449916938, 39.91640428150164)),
        ("gcj02", "bd09", (116.404, 39.915), (116.41036949371029, 39.92133699351021)),
        ("gcj02", "wgs84", (116.41024449916938, 39.91640428150164), (116.404, 39.915)),
    ],
)
def test_known_points(from_: Datum, to: Datum, point: tuple[float, float], expected: tuple[float, float]) -> None:
    assert convert(*point, from_, to) == pytest.approx(expected, abs=1e-9)


@given(LONS, LATS, DATUM, DATUM)
def test_there_and_back_is_the_same_point(lon: float, lat: float, from_: Datum, to: Datum) -> None:
    there = convert(lon, lat, from_, to)
    back = convert(*there, to, from_)
    assert distance_m(lon, lat, *back) < 1e-4


@given(LONS, LATS)
def test_gcj02_shifts_by_tens_to_hundreds_of_metres(lon: float, lat: float) -> None:
    assert 5 < distance_m(lon, lat, *convert(lon, lat, "wgs84", "gcj02")) < 2000


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_outside_china_gcj02_is_wgs84(lon: float, lat: float) -> None:
    if not in_china(lon, lat):
        assert convert(lon, lat, "wgs84", "gcj02") == (lon, lat)
    if not (71.8 < lon < 138 and 0.6 < lat < 56):
        assert convert(lon, lat, "gcj02", "wgs84") == (lon, lat)


@given(st.floats(72.0041, 137.8346), st.floats(0.8294, 55.827))
def test_points_at_the_edge_of_the_rectangle_come_back_too(lon: float, lat: float) -> None:
    back = convert(*convert(lon, lat, "wgs84", "gcj02"), "gcj02", "wgs84")
    assert distance_m(lon, lat, *back) < 1e-4


def test_convert_all_keeps_the_order() -> None:
    points = [(120.1, 30.8), (120.2, 30.9)]
    assert convert_all(points, "wgs84", "bd09") == [convert(*point, "wgs84", "bd09") for point in points]
