"""The gateway as an ASGI app: events come in, nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence

import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI

from haulwatch import __version__, metrics
from haulwatch.console import metering, operations, problems, schemas
from haulwatch.console.access import Access, deny_undeclared, paths_of
from haulwatch.console.api import drivers as drivers_api
from haulwatch.console.api import events as events_api
from haulwatch.console.metering import Durations
from haulwatch.console.operations import Check
from haulwatch.console.ports import DriverLine, EventIntake
from haulwatch.console.security import Guard
from haulwatch.console.tracing import Tracing
from haulwatch.domain.people import Tokens
from haulwatch.metrics import Counters

MAX_BODY_BYTES = 8 * 1024 * 1024
THREADS = 200
"""A request waits in a thread until its events are durable, so there are as many at once as there are threads."""


def create_gateway(
    intake: EventIntake,
    tokens: Tokens,
    *,
    allowed_hosts: Collection[str],
    max_body_bytes: int = MAX_BODY_BYTES,
    checks: Mapping[str, Check] | None = None,
    sources: Sequence[metrics.Source] = (),
    drivers: DriverLine | None = None,
    ingest: Sequence[APIRouter] = (),
    local_devices: bool = False,
) -> FastAPI:
    """`POST /api/v1/events` into `intake` for who has one of the `tokens`, and addresses for who runs it.

    `allowed_hosts` and `local_devices` as in the console.

    With `drivers` it speaks to the terminals that are connected to it; `ingest` are addresses of connectors.
    """
    counters, durations = Counters(), Durations()

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="haulwatch gateway",
        version=__version__,
        summary="事件入口 · the way in for events",
        openapi_url=None,  # ours needs a token
        docs_url=None,  # FastAPI's documentation pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(deny_undeclared)],
    )
    app.state.access = Access(tokens, local_devices=local_devices, own_locks=paths_of(ingest))
    problems.install(app)
    schemas.install(app)
    app.include_router(events_api.router(intake, counters, max_body_bytes))
    if drivers is not None:
        app.include_router(drivers_api.router(drivers))
    for router in ingest:
        app.include_router(router)
    app.include_router(operations.document(app))
    app.include_router(operations.router(checks or {}, (counters.samples, durations.samples, *sources)))
    app.add_middleware(Guard, allowed_hosts=allowed_hosts)
    app.add_middleware(Tracing)
    app.add_middleware(metering.RequestMeter, durations=durations)
    return app
