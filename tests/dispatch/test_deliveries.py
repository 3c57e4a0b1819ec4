"""The delivery log: nothing twice in it, nothing missing from it, and always a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from haulwatch.dispatch.deliveries import Deliveries
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.deliveries import Answer, NewDelivery
from haulwatch.domain.orders import Actor

LEASE_MS = 10_000
NOW_MS = 1_777_593_600_000
ID = "HW-20260501-0001"
Make = Callable[..., Breach]


class Clock:
    """A wall clock that a test moves."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(url: str, clock: Clock, breach: Make) -> Iterator[OrderStore]:
    store = open_store(url, clock_ms=clock)
    store.intake([breach("b0", truck_id="浙E00000")])
    yield store
    store.close()


@pytest.fixture
def log(timed: OrderStore, breach: Make) -> Deliveries:
    """A log whose lease `one` has, with two orders after its beginning."""
    log = timed.deliveries()
    assert log.claim("one", LEASE_MS) == 1, "what happened before the first claim is no news"
    timed.intake([breach("b1"), breach("b2", truck_id="浙E00002")])
    return log


def to(channel: str, change_id: int = 2, after_ms: int = 0, **more: object) -> NewDelivery:
    order_id = f"HW-20260501-{change_id:04d}"
    fields = {"change_id": change_id, "order_id": order_id, "step": "opened", "due_ms": NOW_MS + after_ms, **more}
    return NewDelivery(channel=channel, **fields)  # type: ignore[arg-type]


def ids(log: Deliveries, channel: str = "duty") -> list[int]:
    return [delivery.delivery_id for delivery in log.due(channel, 10)]


def attempt(log: Deliveries, answer: Answer, *, again_ms: int = 0, paused_until_ms: int = 0) -> None:
    number = log.begin("duty", ids(log))
    log.finish(number, answer, again_ms=again_ms, failures=1, paused_until_ms=paused_until_ms)


def test_what_follows_from_changes_is_due_once_however_often_it_is_said(log: Deliveries) -> None:
    assert log.queue("one", 2, [to("duty"), to("sms"), to("duty")], LEASE_MS)
    assert log.queue("one", 3, [to("duty"), to("duty", 3)], LEASE_MS)
    found = log.due("duty", 10)
    assert [(one.change.order.order_id, one.step, one.attempts) for one in found] == [
        ("HW-20260501-0002", "opened", 0),
        ("HW-20260501-0003", "opened", 0),
    ]
    assert len({one.message_id for one in found}) == 2
    assert len(log.due("sms", 10)) == 1
    assert log.claim("one", LEASE_MS) == 3


def test_who_lost_the_lease_writes_nothing(log: Deliveries, clock: Clock) -> None:
    clock.now_ms += LEASE_MS
    assert log.claim("two", LEASE_MS) == 1
    assert not log.queue("one", 2, [to("duty")], LEASE_MS)
    assert ids(log) == []
    assert log.queue("two", 2, [to("duty")], LEASE_MS)
    assert len(ids(log)) == 1


def test_sent_is_done(log: Deliveries) -> None:
    log.queue("one", 2, [to("duty")], LEASE_MS)
    attempt(log, Answer(outcome="sent", status=200))
    assert ids(log) == []
    [entry] = log.log()
    assert (entry.state, entry.status, entry.attempts, entry.together, entry.reason) == ("sent", 200, 1, 1, None)
    assert entry.done_at == "2026-05-01T00:00:00.000Z"


def test_refused_is_given_up_with_its_reason_until_somebody_says_again(log: Deliveries) -> None:
    log.queue("one", 2, [to("duty")], LEASE_MS)
    attempt(log, Answer(outcome="refused", status=404, reason="no such\nrobot\0"))
    [entry] = log.log(states=["given_up"])
    assert (entry.status, entry.reason) == (404, "no such robot")
    assert (log.figures()[0].waiting, log.figures()[0].given_up) == (0, 1)
    assert log.retry("sms") == 0
    assert log.retry("duty") == 1
    assert len(ids(log)) == 1


