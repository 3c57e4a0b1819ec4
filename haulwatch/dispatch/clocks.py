"""Service clocks: one for each step of an order, started when its stage is entered, stopped when that is left.

A clock is a row of `clocks`; `order.clock` is the one that runs. All is computed from `due_at`: what has been used of
the limit at some instant is the limit less what remains until then, so a pause or an extension only moves `due_at`. The
row says in `next_at` when the next mark (50, 80, 100, 200 percent) falls; the sweeper looks there and nowhere else.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import bindparam, func, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.lifecycle import FINAL
from haulwatch.dispatch.records import instant_ms
from haulwatch.dispatch.service_terms import Terms, stored_terms
from haulwatch.dispatch.working_time import Time
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import ClockStep, Order, ServiceClock, Stage, Urgency

MARKS = (50, 80, 100, 200)
"""Percent of the limit: two reminders, overdue, overdue by as much again."""
MINUTE_MS = 60_000

STEP_OF: dict[Stage, ClockStep] = {
    "new": "file",
    "filed": "dispatch",
    "returned": "dispatch",
    "dispatched": "accept",
    "rework": "accept",
    "accepted": "arrive",
    "on_site": "handle",
    "handled": "verify",
    "verifying": "verify",
}
"""Which clock runs in which stage; on hold it is paused, and what is over has none."""

_clocks = tables.clocks
_LAST_ROUND = select(func.max(_clocks.c.round)).where(_clocks.c.order_id == bindparam("of_order"))
_INSERT = insert(_clocks)
_UPDATE_RUNNING = update(_clocks).where(_clocks.c.order_id == bindparam("of_order"), _clocks.c.stopped_at.is_(None))


def started_clock(terms: Terms, step: ClockStep, urgency: Urgency, at_ms: int) -> ServiceClock:
    """The clock of a step that begins at `at_ms`."""
    limit = terms.limit(step, urgency)
    due_ms = terms.time(working=limit.working).after(at_ms, limit.minutes * MINUTE_MS)
    return ServiceClock(
        step=step, started_at=rfc3339(at_ms), due_at=rfc3339(due_ms), limit_min=limit.minutes, working=limit.working
    )


def used_ms(clock: ServiceClock, time: Time, at_ms: int) -> int:
    """How much of the limit has been used at `at_ms`, more than the limit when that has run out; never negative."""
    due_ms, limit_ms = instant_ms(clock.due_at), clock.limit_min * MINUTE_MS
    return max(0, limit_ms - time.elapsed_ms(at_ms, due_ms)) + time.elapsed_ms(due_ms, at_ms)


def mark_at(clock: ServiceClock, time: Time, pct: int) -> int:
    """When `pct` percent of the limit are used, if nothing stops the clock (ms)."""
    due_ms, left_ms = instant_ms(clock.due_at), clock.limit_min * MINUTE_MS * (100 - pct) // 100
    return time.before(due_ms, left_ms) if left_ms >= 0 else time.after(due_ms, -left_ms)


def next_mark(clock: ServiceClock, time: Time) -> tuple[int, int] | None:
    """The next mark before the clock and when it falls (percent, ms); None after the last one."""
    pct = next((pct for pct in MARKS if pct > clock.marked_pct), None)
    return None if pct is None else (pct, mark_at(clock, time, pct))


def resumed_clock(clock: ServiceClock, time: Time, at_ms: int) -> ServiceClock:
    """The clock after its pause: as much is left, or as much overdue, as when it was paused."""
    if clock.paused_at is None:
        return clock
    paused_ms, due_ms = instant_ms(clock.paused_at), instant_ms(clock.due_at)
    left_ms, over_ms = time.elapsed_ms(paused_ms, due_ms), time.elapsed_ms(due_ms, paused_ms)
    moved_ms = time.before(at_ms, over_ms) if over_ms else time.after(at_ms, left_ms)
    return msgspec.structs.replace(clock, paused_at=None, due_at=rfc3339(max(due_ms, moved_ms)))


def extended_clock(clock: ServiceClock, time: Time, minutes: int, at_ms: int) -> ServiceClock:
    """The clock with `minutes` more: marks that lie before it again will be made again, for the new limit."""
    due_ms = time.after(instant_ms(clock.due_at), minutes * MINUTE_MS)
    longer = msgspec.structs.replace(clock, due_at=rfc3339(due_ms), limit_min=clock.limit_min + minutes)
    used_pct = 100 * used_ms(longer, time, at_ms) // (longer.limit_min * MINUTE_MS)
    reached = max((pct for pct in MARKS if pct <= min(used_pct, clock.marked_pct)), default=0)
    return msgspec.structs.replace(longer, marked_pct=reached)


class Clocks:
    """Keeps the clocks of orders, in the transaction of what moves them."""

    def __init__(self, recorder: Recorder) -> None:
        self._connection = recorder.connection
        self._at = recorder.at
        self._at_ms = instant_ms(recorder.at)

    def opened(self, order: Order, terms: Terms) -> None:
        """Writes the row of a new order's first clock, when the order itself is written."""
        if order.clock is not None:
            self._insert(order.order_id, 1, order.clock, terms)

    def moved(self, before: Order, after: Order) -> dict[str, Any]:
        """What a command has changed in the order besides what is in `after`: `clock` and `supervision`."""
        if before.terms is None:
            return {}  # opened before there were clocks
        terms = stored_terms(self._connection, before.terms)
        clock = self._clock_after(before, after, terms)
        if clock == before.clock:
            return {}
        supervision = before.supervision
        if supervision is not None and clock is not None:
            supervision = msgspec.structs.replace(supervision, deadline_at=deadline_at(clock, terms))
        return {"clock": clock, "supervision": None if clock is None else supervision}

    def _clock_after(self, before: Order, after: Order, terms: Terms) -> ServiceClock | None:
        clock = before.clock
        if after.stage in FINAL or clock is None:
            self._stop(after.order_id)
            return None
        if after.extensions > before.extensions and before.pending is not None:
            clock = self._extended(before, clock, terms, int(before.pending.data["minutes"]))
        held, holds = before.stage == "on_hold", after.stage == "on_hold"
        if held or holds:
            return (
                clock
                if held and holds
                else self._paused(before, clock, terms)
                if holds
                else (self._resumed(before, clock, terms))
            )
        same_step = after.stage == before.stage or STEP_OF[after.stage] == clock.step
        # A squad that takes over has the whole limit; handled and verifying are one step.
        return clock if same_step and after.squad_id == before.squad_id else self._next(after, terms)

    def _next(self, order: Order, terms: Terms) -> ServiceClock:
        self._stop(order.order_id)
        clock = started_clock(terms, STEP_OF[order.stage], order.urgency, self._at_ms)
        last = self._connection.execute(_LAST_ROUND, {"of_order": order.order_id}).scalar() or 0
        self._insert(order.order_id, last + 1, clock, terms)
        return clock

    def _paused(self, before: Order, clock: ServiceClock, terms: Terms) -> ServiceClock:
        paused = msgspec.structs.replace(clock, paused_at=self._at)
        self._update(before.order_id, **columns_of_clock(paused, terms))
        return paused

    def _resumed(self, before: Order, clock: ServiceClock, terms: Terms) -> ServiceClock:
        running = resumed_clock(clock, terms.time(working=clock.working), self._at_ms)
        paused_ms = 0 if clock.paused_at is None else self._at_ms - instant_ms(clock.paused_at)
        paused_min = _clocks.c.paused_min + max(0, paused_ms) // MINUTE_MS
        self._update(before.order_id, paused_min=paused_min, **columns_of_clock(running, terms))
        return running

    def _extended(self, before: Order, clock: ServiceClock, terms: Terms, minutes: int) -> ServiceClock:
        at_ms = self._at_ms if clock.paused_at is None else instant_ms(clock.paused_at)
        longer = extended_clock(clock, terms.time(working=clock.working), minutes, at_ms)
        self._update(before.order_id, **columns_of_clock(longer, terms))
        return longer

    def _stop(self, order_id: str) -> None:
        self._update(order_id, stopped_at=self._at, next_pct=None, next_at=None)

    def _update(self, order_id: str, **values: Any) -> None:
        self._connection.execute(_UPDATE_RUNNING.values(values), {"of_order": order_id})

    def _insert(self, order_id: str, number: int, clock: ServiceClock, terms: Terms) -> None:
        row = {"order_id": order_id, "round": number, "step": clock.step, "started_at": clock.started_at}
        row |= {"working": clock.working, "paused_min": 0, "stopped_at": None}
        self._connection.execute(_INSERT, {**row, **columns_of_clock(clock, terms)})


def deadline_at(clock: ServiceClock, terms: Terms) -> str:
    """By when a supervised order has to get on: when its clock runs out, or the next whole limit after that."""
    pct = 100 if clock.marked_pct < 100 else 200 if clock.marked_pct < 200 else 300
    return rfc3339(mark_at(clock, terms.time(working=clock.working), pct))


def columns_of_clock(clock: ServiceClock, terms: Terms) -> dict[str, Any]:
    """What changes in the row of a clock when its limit, its marks or its pause do."""
    ahead = None if clock.paused_at is not None else next_mark(clock, terms.time(working=clock.working))
    return {
        "due_at": clock.due_at,
        "limit_min": clock.limit_min,
        "marked_pct": clock.marked_pct,
        "paused_at": clock.paused_at,
        "next_pct": None if ahead is None else ahead[0],
        "next_at": None if ahead is None else rfc3339(ahead[1]),
    }
