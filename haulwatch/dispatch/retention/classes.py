"""The classes of records that are kept for a time: which rows they are, and what they may not rest on.

Not among them, and so never deleted: the audit, the inbox (each episode is known for ever, or it would become an order
once more), orders with their findings, and what stands in `docs/retention.md` as kept for good.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, FromClause, Select, Table, exists, func, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.people_tables import login_failures, sessions
from haulwatch.dispatch.photos_tables import photos
from haulwatch.dispatch.retention.endings import CLOSED, REJECTED, SETTLED
from haulwatch.domain.deliveries import WAITING
from haulwatch.domain.orders import Stage
from haulwatch.domain.text import Text


@dataclass(frozen=True)
class Part:
    """Rows of one table. `age`: the instant from which the days count. `order_id`: whose row it is; then it goes only
    when that order has ended as one of `ends`, that many days ago."""

    table: Table
    keys: tuple[Column[Any], ...]
    age: Column[Any]
    scope: tuple[ColumnElement[bool], ...] = ()
    order_id: Column[Any] | None = None
    ends: frozenset[Stage] = SETTLED
    source: FromClause | None = None

    def rows(self, *columns: Column[Any]) -> Select[Any]:
        """Selects from all rows of the part."""
        return self._of(select(*columns))

    def count(self) -> Select[Any]:
        """Selects how many rows there are."""
        return self._of(select(func.count()))

    def _of(self, query: Select[Any]) -> Select[Any]:
        return query.select_from(self.table if self.source is None else self.source).where(*self.scope)


@dataclass(frozen=True)
class RetentionClass:
    """One line of `retention.yaml`."""

    name: str
    text: Text
    parts: tuple[Part, ...]


_orders, _outbox, _readers = tables.orders, tables.outbox, tables.readers
_deliveries, _attempts = tables.deliveries, tables.delivery_attempts
_newer = _attempts.alias("newer")
_findings = tables.occurrences

_NOTICES = (
    Part(
        _deliveries,
        (_deliveries.c.delivery_id,),
        _deliveries.c.wanted_at,
        (_deliveries.c.state.not_in(WAITING),),
        _deliveries.c.order_id,
    ),
    Part(
        _attempts,
        (_attempts.c.attempt_id,),
        _attempts.c.at,
        (
            ~exists().where(_deliveries.c.attempt_id == _attempts.c.attempt_id),
            # The channel's newest one says how long it rests.
            exists().where(_newer.c.channel == _attempts.c.channel, _newer.c.attempt_id > _attempts.c.attempt_id),
        ),
    ),
)
_CHANGES = Part(
    _outbox,
    (_outbox.c.change_id,),
    _outbox.c.at,
    (
        ~exists().where(_readers.c.change_id < _outbox.c.change_id),
        ~exists().where(_deliveries.c.change_id == _outbox.c.change_id),
        # The newest one says what the order was before its next change.
        ~exists().where(_orders.c.change_id == _outbox.c.change_id),
    ),
    _outbox.c.order_id,
)


def _photos(*stages: Stage) -> Part:
    return Part(
        photos,
        (photos.c.photo_id,),
        photos.c.received_at,
        (_orders.c.stage.in_((*stages, "merged")),),
        photos.c.order_id,
        frozenset(stages),
        photos.join(_orders, _orders.c.order_id == photos.c.order_id),
    )


CLASSES: tuple[RetentionClass, ...] = (
    RetentionClass(
        "sessions",
        Text("已过期的登录会话", "sessions that have expired"),
        (Part(sessions, (sessions.c.session_hash,), sessions.c.expires_at),),
    ),
    RetentionClass(
        "login_failures",
        Text("登录失败计数", "counts of failed logins"),
        (Part(login_failures, (login_failures.c.kind, login_failures.c.subject_hash), login_failures.c.last_at),),
    ),
    RetentionClass(
        "command_keys",
        Text("指令的幂等键", "idempotency keys of commands"),
        (
            Part(
                tables.command_keys,
                (tables.command_keys.c.actor, tables.command_keys.c.idempotency_key),
                tables.command_keys.c.at,
                order_id=tables.command_keys.c.order_id,
            ),
        ),
    ),
    RetentionClass("notices", Text("通知发送记录", "log of notices sent"), _NOTICES),
    RetentionClass("changes", Text("已读出的工单变更", "order changes that every reader has read"), (_CHANGES,)),
    RetentionClass(
        "shadow_findings",
        Text("试运行规则的线索", "findings of shadow rules"),
        (
            Part(
                _findings,
                (_findings.c.breach_id, _findings.c.phase, _findings.c.count),
                _findings.c.recorded_at,
                (_findings.c.order_id.is_(None),),
            ),
        ),
    ),
    RetentionClass(
        "photos_rejected",
        Text("不予立案、作废工单的照片", "photos of rejected and void orders"),
        (_photos(*sorted(REJECTED)),),
    ),
    RetentionClass("photos_closed", Text("已结案工单的照片", "photos of closed orders"), (_photos(*sorted(CLOSED)),)),
)

PICTURES = RetentionClass("pictures", Text("没有工单用到的设备图片", "devices' pictures that no finding shows"), ())
"""Files, not rows: see `haulwatch.dispatch.retention.pictures`."""
