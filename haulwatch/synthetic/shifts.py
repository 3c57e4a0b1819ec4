"""A truck's working day: which trips, when breaks, and which of them go wrong or only look so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from random import Random
from typing import Protocol

from haulwatch.synthetic.chapters import Chapter
from haulwatch.synthetic.conduct import KINDS, Kind, usable
from haulwatch.synthetic.driving import Driver
from haulwatch.synthetic.fleet import TruckSpec
from haulwatch.synthetic.hauling import Haul, add_geometry, ordinary, out_of_hours
from haulwatch.synthetic.lookalikes import GUISES, Guise, suited
from haulwatch.synthetic.plan import Licence

SHIFT_S = 9.5 * 3600
NIGHT_REST_S = 13.0 * 3600
TRIP_S = 3_900.0
"""About how long one trip takes, breaks included."""
ROOM_S = 3_300.0
"""A planned trip begins only if this much time is left, so that the recording holds most of it."""
VIOLATION_SHARE, GUISE_SHARE = 0.14, 0.14
LEAST_SLOTS = 48
"""A short recording is more eventful, so that it still has something of everything."""


class Slots(Protocol):
    """What is planned for a truck's trips, by number; None is an ordinary trip."""

    def get(self, number: int, /) -> Kind | Guise | None: ...


def plan_conduct(
    fleet: Sequence[TruckSpec],
    hours: float,
    seed: int,
    *,
    noisy: bool,
    violations: float = VIOLATION_SHARE,
    guises: float = GUISE_SHARE,
) -> list[dict[int, Kind | Guise]]:
    """Deals violations and look-alikes out over the fleet: never two in a row for one truck, each kind in turn."""
    draw = Random(f"{seed}/conduct")
    kinds = Deck([(kind, kind.weight) for kind in KINDS], draw)
    looks = Deck([(guise, 1.0) for guise in GUISES if noisy or not guise.needs_noise], draw)
    trips = max(int((hours * 3600 - ROOM_S) / TRIP_S) + 1, 0)
    places = [(truck, number) for truck in fleet for number in range(trips)]
    draw.shuffle(places)
    wanted = max(round(len(places) * (violations + guises)), min(LEAST_SLOTS, len(places) // 2))
    slots: list[dict[int, Kind | Guise]] = [{} for _ in fleet]
    given, share = 0, violations / (violations + guises)
    for truck, number in places:
        mine = slots[truck.index]
        if given >= wanted:
            break
        if number in mine or number - 1 in mine or number + 1 in mine:
            continue
        deck = kinds if int((given + 1) * share) > int(given * share) else looks
        mine[number] = deck.next_for(truck)
        given += 1
    return slots


class Deck:
    """Cards dealt evenly: shuffled anew when all are gone; a card that does not suit waits for the next truck.

    The first round has every card; over many rounds a card comes as often as its weight says.
    """

    def __init__(self, cards: Sequence[tuple[Kind | Guise, float]], draw: Random) -> None:
        self._cards, self._draw = cards, draw
        self._left: list[Kind | Guise] = []
        self._round = 0

    def next_for(self, truck: TruckSpec) -> Kind | Guise:
        """The next card that this truck's equipment allows."""
        for _ in range(3):
            for index, card in enumerate(self._left):
                if truck.device_class in card.devices:
                    return self._left.pop(index)
            self._deal()
        raise ValueError(f"no card suits {truck.device_class}")

    def _deal(self) -> None:
        done, self._round = self._round, self._round + 1
        fresh: list[Kind | Guise] = []
        for card, weight in self._cards:
            fresh.extend([card] * (ceil(weight * self._round) - ceil(weight * done)))
        self._draw.shuffle(fresh)
        self._left.extend(fresh)


class Shift:
    """One truck's days as chapters, each a trip or a rest."""

    def __init__(self, driver: Driver, start_ms: int, slots: Slots, *, shift_s: float = SHIFT_S) -> None:
        self._driver, self._plan, self._draw = driver, driver.plan, driver.draw
        self._start_ms, self._slots, self._shift_s = start_ms, slots, shift_s
        self._job = self._draw.choice([licence for licence in self._plan.licences if not licence.expired])

    def chapters(self, horizon: float) -> Iterator[Chapter]:
        """Until the chapter that reaches `horizon` (seconds)."""
        driver = self._driver
        shift_ends = driver.t + self._shift_s
        while driver.t < horizon:
            if driver.t > shift_ends:
                driver.head_for(self._plan.places[driver.truck.home].spot)
                driver.rest(NIGHT_REST_S)
                shift_ends = driver.t + self._shift_s
            else:
                self._trip(horizon)
                if self._draw.random() < 0.3:
                    self._take_a_break()
            yield driver.new_chapter()

    def _trip(self, horizon: float) -> None:
        driver = self._driver
        card = self._slots.get(driver.trips)
        if card is not None and driver.t + ROOM_S > horizon:
            card = None
        licence = self._licence_for(card)
        if licence is None:
            driver.rest(1_200.0)
            return
        haul = Haul(licence)
        if isinstance(card, Kind):
            hauled = card.run(driver, haul)
            if card.hidden:
                return
        elif isinstance(card, Guise):
            hauled = card.run(driver, haul)
        else:
            hauled = ordinary(driver, haul)
        add_geometry(driver, hauled, self._start_ms)

    def _licence_for(self, card: Kind | Guise | None) -> Licence | None:
        """A permit for the next trip: the usual job's if it will do."""
        driver = self._driver
        need = card.licences if isinstance(card, Kind) else "valid"
        fitting = [
            licence
            for licence in self._plan.licences
            if self._usable(licence, need) and (not isinstance(card, Guise) or suited(driver, licence, card.suits))
        ]
        if self._job in fitting and self._draw.random() < 0.75:
            return self._job
        return self._draw.choice(fitting) if fitting else None

    def _usable(self, licence: Licence, need: str) -> bool:
        """Hours are looked at over the whole time that the trip may take."""
        t = self._driver.t
        closed = [out_of_hours(licence, self._start_ms, t + 600.0 * step) for step in range(13)]
        if need == "closed":
            return all(closed) and usable(licence, need, open_now=False)
        return not any(closed) and usable(licence, need, open_now=True)

    def _take_a_break(self) -> None:
        driver = self._driver
        here = self._plan.roads.nodes[driver.node]
        parks = self._plan.of_kind("parking")
        nearest = min(
            parks,
            key=lambda park: (
                abs(self._plan.roads.nodes[park.spot][0] - here[0])
                + abs(self._plan.roads.nodes[park.spot][1] - here[1])
            ),
        )
        driver.head_for(nearest.spot)
        driver.rest(self._draw.uniform(900.0, 1_800.0))
