"""What an order knows of its findings, computed from its episodes.

Computed, not added up, so the order in which findings came makes no difference.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from haulwatch.dispatch import tables
from haulwatch.domain.breaches import Severity
from haulwatch.domain.orders import Order, Urgency

SEVERITY_RANK: dict[Severity, int] = {"info": 0, "minor": 1, "major": 2, "critical": 3}
URGENCY_RANK: dict[Urgency, int] = {"low": 0, "normal": 1, "urgent": 2}

_inbox = tables.inbox
# Built once: building a statement takes longer than running it.
_TOTALS = select(
    func.sum(_inbox.c.occurrences).label("occurrences"),
    func.max(_inbox.c.ended_at).label("ended_at"),
    (func.count() - func.count(_inbox.c.ended_at)).label("going_on"),
).where(_inbox.c.order_id == bindparam("of_order"))


def totals_with(
    connection: Connection, before: Order, last_detected_at: str, severity: Severity, urgency: Urgency
) -> dict[str, Any]:
    """The changed fields of `before` after findings of this severity and urgency, last seen then, were filed for it."""
    totals = connection.execute(_TOTALS, {"of_order": before.order_id}).one()
    return {
        "occurrences": int(totals.occurrences),
        "ended_at": None if totals.going_on else totals.ended_at,
        "last_detected_at": max(before.last_detected_at, last_detected_at),
        "severity": max(before.severity, severity, key=SEVERITY_RANK.__getitem__),
        "urgency": max(before.urgency, urgency, key=URGENCY_RANK.__getitem__),
    }
