"""Plain numbers against GEOS, where they dare to answer: sides of points, shapes in a box, crossings of ways."""

from __future__ import annotations

from random import Random

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.borders import Border, Box, crossings, holds, shape_in, sides_meeting
from geofences.index import ZoneIndex
from geofences.zones import Zone
from haulwatch.domain.motion import distance_m
from tests.geofences.cities import EAST, NOON_MS, NORTH, SHANGHAI, SOUTH, WEST, hard_city, zone

CITIES = {seed: [Border(each) for each in hard_city(seed)] for seed in range(3)}
EVERYWHERE = (WEST - 1, SOUTH - 1, EAST + 1, NORTH + 1)
SQUARE = Border(zone("S", shapely.box(120.0, 30.0, 120.01, 30.01)))
BOW_TIE = zone("B", shapely.Polygon([(120.0, 30.0), (120.01, 30.01), (120.01, 30.0), (120.0, 30.01)]))


def boxes(random: Random, border: Border, count: int) -> list[Box]:
    """Small boxes on the zone's border."""
    line = border.zone.geometry.boundary
    made = []
    for _ in range(count):
        point = line.interpolate(random.random(), normalized=True)
        west, south, size = point.x - random.random() * 3e-4, point.y - random.random() * 3e-4, 3e-4
        made.append((west, south, west + size, south + size))
    return made


@pytest.mark.parametrize("seed", list(CITIES))
def test_a_point_of_a_box_is_on_the_side_that_geos_says(seed: int) -> None:
    random, answered, asked = Random(seed), 0, 0
    for border in CITIES[seed]:
        for box in boxes(random, border, 20):
            sides = border.sides_in(box)
            assert set(sides_meeting(border.sides_in(EVERYWHERE), box)) == set(sides)
            shape = shape_in(border, sides, box)
            for _ in range(5):
                lon, lat = random.uniform(box[0], box[2]), random.uniform(box[1], box[3])
                inside = None if shape is None else holds([line for line, *_ in sides], shape, lon, lat)
                answered, asked = answered + (inside is not None), asked + (inside is None)
                assert inside in (None, bool(shapely.intersects_xy(border.zone.geometry, lon, lat)))
    assert answered > 4 * asked


@settings(deadline=None)
@given(st.sampled_from(list(CITIES)), st.integers(0, 10_000))
def test_a_way_crosses_as_often_as_geos_says(seed: int, number: int) -> None:
    random = Random(number)
    lon0, lat0 = random.uniform(WEST, EAST), random.uniform(SOUTH, NORTH)
    lon1, lat1 = lon0 + random.gauss(0, 0.01), lat0 + random.gauss(0, 0.01)
    way = shapely.LineString(((lon0, lat0), (lon1, lat1)))
    for border in CITIES[seed]:
        shares = crossings(border.sides_in(EVERYWHERE), lon0, lat0, lon1, lat1)
        points = shapely.get_coordinates(way.intersection(border.zone.geometry.boundary))
        assert shares is not None
        assert shares == sorted(shares)
        assert len(shares) == len(points)
        along = sorted(way.project(shapely.Point(point), normalized=True) for point in points)
        assert shares == pytest.approx(along, abs=1e-6)


@pytest.mark.parametrize(
    "way",
    [
        (119.99, 29.99, 120.02, 30.02),  # through two corners
        (119.99, 30.0, 120.02, 30.0),  # along a side
        (120.0, 30.005, 120.02, 30.005),  # from a point of a side
        (119.99, 30.005, 120.01, 30.005),  # to a point of a side
    ],
)
def test_a_way_through_a_corner_or_along_a_side_is_left_to_geos(way: tuple[float, float, float, float]) -> None:
    assert crossings(SQUARE.sides_in(EVERYWHERE), *way) is None


