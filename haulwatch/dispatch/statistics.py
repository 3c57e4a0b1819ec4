"""Figures over many orders, counted by the database."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Engine, and_, case, func, or_, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import reading
from haulwatch.dispatch.lifecycle import FINAL
from haulwatch.domain.instants import rfc3339, to_datetime, to_ms
from haulwatch.domain.orders import STAGES, Stage
from haulwatch.domain.statistics import HeatCell, KindCount, OffenceGroup, WallFigures

HEAT_DAYS = 7
HEAT_CELL_DEG = 0.005
"""About half a kilometre: coarse enough that no address, and no single truck's habit, can be read from it."""
NOT_STANDING = ("rejected", "void", "merged")
_TEN_MINUTES = 15
"""Length of `2026-05-01T08:3`: no time zone is off by less."""

orders = tables.orders
clocks = tables.clocks


class Statistics:
    """See `haulwatch.domain.statistics.OrderStatistics`; made by `OrderStore.statistics`."""

    def __init__(self, engine: Engine, timezone: Callable[[], ZoneInfo], clock_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._timezone = timezone
        self._clock_ms = clock_ms

    def open_by_squad(self) -> dict[str, int]:
        """How many orders that are not over each squad has, by squad id."""
        with reading(self._engine) as connection:
            return _open_by_squad(connection)

    def wall(self, areas: Sequence[str] = ()) -> WallFigures:
        """What a wall screen shows now."""
        now = to_datetime(self._clock_ms()).astimezone(self._timezone())
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        today = rfc3339(to_ms(midnight))
        where = _in_areas(areas)
        with reading(self._engine) as connection:
            stages = _stages(connection, today, where)
            hours = self._by_hour(connection, today, where)
            supervised = _supervised(connection, where)
            return WallFigures(
                day=midnight.date().isoformat(),
                stages=stages,
                opened_today=sum(hours),
                closed_today=sum(stages[stage] for stage in FINAL),
                kinds=_kinds(connection, today, where),
                by_hour=hours,
                overdue=_overdue(connection, rfc3339(to_ms(now)), where),
                supervised_yellow=supervised["yellow"],
                supervised_red=supervised["red"],
                pending=_count(connection, _open(), orders.c.pending.is_not(None), *where),
                unassigned=_count(connection, orders.c.stage.in_(("filed", "returned")), *where),
                heat=_heat(connection, rfc3339(to_ms(now - timedelta(days=HEAT_DAYS))), where),
                heat_cell_deg=HEAT_CELL_DEG,
                heat_days=HEAT_DAYS,
            )

    def offences(self, since: str, areas: Sequence[str] = ()) -> list[OffenceGroup]:
        """Orders that stand and were first detected at or after `since`, counted by truck, zones and category."""
        confirmed = case((orders.c.verdict == "confirmed", 1), else_=0)
        undecided = case((orders.c.stage.in_(tuple(FINAL)), 0), else_=1)
        by = (orders.c.truck_id, orders.c.zone_ids, orders.c.category)
        query = (
            select(
                *by,
                func.count().label("orders"),
                func.sum(confirmed).label("confirmed"),
                func.sum(undecided).label("open"),
                func.max(orders.c.last_detected_at).label("last_at"),
            )
            .where(
                orders.c.detected_at >= since,
                orders.c.stage.not_in(NOT_STANDING),
                or_(orders.c.verdict.is_(None), orders.c.verdict != "false_alarm"),
                *_in_areas(areas),
            )
            .group_by(*by)
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        return [OffenceGroup(**{**row._mapping, "zone_ids": json.loads(row.zone_ids)}) for row in rows]

    def _by_hour(self, connection: Connection, today: str, where: list[Any]) -> list[int]:
        part = func.substr(orders.c.opened_at, 1, _TEN_MINUTES).label("part")
        query = select(part, func.count().label("n")).where(orders.c.opened_at >= today, *where).group_by(part)
        hours = [0] * 24
        for row in connection.execute(query):
            at = datetime.fromisoformat(f"{row.part}0:00+00:00").astimezone(self._timezone())
            hours[at.hour] += row.n
        return hours


def _open_by_squad(connection: Connection) -> dict[str, int]:
    table = tables.order_squads
    query = (
        select(table.c.squad_id, func.count().label("orders")).join(orders).where(_open()).group_by(table.c.squad_id)
    )
    return {row.squad_id: int(row.orders) for row in connection.execute(query)}


def _in_areas(areas: Sequence[str]) -> list[Any]:
    if not areas:
        return []
    table = tables.order_areas
    return [orders.c.order_id.in_(select(table.c.order_id).where(table.c.zone_id.in_(tuple(areas))))]


def _open() -> Any:
    return orders.c.stage.not_in(tuple(FINAL))


def _count(connection: Connection, *where: Any) -> int:
    return int(connection.execute(select(func.count()).select_from(orders).where(*where)).scalar_one())


def _stages(connection: Connection, today: str, where: list[Any]) -> dict[Stage, int]:
    query = select(orders.c.stage, func.count().label("n")).where(or_(_open(), orders.c.stage_at >= today), *where)
    found = {row.stage: int(row.n) for row in connection.execute(query.group_by(orders.c.stage))}
    return {stage: found.get(stage, 0) for stage in STAGES}


def _kinds(connection: Connection, today: str, where: list[Any]) -> list[KindCount]:
    by = (orders.c.category, orders.c.severity)
    query = select(*by, func.count().label("orders")).where(orders.c.opened_at >= today, *where).group_by(*by)
    return [KindCount(**row._mapping) for row in connection.execute(query.order_by(func.count().desc(), *by))]


def _overdue(connection: Connection, now: str, where: list[Any]) -> int:
    runs = and_(clocks.c.stopped_at.is_(None), clocks.c.paused_at.is_(None), clocks.c.due_at < now)
    late = select(clocks.c.order_id).where(runs)
    return _count(connection, _open(), orders.c.order_id.in_(late), *where)


def _supervised(connection: Connection, where: list[Any]) -> Counter[str]:
    query = select(orders.c.supervision, func.count().label("n")).where(
        _open(), orders.c.supervision.is_not(None), *where
    )
    found: Counter[str] = Counter()
    for row in connection.execute(query.group_by(orders.c.supervision)):
        found[json.loads(row.supervision)["level"]] += row.n
    return found


def _heat(connection: Connection, since: str, where: list[Any]) -> list[HeatCell]:
    """Counted here, for databases disagree about rounding; two numbers an order are little to carry."""
    query = select(orders.c.lon, orders.c.lat).where(
        orders.c.opened_at >= since, orders.c.lon.is_not(None), orders.c.stage.not_in(NOT_STANDING), *where
    )
    cells = Counter(
        (math.floor(row.lon / HEAT_CELL_DEG), math.floor(row.lat / HEAT_CELL_DEG)) for row in connection.execute(query)
    )
    return [
        HeatCell(round((x + 0.5) * HEAT_CELL_DEG, 6), round((y + 0.5) * HEAT_CELL_DEG, 6), count)
        for (x, y), count in sorted(cells.items())
    ]
