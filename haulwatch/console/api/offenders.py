"""`GET /api/v1/offenders`: trucks, carriers and sites that are found again and again; as JSON and as a table."""

from __future__ import annotations

import csv
import io
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from msgspec.structs import replace

from haulwatch.console.access import Allowed
from haulwatch.console.answers import JsonAnswer
from haulwatch.console.fleet_share import a_year_before, fleet_shares, note_of
from haulwatch.console.ports import CityView
from haulwatch.console.schemas import Offender, OffendersAnswer, answers
from haulwatch.domain.access import masked_plate, sees_plates
from haulwatch.domain.instants import rfc3339, to_datetime, to_ms
from haulwatch.domain.orders import Actor, OrderDesk
from haulwatch.domain.statistics import OffenceGroup

By = Literal["truck", "carrier", "site"]
DAY_MS = 86_400_000
SITES = ("construction_site",)
READERS = Allowed("dispatcher", "duty_officer", "verifier", "auditor", "administrator")
COLUMNS = ("key", "name", "orders", "confirmed", "open", "trucks", "last_at", "categories")
SHARE_COLUMNS = ("overweight_trucks_1y", "undecided_trucks_1y", "fleet", "share_pct", "over_10_pct")
BOM = "\ufeff"
"""Without it, spreadsheet programs read Chinese as Latin-1."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet would calculate a cell that begins with one of these."""


def router(desk: OrderDesk, city: CityView) -> APIRouter:
    """Routes over the figures of orders."""
    api = APIRouter(prefix="/api/v1", tags=["statistics"])
    statistics = desk.statistics()

    @api.get("/offenders", responses=answers(OffendersAnswer, 401, 403, 422), response_class=Response)
    def offenders(
        actor: Annotated[Actor, Depends(READERS)],
        by: Annotated[By, Query(description="whose orders are counted together")] = "truck",
        days: Annotated[int, Query(ge=1, le=366)] = 30,
        at_least: Annotated[int, Query(ge=1, le=1000, description="only who has so many orders")] = 2,
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    ) -> Response:
        """Who was found most often, the most orders first. Orders that were rejected or false alarms do not count."""
        return JsonAnswer(_answer(actor, by, days, at_least, limit))

    @api.get("/offenders.csv", responses={200: {"content": {"text/csv": {}}}, **answers(None, 401, 403, 422)})
    def offenders_table(
        actor: Annotated[Actor, Depends(READERS)],
        by: Annotated[By, Query()] = "truck",
        days: Annotated[int, Query(ge=1, le=366)] = 30,
        at_least: Annotated[int, Query(ge=1, le=1000)] = 2,
    ) -> Response:
        """The same as a table for spreadsheets. That somebody took it is put on record, once an hour."""
        found = _answer(actor, by, days, at_least, 1000)
        whole = sees_plates(actor, exported=True)
        asked = {"by": by, "days": days, "at_least": at_least, "plates": whole}
        desk.note_read("offenders_exported", None, actor=actor, detail=asked)
        if by == "truck" and not whole:
            hidden = [replace(one, key=masked_plate(one.key)) for one in found.offenders]
            found = replace(found, offenders=hidden)
        headers = {"Content-Disposition": f'attachment; filename="offenders-{by}-{days}d.csv"'}
        return Response(table_of(found.offenders), media_type="text/csv; charset=utf-8", headers=headers)

    def _answer(actor: Actor, by: By, days: int, at_least: int, limit: int) -> OffendersAnswer:
        now_ms = time.time_ns() // 1_000_000
        since = rfc3339(now_ms - days * DAY_MS)
        found = ranked(statistics.offences(since, actor.jurisdiction), keys_by(by, city))
        if by == "carrier":
            return _carriers(actor, since, now_ms, found, at_least, limit)
        repeated = [one for one in found if one.orders >= at_least]
        return OffendersAnswer(by, since, [replace(one, name=name_of(by, one.key, city)) for one in repeated[:limit]])

    def _carriers(
        actor: Actor, since: str, now_ms: int, found: list[Offender], at_least: int, limit: int
    ) -> OffendersAnswer:
        """The carriers with their share of a year, and those above the law's tenth whatever else they have."""
        began = a_year_before(to_datetime(now_ms).astimezone(city.timezone))
        year = statistics.offences(rfc3339(to_ms(began)), actor.jurisdiction)
        shares = fleet_shares(year, city.carriers)
        quiet = [none_of_late(one) for one in ranked(year, keys_by("carrier", city))]
        known = {one.key for one in found}
        everyone = [*found, *(one for one in quiet if one.key not in known)]
        told = [replace(one, share=shares.get(one.key)) for one in everyone]
        named = [one for one in told if one.orders >= at_least or (one.share is not None and one.share.over)]
        return OffendersAnswer("carrier", since, named[:limit], note_of(began, partial=bool(actor.jurisdiction)))

    return api


