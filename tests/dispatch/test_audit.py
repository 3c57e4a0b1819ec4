"""Somebody with the database and time on their hands: `verify` names the first entry that is not as it was."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from haulwatch.dispatch.audit import AuditProblem, Checkpoint
from haulwatch.dispatch.ledger import entry_hash
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Actor
from tests.dispatch.conftest import run_sql

Make = Callable[..., Breach]
ID = "HW-20260501-0001"
INSERT = "INSERT INTO audit VALUES (:seq, :at, 'zhang', 'note', :order_id, :detail, :before, :hash)"


@pytest.fixture(autouse=True)
def six_entries(store: OrderStore, breach: Make, anyone: Actor) -> None:
    store.intake([breach(), breach(phase="updated", count=3), breach("b2", truck_id="浙E2")])
    store.command(ID, "file", expected_version=1, actor=anyone)
    store.command(ID, "dispatch", expected_version=2, actor=anyone, data={"squad_id": "S-1"})
    store.command(ID, "accept", expected_version=3, actor=anyone)


@pytest.fixture
def database(store: OrderStore, url: str) -> Callable[..., None]:
    """Runs statements after taking the guards away."""
    del store

    if url.startswith("sqlite"):
        queries = ["SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'"]
    else:
        queries = [
            "SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"
            " FROM pg_constraint WHERE contype = 'f'",
        ]
    run_sql(url, *(str(guard) for query in queries for (guard,) in run_sql(url, query)))

    def tamper(*statements: str, **parameters: object) -> None:
        run_sql(url, *statements, **parameters)

    return tamper


def found(store: OrderStore, checkpoint: Checkpoint | None = None) -> tuple[str, int]:
    problem = store.verify(*([] if checkpoint is None else [checkpoint])).problem
    assert isinstance(problem, AuditProblem)
    assert problem.text.zh
    assert problem.text.en
    return problem.kind, problem.seq


def test_an_untouched_audit_is_whole(store: OrderStore) -> None:
    report = store.verify()
    assert (report.entries, report.head.seq, report.problem) == (6, 6, None)
    assert store.verify(report.head).problem is None


def test_an_entry_is_hashed_over_all_that_it_says(store: OrderStore) -> None:
    (first, second, *_) = store.get(ID).audit
    assert first.prev_hash == ""
    assert second.prev_hash == first.hash
    assert first.hash == entry_hash("", 1, first.at, first.actor, first.action, first.order_id, first.detail)


@pytest.mark.parametrize(
    "change",
    [
        "actor = 'zhang'",
        "at = '2020-01-01T00:00:00.000Z'",
        "action = 'void'",
        "order_id = NULL",
        "detail = '{}'",
        "detail = 'not json'",
        "hash = 'f'",
    ],
)
@pytest.mark.parametrize("seq", [1, 4, 6])
def test_a_changed_entry(store: OrderStore, database: Callable[..., None], seq: int, change: str) -> None:
    database(f"UPDATE audit SET {change} WHERE seq = {seq}")
    assert found(store) == ("changed", seq)


@pytest.mark.parametrize("seq", [1, 4, 5])
def test_a_removed_entry(store: OrderStore, database: Callable[..., None], seq: int) -> None:
    database(f"DELETE FROM audit WHERE seq = {seq}")
    assert found(store) == ("removed", seq)


def test_a_removed_entry_with_the_rest_renumbered(store: OrderStore, database: Callable[..., None]) -> None:
    database("DELETE FROM audit WHERE seq = 4", "UPDATE audit SET seq = seq - 1 WHERE seq > 4")
    assert found(store) == ("removed", 4)


@pytest.mark.parametrize("seq", [1, 4, 6])
def test_a_cut_end(store: OrderStore, database: Callable[..., None], seq: int) -> None:
    database(f"DELETE FROM audit WHERE seq >= {seq}")
    assert found(store) == ("cut", seq)


def test_a_cut_end_with_the_head_put_back_is_seen_by_who_kept_a_checkpoint(
    store: OrderStore, database: Callable[..., None], anyone: Actor
) -> None:
    store.note(ID, "evidence_read", actor=anyone, detail={"of": "b1"})
    checkpoint = store.verify().head
    hashes = [entry.hash for entry in store.get(ID).audit]
    database("DELETE FROM audit WHERE seq = 7", f"UPDATE ledger SET audit_seq = 6, audit_hash = '{hashes[-2]}'")
    assert store.verify().problem is None
    assert found(store, checkpoint) == ("cut", 7)


def test_an_inserted_entry(store: OrderStore, database: Callable[..., None]) -> None:
    before = store.get(ID).audit[2]  # entry 4; a new fifth is to follow it
    at, detail = before.at, {"from": "filed", "stage": "filed"}
    forged = entry_hash(before.hash, 5, at, "zhang", "note", ID, detail)
    database("UPDATE audit SET seq = -seq WHERE seq > 4", "UPDATE audit SET seq = 1 - seq WHERE seq < 0")
    database(INSERT, seq=5, at=at, order_id=ID, detail=json.dumps(detail), before=before.hash, hash=forged)
    assert found(store) == ("inserted", 5)


def test_an_entry_put_at_the_end(store: OrderStore, database: Callable[..., None]) -> None:
    last = store.get(ID).audit[-1]
    forged = entry_hash(last.hash, 7, last.at, "zhang", "note", None, {})
    database(INSERT, seq=7, at=last.at, order_id=None, detail="{}", before=last.hash, hash=forged)
    assert found(store) == ("inserted", 7)


@pytest.mark.parametrize("seq", [1, 4, 6])
def test_an_entry_rewritten_with_its_own_hash(store: OrderStore, database: Callable[..., None], seq: int) -> None:
    entries = {entry.seq: entry for entry in store.get(ID).audit}
    entry = entries[seq]
    forged = entry_hash(entry.prev_hash, seq, entry.at, "zhang", entry.action, ID, entry.detail)
    database("UPDATE audit SET actor = 'zhang', hash = :hash WHERE seq = :seq", hash=forged, seq=seq)
    assert found(store) == ("changed", seq)


def test_two_entries_in_each_others_place(store: OrderStore, database: Callable[..., None]) -> None:
    database("UPDATE audit SET seq = -4 WHERE seq = 4", "UPDATE audit SET seq = 4 WHERE seq = 5")
    database("UPDATE audit SET seq = 5 WHERE seq = -4")
    kind, seq = found(store)
    assert seq == 4
    assert kind in ("changed", "removed", "inserted")


def test_a_chain_rewritten_from_some_entry_on_is_seen_by_who_kept_a_checkpoint(
    store: OrderStore, database: Callable[..., None]
) -> None:
    checkpoint = store.verify().head
    last = store.get(ID).audit[-1]
    forged = entry_hash(last.prev_hash, 6, last.at, "zhang", last.action, ID, last.detail)
    database("UPDATE audit SET actor = 'zhang', hash = :hash WHERE seq = 6", hash=forged)
    database("UPDATE ledger SET audit_hash = :hash", hash=forged)
    assert store.verify().problem is None
    assert found(store, checkpoint) == ("changed", 6)


@pytest.mark.parametrize(
    ("statement", "seq"),
    [
        ("UPDATE orders SET stage = 'closed', verdict = 'confirmed' WHERE order_id = 'HW-20260501-0001'", 6),
        ("UPDATE orders SET version = 9 WHERE order_id = 'HW-20260501-0002'", 3),
        ("UPDATE orders SET breach = replace(breach, '敞开', '闭合') WHERE order_id = 'HW-20260501-0002'", 3),
        ("DELETE FROM orders WHERE order_id = 'HW-20260501-0002'", 3),
        ("UPDATE occurrences SET breach = replace(breach, '敞开', '闭合') WHERE count = 3", 2),
        ("DELETE FROM occurrences WHERE count = 3", 2),
    ],
)
def test_orders_and_findings_are_as_the_audit_says(
    store: OrderStore, database: Callable[..., None], statement: str, seq: int
) -> None:
    database(statement)
    assert found(store) == ("order", seq)


def test_an_order_that_the_audit_does_not_know(store: OrderStore, database: Callable[..., None]) -> None:
    database(
        "CREATE TEMP TABLE copy AS SELECT * FROM orders WHERE order_id = 'HW-20260501-0002'",
        "UPDATE copy SET order_id = 'HW-20260501-0099', opened_change_id = 99, breach_id = 'b99', collecting = false",
        "INSERT INTO orders SELECT * FROM copy",
    )
    problem = store.verify().problem
    assert problem is not None
    assert (problem.kind, problem.order_id) == ("order", "HW-20260501-0099")
