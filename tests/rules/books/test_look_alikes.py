"""Innocent things that look like violations: the shipped books stay silent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Event
from haulwatch.testing import PLATE, city_of, decide, position, sighting, square, weighing

TRUCKS = f"truck_id,axle_count,body,registered_gross_kg,tare_kg\n{PLATE},4,rigid,31000,13000\n"
STATIONS = "station_id,tolerance_pct,verified_until,mode\nW1,5,2099-12-31,wim\nW-old,5,2020-01-01,wim\n"
CAMERAS = "camera_id,lon,lat,trust\nC1,120.18,30.86,0.85\nC2,120.19,30.86,0.85\nC-far,120.3,30.86,0.85\n"
ZONES = (
    square("Q", "district", 120.1, 30.86, 0.5),
    square("S-1", "construction_site", 120.1, 30.86),
    square("D-1", "disposal_site", 120.15, 30.86),
    square("P-1", "parking", 120.2, 30.86),
)
CITY = city_of(None, zones=ZONES, tables={"trucks.csv": TRUCKS, "stations.csv": STATIONS, "cameras.csv": CAMERAS})


def rules_of(events: Iterable[Event], until_s: float | None = None) -> list[str]:
    breaches: Sequence[Breach] = decide(CITY, events, until_s=until_s)
    return [breach.rule_id for breach in breaches if breach.phase == "opened"]


def driving(begin_s: int, end_s: int, lon: float = 120.17, step_s: int = 10, **fields: Any) -> list[Event]:
    """A truck at 36 km/h eastwards."""
    return [
        position(t, lon=lon + (t - begin_s) * 10 / 95_400, speed_kmh=36.0, **fields)
        for t in range(begin_s, end_s, step_s)
    ]


def standing(begin_s: int, end_s: int, lon: float, step_s: int = 20, **fields: Any) -> list[Event]:
    return [position(t, lon=lon, speed_kmh=0.0, **fields) for t in range(begin_s, end_s, step_s)]


@pytest.mark.parametrize(("zone", "lon"), [("site", 120.1), ("disposal site", 120.15), ("truck park", 120.2)])
def test_lift_raised_where_it_may_be(zone: str, lon: float) -> None:
    story = [
        *standing(0, 100, lon, load="full", lift="lowered"),
        *standing(100, 200, lon, load="full", lift="raised"),
        *standing(200, 300, lon, load="empty", lift="lowered"),
    ]
    assert rules_of(story) == [], zone


def test_lift_raised_empty_by_the_road() -> None:
    story = [
        *standing(0, 60, 120.18, load="empty", lift="lowered"),
        *standing(60, 200, 120.18, load="empty", lift="raised"),
    ]
    assert rules_of(story) == []


def test_loaded_in_a_jam() -> None:
    story: list[Event] = [*driving(0, 60, load="full", cover="closed")]
    for start in range(60, 900, 80):
        story += standing(start, start + 60, 120.177, step_s=10, load="full", cover="closed")
        story += [position(start + 70, lon=120.1772, speed_kmh=9.0, load="full", cover="closed")]
    assert rules_of(story) == []


def test_uncovered_but_empty() -> None:
    story = [*driving(0, 600, load="empty", cover="open"), sighting(100, cover="open", cover_confidence=0.95)]
    assert rules_of(sorted_by_time(story)) == []


def test_one_camera_against_the_trucks_own_sensor() -> None:
    seen = [sighting(t, cover="open", cover_confidence=0.95, plate_confidence=0.95) for t in (103, 207)]
    assert rules_of(sorted_by_time([*driving(0, 600, load="full", cover="closed"), *seen])) == []


def test_a_camera_that_is_not_sure() -> None:
    story = [*driving(0, 600, load="full"), sighting(103, cover="open", cover_confidence=0.6, plate_confidence=0.95)]
    assert rules_of(sorted_by_time(story)) == []


def test_heavy_but_within_tolerance() -> None:
    assert rules_of([weighing(10, 32_500.0)]) == []


def test_misread_plate_far_away() -> None:
    story = [*driving(0, 200), sighting(103, camera_id="C-far", plate_confidence=0.5)]
    assert rules_of(sorted_by_time(story)) == []


def test_five_minutes_in_a_tunnel() -> None:
    story = [*driving(0, 100, load="full"), *driving(400, 500, lon=120.212, load="full")]
    assert rules_of(story, until_s=2_000) == []


def test_batch_sent_twenty_minutes_later() -> None:
    dark = [
        position(t, lon=120.18 + t * 1e-5, speed_kmh=36.0, load="full", resent=True, received_s=1_310)
        for t in range(110, 1_300, 10)
    ]
    story = [*driving(0, 100, load="full"), *driving(1_300, 1_310, lon=120.193, load="full"), *dark]
    story += driving(1_320, 1_500, lon=120.1935, load="full")
    assert rules_of(story, until_s=3_200) == []


def test_load_sensor_flickers() -> None:
    story = [
        position(t, lon=120.17 + t * 1e-4, speed_kmh=36.0, load="empty" if t % 70 == 0 and t else "full")
        for t in range(0, 600, 10)
    ]
    assert rules_of(story) == []


def sorted_by_time(story: Sequence[Event]) -> list[Event]:
    return sorted(story, key=lambda event: event.at)


def test_one_dumped_load_is_one_finding() -> None:
    """Lift, load sensor and stop all tell of it."""
    story = [
        *driving(0, 100, load="full", lift="lowered"),
        *standing(100, 180, 120.18, load="full", lift="lowered"),
        *standing(180, 280, 120.18, load="full", lift="raised"),
        *standing(280, 400, 120.18, load="empty", lift="lowered"),
        *driving(400, 500, lon=120.18, load="empty", lift="lowered"),
    ]
    assert rules_of(story) == ["dumping-lift-raised"]


def test_expired_station_gives_a_warning_only() -> None:
    breaches = decide(CITY, [weighing(10, 40_000.0, station_id="W-old")])
    assert [(b.rule_id, b.severity) for b in breaches if b.phase == "opened"] == [
        ("overweight-weighed-expired", "minor")
    ]


def test_overweight_carries_what_the_law_suggests() -> None:
    (breach,) = [b for b in decide(CITY, [weighing(10, 40_000.0)]) if b.phase == "opened"]
    assert breach.law.suggestion is not None
    assert breach.law.suggestion["raw_excess_kg"] == 9_000
    assert breach.law.suggestion["judged_kg"] == 38_000
    asked = [question["id"] for question in breach.law.suggestion["to_check"]]
    assert "review" in asked
    assert not {"station", "tolerance", "verification"} & set(asked), "the station is on record"


def test_an_expired_station_is_among_what_the_officer_must_find_out() -> None:
    (breach,) = [b for b in decide(CITY, [weighing(10, 40_000.0, station_id="W-old")]) if b.phase == "opened"]
    assert breach.law.suggestion is not None
    assert "verification-expired" in [question["id"] for question in breach.law.suggestion["to_check"]]
