"""`GET /api/v1/wall`: what a wall screen shows. Aggregates and a coarse grid; it names no truck and no person."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.sources import sources_of
from haulwatch.console.ports import CityView, TruckFeed
from haulwatch.console.schemas import TruckCounts, WallAnswer, answers
from haulwatch.domain.orders import Actor
from haulwatch.domain.sources import SourceFeed
from haulwatch.domain.statistics import OrderStatistics

MOVING_KMH = 3
VIEWERS = Allowed("wall", "dispatcher", "duty_officer", "verifier", "auditor", "administrator")


def router(statistics: OrderStatistics, trucks: TruckFeed, city: CityView, source_feed: SourceFeed | None) -> APIRouter:
    """The figures of a wall screen."""
    api = APIRouter(prefix="/api/v1", tags=["statistics"])

    @api.get("/wall", responses=answers(WallAnswer, 401, 403), response_class=Response)
    def wall(actor: Annotated[Actor, Depends(VIEWERS)]) -> Response:
        """Today's orders in figures, within the jurisdiction of who asks."""
        shown = [truck for truck in trucks.snapshot() if not truck.silent]
        counts = TruckCounts(
            known=len(trucks.snapshot()),
            heard=len(shown),
            moving=sum((truck.speed_kmh or 0) > MOVING_KMH for truck in shown),
            loaded=sum(truck.load == "full" for truck in shown),
        )
        figures = statistics.wall(actor.jurisdiction)
        return JsonAnswer(WallAnswer(figures, counts, sources_of(source_feed, trucks, city), city.name, city.bounds))

    return api
