"""Sequences and absences, as timelines."""

from __future__ import annotations

import pytest

from tests.rules.engine.timeline import play

UNCOVERED = """
    sequence:
      - as: seen
        on: sighting
        where: cover == "open" and cover_confidence >= 0.8 and truck.load != "empty"
      - as: not_corrected
        absent: cover_change
        where: cover == "closed"
        for: 2m
    within: 15m
"""
OPEN = "10s sighting cover=open cover_confidence=0.93"
LOADED = "0s truck load=full"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        pytest.param([OPEN], ["2m10s fired since 10s: seen=e2"], id="seen open and not closed for two minutes"),
        pytest.param([OPEN, "70s cover_change cover=closed"], [], id="closed after a minute"),
        pytest.param([OPEN, "70s cover_change cover=open"], ["2m10s fired since 10s: seen=e2"], id="another change"),
        pytest.param([OPEN, "2m10s cover_change cover=closed"], [], id="closed at the very deadline comes first"),
        pytest.param([OPEN, "2m10.001s cover_change cover=closed"], ["2m10s fired since 10s: seen=e2"], id="too late"),
        pytest.param(
            [OPEN, "10s cover_change cover=closed"], ["2m10s fired since 10s: seen=e2"], id="the same instant"
        ),
        pytest.param(["10s sighting cover=open"], [], id="confidence unknown"),
        pytest.param(["10s sighting cover=unknown cover_confidence=0.9"], [], id="cover unknown"),
        pytest.param(["0s truck load=none", OPEN], [], id="load unknown"),
        pytest.param(
            [OPEN, "40s sighting cover=open cover_confidence=0.9"],
            ["2m10s fired since 10s: seen=e2"],
            id="a match clears the one that began later",
        ),
        pytest.param(
            [OPEN, "3m sighting cover=open cover_confidence=0.9"],
            ["2m10s fired since 10s: seen=e2", "5m fired since 3m: seen=e3"],
            id="after a match matching goes on",
        ),
    ],
)
def test_seen_uncovered_and_not_corrected(lines: list[str], found: list[str]) -> None:
    assert play(UNCOVERED, LOADED, "0s position", *lines) == found


STEPS = """
    sequence:
      - {as: a, on: sighting, where: camera_id == "a"}
      - {as: b, on: sighting, where: camera_id == "b"}
    within: 1m
"""


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["0s sighting camera_id=a", "60s sighting camera_id=b"], ["1m fired since 0s: a=e1 b=e2"]),
        (["0s sighting camera_id=a", "60.001s sighting camera_id=b"], []),
        (["0s sighting camera_id=b", "1s sighting camera_id=a"], []),
        (["0s sighting camera_id=a", "0s sighting camera_id=b"], ["0s fired since 0s: a=e1 b=e2"]),
        (
            ["0s sighting camera_id=a", "40s sighting camera_id=a", "70s sighting camera_id=b"],
            ["1m10s fired since 40s: a=e2 b=e3"],
        ),
        (
            [
                "0s sighting camera_id=a",
                "1s sighting camera_id=a",
                "2s sighting camera_id=b",
                "3s sighting camera_id=b",
            ],
            ["2s fired since 0s: a=e1 b=e3"],
        ),
    ],
    ids=[
        "within is inclusive",
        "too late",
        "wrong order",
        "ties go by order",
        "an expired one makes room",
        "no products",
    ],
)
def test_two_steps(lines: list[str], found: list[str]) -> None:
    assert play(STEPS, *lines) == found


SAME_CAMERA = """
    sequence:
      - {as: first, on: sighting}
      - {as: again, on: sighting, where: camera_id == first.camera_id and age(first) > 5s}
    within: 10m
"""


def test_a_step_looks_back_at_an_earlier_one() -> None:
    lines = ["0s sighting camera_id=x", "1s sighting camera_id=y", "5s sighting camera_id=x", "6s sighting camera_id=x"]
    assert play(SAME_CAMERA, *lines) == ["6s fired since 0s: first=e1 again=e4"]


