"""Zones for those who own them: those in force, what a draft does to them, which of them hold a place."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.workbench import given
from haulwatch.console.schemas import answers, body_of
from haulwatch.domain.access import LOOKERS, TUNERS
from haulwatch.domain.orders import Actor
from haulwatch.domain.workbench import Draft
from haulwatch.domain.zone_sheets import DraftedZones, ImportBody, PlaceBody, ZoneImport, ZoneMap, Zones, ZonesHere


def router(zones: Zones) -> APIRouter:
    """Zones on the workbench."""
    api = APIRouter(prefix="/api/v1/workbench/zones", tags=["workbench"])

    @api.get("", responses=answers(ZoneMap, 401, 403, 503), response_class=Response)
    def in_force(actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """The zones of the city in force, with what their files say of each."""
        return JsonAnswer(zones.in_force())

    @api.post(
        "/draft", responses=answers(DraftedZones, 401, 403, 409, 413, 422), response_class=Response,
        openapi_extra=body_of(Draft),
    )  # fmt: skip
    async def drafted(request: Request, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:  # noqa: ARG001
        """What a draft does to zones, everything wrong in it, and what is doubtful: overlaps, sizes, places."""
        draft = await given(request, Draft)
        return JsonAnswer(await run_in_threadpool(zones.drafted, draft))

    @api.post(
        "/at", responses=answers(ZonesHere, 400, 401, 403, 409, 413, 422, 503), response_class=Response,
        openapi_extra=body_of(PlaceBody),
    )  # fmt: skip
    async def at(request: Request, actor: Annotated[Actor, Depends(Allowed(*LOOKERS))]) -> Response:  # noqa: ARG001
        """The zones that hold a place, those of a draft where one is given."""
        place = await given(request, PlaceBody)
        return JsonAnswer(await run_in_threadpool(zones.here, place))

    @api.post(
        "/import", responses=answers(ZoneImport, 400, 401, 403, 409, 413, 422), response_class=Response,
        openapi_extra=body_of(ImportBody),
    )  # fmt: skip
    async def read_import(request: Request, actor: Annotated[Actor, Depends(Allowed("operator"))]) -> Response:  # noqa: ARG001
        """What a file drawn elsewhere would bring into the draft: new, changed, the same, rejected. Nothing is kept."""
        body = await given(request, ImportBody)
        return JsonAnswer(await run_in_threadpool(zones.read_import, body))

    return api
