"""The delivery log: which change goes to which channel, what has been tried, and what came of it.

Written by the one process that has the lease of the outbox's reader `notices`. What is due is written in the same
transaction as the place in the outbox, and an attempt before it is made: after a crash nothing is missing, and at most
what was on its way is sent again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.outbox import OutboxReader
from haulwatch.dispatch.records import instant_ms, storable
from haulwatch.domain.deliveries import (
    WAITING,
    Answer,
    ChannelFigures,
    ChannelPast,
    Delivery,
    DeliveryEntry,
    DeliveryState,
    NewDelivery,
)
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Change, Order

READER = "notices"
LONGEST_REASON = 500
MAX_LOG = 1000

_rows, _tries, _orders, _outbox = tables.deliveries, tables.delivery_attempts, tables.orders, tables.outbox


class Deliveries:
    """See the module; made by `OrderStore.deliveries`, for any number of threads. Raises WorldError like the store."""

    def __init__(
        self, engine: Engine, clock_ms: Callable[[], int], changes_since: Callable[[int, int], Sequence[Change]]
    ) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._reader = OutboxReader(engine, READER, clock_ms, changes_since, from_now=True)

    # The place in the outbox

    def claim(self, holder: str, lease_ms: int) -> int | None:
        """See `OutboxReader.claim`; the first one begins after the last change there is: history is no news."""
        return self._reader.claim(holder, lease_ms)

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        """At most `limit` changes after the change `after`, oldest first."""
        return self._reader.changes(after, limit)

    def release(self, holder: str) -> None:
        """Gives the lease up."""
        self._reader.release(holder)

    def queue(self, holder: str, change_id: int, new: Sequence[NewDelivery], lease_ms: int) -> bool:
        """Keeps what follows from the changes up to `change_id`, and that they were read; False when not ours."""

        def write(connection: Connection) -> None:
            of_changes = _rows.c.change_id.in_({one.change_id for one in new})
            known = {
                (row.change_id, row.step, row.channel)
                for row in connection.execute(
                    select(_rows.c.change_id, _rows.c.step, _rows.c.channel).where(of_changes)
                )
            }
            fresh = {(one.change_id, one.step, one.channel): one for one in new}
            rows = [_row_of(one) for key, one in fresh.items() if key not in known]
            if rows:
                connection.execute(insert(_rows), rows)

        return self._reader.advance(holder, change_id, lease_ms, write if new else lambda _connection: None)

    # Sending

    def due(self, channel: str, limit: int) -> Sequence[Delivery]:
        """At most `limit` deliveries of the channel that are due, oldest first."""
        query = (
            select(_rows, _outbox.c.kind, _outbox.c.at, _outbox.c.payload, _orders.c.stage, _orders.c.stage_at)
            .join(_outbox, _outbox.c.change_id == _rows.c.change_id)
            .join(_orders, _orders.c.order_id == _rows.c.order_id)
            .where(_rows.c.channel == channel, _rows.c.state.in_(WAITING))
            .where(_rows.c.due_at <= rfc3339(self._clock_ms()))
            .order_by(_rows.c.delivery_id)
            .limit(limit)
        )
        with reading(self._engine) as connection:
            return [_delivery_of(row) for row in connection.execute(query)]

    def next_due_ms(self, channel: str) -> int | None:
        """When the channel's next delivery is due (or was); None when none waits."""
        query = select(func.min(_rows.c.due_at)).where(_rows.c.channel == channel, _rows.c.state.in_(WAITING))
        with reading(self._engine) as connection:
            at = connection.execute(query).scalar()
        return None if at is None else instant_ms(at)

    def past(self, channel: str, since_ms: int) -> ChannelPast:
        """What the channel has done since `since_ms`, and how its last attempt left it."""
        of_channel = select(_tries).where(_tries.c.channel == channel)
        lately = of_channel.where(_tries.c.at > rfc3339(since_ms)).order_by(_tries.c.at)
        with reading(self._engine) as connection:
            attempts = connection.execute(lately).all()
            last = connection.execute(of_channel.order_by(_tries.c.attempt_id.desc()).limit(1)).one_or_none()
        paused = None if last is None else last.paused_until
        return ChannelPast(
            attempts_ms=tuple(instant_ms(row.at) for row in attempts),
            failures=0 if last is None else last.failures,
            paused_until_ms=0 if paused is None else instant_ms(paused),
        )

    def begin(self, channel: str, delivery_ids: Sequence[int]) -> int:
        """An attempt to send these in one message is about to be made; its id."""
        of_channel = select(_tries.c.failures).where(_tries.c.channel == channel)
        with writing(self._engine) as connection:
            failures = connection.execute(of_channel.order_by(_tries.c.attempt_id.desc()).limit(1)).scalar() or 0
            row = {"channel": channel, "at": rfc3339(self._clock_ms()), "together": len(delivery_ids)}
            made = connection.execute(insert(_tries), {**row, "failures": failures}).inserted_primary_key
            assert made is not None
            tried = {"attempts": _rows.c.attempts + 1, "attempt_id": made[0]}
            connection.execute(update(_rows).where(_rows.c.delivery_id.in_(delivery_ids)).values(tried))
        return int(made[0])

    def finish(self, attempt_id: int, answer: Answer, *, again_ms: int, failures: int, paused_until_ms: int) -> None:
        """The attempt's answer; what failed is due again at `again_ms`, the channel rests until `paused_until_ms`."""
        at = rfc3339(self._clock_ms())
        reason = printable(answer.reason) or None
        done: dict[str, Any] = {"status": answer.status, "reason": reason}
        if answer.outcome == "sent":
            done |= {"state": "sent", "done_at": at}
        elif answer.outcome == "refused":
            done |= {"state": "given_up", "done_at": at}
        else:
            done |= {"state": "failed"} | ({"due_at": rfc3339(again_ms)} if answer.outcome == "failed" else {})
        tried: dict[str, Any] = {"outcome": answer.outcome, "status": answer.status, "reason": reason}
        tried |= {"failures": failures, "paused_until": rfc3339(paused_until_ms) if paused_until_ms else None}
        with writing(self._engine) as connection:
            connection.execute(update(_tries).where(_tries.c.attempt_id == attempt_id).values(tried))
            ours = (_rows.c.attempt_id == attempt_id) & _rows.c.state.in_(WAITING)
            connection.execute(update(_rows).where(ours).values(done))

    def settle(self, delivery_ids: Sequence[int], state: DeliveryState, reason: str) -> None:
        """Ends deliveries without an attempt."""
        ended = {"state": state, "reason": printable(reason), "done_at": rfc3339(self._clock_ms())}
        ours = _rows.c.delivery_id.in_(delivery_ids) & _rows.c.state.in_(WAITING)
        with writing(self._engine) as connection:
            connection.execute(update(_rows).where(ours).values(ended))

    def give_up_older(self, wanted_before_ms: int, reason: str) -> int:
        """Gives up, in every channel, what should have been sent before then; how many."""
        old = _rows.c.state.in_(WAITING) & (_rows.c.wanted_at < rfc3339(wanted_before_ms))
        with reading(self._engine) as connection:
            ids = connection.execute(select(_rows.c.delivery_id).where(old).limit(MAX_LOG)).scalars().all()
        if ids:
            self.settle(ids, "given_up", reason)
        return len(ids)

    # Looking

    def figures(self) -> Sequence[ChannelFigures]:
        """How each channel stands."""
        wanted = _rows.c.state.in_(WAITING) & (_rows.c.wanted_at <= rfc3339(self._clock_ms()))
        waiting = select(_rows.c.channel, func.count(), func.min(_rows.c.wanted_at)).where(wanted)
        lost = select(_rows.c.channel, func.count()).where(_rows.c.state == "given_up")
        with reading(self._engine) as connection:
            waits = {row[0]: row for row in connection.execute(waiting.group_by(_rows.c.channel))}
            given_up = {row[0]: row[1] for row in connection.execute(lost.group_by(_rows.c.channel))}
        return [
            ChannelFigures(
                channel=name,
                waiting=waits[name][1] if name in waits else 0,
                oldest_ms=instant_ms(waits[name][2]) if name in waits else None,
                given_up=given_up.get(name, 0),
            )
            for name in sorted(waits.keys() | given_up.keys())
        ]

    def log(
        self,
        *,
        order_id: str | None = None,
        channel: str | None = None,
        states: Sequence[DeliveryState] = (),
        limit: int = 100,
    ) -> Sequence[DeliveryEntry]:
        """The newest deliveries, newest first, limited to an order, a channel or states."""
        query = select(_rows, _tries.c.together).join(_tries, _tries.c.attempt_id == _rows.c.attempt_id, isouter=True)
        for column, value in ((_rows.c.order_id, order_id), (_rows.c.channel, channel)):
            if value is not None:
                if not storable(value):
                    return []
                query = query.where(column == value)
        if states:
            query = query.where(_rows.c.state.in_(states))
        query = query.order_by(_rows.c.delivery_id.desc()).limit(max(1, min(limit, MAX_LOG)))
        with reading(self._engine) as connection:
            return [_entry_of(row) for row in connection.execute(query)]

    def retry(self, channel: str) -> int:
        """Sends once more what the channel had given up, and at once what it was to try later; how many were given up.

        The channel's pause is over too.
        """
        at = rfc3339(self._clock_ms())
        ours = _rows.c.channel == channel
        fresh = {"state": "queued", "wanted_at": at, "due_at": at, "done_at": None}
        with writing(self._engine) as connection:
            resting = (_tries.c.channel == channel) & _tries.c.paused_until.is_not(None)
            connection.execute(update(_tries).where(resting).values(paused_until=None))
            connection.execute(update(_rows).where(ours, _rows.c.state == "failed").values(due_at=at))
            return connection.execute(update(_rows).where(ours, _rows.c.state == "given_up").values(fresh)).rowcount


