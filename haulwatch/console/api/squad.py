"""What a squad's phone needs: its orders with all that is known on site, where a truck is now, the way there."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Header, Path, Response

from geofences.datum import convert
from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.city import unless_known
from haulwatch.console.ports import CityView, TruckFeed
from haulwatch.console.problems import Problem
from haulwatch.console.schemas import answers
from haulwatch.console.squad_answers import (
    Navigation,
    SquadTask,
    SquadTasksAnswer,
    TruckPositionAnswer,
    WhereaboutsAnswer,
    ZoneName,
)
from haulwatch.domain.access import DESK, READERS, may_see
from haulwatch.domain.breaches import LawNote
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.orders import STAGES, Actor, Order, OrderDesk, OrderDetail, OrderFilter, Stage, UnknownOrder
from haulwatch.domain.text import Text

ON_PHONES: tuple[Stage, ...] = ("dispatched", "accepted", "on_site", "rework", "on_hold", "handled", "verifying")
"""Stages in which an order is on the phones of its squads; those with a department's task see it from the first."""
ENDED: frozenset[Stage] = frozenset(("closed", "rejected", "void", "merged", "transferred"))
OPEN: tuple[Stage, ...] = tuple(stage for stage in STAGES if stage not in ENDED)
MOST = 200


def router(desk: OrderDesk, feed: TruckFeed, city: CityView, *, photos: bool) -> APIRouter:
    """Routes for squads; `photos`: whether they can be taken in here."""
    api = APIRouter(prefix="/api/v1", tags=["squad"])
    trucks, laws = LastKnown(feed), Laws(desk)

    @api.get("/squad/tasks", responses=answers(SquadTasksAnswer, 401, 403, 503), response_class=Response)
    def squad_tasks(
        actor: Annotated[Actor, Depends(Allowed("squad"))],
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        """My squad's orders, the most pressing first; 304 when nothing has changed."""
        squad_id = squad_of(actor)
        page = desk.list(OrderFilter(stages=OPEN, squad_id=squad_id), limit=MOST)
        mine = [order for order in page.orders if on_phone(order, squad_id) and may_see(actor, order)]
        known, zones = trucks.all(), zone_names(city)
        answer = SquadTasksAnswer(
            squad_id,
            squad_name(city, squad_id),
            {squad.squad_id: squad.name or squad.squad_id for squad in city.squads},
            actor.actor_id,
            [
                SquadTask(
                    order,
                    [zones[zone_id] for zone_id in order.zone_ids if zone_id in zones],
                    city.runbooks.get(order.rule_id),
                    laws.of(order),
                    navigation(order.lon, order.lat, order.order_id),
                    known.get(order.truck_id),
                )
                for order in sorted(mine, key=pressing)
            ],
            [row for row in desk.transitions() if "squad" in row.roles],
            photos,
            page.next_cursor is not None,
        )
        return unless_known(answer, if_none_match)

    @api.get(
        "/squad/orders/{order_id}/whereabouts",
        responses=answers(WhereaboutsAnswer, 401, 403, 404),
        response_class=Response,
    )
    def whereabouts(order_id: str, actor: Annotated[Actor, Depends(Allowed("squad"))]) -> Response:
        """Who has an order now that my squad has, or was given before: all that a phone says when it went elsewhere."""
        detail, squad_id = desk.get(order_id), squad_of(actor)
        if not (on_phone(detail.order, squad_id) or had(detail, squad_id)):
            raise UnknownOrder(order_id)
        order = detail.order
        holder = order.squad_id if order.stage in ON_PHONES else None
        name = squad_name(city, holder) if holder else None
        return JsonAnswer(WhereaboutsAnswer(order.order_id, order.stage, holder, name))

    @api.get(
        "/trucks/{truck_id}/position",
        responses=answers(TruckPositionAnswer, 401, 403, 404, 422),
        response_class=Response,
    )
    def truck_position(
        truck_id: Annotated[str, Path(max_length=32)],
        actor: Annotated[Actor, Depends(Allowed(*READERS))],
    ) -> Response:
        """Where a truck was last. A squad is told of the trucks of its open orders only."""
        found = trucks.all().get(truck_id) if knows_truck(desk, actor, truck_id) else None
        nav = None if found is None else navigation(found.lon, found.lat, truck_id)
        if found is None or nav is None:
            raise Problem(404, "not-found", Text("没有这辆车的位置", "There is no position of this truck"))
        return JsonAnswer(TruckPositionAnswer(found, nav))

    return api


class LastKnown:
    """The last state of every truck, asked of the feed only for what has changed."""

    def __init__(self, feed: TruckFeed) -> None:
        self._feed = feed
        self._lock = threading.Lock()
        self._revision = 0
        self._trucks: dict[str, TruckPosition] = {}

    def all(self) -> Mapping[str, TruckPosition]:
        """Trucks by their ids."""
        with self._lock:
            revision, changed = self._feed.changed_since(self._revision)
            if revision < self._revision:  # the feed began anew
                revision, changed = self._feed.changed_since(0)
                self._trucks = {}
            if changed:
                self._trucks = self._trucks | {truck.truck_id: truck for truck in changed}
            self._revision = revision
            return self._trucks


class Laws:
    """What the law says of orders, as it was when they opened: read once each."""

    def __init__(self, desk: OrderDesk) -> None:
        self._desk = desk
        self._known: dict[str, LawNote | None] = {}

    def of(self, order: Order) -> LawNote | None:
        """The note on the finding that opened the order."""
        if order.order_id not in self._known:
            if len(self._known) >= 2 * MOST:
                self._known.clear()
            self._known[order.order_id] = self._desk.get(order.order_id).breach.law
        return self._known[order.order_id]


def squad_of(actor: Actor) -> str:
    """The actor's squad; 403 for somebody who belongs to none."""
    if actor.squad_id is None:
        raise Problem(403, "no-squad", Text("您的账号不属于任何中队", "Your account belongs to no squad"))
    return actor.squad_id


def on_phone(order: Order, squad_id: str) -> bool:
    """Whether the squad has the order now, or a task of it."""
    if any(task.squad_id == squad_id for task in order.tasks):
        return True
    return order.squad_id == squad_id and order.stage in ON_PHONES


def had(detail: OrderDetail, squad_id: str) -> bool:
    """Whether the squad was given the order at some time."""
    given = (entry.detail.get("data") for entry in detail.audit if entry.action == "dispatch")
    return any(isinstance(data, Mapping) and data.get("squad_id") == squad_id for data in given)


def knows_truck(desk: OrderDesk, actor: Actor, truck_id: str) -> bool:
    """Whether the actor may know where the truck is."""
    if not actor.roles.isdisjoint(DESK):
        return True
    squad_id = squad_of(actor)
    page = desk.list(OrderFilter(stages=OPEN, squad_id=squad_id, truck_id=truck_id), limit=MOST)
    return any(on_phone(order, squad_id) for order in page.orders)


def pressing(order: Order) -> tuple[int, str, str]:
    """Sorts urgent orders first, then by when their clock runs out, then by age."""
    due_at = order.clock.due_at if order.clock is not None else "9"
    return {"urgent": 0, "normal": 1, "low": 2}[order.urgency], due_at, order.detected_at


def zone_names(city: CityView) -> dict[str, ZoneName]:
    """Zones of the city by their ids."""
    return {zone.zone_id: zone for feature in city.zones["features"] if (zone := _zone(feature["properties"]))}


def _zone(properties: Mapping[str, Any]) -> ZoneName | None:
    zone_id, name = properties.get("zone_id"), properties.get("name")
    if not isinstance(zone_id, str):
        return None
    said = (
        Text(name["zh"], name["en"]) if isinstance(name, Mapping) else Text(str(name or zone_id), str(name or zone_id))
    )
    return ZoneName(zone_id, str(properties.get("kind", "")), said)


def squad_name(city: CityView, squad_id: str) -> str:
    """What a squad is called."""
    return next((squad.name or squad_id for squad in city.squads if squad.squad_id == squad_id), squad_id)


def navigation(lon: float | None, lat: float | None, name: str) -> Navigation | None:
    """Links to a WGS-84 place; null where there is none."""
    if lon is None or lat is None:
        return None
    east, north = (round(degrees, 6) for degrees in convert(lon, lat, "wgs84", "gcj02"))
    label = quote(name, safe="")
    return Navigation(
        gcj02_lon=east,
        gcj02_lat=north,
        amap_url=f"https://uri.amap.com/navigation?to={east},{north},{label}&mode=car&coordinate=gaode&callnative=1",
        geo_uri=f"geo:{north},{east}?q={north},{east}({label})",
    )
