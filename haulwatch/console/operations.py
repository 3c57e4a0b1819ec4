"""Addresses for those who run a process: is it alive, is it ready, what does it count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fastapi import APIRouter, Depends, FastAPI, Response

from haulwatch import metrics
from haulwatch.console.access import Allowed, Open
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.schemas import Health, answers
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.orders import ROLES
from haulwatch.domain.text import Text

Check = Callable[[], None]
"""Raises `WorldError` while something is not ready; `Elsewhere` where the rest goes on all the same."""


def router(checks: Mapping[str, Check], sources: Sequence[metrics.Source]) -> APIRouter:
    """/healthz, /readyz over `checks`, /metrics over `sources`."""
    api = APIRouter(tags=["operations"], dependencies=[Depends(Open())])

    @api.get("/healthz", responses=answers(Health), response_class=Response)
    async def alive() -> Response:
        """The process answers."""
        return JsonAnswer(Health("ok"))

    @api.get("/readyz", responses=answers(Health) | answers(Health, status=503), response_class=Response)
    def ready() -> Response:
        """Whether everything that this process needs answers; 503 with what does not.

        Services of others that only one connector needs are named, too, and do not make it unready.
        """
        found: dict[str, Text] = {}
        waiting = False
        for name, check in checks.items():
            try:
                check()
            except WorldError as error:
                found[name] = error.text
                waiting |= not isinstance(error, Elsewhere)
        if not found:
            return JsonAnswer(Health("ok"))
        return JsonAnswer(Health("waiting", found), 503) if waiting else JsonAnswer(Health("ok", found))

    @api.get("/metrics", response_class=Response)
    def figures() -> Response:
        """Figures in the Prometheus text format."""
        return Response(metrics.render(s for source in sources for s in source()), media_type=metrics.TEXT_FORMAT)

    return api


def document(app: FastAPI) -> APIRouter:
    """/api/v1/openapi.json of the app, for everybody who may use some of it."""
    api = APIRouter(include_in_schema=False)

    @api.get("/api/v1/openapi.json", dependencies=[Depends(Allowed(*ROLES))])
    def openapi() -> Response:
        """The OpenAPI document."""
        return JsonAnswer(app.openapi())

    return api
