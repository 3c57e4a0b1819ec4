"""The console as one ASGI app, put together from its ports."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from fastapi import APIRouter, Depends, FastAPI
from starlette.middleware.gzip import GZipMiddleware

from haulwatch import __version__, metrics
from haulwatch.console import metering, operations, pages, problems, schemas, squad_pages
from haulwatch.console.access import Access, LoginNeeded, deny_undeclared, paths_of, to_login
from haulwatch.console.api import bulk as bulk_api
from haulwatch.console.api import city as city_api
from haulwatch.console.api import drivers as drivers_api
from haulwatch.console.api import events as events_api
from haulwatch.console.api import exports as exports_api
from haulwatch.console.api import life_cycle as life_cycle_api
from haulwatch.console.api import nearest as nearest_api
from haulwatch.console.api import offenders as offenders_api
from haulwatch.console.api import orders as orders_api
from haulwatch.console.api import packs as packs_api
from haulwatch.console.api import photos as photos_api
from haulwatch.console.api import pictures as pictures_api
from haulwatch.console.api import probes as probes_api
from haulwatch.console.api import sources as sources_api
from haulwatch.console.api import squad as squad_api
from haulwatch.console.api import stream as stream_api
from haulwatch.console.api import versions as versions_api
from haulwatch.console.api import wall as wall_api
from haulwatch.console.api import workbench as workbench_api
from haulwatch.console.api import zones as zones_api
from haulwatch.console.auth import oidc as oidc_pages
from haulwatch.console.auth import pages as auth_pages
from haulwatch.console.live import LiveHub, LiveSettings, running
from haulwatch.console.metering import Durations
from haulwatch.console.operations import Check
from haulwatch.console.ports import CityView, DriverLine, EventIntake, IdentityProvider, PackDesk, Pictures, TruckFeed
from haulwatch.console.security import Guard
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import OrderDesk
from haulwatch.domain.people import PeopleDesk
from haulwatch.domain.photos import PhotoDesk
from haulwatch.domain.probes import Prober
from haulwatch.domain.rollouts import RolloutDesk
from haulwatch.domain.sources import SourceFeed
from haulwatch.domain.text import Text
from haulwatch.domain.versions import Versions
from haulwatch.domain.workbench import Trials, Workbench
from haulwatch.domain.zone_sheets import Zones
from haulwatch.metrics import Counters, Sample


@dataclass(frozen=True)
class ConsoleSettings:
    """What an operator may set.

    `allowed_hosts`: names under which the console is reached (`*`: any); by default only this machine's own.
    `local_devices`: events that are sent from this very machine need no token; for a console that nobody else reaches.
    """

    allowed_hosts: Collection[str] = ("localhost", "127.0.0.1", "::1")
    max_body_bytes: int = 8 * 1024 * 1024
    max_photo_bytes: int = 12 * 1024 * 1024
    local_devices: bool = False
    live: LiveSettings = field(default_factory=LiveSettings)


def create_app(
    desk: OrderDesk,
    people: PeopleDesk,
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
    source_feed: SourceFeed | None = None,
    photos: PhotoDesk | None = None,
    packs: PackDesk | None = None,
    rollouts: RolloutDesk | None = None,
    workbench: Workbench | None = None,
    trials: Trials | None = None,
    zones: Zones | None = None,
    versions: Versions | None = None,
    prober: Prober | None = None,
    identity: IdentityProvider | None = None,
) -> FastAPI:
    """The console over its ports, for the `people` who may use it.

    `checks` join /readyz, `sources` join /metrics. `app.state.hub` is the live hub.
    Without an `intake` it takes no events and has no address for them: in a cluster that is the gateway's. So is a
    `drivers` line: where terminals connect; and so are the addresses of connectors, `ingest`.
    `source_feed` knows when each source of events was last heard, where this process takes them in.
    `pictures` are those that observations came with, where this process has them;
    `photos` of squads are kept with them. `packs` makes evidence packs. `rollouts`,
    `workbench`, `trials` and `zones` are where rules and zones are changed,
    `versions` where they are traced back; `prober` asks rules about test events. `identity` vouches for people.
    """
    settings = settings or ConsoleSettings()
    counters, durations = Counters(), Durations()
    access = Access(people, people, settings.local_devices, paths_of(ingest))
    hub = LiveHub(desk, feed, counters, settings.live)

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running(hub):
            yield

    app = FastAPI(
        title="haulwatch",
        version=__version__,
        summary="渣土车预警工单 · work orders for construction-waste trucks",
        openapi_url=None,  # ours needs a login
        docs_url=None,  # FastAPI's documentation pages load scripts from other hosts
        redoc_url=None,
        lifespan=lifespan,
        dependencies=[Depends(deny_undeclared)],
    )
    app.state.hub, app.state.access = hub, access
    problems.install(app)
    app.add_exception_handler(LoginNeeded, to_login)
    schemas.install(app)
    app.include_router(exports_api.router(desk))
    app.include_router(orders_api.router(desk, city, driver_line=drivers is not None, pictures=pictures is not None))
    app.include_router(life_cycle_api.router(desk))
    app.include_router(nearest_api.router(desk, city))
    app.include_router(bulk_api.router(desk))
    app.include_router(sources_api.router(source_feed, feed, city))
    app.include_router(wall_api.router(desk.statistics(), feed, city, source_feed))
    app.include_router(offenders_api.router(desk, city))
    if intake is not None:
        app.include_router(events_api.router(intake, counters, settings.max_body_bytes))
    app.include_router(city_api.router(city, feed, desk))
    if drivers is not None:
        app.include_router(drivers_api.router(drivers))
        app.include_router(drivers_api.order_router(drivers, desk))
    if pictures is not None:
        app.include_router(pictures_api.router(pictures, desk))
        if photos is not None:
            app.include_router(photos_api.router(desk, photos, pictures, city, settings.max_photo_bytes))
    takes_photos = pictures is not None and photos is not None
    app.include_router(squad_api.router(desk, feed, city, photos=takes_photos))
    if packs is not None:
        app.include_router(packs_api.router(packs, desk))
    if rollouts is not None and workbench is not None and trials is not None:
        app.include_router(workbench_api.router(rollouts, workbench, trials))
    if zones is not None:
        app.include_router(zones_api.router(zones))
    if prober is not None:
        app.include_router(probes_api.router(prober))
    if versions is not None:
        app.include_router(versions_api.router(versions))
    for router in ingest:
        app.include_router(router)
    app.include_router(stream_api.router(hub))
    all_sources = (counters.samples, durations.samples, hub.samples, lambda: order_samples(desk), *sources)
    all_checks = {"orders": lambda: desk_answers(desk), **(checks or {}), "live": lambda: live_works(hub)}
    app.include_router(operations.router(all_checks, all_sources))
    app.include_router(operations.document(app))
    app.include_router(auth_pages.router(people, None if identity is None else identity.label))
    if identity is not None:
        app.include_router(oidc_pages.router(people, identity))
    app.include_router(pages.router())
    app.include_router(squad_pages.router())
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
