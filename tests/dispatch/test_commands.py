"""Commands on one order: what they change, what they refuse, and that a repeated request is one command."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.exc import IntegrityError

from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import (
    Actor,
    BadCommand,
    Conflict,
    NotPermitted,
    Order,
    OrderDesk,
    OrderFilter,
    Step,
    UnknownOrder,
)
from tests.dispatch.conftest import run_sql

Make = Callable[..., Breach]
ID = "HW-20260501-0001"
REQUESTED = 'UPDATE orders SET version = version + 1, pending = \'{{"command":"{command}"}}\''
MAIN_LINE: tuple[tuple[str, dict[str, str]], ...] = (
    ("file", {}),
    ("dispatch", {"squad_id": "S-1"}),
    ("accept", {}),
    ("arrive", {}),
    ("handle", {"outcome": "已责令覆盖后放行"}),
    ("verify", {}),
    ("close", {"verdict": "confirmed", "note": "照片齐全"}),
)


@pytest.fixture(autouse=True)
def order(store: OrderStore, breach: Make) -> Order:
    store.intake([breach()])
    return store.get(ID).order


def walk(store: OrderStore, actor: Actor, steps: int = len(MAIN_LINE), checker: Actor | None = None) -> Order:
    """`checker` does what who handled the order may not do."""
    order = store.get(ID).order
    for number, (command, data) in enumerate(MAIN_LINE[:steps]):
        by = checker if checker is not None and number >= MAIN_LINE.index(("verify", {})) else actor
        order = store.command(ID, command, expected_version=order.version, actor=by, data=data)
    return order


def test_the_store_is_what_screens_ask_for(store: OrderStore) -> None:
    desk: OrderDesk = store
    assert [row.command for row in desk.transitions() if row.source == "new"][:2] == ["file", "reject"]


def test_the_main_line_from_new_to_closed(store: OrderStore, anyone: Actor, second: Actor) -> None:
    order = walk(store, anyone, checker=second)
    assert (order.stage, order.version, order.squad_id, order.verdict) == ("closed", 8, "S-1", "confirmed")
    detail = store.get(ID)
    assert [entry.action for entry in detail.audit] == ["opened", *(command for command, _ in MAIN_LINE)]
    assert [entry.actor for entry in detail.audit[-3:]] == ["local", "second", "second"]
    assert detail.audit[-1].detail["data"] == {"verdict": "confirmed", "note": "照片齐全"}
    assert detail.commands == []


def test_verification_may_send_it_back_to_the_squad(store: OrderStore, anyone: Actor, second: Actor) -> None:
    order = walk(store, anyone, 6, second)
    order = store.command(ID, "rework", expected_version=order.version, actor=second, data={"reason": "照片不清"})
    assert (order.stage, order.squad_id, order.reworks) == ("rework", "S-1", 1)
    order = store.command(ID, "handle", expected_version=order.version, actor=anyone, data={"outcome": "已补拍"})
    assert (order.stage, order.handled_by) == ("handled", "local")


def test_a_squad_may_return_it_and_another_gets_it(store: OrderStore, anyone: Actor) -> None:
    order = walk(store, anyone, 2)
    order = store.command(ID, "return", expected_version=order.version, actor=anyone, data={"reason": "不在辖区"})
    assert (order.stage, order.squad_id) == ("returned", None)
    order = store.command(ID, "dispatch", expected_version=order.version, actor=anyone, data={"squad_id": "S-2"})
    assert (order.stage, order.squad_id, order.version) == ("dispatched", "S-2", 5)


def test_a_stale_command_is_refused_with_the_order_as_it_is(store: OrderStore, anyone: Actor) -> None:
    current = store.command(ID, "file", expected_version=1, actor=anyone)
    with pytest.raises(Conflict) as refused:
        store.command(ID, "reject", expected_version=1, actor=anyone, data={"reason_code": "wrong_plate"})
    assert (refused.value.code, refused.value.order) == ("stale", current)
    assert store.get(ID).order == current


@pytest.mark.parametrize("command", ["close", "accept", "verify", "fly", ""])
def test_an_illegal_command_is_refused_with_the_order_as_it_is(
    store: OrderStore, anyone: Actor, order: Order, command: str
) -> None:
    with pytest.raises(Conflict) as refused:
        store.command(ID, command, expected_version=1, actor=anyone, data={"verdict": "confirmed"})
    assert (refused.value.code, refused.value.order) == ("illegal", order)


def test_closing_needs_a_verdict(store: OrderStore, anyone: Actor, second: Actor) -> None:
    order = walk(store, anyone, 6, second)
    with pytest.raises(BadCommand) as refused:
        store.command(ID, "close", expected_version=order.version, actor=second)
    assert list(refused.value.problems) == ["verdict"]
    assert store.get(ID).order.stage == "verifying"


def test_only_who_may_acts(store: OrderStore) -> None:
    squad = Actor("li", frozenset({"squad"}))
    with pytest.raises(NotPermitted, match="派遣员"):
        store.command(ID, "file", expected_version=1, actor=squad)
    with pytest.raises(NotPermitted):
        store.command(ID, "file", expected_version=1, actor=Actor("nobody"))
    filed = store.command(ID, "file", expected_version=1, actor=Actor("wang", frozenset({"dispatcher"})))
    assert filed.stage == "filed"


def test_there_is_no_such_order(store: OrderStore, anyone: Actor) -> None:
    with pytest.raises(UnknownOrder):
        store.command("HW-19990101-0001", "file", expected_version=1, actor=anyone)
    with pytest.raises(UnknownOrder):
        store.get("HW-19990101-0001")


def test_a_refused_command_leaves_no_trace(store: OrderStore, anyone: Actor) -> None:
    before, change_id = store.get(ID), store.last_change_id()
    for version, command in ((7, "file"), (1, "close"), (1, "reject")):
        with pytest.raises((Conflict, BadCommand)):
            store.command(ID, command, expected_version=version, actor=anyone, idempotency_key="k")
    assert store.get(ID) == before
    assert store.last_change_id() == change_id
    # the key of a refused request is free
    assert store.command(ID, "file", expected_version=1, actor=anyone, idempotency_key="k").stage == "filed"


def test_a_repeated_request_is_one_command(store: OrderStore, anyone: Actor) -> None:
    first = store.command(ID, "file", expected_version=1, actor=anyone, data={"note": "x"}, idempotency_key="k-1")
    walked = walk_on(store, anyone)
    again = store.command(ID, "file", expected_version=1, actor=anyone, data={"note": "x"}, idempotency_key="k-1")
    assert again == first
    assert store.get(ID).order == walked


def walk_on(store: OrderStore, actor: Actor) -> Order:
    return store.command(ID, "dispatch", expected_version=2, actor=actor, data={"squad_id": "S-1"})


def test_a_key_belongs_to_one_request(store: OrderStore, anyone: Actor) -> None:
    store.command(ID, "file", expected_version=1, actor=anyone, idempotency_key="k-1")
    with pytest.raises(Conflict) as refused:
        store.command(ID, "file", expected_version=1, actor=anyone, data={"note": "y"}, idempotency_key="k-1")
    assert refused.value.code == "key_reused"


def test_a_key_belongs_to_one_actor(store: OrderStore, anyone: Actor) -> None:
    store.command(ID, "file", expected_version=1, actor=anyone, idempotency_key="1")
    other = Actor("other", anyone.roles)
    order = store.command(
        ID, "dispatch", expected_version=2, actor=other, data={"squad_id": "S-1"}, idempotency_key="1"
    )
    assert order.stage == "dispatched"


@pytest.mark.parametrize("squad", ["S-1\0", "\ud800"])
def test_what_no_database_holds_is_no_text(store: OrderStore, anyone: Actor, squad: str) -> None:
    store.command(ID, "file", expected_version=1, actor=anyone)
    with pytest.raises(BadCommand):
        store.command(ID, "dispatch", expected_version=2, actor=anyone, data={"squad_id": squad})
    with pytest.raises(UnknownOrder):
        store.command(squad, "dispatch", expected_version=2, actor=anyone, data={"squad_id": "S-1"})


@pytest.mark.parametrize("key", ["", "k" * 129, "\0", "\ud800"])
def test_a_key_has_a_sensible_length(store: OrderStore, anyone: Actor, key: str) -> None:
    with pytest.raises(BadCommand):
        store.command(ID, "file", expected_version=1, actor=anyone, idempotency_key=key)


def test_a_bulk_command_succeeds_and_fails_order_by_order(store: OrderStore, breach: Make, anyone: Actor) -> None:
    store.intake([breach(f"b{n}", truck_id=f"浙E{n}") for n in range(2, 5)])
    ids = [f"HW-20260501-000{n}" for n in range(1, 5)]
    store.command(ids[1], "file", expected_version=1, actor=anyone)
    steps = [Step(order_id, 1) for order_id in [*ids, "HW-0"]]
    data = {"reason_code": "duplicate"}
    results = store.bulk("reject", steps, actor=anyone, data=data, idempotency_key="all")
    kinds = [result.stage if isinstance(result, Order) else type(result).__name__ for result in results]
    assert kinds == ["new", "Conflict", "new", "new", "UnknownOrder"]
    assert len(store.list(OrderFilter(pending=True)).orders) == 3
    again = store.bulk("reject", steps, actor=anyone, data=data, idempotency_key="all")
    assert [result for result in again if isinstance(result, Order)] == [
        result for result in results if isinstance(result, Order)
    ]


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE orders SET stage = 'closed', verdict = 'confirmed', version = version + 1", "no such transition"),
        ("UPDATE orders SET stage = 'filed'", "version"),
        ("UPDATE orders SET version = version + 2", "version"),
        # of what needs approval nobody asked
        ("UPDATE orders SET stage = 'rejected', reason_code = 'other', version = version + 1", "no such transition"),
        (REQUESTED.format(command="void") + ", stage = 'filed'", "no such transition|outlives"),
        (REQUESTED.format(command="reject") + ", stage = 'rejected'", "no such transition|outlives"),
        ("UPDATE orders SET held_stage = 'new'", "where it belongs"),
        ("UPDATE orders SET stage = 'merged', version = version + 1", "where it belongs"),
        ("UPDATE orders SET merged_into = order_id", "where it belongs"),
        ("UPDATE orders SET stage = 'resting', version = version + 1", "no such transition"),
        ("DELETE FROM inbox", "permanent"),
        ("UPDATE inbox SET order_id = NULL", "shadow_has_no_order"),
        ("INSERT INTO inbox SELECT breach_id, order_id, status, rule_id, 9, NULL FROM inbox", "(?i)unique"),
        ("UPDATE ledger SET change_id = change_id - 1", "forward"),
        ("DELETE FROM ledger", "stays"),
        ("UPDATE audit SET actor = 'nobody'", "append-only"),
        ("DELETE FROM audit", "append-only"),
        ("INSERT INTO audit SELECT seq + 7, at, actor, action, order_id, detail, hash, hash FROM audit", "follow"),
        ("INSERT INTO audit SELECT seq + 1, at, actor, action, order_id, detail, 'no', hash FROM audit", "follow"),
    ],
)
def test_the_database_itself_refuses(store: OrderStore, url: str, statement: str, refusal: str) -> None:
    """Whoever comes with another program meets the same rules."""
    with pytest.raises(IntegrityError, match=refusal):
        run_sql(url, statement)
    assert store.verify().problem is None


@pytest.mark.parametrize(
    ("database_url", "statement", "refusal"),
    [
        (
            "sqlite",
            "REPLACE INTO audit SELECT seq, at, 'x', action, order_id, detail, prev_hash, hash FROM audit",
            "follow",
        ),
        pytest.param("postgresql", "TRUNCATE audit", "append-only", marks=pytest.mark.postgresql),
        pytest.param("postgresql", "TRUNCATE inbox CASCADE", "permanent", marks=pytest.mark.postgresql),
    ],
    indirect=["database_url"],
)
def test_the_ways_of_one_database_around_its_guards_are_closed(
    store: OrderStore, url: str, statement: str, refusal: str
) -> None:
    with pytest.raises(IntegrityError, match=refusal):
        run_sql(url, statement)
    assert store.verify().problem is None
