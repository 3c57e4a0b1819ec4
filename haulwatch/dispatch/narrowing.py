"""What a list is narrowed to beside stage and kind, as conditions on a query of orders."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, exists, or_, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.lifecycle import FINAL
from haulwatch.domain.orders import COMMANDS, OrderFilter

orders, areas, squads = tables.orders, tables.order_areas, tables.order_squads
clocks, audit = tables.clocks, tables.audit


def narrowed(where: OrderFilter, now: str) -> list[Any]:
    """Conditions for what a list can be narrowed to; `now` as the database writes instants."""
    conditions: list[Any] = []
    if where.jurisdictions:
        conditions.append(
            orders.c.order_id.in_(select(areas.c.order_id).where(areas.c.zone_id.in_(where.jurisdictions)))
        )
    if where.squad_id is not None:
        has_part = orders.c.order_id.in_(select(squads.c.order_id).where(squads.c.squad_id == where.squad_id))
        conditions.append(or_(orders.c.squad_id == where.squad_id, has_part))
    if where.unassigned:
        conditions += [orders.c.squad_id.is_(None), orders.c.stage.not_in(tuple(FINAL))]
    if where.overdue:
        runs = and_(clocks.c.stopped_at.is_(None), clocks.c.paused_at.is_(None), clocks.c.due_at < now)
        late = select(clocks.c.order_id).where(runs)
        conditions += [orders.c.order_id.in_(late), orders.c.stage.not_in(tuple(FINAL))]
    if where.pending:
        conditions.append(orders.c.pending.is_not(None))
    if where.commanded_by is not None:
        conditions.append(_commanded(where.commanded_by))
    if where.search is not None:
        conditions.append(
            or_(*(column.contains(where.search, autoescape=True) for column in (orders.c.order_id, orders.c.truck_id)))
        )
    return conditions


def _commanded(actor_id: str) -> Any:
    """Asked of each order by itself: an order has few entries, an actor many, and they grow for years."""
    given = and_(audit.c.order_id == orders.c.order_id, audit.c.actor == actor_id, audit.c.action.in_(COMMANDS))
    return exists().where(given)
