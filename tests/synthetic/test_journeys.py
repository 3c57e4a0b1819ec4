"""Trucks drive like trucks: never back, never too fast, standing where they halt."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.synthetic.journeys import ACCELERATION, BRAKING, Halt, drive, jam
from haulwatch.synthetic.plan import CameraSpot, city_plan
from haulwatch.synthetic.plane import distance
from haulwatch.synthetic.roads import reversed_path

PLAN = city_plan()
SPOTS = sorted(place.spot for place in PLAN.places.values())


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(SPOTS), st.sampled_from(SPOTS), st.integers(0, 10_000))
def test_a_drive_goes_steadily_from_end_to_end(start: str, goal: str, seed: int) -> None:
    if start == goal:
        return
    path = PLAN.roads.path(start, goal)
    journey = drive(path, 1_000.0, Random(seed))
    assert journey.metres_at(1_000.0) == (0.0, 0.0)
    assert journey.metres_at(journey.t_end) == (path.metres, 0.0)
    seconds = range(1_000, int(journey.t_end) + 1)
    states = [journey.metres_at(float(t)) for t in seconds]
    for (s0, v0), (s1, v1) in pairwise(states):
        assert s1 >= s0 - 1e-6
        assert v1 - v0 <= ACCELERATION + 0.3
        assert v0 - v1 <= BRAKING + 0.3
        assert s1 - s0 <= max(v0, v1) + 1.0
    assert max(v for _, v in states) * 3.6 < 75


def test_a_halt_is_stood_out() -> None:
    path = PLAN.route_of(PLAN.licences[0])
    journey = drive(path, 0.0, Random(1), halts=[Halt(2_500.0, 300.0)])
    begin = journey.time_at(2_499.9)
    assert journey.metres_at(begin + 150.0) == pytest.approx((2_500.0, 0.0), abs=0.2)
    assert journey.metres_at(begin + 330.0)[0] > 2_500.0


def test_a_jam_takes_about_as_long_as_it_should() -> None:
    waits = sum(halt.wait_s for halt in jam(100.0, Random(2), 10.0))
    assert 400 < waits <= 600


def test_times_of_passing_agree_with_places() -> None:
    for licence in PLAN.licences:
        journey = drive(PLAN.route_of(licence), 50.0, Random(3))
        for metres, thing in journey.passes(PLAN):
            t = journey.time_at(metres)
            assert distance(journey.place_at(journey.metres_at(t)[0])[0], thing.point) < 5.0


def test_the_way_back_passes_the_same_cameras_in_reverse() -> None:
    path = PLAN.route_of(PLAN.licences[0])
    there = [thing.camera_id for _, thing in drive(path, 0.0, Random(1)).passes(PLAN) if isinstance(thing, CameraSpot)]
    back_way = drive(reversed_path(path), 0.0, Random(1))
    back = [thing.camera_id for _, thing in back_way.passes(PLAN) if isinstance(thing, CameraSpot)]
    assert there == back[::-1]
    assert there


def test_a_detour_is_long_and_uses_no_road_twice() -> None:
    for licence in PLAN.licences:
        node = PLAN.detour(licence, Random(4))
        start, goal = PLAN.places[licence.origin].spot, PLAN.places[licence.destination].spot
        edges = [stretch.edge.edge_id for stretch in PLAN.roads.path(start, node, goal).stretches]
        assert len(edges) == len(set(edges))