def printable(text: str) -> str:
    """One line of the text that every database can hold, at most `LONGEST_REASON` characters."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(kept.split())[:LONGEST_REASON]


def _row_of(new: NewDelivery) -> dict[str, Any]:
    return {
        "change_id": new.change_id,
        "order_id": new.order_id,
        "step": new.step,
        "channel": new.channel,
        "message_id": f"msg_{secrets.token_hex(12)}",
        "if_unchanged": new.if_unchanged,
        "state": "queued",
        "wanted_at": rfc3339(new.due_ms),
        "due_at": rfc3339(new.due_ms),
        "attempts": 0,
    }


def _delivery_of(row: Row[Any]) -> Delivery:
    order = msgspec.json.decode(row.payload, type=Order)
    return Delivery(
        delivery_id=row.delivery_id,
        step=row.step,
        message_id=row.message_id,
        attempts=row.attempts,
        wanted_ms=instant_ms(row.wanted_at),
        change=Change(change_id=row.change_id, kind=row.kind, at=row.at, order=order),
        stage_now=row.stage,
        overtaken=row.if_unchanged and (row.stage, row.stage_at) != (order.stage, order.stage_at),
    )


def _entry_of(row: Row[Any]) -> DeliveryEntry:
    return DeliveryEntry(
        **{name: row._mapping[name] for name in DeliveryEntry.__struct_fields__ if name != "together"},
        together=row.together or 0,
    )
