"""Marks the clocks that have come to 50, 80, 100 or 200 percent of their limit, each mark once.

What is due stands in the rows (`next_at`), so a restart forgets nothing: marks that fell while nothing ran are all put
on record, and the latest of them is told as one change. Any number of consoles may sweep: writers follow each other
under the ledger's lock, and each sees what the one before it has marked.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, Engine, bindparam, func, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.clocks import columns_of_clock, deadline_at, next_mark
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import SYSTEM, Recorder
from haulwatch.dispatch.records import columns_of, instant_ms, order_of, order_row
from haulwatch.dispatch.routing import one_level_up
from haulwatch.dispatch.service_terms import Terms, stored_terms
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Order, ServiceClock, Supervision, SupervisionLevel
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample

BATCH = 100
"""Clocks marked in one transaction: few enough that nobody waits long for the ledger."""
LOOK_S = 2.0
RETRY_S = 5.0
STOP_S = 20.0

KINDS = {50: "reminder", 80: "reminder", 100: "overdue", 200: "overdue_red"}
"""Kinds of changes by percent of the limit."""
_LEVELS: dict[int, SupervisionLevel] = {100: "yellow", 200: "red"}

_clocks = tables.clocks
_DUE = _clocks.c.next_at <= bindparam("of_now")
_OLDEST_FIRST = (_clocks.c.next_at, _clocks.c.order_id, _clocks.c.round)
_CLAIM = select(*_OLDEST_FIRST[1:]).where(_DUE).order_by(*_OLDEST_FIRST).limit(bindparam("of_most"))
_OLDEST = select(func.min(_clocks.c.next_at)).where(_DUE)
_UPDATE_CLOCK = update(_clocks).where(
    _clocks.c.order_id == bindparam("of_order"), _clocks.c.round == bindparam("of_round")
)
_UPDATE_ORDER = update(tables.orders).where(tables.orders.c.order_id == bindparam("of_order"))

log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps one order store; may be used from any number of threads and processes."""

    def __init__(self, engine: Engine, clock_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._clock_ms = clock_ms

    def sweep(self, most: int = BATCH) -> list[str]:
        """Marks at most `most` clocks in one transaction and returns the kinds of the changes that this made.

        Less than `most`: nothing is due any more. Raises `WorldError` when the database is away.
        """
        if self.behind_ms() is None:
            return []  # without the lock that holds up other writers
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(self._clock_ms()))
            due = connection.execute(_CLAIM, {"of_now": recorder.at, "of_most": most}).all()
            kinds = [_mark(recorder, row.order_id, row.round) for row in due]
            recorder.close()
        return kinds

    def behind_ms(self) -> int | None:
        """For how long the oldest mark has been due; None when none is."""
        now_ms = self._clock_ms()
        with reading(self._engine) as connection:
            oldest = connection.execute(_OLDEST, {"of_now": rfc3339(now_ms)}).scalar()
        return None if oldest is None else max(0, now_ms - instant_ms(oldest))


def _mark(recorder: Recorder, order_id: str, number: int) -> str:
    """Makes every mark that has fallen on one clock; the kind of the change."""
    connection, now_ms = recorder.connection, instant_ms(recorder.at)
    before = _order(connection, order_id)
    clock = before.clock
    if clock is None or before.terms is None:
        raise AssertionError(f"order {order_id} has a clock that runs, and does not know it")
    terms = stored_terms(connection, before.terms)
    order = msgspec.structs.replace(before, change_id=recorder.next_change())
    while (ahead := next_mark(clock, terms.time(working=clock.working))) is not None and ahead[1] <= now_ms:
        clock = msgspec.structs.replace(clock, marked_pct=ahead[0])
        supervision = _supervision(order, clock, terms, recorder.at)
        order = msgspec.structs.replace(order, clock=clock, supervision=supervision)
        recorder.audit_order(SYSTEM, KINDS[ahead[0]], order, _told(order, clock, number, ahead[1]))
    of_clock = {"of_order": order.order_id, "of_round": number}
    connection.execute(_UPDATE_CLOCK.values(columns_of_clock(clock, terms)), of_clock)
    changed = {name: getattr(order, name) for name in ("change_id", "clock", "supervision")}
    connection.execute(_UPDATE_ORDER.values(columns_of(changed)), {"of_order": order.order_id})
    recorder.change(KINDS[clock.marked_pct], order)
    return KINDS[clock.marked_pct]