def test_failed_is_due_again_later_and_away_at_once(log: Deliveries, clock: Clock) -> None:
    log.queue("one", 2, [to("duty")], LEASE_MS)
    attempt(log, Answer(outcome="away", reason="refused"))
    assert len(ids(log)) == 1, "the channel rests, not the delivery"
    attempt(log, Answer(outcome="failed", status=500, reason="500"), again_ms=NOW_MS + 9_000)
    assert ids(log) == []
    assert log.next_due_ms("duty") == NOW_MS + 9_000
    clock.now_ms += 9_000
    assert len(ids(log)) == 1
    assert [(entry.state, entry.attempts) for entry in log.log()] == [("failed", 2)]


def test_again_at_once_when_somebody_says_so(log: Deliveries) -> None:
    log.queue("one", 2, [to("duty")], LEASE_MS)
    pause = NOW_MS + 60_000
    attempt(log, Answer(outcome="failed", status=500, reason="500"), again_ms=pause, paused_until_ms=pause)
    assert (ids(log), log.past("duty", 0).paused_until_ms) == ([], pause)
    assert log.retry("duty") == 0
    assert (len(ids(log)), log.past("duty", 0).paused_until_ms) == (1, 0)


def test_an_attempt_without_an_end_is_made_again(log: Deliveries) -> None:
    log.queue("one", 2, [to("duty")], LEASE_MS)
    log.begin("duty", ids(log))
    assert len(ids(log)) == 1
    assert log.past("duty", NOW_MS - 1).attempts_ms == (NOW_MS,), "but it counts for the rate"


def test_the_past_of_a_channel_is_its_own(log: Deliveries, clock: Clock) -> None:
    log.queue("one", 2, [to("duty")], LEASE_MS)
    attempt(log, Answer(outcome="away", status=429), paused_until_ms=NOW_MS + 30_000)
    clock.now_ms += 1_000
    attempt(log, Answer(outcome="away", status=429), paused_until_ms=NOW_MS + 60_000)
    past = log.past("duty", NOW_MS)
    assert (past.attempts_ms, past.failures, past.paused_until_ms) == ((NOW_MS + 1_000,), 1, NOW_MS + 60_000)
    assert log.past("sms", 0).attempts_ms == ()


def test_a_reminder_is_overtaken_by_the_orders_next_step(
    log: Deliveries, timed: OrderStore, clock: Clock, anyone: Actor
) -> None:
    log.queue("one", 3, [to("duty", change, 60_000, if_unchanged=True) for change in (2, 3)], LEASE_MS)
    assert ids(log) == []
    clock.now_ms += 60_000
    assert [delivery.overtaken for delivery in log.due("duty", 10)] == [False, False]
    timed.command("HW-20260501-0002", "file", expected_version=1, actor=anyone)
    first, second = log.due("duty", 10)
    assert (first.overtaken, first.stage_now, second.overtaken) == (True, "filed", False)
    log.settle([first.delivery_id], "not_needed", "overtaken")
    assert [entry.state for entry in log.log(order_id="HW-20260501-0002")] == ["not_needed"]
    assert log.log(order_id="\0") == []


def test_what_is_too_old_is_given_up_visibly(log: Deliveries, clock: Clock) -> None:
    log.queue("one", 3, [to("duty"), to("duty", 3, 5_000)], LEASE_MS)
    assert log.give_up_older(NOW_MS + 1, "too old") == 1
    [figures] = log.figures()
    assert (figures.waiting, figures.given_up) == (0, 1)
    clock.now_ms += 5_000
    [figures] = log.figures()
    assert (figures.waiting, figures.oldest_ms) == (1, NOW_MS + 5_000)
    assert [entry.reason for entry in log.log(states=["given_up"])] == ["too old"]
