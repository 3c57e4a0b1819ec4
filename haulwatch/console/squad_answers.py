"""What squads' phones are answered."""

from __future__ import annotations

from msgspec import Struct

from haulwatch.domain.breaches import LawNote
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.orders import Order, Stage, Transition
from haulwatch.domain.text import Text


class Navigation(Struct):
    """A place for a phone's map app. Those of China read `geo:` and their own links in GCJ-02, so all of this is."""

    gcj02_lon: float
    gcj02_lat: float
    amap_url: str
    geo_uri: str


class ZoneName(Struct):
    """A zone that holds the place."""

    zone_id: str
    kind: str
    name: Text


class SquadTask(Struct):
    """An order on a phone. `nav` leads to where it was found; `truck` is where the truck was last, null if unknown."""

    order: Order
    zones: list[ZoneName]
    runbook: Text | None
    law: LawNote | None
    nav: Navigation | None
    truck: TruckPosition | None


class SquadTasksAnswer(Struct):
    """The orders of one's squad, and which command leads from where to where for its members.

    `squads`: names of all squads. `more`: there are more than a phone is given.
    """

    squad_id: str
    squad: str
    squads: dict[str, str]
    actor_id: str
    tasks: list[SquadTask]
    transitions: list[Transition]
    photos: bool
    more: bool = False


class TruckPositionAnswer(Struct):
    """Where a truck was last (`at_ms`: by its device's clock), and the way there."""

    truck: TruckPosition
    nav: Navigation


class WhereaboutsAnswer(Struct):
    """Where an order is that a squad had: its stage, and the squad that has it now; null where none does."""

    order_id: str
    stage: Stage
    squad_id: str | None
    squad: str | None