def _order(connection: Connection, order_id: str) -> Order:
    row = order_row(connection, order_id)
    assert row is not None, f"a clock of order {order_id}, which is not there"
    return order_of(row)


def _supervision(order: Order, clock: ServiceClock, terms: Terms, at: str) -> Supervision | None:
    """Who looks at the order after this mark. A level once reached stays; the deadline is the running clock's."""
    level = _LEVELS.get(clock.marked_pct)
    known = order.supervision
    if level is None or (known is not None and (known.level == level or known.level == "red")):
        if known is None:
            return None
        return msgspec.structs.replace(known, deadline_at=deadline_at(clock, terms))
    levels_up = 1 if level == "yellow" else 2
    return Supervision(
        level=level,
        since=at,
        deadline_at=deadline_at(clock, terms),
        supervisor=one_level_up(order.jurisdictions, levels_up),
    )


def _told(order: Order, clock: ServiceClock, number: int, reached_ms: int) -> dict[str, Any]:
    """The audit's detail: when the mark fell, which may be long before it was made."""
    detail: dict[str, Any] = {
        "step": clock.step,
        "round": number,
        "pct": clock.marked_pct,
        "reached_at": rfc3339(reached_ms),
        "due_at": clock.due_at,
    }
    return detail if clock.marked_pct < 100 else {**detail, "supervision": order.supervision}


class Sweeps(Protocol):
    """See `Sweeper`."""

    def sweep(self) -> list[str]:
        """Marks a batch; the kinds of the changes."""
        ...


class SweeperThread:
    """Sweeps every few seconds until it is stopped."""

    def __init__(
        self,
        sweeper: Sweeps,
        *,
        look_s: float = LOOK_S,
        retry_s: float = RETRY_S,
        on_marked: Callable[[], None] = lambda: None,
        on_failure: Callable[[BaseException], None] = lambda _error: None,
    ) -> None:
        self._sweeper = sweeper
        self._look_s = look_s
        self._retry_s = retry_s
        self._on_marked = on_marked
        self.on_failure = on_failure
        self._stopping = threading.Event()
        self._trouble: WorldError | None = None
        self._thread = threading.Thread(target=self._run, name="clock-sweeper", daemon=True)
        self.counters = Counters()
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begins with the marks that an earlier run has left."""
        self._thread.start()

    def finish(self) -> None:
        """Begins no other sweep. Does not wait."""
        self._stopping.set()

    def stop(self) -> None:
        """Ends after the transaction that is under way."""
        self.finish()
        if self._thread.is_alive():
            self._thread.join(STOP_S)

    def check(self) -> None:
        """Raises WorldError while clocks are not looked at."""
        if self.failure is not None:
            raise WorldError(Text(f"时限检查已停止：{self.failure}", f"clocks are not looked at: {self.failure}"))
        if self._trouble is not None:
            zh, en = self._trouble.text.zh, self._trouble.text.en
            raise WorldError(Text(f"时限检查受阻：{zh}", f"clocks are not looked at: {en}"), retryable=True)

    def samples(self) -> list[Sample]:
        """Marks made, by kind, and how often the database was away."""
        return list(self.counters.samples())

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._sweep()
                    self._trouble = None
                    self._stopping.wait(self._look_s)
                except WorldError as error:
                    self._say(error)
                    self._stopping.wait(self._retry_s)
        except BaseException as error:
            self.failure = error
            self.on_failure(error)
            raise

    def _sweep(self) -> None:
        """Marks everything that is due, a batch at a time."""
        while not self._stopping.is_set():
            kinds = self._sweeper.sweep()
            for kind in kinds:
                self.counters.add("clock_marks_total", "Marks of service clocks that were told", kind=kind)
            if kinds:
                self._on_marked()
            if len(kinds) < BATCH:
                return

    def _say(self, error: WorldError) -> None:
        self._trouble = error
        self.counters.add("clock_sweep_failures_total", "Times that clocks could not be looked at")
        log.warning("clocks are not looked at", extra={"fields": {"error": str(error)}})
