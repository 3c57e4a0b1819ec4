"""A haul from site to disposal site, lawful unless told otherwise, and what of it can be told from its geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from haulwatch.synthetic.chapters import Conduct, Span, local_minute, minutes_in
from haulwatch.synthetic.corridors import Corridor
from haulwatch.synthetic.driving import Driver
from haulwatch.synthetic.journeys import Halt, Journey
from haulwatch.synthetic.plan import ROUTE_REACH_M, Licence
from haulwatch.synthetic.plane import Point

ROUTE_CLEAR_S = 480.0
ROUTE_UNCLEAR_S = 150.0
"""Off the permitted route for longer than the first is a violation by any reading; below the second by none."""
USUAL_SHARE = (0.86, 0.955)
"""Gross mass of an ordinary trip as a share of the limit."""


@dataclass
class Haul:
    """What a driver is told to do on one trip; the defaults are lawful."""

    licence: Licence
    gross_share: float = 0.0
    covered: bool = True
    manifest: bool = True
    via: tuple[str, ...] = ()
    halts: Sequence[Halt] = ()
    haste: float = 1.0


@dataclass
class Hauled:
    """What came of it: `left` and `arrived` (the load is gone) in seconds, the loaded drives, the manifest."""

    haul: Haul
    left: float
    loaded: list[Journey] = field(default_factory=list)
    manifest_id: str | None = None
    arrived: float = 0.0
    unlike_route: bool = False

    @property
    def span(self) -> Span:
        """From setting off loaded until the load is gone."""
        return Span(self.left, self.arrived)


def pick_up(driver: Driver, haul: Haul) -> Hauled:
    """Drives to the site, is loaded, gets its manifest; stands ready to leave."""
    origin = driver.plan.places[haul.licence.origin]
    driver.head_for(origin.spot)
    share = haul.gross_share or driver.draw.uniform(*USUAL_SHARE)
    load_kg = round(share * driver.truck.limit_kg) - driver.truck.tare_kg
    driver.load_up(load_kg, close=haul.covered)
    hauled = Hauled(haul, driver.t)
    if haul.manifest:
        hauled.manifest_id = driver.issue(haul.licence, driver.t - 30.0)
    driver.trips += 1
    return hauled


def carry(driver: Driver, hauled: Hauled) -> None:
    """Drives loaded to the disposal site."""
    haul = hauled.haul
    goal = driver.plan.places[haul.licence.destination].spot
    hauled.loaded.append(driver.go(*haul.via, goal, haste=haul.haste, halts=haul.halts))
    hauled.arrived = driver.t


def drop(driver: Driver, hauled: Hauled, *, close: bool = True, seconds: float | None = None) -> None:
    """Unloads at the disposal site and hands in the manifest."""
    driver.tip(close=close, seconds=seconds or driver.draw.uniform(270.0, 420.0))
    if hauled.manifest_id is not None:
        driver.complete(hauled.manifest_id, hauled.haul.licence, driver.t - 20.0)


def ordinary(driver: Driver, haul: Haul) -> Hauled:
    """A whole lawful trip."""
    hauled = pick_up(driver, haul)
    carry(driver, hauled)
    drop(driver, hauled)
    return hauled


def add_geometry(driver: Driver, hauled: Hauled, start_ms: int) -> None:
    """Adds what follows from where and when a loaded truck drove: off its route, outside its hours."""
    licence = hauled.haul.licence
    if hauled.haul.via or hauled.unlike_route:
        corridor = Corridor(driver.plan.route_of(licence).line, ROUTE_REACH_M)
        for journey in hauled.loaded:
            for t0, end in corridor.ways_off(_track(journey)):
                # Who unloads off the route stays off it until the load is gone.
                t1 = hauled.arrived if hauled.unlike_route and end > journey.t_end - 5.0 else end
                if t1 - t0 >= ROUTE_UNCLEAR_S:
                    kind = "route_detour" if t1 - t0 >= ROUTE_CLEAR_S else "route_unclear"
                    note = f"off its route {licence.route_zone} for {(t1 - t0) / 60:.0f} min"
                    driver.chapter.conducts.append(Conduct("route", kind, Span(t0, t1), note))
    if out_of_hours(licence, start_ms, hauled.left) or out_of_hours(licence, start_ms, hauled.arrived):
        whole = out_of_hours(licence, start_ms, hauled.left) and out_of_hours(licence, start_ms, hauled.arrived)
        note = f"hauls at {clock(start_ms, hauled.left)}, permitted {' '.join(licence.hours)}"
        driver.chapter.conducts.append(Conduct("time", "time_outside" if whole else "time_unclear", hauled.span, note))


def _track(journey: Journey) -> Iterator[tuple[float, Point]]:
    """Where a drive is every five seconds."""
    for step in range(int((journey.t_end - journey.t_start) / 5.0) + 1):
        t = journey.t_start + 5.0 * step
        yield t, journey.place_at(journey.metres_at(t)[0])[0]


def out_of_hours(licence: Licence, start_ms: int, t: float) -> bool:
    """Whether the permit's hours exclude `t`."""
    return not minutes_in(licence.hours, local_minute(start_ms, t))


def clock(start_ms: int, t: float) -> str:
    """Local time of day as `HH:MM`."""
    minute = local_minute(start_ms, t)
    return f"{minute // 60:02d}:{minute % 60:02d}"
