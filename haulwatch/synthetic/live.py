"""Traffic without end for the demo: it begins in the middle of the day's work, with something to see at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from random import Random

from haulwatch.domain.instants import to_datetime, to_ms
from haulwatch.synthetic.chapters import Chapter
from haulwatch.synthetic.conduct import KINDS, Kind
from haulwatch.synthetic.delivery import Arrival
from haulwatch.synthetic.driving import Driver
from haulwatch.synthetic.fleet import DeviceClass, TruckSpec, build_fleet
from haulwatch.synthetic.hauling import Haul
from haulwatch.synthetic.journeys import Journey
from haulwatch.synthetic.lookalikes import GUISES, Guise
from haulwatch.synthetic.noise import LEVELS, NoiseName
from haulwatch.synthetic.plan import CameraSpot, CityPlan, Scale
from haulwatch.synthetic.shifts import Deck, Shift
from haulwatch.synthetic.world import PHASE_S, Devices

FOREVER_S = float("inf")
VIOLATION_SHARE, GUISE_SHARE = 0.40, 0.12
"""Of all trips: with 120 trucks about one violation begins every minute."""


@dataclass(frozen=True)
class Opening:
    """A first scene: its kind of conduct, which device class, which permit, and when (s) its decisive moment comes."""

    kind: str
    devices: tuple[DeviceClass, ...]
    permit_id: str
    at_s: float
    moment: Callable[[Chapter, CityPlan], float]


def live_events(
    city: CityPlan, seed: int, start_at: datetime, trucks: int = 120, noise: NoiseName = "low"
) -> Iterator[tuple[bytes, datetime]]:
    """Events as JSON bytes with their `received_at`, in order, from `start_at` on, for ever.

    The fleet is that of `write_city(folder, seed, trucks, …)`. An overloaded truck is weighed after three seconds.
    """
    start_ms = to_ms(start_at)
    fleet = build_fleet(trucks, seed, city.yards)
    deck = (
        Deck([(kind, 1.0) for kind in KINDS], Random(f"{seed}/live/kinds")),
        Deck([(guise, 1.0) for guise in GUISES], Random(f"{seed}/live/guises")),
    )
    openings = _cast(fleet)
    plates = [truck.truck_id for truck in fleet]
    streams = []
    for truck in fleet:
        plan = Improvised(truck, deck, Random(f"{seed}/live/{truck.index}/slots"))
        chapters = _chapters(truck, city, seed, start_ms, plan, openings.get(truck.index))
        devices = Devices(truck, city, LEVELS[noise], start_ms, seed)
        streams.append(_stream(devices, chapters, plates))
    for arrival in heapq.merge(*streams):
        yield arrival.line, to_datetime(arrival.received_ms)


class Improvised:
    """Conduct without end: after an eventful trip an ordinary one."""

    def __init__(self, truck: TruckSpec, decks: tuple[Deck, Deck], draw: Random) -> None:
        self._truck, self._decks, self._draw = truck, decks, draw
        self._last = -2

    def get(self, number: int, /) -> Kind | Guise | None:
        """What the next trip is."""
        chance = self._draw.random()
        if number <= self._last + 1 or chance > (VIOLATION_SHARE + GUISE_SHARE) * 1.35:
            return None
        self._last = number
        share = VIOLATION_SHARE / (VIOLATION_SHARE + GUISE_SHARE)
        return self._decks[0 if self._draw.random() < share else 1].next_for(self._truck)


def _chapters(
    truck: TruckSpec, city: CityPlan, seed: int, start_ms: int, plan: Improvised, opening: Opening | None
) -> Iterator[Chapter]:
    draw = Random(f"{seed}/live/{truck.index}/shift")
    if opening is not None:
        first, driver = _staged(truck, city, seed, opening)
        return chain([first], Shift(driver, start_ms, plan, shift_s=FOREVER_S).chapters(FOREVER_S))
    driver = Driver(truck, city, draw, -draw.uniform(0.0, PHASE_S))
    return Shift(driver, start_ms, plan, shift_s=FOREVER_S).chapters(FOREVER_S)


def _staged(truck: TruckSpec, city: CityPlan, seed: int, opening: Opening) -> tuple[Chapter, Driver]:
    """The opening's trip, begun so much earlier that its moment comes when it should: rehearsed once to know when."""
    kind = next(kind for kind in KINDS if kind.name == opening.kind)
    licence = next(licence for licence in city.licences if licence.permit_id == opening.permit_id)
    moment = 0.0
    for _ in ("rehearsal", "performance"):
        driver = Driver(truck, city, Random(f"{seed}/live/{truck.index}/opening"), opening.at_s - moment)
        kind.run(driver, Haul(licence))
        chapter = driver.new_chapter()
        moment += opening.moment(chapter, city) - opening.at_s
    return chapter, driver


def _stream(devices: Devices, chapters: Iterator[Chapter], plates: list[str]) -> Iterator[Arrival]:
    """A truck's arrivals from second 0 on."""
    for chapter in chapters:
        if chapter.t1 > 0.0:
            yield from devices.send(devices.observe(chapter, plates), chapter.t1)


def _cast(fleet: list[TruckSpec]) -> dict[int, Opening]:
    """Which trucks play the openings, by their index: the first that are equipped for it."""
    cast: dict[int, Opening] = {}
    for opening in OPENINGS:
        free = (truck for truck in fleet if truck.index not in cast and truck.device_class in opening.devices)
        if (truck := next(free, None)) is not None:
            cast[truck.index] = opening
    return cast


def _first_pass(kind: type[CameraSpot] | type[Scale]) -> Callable[[Chapter, CityPlan], float]:
    """When the truck first passes such a thing on its loaded way."""

    def moment(chapter: Chapter, city: CityPlan) -> float:
        way: Journey = _loaded_way(chapter)
        return next(way.time_at(metres) for metres, thing in way.passes(city) if isinstance(thing, kind))

    return moment


def _loaded_way(chapter: Chapter) -> Journey:
    return next(
        journey for journey in chapter.journeys() if float(chapter.body_at(journey.t_start)["load_kg"] or 0) > 0
    )


def _lift_up(chapter: Chapter, _city: CityPlan) -> float:
    return next(change.t for change in chapter.changes if change.value == "raised")


def _ghost(chapter: Chapter, _city: CityPlan) -> float:
    return chapter.ghosts[0].t


def _slip(chapter: Chapter, _city: CityPlan) -> float:
    return chapter.conducts[0].span.t0


OPENINGS = (
    Opening("overweight", ("weight", "full", "basic"), "XK-012", 3.0, _first_pass(Scale)),
    Opening("uncovered_slipped", ("full",), "XK-014", 1.0, _slip),
    Opening("dump_lot", ("full",), "XK-009", 11.0, _lift_up),
    Opening("tamper_clone", ("weight", "basic", "full"), "XK-003", 18.0, _ghost),
    Opening("overweight", ("weight", "full", "basic"), "XK-003", 45.0, _first_pass(Scale)),
    Opening("dump_forbidden", ("full", "weight"), "XK-001", 30.0, _lift_up),
)
