"""When a truck enters, leaves and passes a zone: told as stories.

In the stories a zone 300 m wide lies east of x = 0; `fixes` are (second, metres east of its border, speed).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import pytest

from geofences.index import ZoneIndex
from geofences.tracking import Tracker, ZoneChange
from geofences.zones import Zone
from haulwatch.domain.derived import ZoneEnter, ZoneExit, ZonePass
from haulwatch.domain.trucks import Membership
from tests.geofences.cities import NOON_MS, SHANGHAI, box_m, zone
from tests.geofences.walks import EAST_M, NORTH_M, PLATE, Fix, run

LON, LAT = 120.01, 30.81
SITE = zone("S", box_m(LON, LAT, 300, 300), "construction_site")
DRIVING = 30.0
UNKNOWN = None

Story = Sequence[tuple[float, float, float | None]]


def tracker(*zones: Zone) -> Tracker:
    return Tracker(ZoneIndex(zones or (SITE,), SHANGHAI))


def fixes(story: Story, north_m: float = 150.0) -> list[Fix]:
    return [
        Fix(f"e{number}", NOON_MS + round(second * 1000), LON + east_m / EAST_M, LAT + north_m / NORTH_M, speed)
        for number, (second, east_m, speed) in enumerate(story)
    ]


def told(changes: Sequence[ZoneChange]) -> list[tuple[str, float]]:
    """(what, second) of each change."""
    names = {ZoneEnter: "enter", ZoneExit: "exit", ZonePass: "pass"}
    return [(names[type(change)], (change.at_ms - NOON_MS) / 1000) for change in changes]


def drive(
    start_s: float, end_s: float, every_s: float, from_m: float, kmh: float = 30.0
) -> list[tuple[float, float, float | None]]:
    """Fixes of a truck that drives east."""
    count = int((end_s - start_s) / every_s) + 1
    return [(start_s + k * every_s, from_m + k * every_s * kmh / 3.6, kmh) for k in range(count)]


STORIES: list[tuple[str, Story, list[tuple[str, float]]]] = [
    (
        "drives in: counts after 15 s inside",
        [(0, -40, DRIVING), (2, -20, DRIVING), (4, 5, DRIVING), *((6 + 2 * k, 20 + k, 5.0) for k in range(10))],
        [("enter", 20)],
    ),
    (
        "drives in at a fix each 30 s: the second fix inside counts",
        [(0, -200, DRIVING), (30, 50, 10.0), (60, 60, 0.0), (90, 60, 0.0)],
        [("enter", 60)],
    ),
    (
        "in and out again at a fix each 30 s",
        [(0, -200, DRIVING), (30, 50, 10.0), (60, 60, 0.0), (90, -100, DRIVING), (120, -300, DRIVING)],
        [("enter", 60), ("exit", 120)],
    ),
    ("one fix inside, driving: a pass", [(0, -120, DRIVING), (15, 40, DRIVING), (20, -60, DRIVING)], [("pass", 20)]),
    (
        "seen inside only between two fixes: a pass",
        [(0, -100, DRIVING), (30, 350, DRIVING), (60, 600, DRIVING)],
        [("pass", 30)],
    ),
    (
        "the same without speeds: far enough to be no drift",
        [(0, -100, UNKNOWN), (30, 350, UNKNOWN), (60, 600, UNKNOWN)],
        [("pass", 30)],
    ),
    ("a way cut out by a silent spell says nothing", [(0, -100, DRIVING), (150, 350, DRIVING)], []),
    (
        "drives through in 36 s at a fix each 2 s: enters and leaves",
        drive(0, 80, 2, -100),
        [("enter", 28), ("exit", 64)],
    ),
    (
        "touches the border while driving by: too short a way to be a pass",
        [(0, -30, DRIVING), (1, 3, DRIVING), (2, -5, DRIVING)],
        [],
    ),
    ("drifts over the border while parked", [(2 * k, 6 if k % 7 == 3 else -4, 0.5) for k in range(300)], []),
    (
        "drifts slowly over the border while parked, a minute in, a minute out",
        [(2 * k, 8 if k // 30 % 2 else -8, 0.5) for k in range(900)],
        [],
    ),
    (
        "drifts slowly over the border, no speed reported",
        [(2 * k, 8 if k // 30 % 2 else -8, UNKNOWN) for k in range(900)],
        [],
    ),
    (
        "jumps 100 m while parked: no pass",
        [(0, -50, 0.0), (2, -50, 0.0), (4, 50, 0.0), (6, -50, 0.0), (8, 400, 0.0), (10, -50, 0.0)],
        [],
    ),
    (
        "jumps 100 m into the zone and back, no speed reported",
        [*((2 * k, -50, UNKNOWN) for k in range(40)), (80, 50, UNKNOWN), (82, -50, UNKNOWN), (84, -50, UNKNOWN)],
        [],
    ),
    (
        "creeps in and stays: counts when it came far enough",
        [(0, -10, 0.0), *((30 + 30 * k, 5 + 15 * k, 2.0) for k in range(6))],
        [("enter", 120)],
    ),
    (
        "parked on the other side for good: counts after five minutes",
        [(0, -4, 0.0), *((30 * k, 6, 0.0) for k in range(1, 13))],
        [("enter", 330)],
    ),
    (
        "one fix inside, silence, one fix inside: nothing is known of between",
        [(0, -200, DRIVING), (10, 50, DRIVING), (7210, 60, DRIVING), (7220, 70, DRIVING), (7230, 80, DRIVING)],
        [("enter", 7230)],
    ),
    (
        "arrives, sleeps, wakes in the same place: it was there",
        [(0, -200, DRIVING), (10, 50, DRIVING), (12, 60, 5.0), (3612, 61, 0.0)],
        [("enter", 3612)],
    ),
    (
        "a fix each five minutes: the third one inside counts",
        [(0, -900, DRIVING), (300, 50, 0.0), (600, 55, 0.0), (900, 52, 0.0)],
        [("enter", 900)],
    ),
    (
        "the first fix is inside: no enter, but an exit",
        [(0, 50, 0.0), (30, -200, DRIVING), (60, -400, DRIVING)],
        [("exit", 60)],
    ),
    (
        "a hop over the border and back does not end the stay",
        [(0, 50, 0.0), (30, 60, 5.0), (40, -20, 9.0), (44, 60, 9.0), (90, 60, 0.0)],
        [],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("story", "expected"), [each[1:] for each in STORIES], ids=[each[0] for each in STORIES])
def test_stories(story: Story, expected: list[tuple[str, float]]) -> None:
    assert told(run(tracker(), fixes(story))) == expected


def test_an_enter_and_an_exit_say_since_when_and_how_long() -> None:
    story = [
        (0.0, -200.0, DRIVING),
        (30, 50, 10.0),
        (60, 60, 0.0),
        (600, 60, 0.0),
        (630, -100, DRIVING),
        (660, -300, 40.0),
    ]
    enter, exit_ = run(tracker(), fixes(story))
    assert enter == ZoneEnter(
        event_id="e2/zone_enter/S",
        truck_id=PLATE,
        at_ms=NOON_MS + 60_000,
        lon=fixes(story)[2].lon,
        lat=fixes(story)[2].lat,
        zone_id="S",
        zone_kind="construction_site",
        since_ms=NOON_MS + 30_000,
        speed_kmh=0.0,
    )
    assert isinstance(exit_, ZoneExit)
    assert (exit_.event_id, exit_.since_ms, exit_.inside_s, exit_.speed_kmh) == (
        "e5/zone_exit/S",
        NOON_MS + 630_000,
        600,
        40,
    )


def test_silence_before_an_exit_is_not_time_inside() -> None:
    story = [(0.0, -200.0, DRIVING), (30, 50, 10.0), (60, 60, 0.0), (7200, -500, DRIVING), (7230, -700, DRIVING)]
    exit_ = run(tracker(), fixes(story))[-1]
    assert isinstance(exit_, ZoneExit)
    assert exit_.inside_s == 30


def test_the_membership_shows_where_the_truck_counts_as_being() -> None:
    m = Membership()
    track = tracker()
    shown = []
    for fix in fixes([(0, -200, DRIVING), (30, 50, 10.0), (60, 60, 0.0), (90, -100, 30.0), (120, -300, 30.0)]):
        run(track, [fix], m)
        shown.append((m.known, m.view.construction_site, dict(m.since)))
    away: tuple[str, ...] = ()
    since = {"S": NOON_MS + 30_000}
    assert shown == [(True, away, {}), (True, away, {}), (True, ("S",), since), (True, ("S",), since), (True, away, {})]


def test_exits_come_first_then_passes_then_enters_each_by_id() -> None:
    zones = [
        zone(name, box_m(LON + east_m / EAST_M, LAT, width_m, 300), "district")
        for name, east_m, width_m in (
            ("b-left", -900, 900),
            ("a-left", -800, 790),
            ("d-passed", 20, 60),
            ("c-passed", 30, 60),
            ("b-entered", 100, 900),
            ("a-entered", 90, 900),
        )
    ]
    story = [(0.0, -100.0, DRIVING), (30, 150, DRIVING), (60, 200, DRIVING)]
    changes = run(tracker(*zones), fixes(story))
    assert [change.event_id for change in changes] == [
        "e1/zone_pass/c-passed",
        "e1/zone_pass/d-passed",
        "e2/zone_exit/a-left",
        "e2/zone_exit/b-left",
        "e2/zone_enter/a-entered",
        "e2/zone_enter/b-entered",
    ]


def test_nothing_said_costs_no_new_list() -> None:
    track, m = tracker(), Membership()
    quiet = [
        track.step(m, PLATE, fix.event_id, fix.at_ms, fix.lon, fix.lat, 0.0) for fix in fixes([(0, 50, 0), (2, 50, 0)])
    ]
    assert quiet[0] == ()
    assert quiet[0] is quiet[1]


# --- zones that change while trucks do not ----------------------------------------------------------------------------


def test_hours_that_begin_and_end_around_a_parked_truck_change_the_view_and_say_nothing() -> None:
    night = zone("N", box_m(LON, LAT, 300, 300), hours=("12:05-12:10",))
    track, m = tracker(night), Membership()
    inside = []
    for fix in fixes([(30.0 * k, 50.0, 0.0) for k in range(30)]):
        assert run(track, [fix], m) == []
        inside.append(bool(m.view.forbidden))
    assert inside == [False] * 10 + [True] * 10 + [False] * 10


def test_a_truck_that_drives_in_while_the_zone_counts_enters_it() -> None:
    night = zone("N", box_m(LON, LAT, 300, 300), hours=("12:00-12:10",), valid_to=date(2026, 5, 1))
    story = [
        (0.0, -200.0, DRIVING),
        (30, 50, DRIVING),
        (60, 60, 0.0),
        (660, 60, 0.0),
        (690, -100, DRIVING),
        (720, -300, 30.0),
    ]
    assert told(run(tracker(night), fixes(story))) == [("enter", 60)]


def test_hours_that_end_during_a_short_visit_make_no_pass() -> None:
    night = zone("N", box_m(LON, LAT, 300, 300), hours=("11:00-12:01",))
    assert run(tracker(night), fixes([(20.0, -100.0, DRIVING), (50, 50, DRIVING), (60, 60, DRIVING)])) == []


def test_a_new_city_that_removes_moves_or_renames_a_zone_says_nothing_of_trucks_that_stand() -> None:
    m = Membership()
    stay = fixes([(30.0 * k, 50.0, 0.0) for k in range(10)])
    run(tracker(SITE), stay[:3], m)
    assert m.view.construction_site == ("S",)
    as_parking = zone("S", SITE.geometry, "parking")
    assert run(tracker(as_parking), stay[3:5], m) == []
    assert not m.view.construction_site
    assert m.view.parking == ("S",)
    elsewhere = zone("S", box_m(LON + 0.1, LAT, 300, 300))
    assert run(tracker(elsewhere), stay[5:7], m) == []
    assert not m.view.ids
    assert run(tracker(SITE), stay[7:8], m) == []
    assert list(m.view.ids) == ["S"]
    assert run(tracker(zone("other", elsewhere.geometry)), stay[8:], m) == []
    assert (m.view.ids, m.since) == ((), {})


def test_a_new_city_in_the_middle_of_a_crossing() -> None:
    story = fixes(
        [(0.0, -100.0, DRIVING), (10, 50, DRIVING), (12, 80, DRIVING), (14, 110, DRIVING), (40, 600, DRIVING)]
    )
    m = Membership()
    run(tracker(), story[:3], m)
    assert m.pending
    assert run(tracker(zone("other", box_m(LON + 0.1, LAT, 300, 300))), story[3:], m) == []
    assert not m.pending
    m = Membership()
    leaving = fixes([(0.0, 50.0, DRIVING), (2, -10, DRIVING), (30, -200, DRIVING)])
    run(tracker(), leaving[:2], m)
    exits = run(tracker(zone("other", box_m(LON + 0.1, LAT, 300, 300))), leaving[2:], m)
    assert [(change.zone_id, change.zone_kind) for change in exits] == [("S", "construction_site")]
