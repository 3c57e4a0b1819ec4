"""What became of findings, for those who tune the rules: the inbox beside its orders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, or_, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import reading
from haulwatch.domain.outcomes import RuleOutcome

inbox, orders, occurrences = tables.inbox, tables.orders, tables.occurrences
_target = orders.alias("target")
_seen = (
    select(
        occurrences.c.breach_id,
        func.min(occurrences.c.detected_at).label("detected_at"),
        func.min(occurrences.c.recorded_at).label("recorded_at"),
    )
    .group_by(occurrences.c.breach_id)
    .subquery("seen")
)


class Outcomes:
    """See `haulwatch.domain.outcomes.OutcomeReader`; made by `OrderStore.rule_outcomes`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def outcomes(self, since: str | None = None, before: str | None = None) -> list[RuleOutcome]:
        """See `OutcomeReader`. An order that was merged has the verdict of the one that it was merged into."""
        with reading(self._engine) as connection:
            return list(_outcomes(connection, since, before))


def _outcomes(connection: Connection, since: str | None, before: str | None) -> Iterator[RuleOutcome]:
    for row in connection.execute(_query(since, before)):
        judged = row.merged_into is not None
        yield RuleOutcome(
            breach_id=row.breach_id,
            rule_id=row.rule_id,
            shadow=row.order_id is None,
            detected_at=row.detected_at,
            recorded_at=row.recorded_at,
            order_id=row.order_id,
            truck_id=row.truck_id,
            stage=row.target_stage if judged else row.stage,
            verdict=row.target_verdict if judged else row.verdict,
            reason_code=row.target_reason if judged else row.reason_code,
            started_at=row.started_at,
            last_at=row.last_at,
            opened_at=row.opened_at,
            opened_it=row.opened_by == row.breach_id,
        )


def _query(since: str | None, before: str | None) -> Select[Any]:
    detected = func.coalesce(_seen.c.detected_at, orders.c.detected_at)
    query = (
        select(
            inbox.c.breach_id,
            inbox.c.rule_id,
            inbox.c.order_id,
            _seen.c.detected_at,
            _seen.c.recorded_at,
            orders.c.truck_id,
            orders.c.stage,
            orders.c.verdict,
            orders.c.reason_code,
            orders.c.started_at,
            func.coalesce(orders.c.ended_at, orders.c.last_detected_at).label("last_at"),
            orders.c.opened_at,
            orders.c.breach_id.label("opened_by"),
            orders.c.merged_into,
            _target.c.stage.label("target_stage"),
            _target.c.verdict.label("target_verdict"),
            _target.c.reason_code.label("target_reason"),
        )
        .select_from(inbox)
        .outerjoin(_seen, _seen.c.breach_id == inbox.c.breach_id)
        .outerjoin(orders, orders.c.order_id == inbox.c.order_id)
        .outerjoin(_target, _target.c.order_id == orders.c.merged_into)
        .order_by(inbox.c.breach_id)
    )
    if since is not None:
        query = query.where(or_(detected >= since, detected.is_(None)))
    return query if before is None else query.where(or_(detected < before, detected.is_(None)))
