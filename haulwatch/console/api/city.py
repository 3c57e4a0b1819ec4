"""The city as a map draws it, and where its trucks are."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Query, Response

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import CityView, TruckFeed
from haulwatch.console.reach import trucks_of
from haulwatch.console.schemas import CityAnswer, TrucksAnswer, answers
from haulwatch.domain.access import PEOPLE, READERS
from haulwatch.domain.orders import Actor, OrderDesk


def router(city: CityView, feed: TruckFeed, desk: OrderDesk) -> APIRouter:
    """Map layers and trucks."""
    api = APIRouter(prefix="/api/v1", tags=["city"])
    known = [Depends(Allowed(*PEOPLE))]

    @api.get("/city", responses=answers(CityAnswer, 401, 403), response_class=Response, dependencies=known)
    def show_city(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Name, bounds, zones, stations, cameras and squads of the city in force."""
        answer = CityAnswer(
            name=city.name,
            bounds=city.bounds,
            zones=dict(city.zones),
            stations=list(city.stations),
            cameras=list(city.cameras),
            squads=list(city.squads),
        )
        return unless_known(answer, if_none_match)

    @api.get("/city/basemap", responses=answers(None, 401, 403), response_class=Response, dependencies=known)
    def show_basemap(if_none_match: Annotated[str | None, Header()] = None) -> Response:
        """Layers to draw below everything, in drawing order: `{name: FeatureCollection}`; may be empty."""
        return unless_known(dict(city.basemap), if_none_match)

    @api.get("/trucks", responses=answers(TrucksAnswer, 401, 403, 422), response_class=Response)
    def list_trucks(
        actor: Annotated[Actor, Depends(Allowed(*READERS))],
        cursor: Annotated[str | None, Query(max_length=64, description="the last truck_id of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """Last known states in the order of the truck ids, one page; the live stream sends them all."""
        shown = trucks_of(desk, actor)
        states = feed.snapshot() if shown is None else [one for one in feed.snapshot() if one.truck_id in shown]
        trucks = sorted(states, key=attrgetter("truck_id"))
        start = bisect_right(trucks, cursor, key=attrgetter("truck_id")) if cursor else 0
        page = trucks[start : start + limit]
        more = start + limit < len(trucks)
        return JsonAnswer(TrucksAnswer(page, page[-1].truck_id if more else None))

    return api


def unless_known(content: Any, if_none_match: str | None) -> Response:
    """The content with an entity tag made from it, or 304 when the browser has just that."""
    body = msgspec.json.encode(content)
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if if_none_match is not None and tag in (known.strip().removeprefix("W/") for known in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
