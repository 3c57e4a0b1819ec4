"""Trucks that drive and park at random, with fixes that drift as real ones do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, cos, exp, sin
from random import Random

from geofences.tracking import Tracker, ZoneChange
from haulwatch.domain.trucks import Membership
from tests.geofences.cities import EAST, NOON_MS, NORTH, SOUTH, WEST

PLATE = "浙E12345"
EAST_M, NORTH_M = 95_600.0, 110_870.0


@dataclass(frozen=True)
class Fix:
    """One good fix."""

    event_id: str
    at_ms: int
    lon: float
    lat: float
    speed_kmh: float | None


def walk(
    seed: int, fixes: int, *, every_s: tuple[float, float] = (2, 2), speeds: bool = True, drift_m: float = 6.0
) -> list[Fix]:
    """Legs of driving between stops; the error of the fixes has a slow part (a minute) and a quick one."""
    random = Random(seed)
    at_ms = NOON_MS
    lon, lat = random.uniform(WEST, EAST), random.uniform(SOUTH, NORTH)
    slow_east = slow_north = 0.0
    heading, kmh, leg_s = random.uniform(0, 6.28), 0.0, 0.0
    made = []
    for number in range(fixes):
        seconds = random.choice((*every_s, *every_s, *every_s, every_s[0] * random.choice((1, 1, 1, 3, 100))))
        at_ms += round(seconds * 1000)
        leg_s -= seconds
        if leg_s < 0:
            kmh = random.choice((0.0, 0.0, 4.0, 15.0, 40.0, 60.0))
            leg_s = random.uniform(5, 400 if kmh == 0 else 90)
            heading = _inward(random, lon, lat, heading)
        lon += kmh / 3.6 * seconds * cos(heading) / EAST_M
        lat += kmh / 3.6 * seconds * sin(heading) / NORTH_M
        fade = exp(-seconds / 60)
        slow_east = slow_east * fade + random.gauss(0, drift_m * (1 - fade * fade) ** 0.5)
        slow_north = slow_north * fade + random.gauss(0, drift_m * (1 - fade * fade) ** 0.5)
        east_m, north_m = slow_east + random.gauss(0, drift_m / 3), slow_north + random.gauss(0, drift_m / 3)
        speed = max(0.0, kmh + random.gauss(0, 0.8)) if speeds else None
        made.append(Fix(f"e{number}", at_ms, lon + east_m / EAST_M, lat + north_m / NORTH_M, speed))
    return made


def _inward(random: Random, lon: float, lat: float, heading: float) -> float:
    """A new heading; back to the middle where the truck left the city."""
    if WEST < lon < EAST and SOUTH < lat < NORTH:
        return heading + random.gauss(0, 1)
    east, north = (WEST + EAST) / 2 - lon, (SOUTH + NORTH) / 2 - lat
    return atan2(north, east)


def run(tracker: Tracker, fixes: Sequence[Fix], m: Membership | None = None) -> list[ZoneChange]:
    """What the tracker says of all the fixes in turn."""
    member = Membership() if m is None else m
    changes: list[ZoneChange] = []
    for fix in fixes:
        changes += tracker.step(member, PLATE, fix.event_id, fix.at_ms, fix.lon, fix.lat, fix.speed_kmh)
    return changes
