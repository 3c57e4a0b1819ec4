"""The console as one ASGI app, put together from its ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, FastAPI, Response
from starlette.middleware.gzip import GZipMiddleware

from haulwatch import __version__, metrics
from haulwatch.console import metering, pages, problems, schemas
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.api import city as city_api
from haulwatch.console.api import events as events_api
from haulwatch.console.api import orders as orders_api
from haulwatch.console.api import stream as stream_api
from haulwatch.console.live import LiveHub, LiveSettings, running
from haulwatch.console.metering import Durations
from haulwatch.console.ports import CityView, EventIntake, TruckFeed
from haulwatch.console.schemas import Health, answers
from haulwatch.console.security import Guard
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, OrderDesk, Role
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample

Check = Callable[[], None]
"""Raises `WorldError` while something is not ready."""


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
) -> FastAPI:
    """The console over its ports. `checks` join /readyz, `sources` join /metrics. `app.state.hub` is the live hub.

    Without an `intake` it takes no events and has no address for them: in a cluster that is the gateway's.
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
    app.include_router(orders_api.router(desk, city, settings.open_roles))
    if intake is not None:
        app.include_router(events_api.router(intake, counters, settings.max_body_bytes))
    app.include_router(city_api.router(city, feed))
    app.include_router(stream_api.router(hub))
    all_sources = (counters.samples, durations.samples, hub.samples, lambda: order_samples(desk), *sources)
    app.include_router(operations({"orders": lambda: desk_answers(desk), **(checks or {})}, hub, all_sources))
    app.include_router(pages.router())
    app.mount("/static", pages.ConsoleFiles(directory=pages.STATIC), name="static")
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Guard, allowed_hosts=settings.allowed_hosts)
    app.add_middleware(metering.RequestMeter, durations=durations)
    return app


def operations(checks: Mapping[str, Check], hub: LiveHub, sources: Sequence[metrics.Source]) -> APIRouter:
    """Addresses for those who run the system."""
    api = APIRouter(tags=["operations"])

    @api.get("/healthz", responses=answers(Health), response_class=Response)
    def alive() -> Response:
        """The process answers."""
        return JsonAnswer(Health("ok"))

    @api.get("/readyz", responses=answers(Health), response_class=Response)
    def ready() -> Response:
        """Whether everything that the console needs answers; 503 with what does not."""
        found: dict[str, Text] = {}
        for name, check in checks.items():
            try:
                check()
            except WorldError as error:
                found[name] = error.text
        if hub.failed:
            found["live"] = Text("实时推送已停止", "the live stream has stopped")
        return JsonAnswer(Health("waiting", found), 503) if found else JsonAnswer(Health("ok"))

    @api.get("/metrics", response_class=Response)
    def figures() -> Response:
        """Figures in the Prometheus text format."""
        return Response(metrics.render(s for source in sources for s in source()), media_type=metrics.TEXT_FORMAT)

    return api


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