def none_of_late(one: Offender) -> Offender:
    """An offender of the year without an order in the days that were asked for."""
    return replace(one, orders=0, confirmed=0, open=0, trucks=0, categories={})


def keys_by(by: By, city: CityView) -> Callable[[OffenceGroup], list[str]]:
    """Under which keys an order counts: its truck, its truck's carrier, the sites that it was found in."""
    if by == "truck":
        return lambda group: [group.truck_id]
    if by == "carrier":
        carriers = city.carriers
        return lambda group: [carriers.get(group.truck_id, "")]
    sites = {
        feature["properties"]["zone_id"]
        for feature in city.zones["features"]
        if feature["properties"].get("kind") in SITES
    }
    return lambda group: [zone_id for zone_id in group.zone_ids if zone_id in sites]


def ranked(groups: Iterable[OffenceGroup], keys_of: Callable[[OffenceGroup], list[str]]) -> list[Offender]:
    """Groups under the same key together, the most orders first; of equals the one that was found last."""
    found: dict[str, list[OffenceGroup]] = {}
    for group in groups:
        for key in keys_of(group):
            found.setdefault(key, []).append(group)
    offenders = [together(key, of_key) for key, of_key in found.items()]
    return sorted(offenders, key=lambda one: (one.orders, one.confirmed, one.last_at), reverse=True)


def together(key: str, groups: list[OffenceGroup]) -> Offender:
    """One offender of all these groups."""
    categories: Counter[str] = Counter()
    for group in groups:
        categories[group.category] += group.orders
    return Offender(
        key=key,
        name=None,
        orders=sum(group.orders for group in groups),
        confirmed=sum(group.confirmed for group in groups),
        open=sum(group.open for group in groups),
        trucks=len({group.truck_id for group in groups}),
        last_at=max(group.last_at for group in groups),
        categories=dict(categories.most_common()),
    )


def name_of(by: By, key: str, city: CityView) -> object:
    """How people call it, null where the key says all."""
    if by != "site":
        return None
    for feature in city.zones["features"]:
        if feature["properties"]["zone_id"] == key:
            return feature["properties"].get("name")
    return None


def table_of(offenders: Iterable[Offender]) -> str:
    """CSV with a header, UTF-8 with BOM."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow((*COLUMNS, *SHARE_COLUMNS))
    for one in offenders:
        name = one.name.get("zh", "") if isinstance(one.name, dict) else (one.name or "")
        kinds = " ".join(f"{category}:{count}" for category, count in one.categories.items())
        row = (one.key, name, one.orders, one.confirmed, one.open, one.trucks, one.last_at, kinds)
        share = one.share
        of_year = (
            (share.confirmed_trucks, share.undecided_trucks, share.fleet, share.pct, "yes" if share.over else "no")
            if share is not None
            else ("",) * len(SHARE_COLUMNS)
        )
        writer.writerow(harmless(cell) for cell in (*row, *of_year))
    return BOM + out.getvalue()


def harmless(cell: object) -> object:
    """A text that no spreadsheet takes for a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
