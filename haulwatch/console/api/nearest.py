"""`GET /api/v1/orders/{id}/nearest`: which squads could go there, the likeliest first."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.near_answers import MeasuredFrom, NearestAnswer, NearSquad
from haulwatch.console.ports import CityView
from haulwatch.console.reach import Reached
from haulwatch.console.schemas import answers
from haulwatch.domain.instants import rfc3339, to_datetime
from haulwatch.domain.motion import distance_m
from haulwatch.domain.orders import Actor, Order, OrderDesk
from haulwatch.domain.registry import Squad

Place = tuple[float, float]
"""Longitude and latitude in WGS-84 degrees."""
SEES = Allowed("dispatcher", "duty_officer", "verifier", "auditor", "administrator")


def router(
    desk: OrderDesk,
    city: CityView,
    *,
    positions: Callable[[], Mapping[str, Place]] = dict,
    clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
) -> APIRouter:
    """The route; `positions` are those that squads have told of themselves, by squad id."""
    api = APIRouter(prefix="/api/v1/orders", tags=["orders"])

    @api.get("/{order_id}/nearest", responses=answers(NearestAnswer, 401, 403, 404, 503), response_class=Response)
    def nearest(order_id: str, actor: Annotated[Actor, Depends(SEES)]) -> Response:
        """Squads that could go to the order: on duty or not, how far, and how much they have to do."""
        order = Reached(desk, actor).get(order_id).order
        now_ms = clock_ms()
        loads, told = desk.statistics().open_by_squad(), positions()
        local = to_datetime(now_ms).astimezone(city.timezone)
        minute = local.hour * 60 + local.minute
        found = [
            near(order, squad, city.centres, told.get(squad.squad_id), minute, loads.get(squad.squad_id, 0))
            for squad in city.squads
        ]
        return JsonAnswer(NearestAnswer(rfc3339(now_ms), sorted(found, key=_likeliest)))

    return api


def near(
    order: Order, squad: Squad, centres: Mapping[str, Place], position: Place | None, minute: int, open_orders: int
) -> NearSquad:
    """How near the squad is to the order at this minute (0-1439) of the local day."""
    metres, measured_from = _distance(order, squad, centres, position)
    asked = {task.department for task in order.tasks}
    return NearSquad(
        squad_id=squad.squad_id,
        name=squad.name,
        level=squad.level,
        zone_id=squad.district_zone,
        departments=squad.departments,
        on_duty=squad.on_duty_at(minute),
        competent=not asked or not asked.isdisjoint(squad.departments),
        distance_m=None if metres is None else round(metres),
        measured_from=measured_from,
        open_orders=open_orders,
    )


def _distance(
    order: Order, squad: Squad, centres: Mapping[str, Place], position: Place | None
) -> tuple[float | None, MeasuredFrom | None]:
    zone_id = squad.district_zone
    if position is None and zone_id is not None and zone_id in (*order.jurisdictions, *order.zone_ids):
        return 0.0, "inside"
    start = position or (None if zone_id is None else centres.get(zone_id))
    if start is None or order.lon is None or order.lat is None:
        return None, None
    return distance_m(*start, order.lon, order.lat), "centre" if position is None else "position"


_LEVELS = {"township": 0, "district": 1, "city": 2}


def _likeliest(squad: NearSquad) -> tuple[object, ...]:
    """Of two that are equally near the one with the smaller area goes first, then the one with less to do."""
    distance = float("inf") if squad.distance_m is None else squad.distance_m
    level = _LEVELS.get(squad.level or "", len(_LEVELS))
    return (not squad.on_duty, not squad.competent, distance, level, squad.open_orders, squad.squad_id)
