"""Which squads have an order: the one it was dispatched to, and those with a task of it."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, insert

from haulwatch.dispatch import tables
from haulwatch.domain.orders import Order

_table = tables.order_squads
_COME = insert(_table)
_GONE = delete(_table).where(_table.c.order_id == bindparam("of_order"), _table.c.squad_id == bindparam("of_squad"))


def squads_of(order: Order) -> set[str]:
    """Ids of the squads that have the order now."""
    return {squad_id for squad_id in (order.squad_id, *(task.squad_id for task in order.tasks)) if squad_id is not None}


def keep_squads(connection: Connection, before: Order | None, after: Order) -> None:
    """Brings the rows of an order up to date; `before` is None for one that has just opened."""
    had, has = set() if before is None else squads_of(before), squads_of(after)
    if had - has:
        gone = [{"of_order": after.order_id, "of_squad": squad_id} for squad_id in sorted(had - has)]
        connection.execute(_GONE, gone)
    if has - had:
        connection.execute(
            _COME, [{"order_id": after.order_id, "squad_id": squad_id} for squad_id in sorted(has - had)]
        )
