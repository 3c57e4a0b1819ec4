"""What approvals do to service clocks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from haulwatch.dispatch.clocks import MINUTE_MS
from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor
from tests.dispatch.conftest import MORNING_MS
from tests.dispatch.test_clocks import Desk

Make = Callable[..., Breach]
OPENED_MS = MORNING_MS + 30 * MINUTE_MS


@pytest.fixture
def desk(url: str, breach: Make) -> Desk:
    return Desk(
        url, breach, Actor("first", frozenset({"dispatcher", "duty_officer", "verifier", "squad"}), squad_id="Q1")
    )


def due(minutes: float) -> str:
    return rfc3339(OPENED_MS + round(minutes * MINUTE_MS))


def test_only_an_approved_hold_pauses(desk: Desk, url: str) -> None:
    desk.go("file")
    assert desk.clock.due_at == due(5)
    desk.go("hold", 1, reason="the road is closed")
    assert desk.clock.paused_at is None, "asked for, not approved"
    desk.go("approve", 1, who=desk.second)
    assert (desk.order.stage, desk.clock.paused_at, desk.clock.due_at) == ("on_hold", due(2), due(5))
    assert desk.sweep(600) == [], "nothing falls due on hold"
    desk.go("resume")
    assert (desk.order.stage, desk.clock.paused_at, desk.clock.due_at) == ("filed", None, due(605))
    assert desk.rows(url)[-1][:4] == ("dispatch", 0, 50, 600)
    assert desk.sweep(0.5) == ["reminder"]
    assert desk.sweep(2.5) == ["overdue"]
    assert desk.store.verify().problem is None


def test_an_extension_moves_the_end_and_makes_its_marks_anew(desk: Desk) -> None:
    desk.go("file")
    assert desk.sweep(5) == ["overdue"]
    desk.go("extend", minutes="15", reason="far away")
    assert desk.clock.due_at == due(5)
    extended = desk.go("approve", 1, who=desk.second)
    assert extended.clock is not None
    assert extended.supervision is not None
    assert (extended.clock.due_at, extended.clock.limit_min, extended.clock.marked_pct) == (due(20), 20, 0)
    assert (extended.supervision.level, extended.supervision.deadline_at) == ("yellow", due(20))
    assert [(minute, desk.sweep(step)) for minute, step in ((10, 4), (16, 6), (20, 4), (40, 20))] == [
        (10, ["reminder"]),
        (16, ["reminder"]),
        (20, ["overdue"]),
        (40, ["overdue_red"]),
    ]


def test_another_squad_has_the_whole_limit(desk: Desk) -> None:
    desk.go("file")
    desk.go("dispatch", squad_id="Q1")
    desk.go("dispatch", 3, squad_id="Q2")
    assert (desk.clock.step, desk.clock.due_at) == ("accept", due(8))


def test_what_is_void_on_hold_has_no_clock(desk: Desk, url: str) -> None:
    desk.go("file")
    desk.go("hold", reason="closed")
    desk.go("approve", who=desk.second)
    desk.go("void", reason="wrong")
    voided = desk.go("approve", who=desk.second)
    assert (voided.stage, voided.clock, voided.supervision) == ("void", None, None)
    assert desk.rows(url)[-1][4]
