"""`while … for`, as timelines."""

from __future__ import annotations

import pytest

from tests.rules.engine.timeline import play

FAST = "while: speed_kmh > 80\nfor: 1m"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["0s position speed_kmh=90"], ["1m fired since 0s: first=e1"]),
        (
            ["0s position speed_kmh=90", "30s position speed_kmh=85", "59s position speed_kmh=85"],
            ["1m fired since 0s: first=e1 last=e3"],
        ),
        (["0s position speed_kmh=90", "30s position speed_kmh=80"], []),
        (["0s position speed_kmh=90", "30s position"], []),
        (["0s position speed_kmh=90", "1m position speed_kmh=80"], []),
        (
            ["0s position speed_kmh=90", "1m1s position speed_kmh=80"],
            ["1m fired since 0s: first=e1", "1m1s ended since 0s: first=e1"],
        ),
        (["0s position speed_kmh=90", "30s sighting speed_kmh=10"], ["1m fired since 0s: first=e1"]),
        (["0s position speed_kmh=90", "45s silence"], []),
        (["0s position speed_kmh=90", "1m silence"], []),
        (["0s position speed_kmh=90", "1m1s silence"], ["1m fired since 0s: first=e1"]),
        (
            ["0s position speed_kmh=90", "2m silence", "9m position speed_kmh=90", "10m position"],
            ["1m fired since 0s: first=e1", "10m ended since 0s: first=e1"],
        ),
    ],
    ids=[
        "one fix is enough", "first and last", "broken", "broken by unknown", "broken at the deadline", "ends",
        "a camera says nothing of it", "broken by silence", "silence at the deadline", "silence after it",
        "silence does not end it",
    ],
)  # fmt: skip
def test_a_condition_holds_without_a_break(lines: list[str], found: list[str]) -> None:
    assert play(FAST, *lines) == found


def test_until_makes_a_hysteresis() -> None:
    match = "while: speed_kmh > 80\nfor: 1m\nuntil: speed_kmh < 60"
    lines = [
        "0s position speed_kmh=90",
        "2m position speed_kmh=70",
        "3m position speed_kmh=90",
        "4m position speed_kmh=50",
    ]
    assert play(match, *lines) == ["1m fired since 0s: first=e1", "4m ended since 0s: first=e1"]


def test_what_ends_a_hold_does_not_begin_another() -> None:
    match = "while: speed_kmh > 80\nfor: 1m\nuntil: ignition"
    lines = ["0s position speed_kmh=90", "2m position speed_kmh=90 ignition=true", "3m position speed_kmh=90"]
    assert play(match, *lines) == [
        "1m fired since 0s: first=e1",
        "2m ended since 0s: first=e1",
        "4m fired since 3m: first=e3",
    ]


def test_without_bare_names_every_observation_counts() -> None:
    match = "while: truck.cover == 'open'\nfor: 1m"
    lines = ["0s truck cover=open", "0s position", "30s truck cover=closed"]
    assert play(match, *lines) == ["1m fired since 0s: first=e1"]
    assert play(match, *lines, "31s sighting") == []


def test_a_silent_truck_is_seen_by_the_silence_alone() -> None:
    match = "while: truck.silent and trip.phase == 'under_way'\nfor: 5m"
    lines = ["0s truck phase=under_way", "0s position", "2m truck silent=true", "2m silence"]
    assert play(match, *lines) == ["7m fired since 2m: first=e2"]
    back = ["20m truck silent=false", "20m position"]
    assert play(match, *lines, *back) == ["7m fired since 2m: first=e2", "20m ended since 2m: first=e2"]


def test_a_hold_that_was_held_back_is_tried_again() -> None:
    """Loaded since 08:00, forbidden from 08:02: found at the first observation in the forbidden hours."""
    rest = 'schedule: {active: ["08:02-09:00"]}'
    lines = [f"{n}m position speed_kmh=90" for n in (0, 1)] + [
        "119s position speed_kmh=90",
        "130s position speed_kmh=90",
    ]
    assert play(FAST, *lines, rest=rest) == ["2m10s fired since 0s: first=e1 last=e4"]


def test_unless_sees_the_last_position() -> None:
    rest = "unless: ignition == false"
    assert play(FAST, "0s position speed_kmh=90 ignition=true", rest=rest) == ["1m fired since 0s: first=e1"]
    assert play(FAST, "0s position speed_kmh=90 ignition=false", rest=rest) == []
    assert play(FAST, "0s position speed_kmh=90", rest=rest) == []
