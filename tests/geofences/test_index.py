"""The index against GEOS itself: the same answer for every point, instant and way."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.index import PASS_CHORD_M, ZoneIndex
from geofences.zones import Zone, metres_per_degree
from haulwatch.domain.instants import to_ms
from haulwatch.domain.motion import distance_m
from haulwatch.domain.trucks import NOWHERE, ZONE_KINDS, ZoneView
from tests.geofences.cities import (
    EAST,
    NOON_MS,
    NORTH,
    SHANGHAI,
    SOUTH,
    WEST,
    box_m,
    hard_city,
    zone,
)

HOUR_MS = 3_600_000


def points_in(seed: int, count: int) -> list[list[float]]:
    """Random points of the city; every tenth lies exactly on a line of the raster or of a district."""
    random = np.random.default_rng(seed)
    points = random.uniform((WEST, SOUTH), (EAST, NORTH), (count, 2))
    points[::20, 0] = 120.0249
    points[10::20, 1] = 30.8253
    listed: list[list[float]] = points.tolist()
    return listed


def by_geos(zones: list[Zone], points: list[list[float]]) -> list[tuple[str, ...]]:
    """Ids of the zones that hold each point, without any index of ours."""
    held: defaultdict[int, list[str]] = defaultdict(list)
    for each in zones:
        for number in np.flatnonzero(shapely.intersects_xy(each.geometry, *np.array(points).T)):
            held[int(number)].append(each.zone_id)
    return [tuple(sorted(held[number])) for number in range(len(points))]


@pytest.mark.parametrize(
    ("seed", "count"),
    [(1, 15_000), (2, 15_000), *(pytest.param(seed, 250_000, marks=pytest.mark.slow) for seed in range(2))],
)
def test_every_point_gets_the_answer_of_geos(seed: int, count: int) -> None:
    zones = hard_city(seed)
    index = ZoneIndex(zones, SHANGHAI)
    points = points_in(seed, count)
    answers = [index.at(lon, lat, NOON_MS).ids for lon, lat in points]
    assert answers == by_geos(zones, points)


@pytest.mark.parametrize("cell_deg", [0.0001, 0.0007, 0.01])
def test_the_size_of_cells_changes_nothing(cell_deg: float) -> None:
    zones = hard_city(5)
    index = ZoneIndex(zones, SHANGHAI, cell_deg=cell_deg)
    points = points_in(5, 5_000)
    assert [index.at(lon, lat, NOON_MS).ids for lon, lat in points] == by_geos(zones, points)


def test_corners_and_borders_are_inside() -> None:
    zones = hard_city(6)
    index = ZoneIndex(zones, SHANGHAI)
    for each in zones:
        for lon, lat in shapely.get_coordinates(each.geometry).tolist():
            assert each.zone_id in index.at(lon, lat, NOON_MS).ids


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(-3 * 24 * 60, 3 * 24 * 60))
def test_zones_count_only_in_their_hours_and_on_their_days(seed: int, minutes: int) -> None:
    zones = hard_city(seed % 7, timed=True)
    index = ZoneIndex(zones, SHANGHAI)
    at_ms = NOON_MS + minutes * 60_000 + seed
    clock = datetime.fromtimestamp(at_ms / 1000, SHANGHAI)
    points = points_in(seed, 50)
    counting = {each.zone_id for each in zones if _counts(each, clock)}
    expected = [tuple(zone_id for zone_id in ids if zone_id in counting) for ids in by_geos(zones, points)]
    assert [index.at(lon, lat, at_ms).ids for lon, lat in points] == expected


def _counts(each: Zone, clock: datetime) -> bool:
    if clock.date() < (each.valid_from or date.min) or clock.date() > (each.valid_to or date.max):
        return False
    minute = clock.hour * 60 + clock.minute
    spans = [(hours.from_min, hours.to_min + (1440 if hours.to_min <= hours.from_min else 0)) for hours in each.hours]
    return not spans or any(start <= minute < end or start <= minute + 1440 < end for start, end in spans)


def test_hours_begin_and_end_on_the_minute_of_the_local_clock() -> None:
    night = zone("N", box_m(120.01, 30.81, 500, 500), hours=("22:00-05:00",), valid_to=date(2026, 5, 2))
    index = ZoneIndex([night], SHANGHAI)
    start_ms = to_ms(datetime(2026, 5, 1, 14, 0, tzinfo=UTC))  # 22:00 in Shanghai
    there = (120.011, 30.811)
    for offset_ms, inside in ((-1, False), (0, True), (7 * HOUR_MS - 1, True), (7 * HOUR_MS, False)):
        assert bool(index.at(*there, start_ms + offset_ms).ids) is inside
    # The night of the last valid day ends at its midnight.
    assert index.at(*there, start_ms + 26 * HOUR_MS - 1).ids == ("N",)
    assert index.at(*there, start_ms + 26 * HOUR_MS).ids == ()


def test_equal_sets_are_one_object_and_carry_their_kinds() -> None:
    site = zone("S", box_m(120.01, 30.81, 300, 300), "construction_site")
    area = zone("A", box_m(120.009, 30.809, 900, 900), "district")
    index = ZoneIndex([site, area], SHANGHAI)
    view = index.at(120.011, 30.811, NOON_MS)
    assert view == ZoneView(ids=("A", "S"), construction_site=("S",), district=("A",))
    assert index.at(120.0125, 30.8125, NOON_MS) is view
    assert index.view(["S", "A"]) is view
    assert index.at(121, 31, NOON_MS) is NOWHERE


def test_a_view_keeps_the_kind_of_a_zone_that_the_index_does_not_have() -> None:
    index = ZoneIndex([], SHANGHAI)
    old = ZoneView(ids=("P-1",), parking=("P-1",))
    assert index.view(["P-1"], old) == old


@pytest.mark.parametrize("seed", [1, 2])
def test_a_full_cache_forgets_and_still_answers(seed: int) -> None:
    zones = hard_city(seed)
    index = ZoneIndex(zones, SHANGHAI, max_cells=50)
    points = points_in(seed, 3_000)
    assert [index.at(lon, lat, NOON_MS).ids for lon, lat in points] == by_geos(zones, points)
    assert index.cached_cells <= 100


@pytest.mark.parametrize("reach", [0.0005, 0.003, 0.02, 0.05])
def test_crossed_is_what_geos_says_of_the_straight_way(reach: float) -> None:
    found = 0
    for seed in (1, 2, 3):
        zones = hard_city(seed)
        index = ZoneIndex(zones, SHANGHAI)
        random = Random(seed)
        for lon0, lat0 in points_in(seed, 200 if reach > 0.001 else 800):
            lon1, lat1 = lon0 + random.uniform(-reach, reach), lat0 + random.uniform(-reach, reach)
            crossed = index.crossed(lon0, lat0, lon1, lat1, NOON_MS)
            assert crossed == _crossed(zones, lon0, lat0, lon1, lat1)
            found += len(crossed)
    assert found > 0


def _crossed(zones: list[Zone], lon0: float, lat0: float, lon1: float, lat1: float) -> tuple[str, ...]:
    way = shapely.LineString(((lon0, lat0), (lon1, lat1)))
    crossed = []
    for each in zones:
        area = each.geometry
        if not area.intersects(way):
            continue
        if shapely.intersects_xy(area, lon0, lat0) or shapely.intersects_xy(area, lon1, lat1):
            continue
        inside_m = area.intersection(way).length / way.length * distance_m(lon0, lat0, lon1, lat1)
        east_m, north_m = metres_per_degree(area.centroid.y)
        if inside_m >= max(5, min(PASS_CHORD_M, (area.area * east_m * north_m) ** 0.5 / 2)):
            crossed.append(each.zone_id)
    return tuple(sorted(crossed))


def test_a_zone_is_crossed_only_while_it_counts() -> None:
    night = zone("N", box_m(120.01, 30.81, 50, 50), hours=("22:00-05:00",))
    index = ZoneIndex([night], SHANGHAI)
    way = (120.009, 30.8102, 120.012, 30.8102)
    assert index.crossed(*way, NOON_MS) == ()
    assert index.crossed(*way, NOON_MS + 11 * HOUR_MS) == ("N",)


@pytest.mark.parametrize("way", [(120.0, 30.8, 120.0, 30.8), (120.0, 30.8, 120.0, 30.83), (120.0, 30.8, 120.03, 30.8)])
def test_ways_along_the_raster_and_ways_of_no_length(way: tuple[float, float, float, float]) -> None:
    zones = hard_city(9)
    assert ZoneIndex(zones, SHANGHAI).crossed(*way, NOON_MS) == _crossed_or_nothing(zones, way)


def _crossed_or_nothing(zones: list[Zone], way: tuple[float, float, float, float]) -> tuple[str, ...]:
    return () if way[:2] == way[2:] else _crossed(zones, *way)


def test_the_index_knows_its_zones() -> None:
    zones = hard_city(1)
    index = ZoneIndex(zones, SHANGHAI)
    assert index.zone("D-1") is zones[0]
    assert index.zone("nowhere") is None
    assert not index.covers("nowhere", 120.01, 30.81)
    assert index.inside_m("nowhere", 120.01, 30.81, 120.02, 30.81) == 0.0
    assert index.inside_m("D-1", 120.01, 30.81, 120.02, 30.81) == pytest.approx(
        distance_m(120.01, 30.81, 120.02, 30.81), abs=0.01
    )


def test_a_cell_must_not_be_too_fine() -> None:
    with pytest.raises(ValueError, match="cell_deg"):
        ZoneIndex([], SHANGHAI, cell_deg=1e-6)


def test_the_kinds_of_zones_are_those_of_a_view() -> None:
    assert ZoneView.__struct_fields__ == ("ids", *ZONE_KINDS)


def test_summer_time_is_the_local_clocks_business() -> None:
    early = zone("E", box_m(120.01, 30.81, 500, 500), hours=("08:00-09:00",))
    index = ZoneIndex([early], ZoneInfo("Europe/Berlin"))
    for day in (datetime(2026, 3, 28, 7, 30, tzinfo=UTC), datetime(2026, 3, 29, 6, 30, tzinfo=UTC)):
        assert index.at(120.011, 30.811, to_ms(day)).ids == ("E",)
        assert index.at(120.011, 30.811, to_ms(day + timedelta(hours=1))).ids == ()
