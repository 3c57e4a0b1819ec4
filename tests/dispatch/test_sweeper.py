"""Marks of service clocks: each once, whatever happens in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.dispatch.sweeper import SweeperThread
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor, Order
from haulwatch.domain.text import Text
from tests.dispatch.conftest import MORNING_MS, run_sql

Make = Callable[..., Breach]
MIN = 60_000
OPENED_MS = MORNING_MS + 30 * MIN
KILLED = Path(__file__).with_name("killed_sweeper.py")


class Clock:
    """The wall clock of a test."""

    def __init__(self) -> None:
        self.ms = OPENED_MS

    def __call__(self) -> int:
        return self.ms

    def minutes(self, minutes: float) -> None:
        """Moves on to this many minutes after the first order opened."""
        self.ms = OPENED_MS + round(minutes * MIN)


def only(store: OrderStore) -> Order:
    (order,) = store.list().orders
    return order


def marks_of(store: OrderStore, order_id: str) -> list[tuple[str, int]]:
    """Marks on record: kind and percent."""
    entries = store.get(order_id).audit
    return [(entry.action, entry.detail["pct"]) for entry in entries if "pct" in entry.detail]


def test_an_urgent_order_that_nobody_files(url: str, breach: Make) -> None:
    clock = Clock()
    store = open_store(url, clock_ms=clock)
    store.intake([breach()])
    sweeper = store.sweeper()
    told = []
    for minute in (4.9, 5, 5, 7.9, 8, 9.99, 10, 10, 19, 20, 60):
        clock.minutes(minute)
        told.append((minute, sweeper.sweep()))
    assert [entry for entry in told if entry[1]] == [
        (5, ["reminder"]),
        (8, ["reminder"]),
        (10, ["overdue"]),
        (20, ["overdue_red"]),
    ]
    order = only(store)
    assert order.clock is not None
    assert order.clock.marked_pct == 200
    assert order.supervision is not None
    assert (order.supervision.level, order.supervision.since) == ("red", rfc3339(OPENED_MS + 20 * MIN))
    assert order.supervision.deadline_at == rfc3339(OPENED_MS + 30 * MIN), "one whole limit after it became red"
    assert [change.kind for change in store.changes_since(0)] == [
        "opened",
        *(kind for _, [kind] in filter(_some, told)),
    ]
    assert order.version == 1, "nobody's command becomes stale"
    assert store.verify().problem is None
    store.close()


def _some(entry: tuple[float, list[str]]) -> bool:
    return bool(entry[1])


def test_after_a_long_night_each_mark_is_on_record_and_the_latest_is_told(url: str, breach: Make) -> None:
    clock = Clock()
    store = open_store(url, clock_ms=clock)
    store.intake([breach()])
    clock.minutes(500)
    assert store.sweeper().sweep() == ["overdue_red"]
    assert store.sweeper().sweep() == []
    order_id = only(store).order_id
    assert marks_of(store, order_id) == [("reminder", 50), ("reminder", 80), ("overdue", 100), ("overdue_red", 200)]
    reached = [entry.detail["reached_at"] for entry in store.get(order_id).audit if "pct" in entry.detail]
    assert reached == [rfc3339(OPENED_MS + minutes * MIN) for minutes in (5, 8, 10, 20)]
    assert [change.kind for change in store.changes_since(0)] == ["opened", "overdue_red"]
    store.close()


def test_what_is_over_is_no_longer_supervised(url: str, breach: Make, anyone: Actor) -> None:
    clock = Clock()
    store = open_store(url, clock_ms=clock)
    store.intake([breach()])
    clock.minutes(10)
    store.sweeper().sweep()
    order = only(store)
    filed = store.command(order.order_id, "file", expected_version=order.version, actor=anyone)
    assert filed.supervision is not None
    assert filed.supervision.level == "yellow", "it stays until the order is over"
    assert filed.clock is not None
    assert (filed.clock.step, filed.clock.marked_pct) == ("dispatch", 0)
    assert filed.supervision.deadline_at == filed.clock.due_at, "by then it has to get on"
    clock.minutes(500)
    store.sweeper().sweep()
    assert only(store).supervision == filed.supervision.__class__(
        level="red",
        since=rfc3339(clock.ms),
        deadline_at=rfc3339(OPENED_MS + 25 * MIN),
        supervisor="city",
    )
    store.close()


def many(store: OrderStore, breach: Make, orders: int) -> None:
    store.intake([breach(f"b{n}", truck_id=f"浙E{n:05d}") for n in range(orders)])


def test_several_sweepers_at_once_make_each_mark_once(url: str, breach: Make) -> None:
    clock = Clock()
    store = open_store(url, clock_ms=clock)
    many(store, breach, 60)
    clock.minutes(500)
    others = [open_store(url, clock_ms=clock) for _ in range(4)]
    told: list[str] = []

    def sweep(one: OrderStore) -> None:
        sweeper = one.sweeper()
        while kinds := sweeper.sweep(7):
            told.extend(kinds)

    threads = [threading.Thread(target=sweep, args=(one,)) for one in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["overdue_red"] * 60
    marks = run_sql(url, "SELECT action, count(*) FROM audit WHERE action LIKE '%' GROUP BY action ORDER BY action")
    assert marks == [("opened", 60), ("overdue", 60), ("overdue_red", 60), ("reminder", 120)]
    assert store.verify().problem is None
    for one in (*others, store):
        one.close()


def test_a_sweeper_that_is_killed_in_between(url: str, breach: Make) -> None:
    clock = Clock()
    store = open_store(url, clock_ms=clock)
    many(store, breach, 60)
    at_ms = OPENED_MS + 500 * MIN
    for rounds in (1, 3, 2):
        with subprocess.Popen(
            [sys.executable, str(KILLED), url, str(at_ms), "5"], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            for _ in range(rounds):
                assert process.stdout.readline() == "swept\n"
            process.kill()
    clock.ms = at_ms
    while store.sweeper().sweep(5):
        pass
    marks = run_sql(url, "SELECT action, count(*) FROM audit GROUP BY action ORDER BY action")
    assert marks == [("opened", 60), ("overdue", 60), ("overdue_red", 60), ("reminder", 120)]
    assert [change.kind for change in store.changes_since(0)] == ["opened"] * 60 + ["overdue_red"] * 60
    assert store.verify().problem is None
    store.close()


def test_the_thread_marks_what_is_due_and_says_so(url: str, breach: Make) -> None:
    clock = Clock()
    store = open_store(url, clock_ms=clock)
    many(store, breach, 3)
    clock.minutes(10)
    marked = threading.Event()
    thread = SweeperThread(store.sweeper(), on_marked=marked.set)
    thread.start()
    assert marked.wait(20)
    thread.stop()
    thread.check()
    (sample,) = thread.samples()
    assert (sample.name, sample.labels, sample.value) == ("clock_marks_total", (("kind", "overdue"),), 3)
    store.close()


def test_the_thread_says_when_the_database_is_away_and_goes_on_when_it_is_back() -> None:
    class Away:
        """A sweeper that is refused once."""

        def __init__(self) -> None:
            self.asked = threading.Semaphore(0)
            self.away = True

        def sweep(self) -> list[str]:
            self.asked.release()
            if self.away:
                raise WorldError(Text("工单库不可用", "the store is away"), retryable=True)
            return []

    sweeper = Away()
    thread = SweeperThread(sweeper, look_s=0.001, retry_s=0.001)
    thread.start()
    for _ in range(2):
        assert sweeper.asked.acquire(timeout=20)
    with pytest.raises(WorldError, match="工单库不可用"):
        thread.check()
    sweeper.away = False
    for _ in range(3):
        assert sweeper.asked.acquire(timeout=20)
    thread.stop()
    thread.check()
    assert {sample.name for sample in thread.samples()} == {"clock_sweep_failures_total"}
