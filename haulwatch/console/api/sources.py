"""`GET /api/v1/sources`: how old the news of each source is, so that silence is seen in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.ports import CityView, TruckFeed
from haulwatch.console.schemas import SourceAge, SourcesAnswer, answers
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import ROLES, Actor
from haulwatch.domain.sources import SourceFeed, SourceNews
from haulwatch.domain.text import Text

SILENT_AFTER_MS = 10 * 60_000
PEOPLE = Allowed(*(role for role in ROLES if role != "device"))
ONLY_TRUCKS = Text(
    "集群的控制台只知道车辆位置的新旧；相机与地磅的情况见各网关的监控。",
    "A cluster's console knows the age of truck positions only; for cameras and scales look at the gateways' figures.",
)


def router(feed: SourceFeed | None, trucks: TruckFeed, city: CityView) -> APIRouter:
    """The ages of what `feed` has heard; without one, of the trucks' positions alone, and that is said."""
    api = APIRouter(prefix="/api/v1", tags=["live"])

    @api.get("/sources", responses=answers(SourcesAnswer, 401, 403), response_class=Response)
    def list_sources(actor: Annotated[Actor, Depends(PEOPLE)]) -> Response:  # noqa: ARG001  # no personal data in it
        """Cameras and scales one by one, also those never heard; everything else together by the kind of its link."""
        return JsonAnswer(sources_of(feed, trucks, city))

    return api


def sources_of(
    feed: SourceFeed | None, trucks: TruckFeed, city: CityView, now_ms: Callable[[], int] | None = None
) -> SourcesAnswer:
    """What `GET /api/v1/sources` answers now."""
    now = time.time_ns() // 1_000_000 if now_ms is None else now_ms()
    if feed is None:
        ages = [age_of_trucks(trucks, now)]
        return SourcesAnswer(at=rfc3339(now), sources=ages, lacks=ONLY_TRUCKS)
    devices = devices_of(city)
    heard = feed.sources()
    found = [*ages_of_devices(heard, devices), *ages_of_links(heard, devices, now)]
    return SourcesAnswer(at=rfc3339(now), sources=found, lacks=None)


def devices_of(city: CityView) -> Mapping[str, tuple[str, str | None]]:
    """Kind and name of each camera and weigh station by its id."""
    cameras = {camera.camera_id: ("camera", camera.name) for camera in city.cameras}
    return cameras | {station.station_id: ("station", station.name) for station in city.stations}


def ages_of_devices(heard: Sequence[SourceNews], devices: Mapping[str, tuple[str, str | None]]) -> list[SourceAge]:
    """One line a camera or station, the longest silent first; null where nothing came since this process began."""
    last: dict[str, int] = {}
    for news in heard:
        device_id = id_in(news.source)
        if device_id in devices:
            last[device_id] = max(last.get(device_id, 0), news.last_ms)
    found = [
        SourceAge(
            source=device_id, kind=kind, name=name, last_at=rfc3339(last[device_id]) if device_id in last else None
        )
        for device_id, (kind, name) in devices.items()
    ]
    return sorted(found, key=lambda age: (age.last_at or "", age.source))


def ages_of_links(
    heard: Sequence[SourceNews], devices: Mapping[str, tuple[str, str | None]], now_ms: int
) -> list[SourceAge]:
    """Terminals and platforms by the kind of their link: there are thousands, and each truck shows its own silence."""
    links: dict[str, list[int]] = {}
    for news in heard:
        if id_in(news.source) not in devices:
            links.setdefault(news.source.partition(":")[0], []).append(news.last_ms)
    return [link(name, instants, now_ms) for name, instants in sorted(links.items())]


def age_of_trucks(trucks: TruckFeed, now_ms: int) -> SourceAge:
    """All truck positions together."""
    return link("trucks", [truck.at_ms for truck in trucks.snapshot()], now_ms)


def link(name: str, instants: Iterable[int], now_ms: int) -> SourceAge:
    """Devices that share a link: the newest of them, and how many have been silent for long."""
    heard = list(instants)
    return SourceAge(
        source=name,
        kind="link",
        name=None,
        last_at=rfc3339(max(heard)) if heard else None,
        devices=len(heard),
        silent=sum(now_ms - at > SILENT_AFTER_MS for at in heard),
    )


def id_in(source: str) -> str:
    """`isapi:cam-07` → `cam-07`."""
    return source.rpartition(":")[2]
