"""How an order ended. What was merged ended as the order did into which it went, and only then."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct
from sqlalchemy import Connection, select

from haulwatch.dispatch import tables
from haulwatch.domain.orders import Stage

REJECTED: frozenset[Stage] = frozenset({"rejected", "void"})
CLOSED: frozenset[Stage] = frozenset({"closed"})
SETTLED = REJECTED | CLOSED
"""Nothing rests on what belongs to these any more. Not among them: what is open, on hold, or was transferred, for whom
it was handed to may ask for it at any time."""

_orders = tables.orders


class Ending(Struct, frozen=True):
    """The stage that an order has come to, and since when (RFC 3339)."""

    stage: Stage
    at: str


def endings(connection: Connection, order_ids: Iterable[str]) -> dict[str, Ending]:
    """The endings (or present stages) of these orders."""
    into = {order_id: order_id for order_id in order_ids}
    found: dict[str, Ending] = {}
    while into:
        query = select(_orders.c.order_id, _orders.c.stage, _orders.c.stage_at, _orders.c.merged_into)
        rows = {row.order_id: row for row in connection.execute(query.where(_orders.c.order_id.in_({*into.values()})))}
        ahead = {order_id: rows[place] for order_id, place in into.items()}
        found |= {order_id: Ending(row.stage, row.stage_at) for order_id, row in ahead.items()}
        into = {order_id: row.merged_into for order_id, row in ahead.items() if row.stage == "merged"}
    return found
