"""The console as one ASGI app, put together from its ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from haulwatch import __version__, metrics
from haulwatch.console import metering, operations, pages, problems, schemas
from haulwatch.console.api import city as city_api
from haulwatch.console.api import drivers as drivers_api
from haulwatch.console.api import events as events_api
from haulwatch.console.api import orders as orders_api
from haulwatch.console.api import pictures as pictures_api
from haulwatch.console.api import stream as stream_api
from haulwatch.console.live import LiveHub, LiveSettings, running
from haulwatch.console.metering import Durations
from haulwatch.console.operations import Check
from haulwatch.console.ports import CityView, DriverLine, EventIntake, Pictures, TruckFeed
from haulwatch.console.security import Guard
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, OrderDesk, Role
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample


@dataclass(frozen=True)
class ConsoleSettings:
    """What an operator may set.

    `allowed_hosts`: names under which the console is reached (`*`: any); by default only this machine's own, because
    there is no login yet: whoever reaches the console acts with `open_roles` under the name that they give.
    """

    allowed_hosts: Collection[str] = ("localhost", "127.0.0.1", "::1")
    max_body_bytes: int = 8 * 1024 * 1024
    open_roles: frozenset[Role] = frozenset(ROLES)
    live: LiveSettings = field(default_factory=LiveSettings)


def create_app(
    desk: OrderDesk,
    feed: TruckFeed,
    intake: EventIntake | None,
    city: CityView,
    *,
    settings: ConsoleSettings | None = None,
    checks: Mapping[str, Check] | None = None,
    sources: Sequence[metrics.Source] = (),
    drivers: DriverLine | None = None,
    ingest: Sequence[APIRouter] = (),
    pictures: Pictures | None = None,
) -> FastAPI:
    """The console over its ports. `checks` join /readyz, `sources` join /metrics. `app.state.hub` is the live hub.

    Without an `intake` it takes no events and has no address for them: in a cluster that is the gateway's. So is a
    `drivers` line: where terminals connect; and so are the addresses of connectors, `ingest`.
    `pictures` are those that observations came with, where this process has them.
    """
    settings = settings or ConsoleSettings()
    counters, durations = Counters(), Durations()
    hub = LiveHub(desk, feed, counters, settings.live)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(hub):
            yield

    app = FastAPI(
        title="haulwatch",
        version=__version__,
        summary="渣土车预警工单 · work orders for construction-waste trucks",
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # FastAPI's documentation pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.hub = hub
    problems.install(app)
    schemas.install(app)
    app.include_router(
        orders_api.router(
            desk, city, settings.open_roles, driver_line=drivers is not None, pictures=pictures is not None
        )
    )
    if intake is not None:
        app.include_router(events_api.router(intake, counters, settings.max_body_bytes))
    app.include_router(city_api.router(city, feed))
    if drivers is not None:
        app.include_router(drivers_api.router(drivers))
        app.include_router(drivers_api.order_router(drivers, desk, settings.open_roles))
    if pictures is not None:
        app.include_router(pictures_api.router(pictures))
    for router in ingest:
        app.include_router(router)
    app.include_router(stream_api.router(hub))
    all_sources = (counters.samples, durations.samples, hub.samples, lambda: order_samples(desk), *sources)
    all_checks = {"orders": lambda: desk_answers(desk), **(checks or {}), "live": lambda: live_works(hub)}
    app.include_router(operations.router(all_checks, all_sources))
    app.include_router(pages.router())
    app.mount("/static", pages.ConsoleFiles(directory=pages.STATIC), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Guard, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(metering.RequestMeter, durations=durations)
    return app


def live_works(hub: LiveHub) -> None:
    """Raises WorldError when the live stream has stopped."""
    if hub.failed:
        raise WorldError(Text("实时推送已停止", "the live stream has stopped"))


def desk_answers(desk: OrderDesk) -> None:
    """Asks the desk something cheap."""
    desk.last_change_id()


def order_samples(desk: OrderDesk) -> list[Sample]:
    """Orders by stage; none while the store is away, for figures must not fail with it."""
    try:
        counts = desk.counts()
    except WorldError:
        return []
    return [Sample("orders", "Work orders by stage", n, (("stage", stage),)) for stage, n in sorted(counts.items())]
