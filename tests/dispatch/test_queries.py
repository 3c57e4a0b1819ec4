"""Lists, pages, counts and the stream of changes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import STAGES, Actor, BadCommand, OrderFilter, UnknownOrder

Make = Callable[..., Breach]


@pytest.fixture(autouse=True)
def five_orders(store: OrderStore, breach: Make, anyone: Actor, second: Actor) -> None:
    store.intake(
        [
            breach("b1", truck_id="浙E1", minute=0),
            breach("b2", truck_id="浙E2", minute=10, category="overweight", severity="critical"),
            breach("b3", truck_id="浙E1", minute=20, category="dumping", late=True),
            breach("b4", truck_id="浙E3", minute=30, severity="minor"),
            breach("b5", truck_id="浙E4", minute=40, category="overweight"),
        ]
    )
    store.command("HW-20260501-0002", "file", expected_version=1, actor=anyone)
    store.command("HW-20260501-0004", "void", expected_version=1, actor=anyone, data={"reason": "演练"})
    store.command("HW-20260501-0004", "approve", expected_version=2, actor=second)


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        (OrderFilter(), [5, 4, 3, 2, 1]),
        (OrderFilter(stages=("new",)), [5, 3, 1]),
        (OrderFilter(stages=("filed", "void")), [4, 2]),
        (OrderFilter(categories=("overweight",)), [5, 2]),
        (OrderFilter(severities=("minor", "critical")), [4, 2]),
        (OrderFilter(truck_id="浙E1"), [3, 1]),
        (OrderFilter(late=True), [3]),
        (OrderFilter(late=False), [5, 4, 2, 1]),
        (OrderFilter(since="2026-05-01T00:20:00.000Z"), [5, 4, 3]),
        (OrderFilter(since="2026-05-01T08:20:00.001+08:00"), [5, 4]),
        (OrderFilter(stages=("new",), categories=("overweight",), late=True), []),
    ],
)
def test_filters(store: OrderStore, where: OrderFilter, numbers: list[int]) -> None:
    assert [int(order.order_id[-4:]) for order in store.list(where).orders] == numbers


def test_whose_orders(store: OrderStore, anyone: Actor, second: Actor) -> None:
    """Those to which one has given a command; looking at an order is none."""
    store.note("HW-20260501-0001", "pack_exported", actor=second, detail={})
    found = {
        actor.actor_id: [order.order_id[-1] for order in store.list(OrderFilter(commanded_by=actor.actor_id)).orders]
        for actor in (anyone, second)
    }
    assert found == {anyone.actor_id: ["4", "2"], second.actor_id: ["4"]}


@pytest.mark.parametrize("strange", ["\0", "浙E1\0", "\ud800"])
def test_what_no_database_holds_is_not_found(store: OrderStore, strange: str) -> None:
    assert store.list(OrderFilter(truck_id=strange)).orders == []
    assert store.list(OrderFilter(stages=(strange,))).orders == []  # type: ignore[arg-type]
    with pytest.raises(UnknownOrder):
        store.get(strange)


def test_pages_do_not_shift_when_orders_come_in(store: OrderStore, breach: Make) -> None:
    first = store.list(limit=2)
    store.intake([breach("b6", truck_id="浙E6")])
    second = store.list(cursor=first.next_cursor, limit=2)
    third = store.list(cursor=second.next_cursor, limit=2)
    numbers = [[order.order_id[-1] for order in page.orders] for page in (first, second, third)]
    assert numbers == [["5", "4"], ["3", "2"], ["1"]]
    assert third.next_cursor is None


def test_the_last_page_is_known_to_be_the_last(store: OrderStore) -> None:
    assert store.list(limit=5).next_cursor is None
    assert store.list(limit=4).next_cursor is not None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1; DROP TABLE orders", "9" * 30, "٣"])
def test_what_is_no_cursor(store: OrderStore, cursor: str) -> None:
    with pytest.raises(BadCommand):
        store.list(cursor=cursor)


def test_what_is_no_instant(store: OrderStore) -> None:
    for since in ("yesterday", "2026-05-01T00:20:00"):
        with pytest.raises(BadCommand):
            store.list(OrderFilter(since=since))


def test_every_stage_is_counted(store: OrderStore) -> None:
    assert store.counts() == {**dict.fromkeys(STAGES, 0), "new": 3, "filed": 1, "void": 1}


def test_changes_are_read_from_where_a_reader_stopped(store: OrderStore, breach: Make) -> None:
    everything = store.changes_since(0)
    assert [change.change_id for change in everything] == list(range(1, 9))
    assert [change.kind for change in everything] == ["opened"] * 5 + ["file", "void", "approve"]
    assert store.last_change_id() == 8
    assert store.changes_since(8) == []
    store.intake([breach("b1", "updated", 2)])
    (change,) = store.changes_since(8)
    assert (change.kind, change.order.order_id, change.order.occurrences) == ("finding", "HW-20260501-0001", 2)
    assert change.order == store.get("HW-20260501-0001").order
    assert [change.change_id for change in store.changes_since(2, limit=3)] == [3, 4, 5]


def test_a_change_shows_the_order_as_it_was_then(store: OrderStore) -> None:
    stages = [change.order.stage for change in store.changes_since(0) if change.order.order_id == "HW-20260501-0002"]
    assert stages == ["new", "filed"]
