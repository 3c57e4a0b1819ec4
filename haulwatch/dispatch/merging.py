"""并案: the findings of one order move over to another, and so will what is found of their episodes later."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.totals import totals_with
from haulwatch.domain.orders import Actor, Order

_MOVE = tuple(
    update(table).where(table.c.order_id == bindparam("of_order")).values(order_id=bindparam("to_order"))
    for table in (tables.inbox, tables.occurrences)
)
_REFRESH = update(tables.orders).where(tables.orders.c.order_id == bindparam("of_order"))


def absorb(recorder: Recorder, into: Order, merged: Order, actor: Actor) -> Order:
    """Moves the findings of `merged` to the order `into`, which is told by a change and returned as it then is.

    Its version stays: nobody who decided something about it has to decide anew because of more findings. A late
    order's urgency is not passed on, for nobody is to race to where something was an hour ago.
    """
    for move in _MOVE:
        recorder.connection.execute(move, {"of_order": merged.order_id, "to_order": into.order_id})
    urgency = into.urgency if merged.late or into.late else merged.urgency
    changed: dict[str, Any] = {"change_id": recorder.next_change()}
    changed |= totals_with(recorder.connection, into, merged.last_detected_at, merged.severity, urgency)
    recorder.connection.execute(_REFRESH, {"of_order": into.order_id, **changed})
    after = msgspec.structs.replace(into, **changed)
    recorder.audit_order(actor.actor_id, "absorb", after, {"from": into.stage, "merged": merged.order_id})
    recorder.change("finding", after)
    return after
