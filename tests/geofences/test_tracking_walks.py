"""Tracking on any walk through any city, held against a brute-force reading of the rules; restarts and time shifts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.index import ZoneIndex
from geofences.tracking import DRIVEN_M, Tracker, ZoneChange
from geofences.zones import Zone
from haulwatch.domain.derived import ZoneEnter, ZoneExit, ZonePass
from haulwatch.domain.motion import distance_m
from haulwatch.domain.trucks import Membership
from tests.geofences.cities import MINUTE_MS, NOON_MS, SHANGHAI, box_m, hard_city, zone
from tests.geofences.walks import EAST_M, Fix, run, walk

DWELL_MS = 15_000
GAP_MS = 120_000
STANDING_MS = 300_000
LON, LAT = 120.01, 30.81


def tracker(*zones: Zone) -> Tracker:
    return Tracker(ZoneIndex(zones, SHANGHAI))


WALKS = [
    pytest.param(seed, every_s, speeds, id=f"{seed}-{every_s[0]}s-{'speeds' if speeds else 'no speeds'}")
    for seed in range(3)
    for every_s in ((2, 2), (10, 30), (30, 30), (60, 300))
    for speeds in (True, False)
]


@pytest.mark.parametrize(("seed", "every_s", "speeds"), WALKS)
def test_changes_alternate_and_are_never_closer_than_the_dwell(
    seed: int, every_s: tuple[float, float], speeds: bool
) -> None:
    track = tracker(*hard_city(seed, 120))
    m = Membership()
    by_zone: defaultdict[str, list[ZoneEnter | ZoneExit]] = defaultdict(list)
    first = walk(seed, 1, every_s=every_s, speeds=speeds)[0]
    started_in = track_view(track, first)
    for change in run(track, walk(seed, 2_000, every_s=every_s, speeds=speeds), m):
        if not isinstance(change, ZonePass):
            by_zone[change.zone_id].append(change)
    assert by_zone
    for zone_id, changes in by_zone.items():
        kinds = [type(change) for change in changes]
        assert kinds == [ZoneExit if (k % 2 == 0) == (zone_id in started_in) else ZoneEnter for k in range(len(kinds))]
        for before, after in pairwise(changes):
            assert after.at_ms - before.at_ms >= DWELL_MS
            assert after.since_ms - before.since_ms >= DWELL_MS
        assert (zone_id in m.view.ids) == (kinds[-1] is ZoneEnter)


def track_view(track: Tracker, fix: Fix) -> tuple[str, ...]:
    m = Membership()
    run(track, [fix], m)
    return m.view.ids


@pytest.mark.parametrize(("seed", "every_s", "speeds"), WALKS)
def test_stays_are_found_and_nothing_else_is(seed: int, every_s: tuple[float, float], speeds: bool) -> None:
    """Brute force: a stay is a run of fixes inside; it must count when long, driven and seen, and only then."""
    index = ZoneIndex(hard_city(seed, 120), SHANGHAI)
    track, m = Tracker(index), Membership()
    track_fixes = walk(seed, 1_200, every_s=every_s, speeds=speeds)
    inside = [set(index.at(fix.lon, fix.lat, fix.at_ms).ids) for fix in track_fixes]
    views, changes = [], []
    for fix in track_fixes:
        changes.append(run(track, [fix], m))
        views.append(set(m.view.ids))
    found = 0
    for zone_id in {zone_id for ids in inside for zone_id in ids}:
        for side in (True, False):
            for first, last in _runs([(zone_id in ids) == side for ids in inside]):
                if first > 0 and _must_count(track_fixes[first - 1 : last + 1]):
                    assert (zone_id in views[last]) == side
                    found += 1
    assert found >= 3
    for number, said in enumerate(changes):
        for change in said:
            if not isinstance(change, ZonePass):
                side = isinstance(change, ZoneEnter)
                since = next(k for k, fix in enumerate(track_fixes) if fix.at_ms == change.since_ms)
                assert all((change.zone_id in ids) == side for ids in inside[since : number + 1])
                assert change.at_ms - change.since_ms >= DWELL_MS


def _runs(flags: Sequence[bool]) -> list[tuple[int, int]]:
    """(first, last) of each run of true."""
    edges = [k for k in range(len(flags)) if flags[k] and (k == 0 or not flags[k - 1])]
    runs = []
    for first in edges:
        last = first
        while last + 1 < len(flags) and flags[last + 1]:
            last += 1
        runs.append((first, last))
    return runs


def _must_count(stay: Sequence[Fix]) -> bool:
    """Whether a run of fixes on one side (the first is the last one on the other) is long enough by any reading."""
    seen = stay[1:]
    if any(after.at_ms - before.at_ms > GAP_MS for before, after in pairwise(seen)):
        return False
    long_ms = seen[-1].at_ms - seen[0].at_ms
    driven = any(distance_m(stay[0].lon, stay[0].lat, fix.lon, fix.lat) >= DRIVEN_M for fix in seen)
    return long_ms >= STANDING_MS or (driven and long_ms >= DWELL_MS)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("speeds", [True, False])
def test_a_parked_truck_never_passes_and_hardly_ever_moves(seed: int, speeds: bool) -> None:
    """Four hours parked on a border with 5 m of drift."""
    site = zone("S", box_m(LON + (8 - 3 * seed) / EAST_M, LAT - 0.001, 300, 300))
    changes = run(tracker(site), _drifting(seed, 7_200, speeds))
    assert not [change for change in changes if isinstance(change, ZonePass)]
    assert all(after.at_ms - before.at_ms >= STANDING_MS for before, after in pairwise(changes))


def _drifting(seed: int, count: int, speeds: bool) -> list[Fix]:
    """Fixes of a truck that stands at (LON, LAT)."""
    moving = walk(seed, count, speeds=speeds, drift_m=5.0)
    still = walk(seed, count, speeds=speeds, drift_m=0.0)
    return [
        Fix(a.event_id, NOON_MS + 2_000 * k, LON + a.lon - b.lon, LAT + a.lat - b.lat, 0.4 if speeds else None)
        for k, (a, b) in enumerate(zip(moving, still, strict=True))
    ]


CITY = tracker(*hard_city(3, 120, timed=True))
SEEDS = st.integers(0, 10_000)
INTERVALS = st.sampled_from([(2, 2), (2, 30), (30, 30), (60, 300)])


@settings(deadline=None, max_examples=25)
@given(SEEDS, INTERVALS, st.booleans(), st.data())
def test_a_restart_at_any_fix_changes_nothing(
    seed: int, every_s: tuple[float, float], speeds: bool, data: st.DataObject
) -> None:
    story = walk(seed, 150, every_s=every_s, speeds=speeds)
    restarts = data.draw(st.sets(st.integers(0, len(story))))
    expected = run(CITY, story)
    m, changes = Membership(), []
    for number, fix in enumerate(story):
        if number in restarts:
            m = msgspec.msgpack.decode(msgspec.msgpack.encode(m), type=Membership)
        changes += run(CITY, [fix], m)
    assert changes == expected


@settings(deadline=None, max_examples=25)
@given(SEEDS, INTERVALS, st.booleans(), st.integers(-(10**7), 10**7))
def test_a_shift_of_all_times_shifts_what_is_said_and_nothing_else(
    seed: int, every_s: tuple[float, float], speeds: bool, minutes: int
) -> None:
    track = tracker(*hard_city(4, 120))
    shift_ms = minutes * MINUTE_MS // 7
    story = walk(seed, 150, every_s=every_s, speeds=speeds)
    later = [replace(fix, at_ms=fix.at_ms + shift_ms) for fix in story]
    assert run(track, later) == [_later(change, shift_ms) for change in run(track, story)]


def _later(change: ZoneChange, shift_ms: int) -> ZoneChange:
    if isinstance(change, ZonePass):
        return msgspec.structs.replace(change, at_ms=change.at_ms + shift_ms)
    return msgspec.structs.replace(change, at_ms=change.at_ms + shift_ms, since_ms=change.since_ms + shift_ms)
