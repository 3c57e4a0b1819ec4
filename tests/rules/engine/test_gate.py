"""`on`, `count`, and what keeps a satisfied rule from firing: `unless`, schedule, exceptions."""

from __future__ import annotations

import pytest

from haulwatch.domain.registry import Truck
from tests.rules.engine.timeline import PLATE, play

HEAVY = "on: weighing\nwhere: gross_kg > 31000"
COUNT = "count: 3\nof: {on: weighing, where: gross_kg > 31000}\nwithin: 365d"


def test_on_fires_on_each_event() -> None:
    lines = ["0s weighing gross_kg=32000", "1m weighing gross_kg=30000", "2m weighing gross_kg=33000"]
    assert play(HEAVY, *lines) == ["0s fired since 0s: weighing=e1", "2m fired since 2m: weighing=e3"]


@pytest.mark.parametrize(
    ("days", "found"),
    [
        ((0, 100, 365), ["8760h fired since 0s: weighing=e1 weighing=e2 weighing=e3"]),
        ((0, 100, 366), []),
        ((0, 1, 2, 3), ["48h fired since 0s: weighing=e1 weighing=e2 weighing=e3"]),
        ((0, 200, 366, 400), ["9600h fired since 4800h: weighing=e2 weighing=e3 weighing=e4"]),
    ],
    ids=["a rolling year", "a day too late", "then it starts again", "the oldest leaves the window"],
)
def test_count(days: tuple[int, ...], found: list[str]) -> None:
    lines = [f"{day}d weighing gross_kg=32000" for day in days]
    assert play(COUNT, *lines, until="1000d") == found


@pytest.mark.parametrize(
    ("zones", "found"),
    [("zones.disposal_site=D-1", []), ("zones=none", ["0s fired since 0s: weighing=e1"]), ("lift=raised", [])],
    ids=["inside", "outside", "place unknown"],
)
def test_unless_must_be_definitely_false(zones: str, found: list[str]) -> None:
    assert play(HEAVY, f"0s truck {zones}", "0s weighing gross_kg=32000", rest="unless: zones.disposal_site") == found


@pytest.mark.parametrize(
    ("hours", "fires"),
    [
        ("08:00-08:01", True),
        ("07:00-08:00", False),
        ("22:00-08:01", True),
        ("08:01-08:00", False),
        ("00:00-24:00", True),
    ],
)
def test_schedule_is_local_time(hours: str, fires: bool) -> None:
    found = play(HEAVY, "0s weighing gross_kg=32000", rest=f'schedule: {{active: ["{hours}"]}}')
    assert len(found) == fires


@pytest.mark.parametrize(
    ("spared", "fires"),
    [
        (f"truck_id: [{PLATE}], expires: 2026-01-01", False),
        (f"truck_id: [{PLATE}], expires: 2025-12-31", True),
        ("carrier_id: [C-1], expires: 2026-01-01", False),
        ("carrier_id: [C-2], expires: 2026-01-01", True),
        ("zone: [S-1], expires: 2026-01-01", False),
        ("zone: [S-2], expires: 2026-01-01", True),
        ("carrier_id: [C-2], zone: [S-1], expires: 2026-01-01", False),
    ],
)
def test_exceptions_spare_until_their_last_day(spared: str, fires: bool) -> None:
    rest = f"exceptions: [{{{spared}, reason: 抢险, approved_by: 王科}}]"
    lines = ["0s truck zones.construction_site=S-1", "0s weighing gross_kg=32000"]
    assert len(play(HEAVY, *lines, rest=rest, truck=Truck(truck_id=PLATE, carrier_id="C-1"))) == fires


def test_an_exception_for_a_zone_covers_what_speaks_of_it() -> None:
    """The truck has left the zone when it is told that it did."""
    match = "on: zone_exit\nwhere: truck.load == 'full'"
    rest = "exceptions: [{zone: [S-1], reason: 抢险, approved_by: 王科, expires: 2026-12-31}]"
    lines = [
        "0s truck load=full zones=none",
        "0s position",
        "+zone_exit zone_id={} zone_kind=parking since_ms=0 inside_s=9",
    ]
    assert play(match, *lines[:2], lines[2].format("S-1"), rest=rest) == []
    assert play(match, *lines[:2], lines[2].format("S-2"), rest=rest) == ["0s fired since 0s: zone_exit=e2"]


def test_a_count_that_was_held_back_is_judged_at_the_next_hit() -> None:
    rest = 'schedule: {active: ["08:02-09:00"]}'
    lines = [f"{n}m weighing gross_kg=32000" for n in range(4)]
    assert play(COUNT, *lines, rest=rest) == ["2m fired since 0s: weighing=e1 weighing=e2 weighing=e3"]
    late = [f"{n}s weighing gross_kg=32000" for n in (0, 1, 2, 120, 121)]
    assert play(COUNT, *late, rest=rest) == ["2m fired since 1s: weighing=e2 weighing=e3 weighing=e4"]


def test_division_by_a_constant_zero_is_unknown() -> None:
    rest = "params: {parts: {value: 0, min: 0, max: 9}}"
    light, heavy = "0s weighing gross_kg=32000", "0s weighing gross_kg=99500"
    for where in ("gross_kg / $parts > 1", "not gross_kg / $parts > 1"):
        match = f"on: weighing\nwhere: {where} or gross_kg > 99000"
        assert play(match, light, rest=rest) == []
        assert play(match, heavy, rest=rest) == ["0s fired since 0s: weighing=e1"]
