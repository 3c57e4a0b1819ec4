"""An event that never happened, put to the rules in force and to those of a draft."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from starlette.concurrency import run_in_threadpool

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api.workbench import given
from haulwatch.console.schemas import answers, body_of
from haulwatch.domain.access import TUNERS
from haulwatch.domain.orders import Actor
from haulwatch.domain.probes import ProbeAnswer, ProbeBody, Prober


def router(prober: Prober) -> APIRouter:
    """Test events on the workbench."""
    api = APIRouter(prefix="/api/v1/workbench", tags=["workbench"])

    @api.post(
        "/probes", responses=answers(ProbeAnswer, 400, 401, 403, 409, 413, 422), response_class=Response,
        openapi_extra=body_of(ProbeBody),
    )  # fmt: skip
    async def probe(request: Request, actor: Annotated[Actor, Depends(Allowed(*TUNERS))]) -> Response:  # noqa: ARG001
        """Which rules would fire on an event, and why the others would not. It is not logged, and opens no order."""
        body = await given(request, ProbeBody)
        return JsonAnswer(await run_in_threadpool(prober.probe, body))

    return api
