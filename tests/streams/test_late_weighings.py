"""A scale whose network is slow: its word counts, late, once, and at the place of the scale."""

from __future__ import annotations

import pytest

from haulwatch.city import City
from haulwatch.domain.events import Event
from haulwatch.testing import city_of, decide, position, weighing
from tests.streams.test_processor import rule

HEAVY = rule(
    "heavy",
    "on: weighing\n      where: over_ratio(gross_kg) > 0",
    "overweight",
    "    episode: {key: [truck_id], cooldown: 30m}\n",
)
SCALES = "station_id,name,lon,lat\nW1,东桥地磅,120.15,30.86\n"
DRIVE: list[Event] = [position(n * 10, 120.1 + n * 1e-3, speed_kmh=40, received_s=n * 10 + 1) for n in range(20)]


@pytest.fixture(scope="module")
def city() -> City:
    return city_of("rules:\n" + HEAVY, tables={"stations.csv": SCALES})


def heavy(received_s: float) -> Event:
    return weighing(52, 52_900, axle_count=3, received_s=received_s)


def logged(*events: Event) -> list[Event]:
    return sorted([*DRIVE, *events], key=lambda e: e.received_at)  # type: ignore[return-value, arg-type]


def test_a_weighing_half_a_minute_late_is_found_and_marked(city: City) -> None:
    punctual = [b for b in decide(city, logged(heavy(53))) if b.phase == "opened"]
    late = [b for b in decide(city, logged(heavy(85))) if b.phase == "opened"]
    assert [(b.breach_id, b.detected_at) for b in late] == [(b.breach_id, b.detected_at) for b in punctual]
    assert [(b.late, b.lon, b.lat) for b in punctual + late] == [(False, 120.15, 30.86), (True, 120.15, 30.86)]


def test_copies_change_nothing_whenever_they_come(city: City) -> None:
    once = decide(city, logged(heavy(53)))
    assert decide(city, logged(heavy(53), heavy(54), heavy(85), heavy(170))) == once
    late = decide(city, logged(heavy(85)))
    assert decide(city, logged(heavy(85), heavy(100), heavy(170))) == late


def test_a_light_truck_weighed_late_is_nobodys_business(city: City) -> None:
    assert decide(city, logged(weighing(52, 20_000, axle_count=3, received_s=85))) == []