def test_a_way_that_stays_away_crosses_nothing() -> None:
    sides = SQUARE.sides_in(EVERYWHERE)
    assert crossings(sides, 119.99, 30.0, 119.999, 30.01) == []
    assert crossings(sides, 120.001, 30.001, 120.009, 30.009) == []
    # On the line that prolongs a side, but beyond its end.
    assert crossings(sides, 120.02, 30.01, 120.02, 30.02) == []


def test_a_point_on_the_border_is_left_to_geos() -> None:
    box = (119.9999, 29.9999, 120.0001, 30.0001)
    sides = SQUARE.sides_in(box)
    assert len(sides) == 2
    shape = shape_in(SQUARE, sides, box)
    assert shape is True
    lines = [line for line, *_ in sides]
    assert holds(lines, shape, 120.0, 30.00005) is None
    assert holds(lines, shape, 120.00005, 30.00005) is True
    assert holds(lines, shape, 119.99995, 30.00005) is False


def test_a_corner_that_points_inwards_leaves_a_convex_rest() -> None:
    border = Border(zone("L", shapely.box(120.0, 30.0, 120.02, 30.02).difference(shapely.box(120, 30, 120.01, 30.01))))
    box = (120.0099, 30.0099, 120.0101, 30.0101)
    sides = border.sides_in(box)
    shape = shape_in(border, sides, box)
    assert shape is False
    lines = [line for line, *_ in sides]
    assert holds(lines, shape, 120.00995, 30.00995) is False
    assert holds(lines, shape, 120.00995, 30.01005) is True


def test_a_zone_that_crosses_itself_is_left_to_geos_throughout() -> None:
    border = Border(BOW_TIE)
    assert not border.valid
    assert shape_in(border, border.sides_in(EVERYWHERE), EVERYWHERE) is None
    index = ZoneIndex([BOW_TIE], SHANGHAI)
    random = Random(1)
    for _ in range(500):
        lon, lat = random.uniform(119.999, 120.011), random.uniform(29.999, 30.011)
        assert bool(index.at(lon, lat, NOON_MS).ids) == bool(shapely.intersects_xy(BOW_TIE.geometry, lon, lat))
    # Too short to matter, by GEOS.
    assert index.crossed(120.0, 30.0001, 120.0, 30.0001, NOON_MS) == ()
    assert crossings((), 119.999, 30.002, 120.011, 30.002) is None


@pytest.mark.parametrize("reach", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("timed", [False, True])
def test_metres_inside_in_plain_numbers_are_those_of_geos(reach: float, timed: bool) -> None:
    zones: list[Zone] = hard_city(4, timed=timed)
    index, random = ZoneIndex(zones, SHANGHAI), Random(4)
    found = 0
    for _ in range(150):
        lon0, lat0 = random.uniform(WEST, EAST), random.uniform(SOUTH, NORTH)
        way = (lon0, lat0, lon0 + random.uniform(-reach, reach), lat0 + random.uniform(-reach, reach))
        for each in zones:
            inside_m = index.inside_m(each.zone_id, *way)
            found += 0 < inside_m < distance_m(*way)
            assert index.inside_about_m(each.zone_id, *way) == pytest.approx(inside_m, abs=0.05)
    assert found > 10
    assert index.inside_about_m("nowhere", *way) == 0.0


def test_an_end_known_to_be_inside_changes_nothing() -> None:
    index, random = ZoneIndex(hard_city(2), SHANGHAI), Random(2)
    found = 0
    for _ in range(2_000):
        lon0, lat0 = random.uniform(WEST, EAST), random.uniform(SOUTH, NORTH)
        lon1, lat1 = lon0 + random.uniform(-0.003, 0.003), lat0 + random.uniform(-0.003, 0.003)
        crossed = index.crossed(lon0, lat0, lon1, lat1, NOON_MS)
        assert crossed == index.crossed(lon0, lat0, lon1, lat1, NOON_MS, index.at(lon1, lat1, NOON_MS).ids)
        found += len(crossed)
    assert found > 0