def test_the_event_that_completes_does_not_begin_another_match() -> None:
    lines = ["0s sighting", "6s sighting", "12s sighting", "18s sighting"]
    assert play(SAME_CAMERA, *lines) == [
        "6s fired since 0s: first=e1 again=e2",
        "18s fired since 12s: first=e3 again=e4",
    ]


def test_at_most_eight_matches_are_open_and_the_oldest_goes() -> None:
    many = [f"{n}s sighting camera_id=a" for n in range(10)]
    assert play(STEPS, *many, "20s sighting camera_id=b") == ["20s fired since 2s: a=e3 b=e11"]


MIDDLE = """
    sequence:
      - {as: out, on: sighting, where: camera_id == "gate"}
      - {as: unweighed, absent: weighing, for: 10m}
      - {as: far, on: sighting, where: camera_id == "far"}
    within: 30m
"""


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["11m sighting camera_id=far"], ["11m fired since 0s: out=e1 far=e2"]),
        (["10m sighting camera_id=far"], []),
        (["10m sighting camera_id=far", "10m1s sighting camera_id=far"], ["10m1s fired since 0s: out=e1 far=e3"]),
        (["5m weighing", "11m sighting camera_id=far"], []),
        (["10m weighing", "11m sighting camera_id=far"], []),
        (["10m1s weighing", "11m sighting camera_id=far"], ["11m fired since 0s: out=e1 far=e3"]),
        (["30m1s sighting camera_id=far"], []),
    ],
    ids=["after it", "at its end is too early", "the next one", "contradicted", "at its end", "over", "within is over"],
)
def test_absence_in_the_middle(lines: list[str], found: list[str]) -> None:
    assert play(MIDDLE, "0s sighting camera_id=gate", *lines) == found


HEAD = """
    sequence:
      - {as: no_papers, absent: manifest, where: status == "issued", for: 1h}
      - {as: leaves, on: sighting, where: camera_id == "gate"}
    within: 1m
"""
GATE = "2h sighting camera_id=gate"


@pytest.mark.parametrize(
    ("lines", "found"),
    [
        (["0s position", GATE], ["2h fired since 2h: leaves=e2"]),
        (["0s position", "1h30m manifest", GATE], []),
        (["0s position", "1h manifest", GATE], []),
        (["0s position", "59m59s manifest", GATE], ["2h fired since 2h: leaves=e3"]),
        (["0s position", "2h manifest", GATE], ["2h fired since 2h: leaves=e3"]),
        (["0s position", "1h30m manifest", "2h manifest", GATE], []),
        (["0s position", "1h30m manifest status=completed", GATE], ["2h fired since 2h: leaves=e3"]),
        (["1h1s position", GATE], []),
        (["1h position", GATE], ["2h fired since 2h: leaves=e2"]),
    ],
    ids=[
        "none", "half an hour ago", "just an hour ago", "longer ago", "in the same instant", "then and before",
        "of another kind", "not watched for long enough", "watched for just long enough",
    ],
)  # fmt: skip
def test_absence_at_the_head(lines: list[str], found: list[str]) -> None:
    assert play(HEAD, *lines, until="3h") == found


ARRIVES = """
    sequence:
      - {as: starts, on: trip_start}
      - {as: never_there, absent: zone_enter, where: zone_id == trip.destination_zone, for: 1h}
    within: 2h
"""


def test_what_may_have_happened_is_not_absent() -> None:
    """The destination is not known: whether the truck has been there is not known either."""
    assert play(ARRIVES, "0s trip_start trip_id=T", until="2h") == ["1h fired since 0s: starts=e1"]
    assert play(ARRIVES, "0s trip_start trip_id=T", "30m zone_enter zone_id=D-1", until="2h") == []


def test_derived_events_come_after_their_base_event_in_order() -> None:
    match = """
        sequence:
          - {as: fix, on: position}
          - {as: inside, on: zone_enter}
          - {as: covered, on: cover_change}
        within: 1m
    """
    lines = ["0s position", "+zone_enter zone_id=S", "+cover_change cover=closed"]
    assert play(match, *lines) == ["0s fired since 0s: fix=e1 inside=e2 covered=e3"]
    assert play(match, lines[0], lines[2], lines[1]) == []
