"""Service clocks: a step's own, started when its stage is entered; paused on hold, moved by an extension."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from haulwatch.dispatch.clocks import (
    MARKS,
    MINUTE_MS,
    STEP_OF,
    deadline_at,
    extended_clock,
    mark_at,
    next_mark,
    resumed_clock,
    started_clock,
    used_ms,
)
from haulwatch.dispatch.duty import NO_PLAN
from haulwatch.dispatch.lifecycle import FINAL
from haulwatch.dispatch.records import instant_ms
from haulwatch.dispatch.routing import Route
from haulwatch.dispatch.service_terms import SHIPPED_LIMITS, SHIPPED_TERMS, Terms, terms_of
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import STAGES, Actor, ClockStep, Order, ServiceClock, Urgency
from haulwatch.domain.service import Limit
from tests.dispatch.conftest import MORNING_MS, run_sql

Make = Callable[..., Breach]

steps = st.sampled_from(sorted(SHIPPED_LIMITS))
urgencies: st.SearchStrategy[Urgency] = st.sampled_from(["low", "normal", "urgent"])
instants = st.integers(MORNING_MS, MORNING_MS + 20 * 86_400_000)
gaps = st.integers(0, 3 * 86_400_000)


def clock_of(step: ClockStep, urgency: Urgency, at_ms: int) -> ServiceClock:
    return started_clock(SHIPPED_TERMS, step, urgency, at_ms)


def marks(clock: ServiceClock) -> list[int]:
    time = SHIPPED_TERMS.time(working=clock.working)
    return [mark_at(clock, time, pct) for pct in MARKS]


def test_every_stage_but_the_last_ones_and_the_hold_has_a_clock() -> None:
    assert set(STEP_OF) == set(STAGES) - FINAL - {"on_hold"}
    assert set(STEP_OF.values()) == set(SHIPPED_LIMITS)


def test_terms_are_equal_when_their_content_is() -> None:
    again = terms_of({}, SHIPPED_TERMS.calendar, SHIPPED_TERMS.timezone)
    assert again.terms_id == SHIPPED_TERMS.terms_id
    tighter = terms_of({"file": {"urgent": Limit(9)}}, SHIPPED_TERMS.calendar, SHIPPED_TERMS.timezone)
    assert tighter.terms_id != SHIPPED_TERMS.terms_id
    assert tighter.limit("file", "urgent") == Limit(9)
    assert tighter.limit("file", "normal") == SHIPPED_TERMS.limit("file", "normal")


def test_a_city_that_never_works_counts_wall_time() -> None:
    calendar = SHIPPED_TERMS.calendar.__class__(week=((),) * 7)
    assert terms_of({}, calendar, "UTC").limit("file", "low") == Limit(480, working=False)


@given(step=steps, urgency=urgencies, at_ms=instants, later_ms=gaps)
def test_what_is_used_grows_from_nothing_and_is_never_negative(
    step: ClockStep, urgency: Urgency, at_ms: int, later_ms: int
) -> None:
    clock = clock_of(step, urgency, at_ms)
    time = SHIPPED_TERMS.time(working=clock.working)
    assert used_ms(clock, time, at_ms) == 0
    assert used_ms(clock, time, at_ms - later_ms) == 0, "where clocks differ, too"
    assert used_ms(clock, time, at_ms + later_ms) == time.elapsed_ms(at_ms, at_ms + later_ms)
    assert marks(clock) == sorted(marks(clock))
    assert marks(clock)[0] >= at_ms


@given(step=steps, urgency=urgencies, at_ms=instants, until_ms=gaps, pause_ms=gaps)
def test_a_pause_does_not_count(step: ClockStep, urgency: Urgency, at_ms: int, until_ms: int, pause_ms: int) -> None:
    clock = clock_of(step, urgency, at_ms)
    time = SHIPPED_TERMS.time(working=clock.working)
    paused = replace(clock, paused_at=rfc3339(at_ms + until_ms))
    resumed = resumed_clock(paused, time, at_ms + until_ms + pause_ms)
    assert resumed.paused_at is None
    assert used_ms(resumed, time, at_ms + until_ms + pause_ms) == used_ms(clock, time, at_ms + until_ms)
    assert resumed.due_at >= clock.due_at


@given(step=steps, urgency=urgencies, at_ms=instants, until_ms=gaps, minutes=st.integers(1, 5000))
def test_an_extension_moves_the_end_by_its_minutes(
    step: ClockStep, urgency: Urgency, at_ms: int, until_ms: int, minutes: int
) -> None:
    clock = clock_of(step, urgency, at_ms)
    time = SHIPPED_TERMS.time(working=clock.working)
    now_ms = at_ms + until_ms
    made = max((pct for pct, at in zip(MARKS, marks(clock), strict=True) if at <= now_ms), default=0)
    clock = replace(clock, marked_pct=made)
    longer = extended_clock(clock, time, minutes, now_ms)
    assert time.elapsed_ms(instant_ms(clock.due_at), instant_ms(longer.due_at)) == minutes * MINUTE_MS
    assert used_ms(longer, time, now_ms) == used_ms(clock, time, now_ms), "what was used stays used"
    assert longer.marked_pct <= clock.marked_pct
    ahead = next_mark(longer, time)
    assert ahead is None or time.elapsed_ms(now_ms, ahead[1]) > 0 or ahead[1] >= now_ms, "marks ahead lie ahead"


def test_the_deadline_of_a_supervision_is_the_next_whole_limit() -> None:
    clock = clock_of("file", "urgent", MORNING_MS)
    for pct, minutes in ((0, 10), (80, 10), (100, 20), (200, 30)):
        marked = replace(clock, marked_pct=pct)
        assert deadline_at(marked, SHIPPED_TERMS) == rfc3339(MORNING_MS + minutes * MINUTE_MS)


class Desk:
    """A store with one order and a clock that the test moves."""

    def __init__(self, url: str, breach: Make, actor: Actor) -> None:
        self.now_ms = MORNING_MS + 30 * MINUTE_MS
        self.store: OrderStore = open_store(url, clock_ms=lambda: self.now_ms)
        self.actor = actor
        self.second = Actor("second", actor.roles, squad_id="Q1")
        self.store.intake([breach()])

    @property
    def order(self) -> Order:
        (order,) = self.store.list().orders
        return order

    @property
    def clock(self) -> ServiceClock:
        assert self.order.clock is not None
        return self.order.clock

    def go(self, command: str, later: float = 0, *, who: Actor | None = None, **data: str) -> Order:
        """The command, so many minutes later."""
        self.now_ms += round(later * MINUTE_MS)
        order = self.order
        return self.store.command(
            order.order_id, command, expected_version=order.version, actor=who or self.actor, data=data
        )

    def sweep(self, minutes: float = 0) -> list[str]:
        self.now_ms += round(minutes * MINUTE_MS)
        return self.store.sweeper().sweep()

    def rows(self, url: str) -> list[tuple[object, ...]]:
        columns = "step, marked_pct, next_pct, paused_min, stopped_at IS NOT NULL"
        return run_sql(url, f"SELECT {columns} FROM clocks ORDER BY round")


@pytest.fixture
def desk(url: str, breach: Make) -> Desk:
    return Desk(
        url, breach, Actor("first", frozenset({"dispatcher", "duty_officer", "verifier", "squad"}), squad_id="Q1")
    )


def test_a_clock_for_each_step(desk: Desk, url: str) -> None:
    started = []
    for command, data in (
        (None, {}),
        ("file", {}),
        ("dispatch", {"squad_id": "Q1"}),
        ("accept", {}),
        ("arrive", {}),
        ("handle", {"outcome": "seen"}),
        ("verify", {}),
    ):
        if command is not None:
            desk.go(command, 1, who=desk.second if command == "verify" else None, **data)
        started.append((desk.order.stage, desk.clock.step, desk.clock.limit_min))
    assert started == [
        ("new", "file", 10),
        ("filed", "dispatch", 5),
        ("dispatched", "accept", 5),
        ("accepted", "arrive", 30),
        ("on_site", "handle", 120),
        ("handled", "verify", 240),
        ("verifying", "verify", 240),
    ]
    handled_at = MORNING_MS + 35 * MINUTE_MS
    assert desk.clock.started_at == rfc3339(handled_at), "being verified belongs to the step that began when handled"
    assert len(desk.rows(url)) == 6
    closed = desk.go("close", 1, who=desk.second, verdict="confirmed")
    assert (closed.clock, closed.supervision) == (None, None)
    assert all(row[4] for row in desk.rows(url)), "all stopped"
    assert desk.sweep(10_000) == []
    assert desk.store.verify().problem is None


def test_what_is_returned_must_be_dispatched_again(desk: Desk) -> None:
    desk.go("file")
    desk.go("dispatch", squad_id="Q1")
    desk.go("return", 2, reason="busy")
    assert (desk.clock.step, desk.clock.started_at) == ("dispatch", rfc3339(desk.now_ms))


def test_orders_opened_before_there_were_clocks_have_none(desk: Desk, url: str) -> None:
    run_sql(url, "DELETE FROM clocks", "UPDATE orders SET terms = NULL, clock = NULL")
    assert desk.go("file").clock is None
    assert desk.sweep(10_000) == []


def test_the_terms_of_an_order_are_those_under_which_it_opened(url: str, desk: Desk, breach: Make) -> None:
    class Tight:
        def urgency_of(self, breach: Breach) -> Urgency:  # noqa: ARG002
            return "urgent"

        def route(self, breach: Breach, at_ms: int) -> Route:
            return NO_PLAN.route(breach, at_ms)

        def terms(self) -> Terms:
            return terms_of({"dispatch": {"urgent": Limit(1)}}, SHIPPED_TERMS.calendar, "UTC")

    later = open_store(url, clock_ms=lambda: desk.now_ms, plan=Tight())
    later.intake([breach("b2", truck_id="浙E2")])
    for order in later.list().orders:
        later.command(order.order_id, "file", expected_version=1, actor=desk.actor)
    found = {order.truck_id: order.clock.limit_min for order in later.list().orders if order.clock is not None}
    assert found == {"浙E12345": 5, "浙E2": 1}
    later.close()
