"""Every row and every column of what the audit speaks of, changed, removed, added or cut one at a time: all is named.

Whoever does it has the rights to the database: its guards are gone. Each crime is undone before the next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Table, create_engine, delete, func, insert, select, text, update

from haulwatch.cli.main import main
from haulwatch.dispatch import tables
from haulwatch.dispatch.audit import AuditProblem, Checkpoint, verify
from haulwatch.dispatch.engines import parse_url
from haulwatch.dispatch.ledger import entry_hash
from haulwatch.dispatch.records import canonical
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Actor
from tests.dispatch.conftest import MORNING_MS
from tests.dispatch.lives import Districts

Make = Callable[..., Breach]
FIRST, SECOND, THIRD, FOURTH = (f"HW-20260501-000{number}" for number in (1, 2, 3, 4))
CHIEF = Actor("值班长", frozenset({"dispatcher", "duty_officer"}))
audit, orders = tables.audit, tables.orders


@pytest.fixture
def story(url: str, breach: Make, anyone: Actor) -> Iterator[OrderStore]:
    """Orders of which some column of each kind says something: pending, tasks, held, merged, late, overdue."""
    now_ms = MORNING_MS + 60 * 60_000
    store = open_store(url, plan=Districts(), clock_ms=lambda: now_ms)
    sensor = {"rule_id": "sensor", "zone_ids": ["T-1", "D-1"]}
    store.intake([breach(), breach(phase="updated", count=3), breach("b2", truck_id="浙E2", **sensor)])
    store.intake([breach("b3", truck_id="浙E3"), breach("b4", "ended", truck_id="浙E4", late=True, lon=None)])
    store.command(FIRST, "file", expected_version=1, actor=anyone, data={"note": "看过"})
    store.command(FIRST, "hold", expected_version=2, actor=anyone, data={"reason": "封路"})
    store.command(FIRST, "approve", expected_version=3, actor=CHIEF)
    store.command(SECOND, "file", expected_version=1, actor=anyone)
    data = {"department": "交警", "answer": "已查"}
    store.command(SECOND, "answer", expected_version=2, actor=Actor("李", anyone.roles, squad_id="S-2"), data=data)
    store.command(SECOND, "void", expected_version=3, actor=anyone, data={"reason": "误"})
    store.command(THIRD, "merge", expected_version=1, actor=anyone, data={"into": SECOND})
    now_ms += 12 * 60_000
    store.sweeper().sweep()
    store.note(FOURTH, "evidence_read", actor=anyone, detail={"of": "b4"})
    yield store
    store.close()


@pytest.fixture
def engine(story: OrderStore, url: str) -> Iterator[Engine]:
    """The database without its guards."""
    assert story.verify().problem is None
    opened = create_engine(parse_url(url))
    if url.startswith("sqlite"):
        queries = ["SELECT 'DROP TRIGGER ' || name FROM sqlite_master WHERE type = 'trigger'"]
    else:
        queries = [
            "SELECT format('DROP TRIGGER %I ON %s', tgname, tgrelid::regclass) FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)"
            " FROM pg_constraint WHERE contype IN ('f', 'c') AND conrelid > 0",
        ]
    with opened.begin() as connection:
        if url.startswith("sqlite"):
            connection.execute(text("PRAGMA foreign_keys = OFF"))
        for guard in [guard for query in queries for (guard,) in connection.execute(text(query)).all()]:
            connection.execute(text(guard))
    yield opened
    opened.dispose()


Crime = Callable[[Connection], object]


@contextmanager
def undone(engine: Engine, *crimes: Crime) -> Iterator[Connection]:
    """The database with these crimes done to it, for as long as the block runs."""
    with engine.connect() as connection, connection.begin() as transaction:
        if engine.dialect.name == "sqlite":
            connection.execute(text("PRAGMA ignore_check_constraints = ON"))
        for crime in crimes:
            crime(connection)
        yield connection
        transaction.rollback()


def found(engine: Engine, *crimes: Crime, kept: Sequence[Checkpoint] = ()) -> AuditProblem:
    with undone(engine, *crimes) as connection:
        problem = verify(connection, kept).problem
    assert problem is not None
    assert problem.text.zh
    assert problem.text.en
    return problem


def rows_of(engine: Engine, table: Table) -> list[dict[str, Any]]:
    with engine.begin() as connection:
        return [dict(row._mapping) for row in connection.execute(select(table).order_by(*table.primary_key))]


def other(value: object) -> object:
    """Another value of the kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1000
        case None:
            return "1"
        case str() if value.startswith("["):
            return '["D-9"]' if value == "[]" or '"T-' in value else "[]"
        case _:
            text = str(value)
            return f"{text[:-1]}{'0' if text[-1:] != '0' else '1'}"


def of_row(table: Table, row: dict[str, Any]) -> Any:
    conditions = [column == row[column.name] for column in table.primary_key]
    condition = conditions[0]
    for one in conditions[1:]:
        condition &= one
    return condition


def changing(table: Table, row: dict[str, Any], column: str, value: object) -> Crime:
    number = isinstance(table.c[column].type.python_type(), int | float) and value == "1"
    return lambda connection: connection.execute(
        update(table).where(of_row(table, row)).values({column: 1 if number else value})
    )


def shifting(connection: Connection, seq: int, by: int) -> None:
    """Gives the entries from `seq` on other numbers."""
    later = audit.c.seq >= seq
    connection.execute(update(audit).where(later).values(seq=-audit.c.seq))
    connection.execute(update(audit).where(audit.c.seq < 0).values(seq=-audit.c.seq + by))


def test_every_column_of_every_entry(engine: Engine) -> None:
    entries = rows_of(engine, audit)
    assert len(entries) > 15
    for row in entries:
        for column in audit.columns:
            value = row["seq"] + 1000 if column.name == "seq" else other(row[column.name])
            problem = found(engine, changing(audit, row, column.name, value))
            assert problem.seq == row["seq"], (row["seq"], column.name)
            assert problem.kind == ("removed" if column.name == "seq" else "changed")
        spaced = found(engine, changing(audit, row, "detail", row["detail"] + " "))
        assert (spaced.kind, spaced.seq) == ("changed", row["seq"]), "not a space more"


def test_every_entry_removed(engine: Engine) -> None:
    entries = rows_of(engine, audit)
    for row in entries:
        seq = row["seq"]
        kind = "removed" if seq < len(entries) else "cut"

        def remove(connection: Connection, row: dict[str, Any] = row) -> None:
            connection.execute(delete(audit).where(of_row(audit, row)))

        problem = found(engine, remove)
        assert (problem.kind, problem.seq) == (kind, seq)
        closed_up = found(engine, remove, lambda connection, seq=seq: shifting(connection, seq + 1, -1))
        assert (closed_up.kind, closed_up.seq) == (kind, seq)


@pytest.mark.parametrize("hashed", [True, False], ids=["sound by itself", "with any hash"])
def test_an_entry_inserted_anywhere(engine: Engine, hashed: bool) -> None:
    entries = rows_of(engine, audit)
    for seq in range(1, len(entries) + 2):
        before = entries[seq - 2]["hash"] if seq > 1 else ""
        at, detail = entries[0]["at"], {"stage": "closed", "version": 9}
        digest = entry_hash(before, seq, at, "张", "close", FIRST, detail) if hashed else "f" * 64
        row = {"seq": seq, "at": at, "actor": "张", "action": "close", "order_id": FIRST}
        row |= {"detail": canonical(detail), "prev_hash": before, "hash": digest}

        def slip_in(connection: Connection, seq: int = seq, row: dict[str, Any] = row) -> None:
            shifting(connection, seq, 1)
            connection.execute(insert(audit), row)

        problem = found(engine, slip_in)
        assert (problem.kind, problem.seq) == ("inserted", seq)


def test_the_end_cut_off_at_any_entry(engine: Engine, story: OrderStore) -> None:
    kept = story.head()
    entries = rows_of(engine, audit)
    for seq in range(1, len(entries) + 1):

        def cut(connection: Connection, seq: int = seq) -> None:
            connection.execute(delete(audit).where(audit.c.seq >= seq))

        problem = found(engine, cut)
        assert (problem.kind, problem.seq) == ("cut", seq)
        head = {"audit_seq": seq - 1, "audit_hash": entries[seq - 2]["hash"] if seq > 1 else ""}

        def put_back(connection: Connection, head: dict[str, Any] = head) -> None:
            connection.execute(update(tables.ledger).values(head))

        with_head = found(engine, cut, put_back, kept=[kept])
        assert (with_head.kind, with_head.seq) == ("cut", seq)


def test_the_head_itself(engine: Engine) -> None:
    for values in ({"audit_seq": 999}, {"audit_hash": "f" * 64}):
        found(engine, lambda connection, values=values: connection.execute(update(tables.ledger).values(values)))


def test_every_column_of_every_order(engine: Engine) -> None:
    for row in rows_of(engine, orders):
        newest = max(entry["seq"] for entry in rows_of(engine, audit) if entry["order_id"] == row["order_id"])
        for column in orders.columns:
            problem = found(engine, changing(orders, row, column.name, other(row[column.name])))
            assert problem.kind == "order", column.name
            if column.name in ("order_id", "breach"):
                continue  # the order is another one; the finding is the first entry's
            assert (problem.order_id, problem.seq) == (row["order_id"], newest), column.name
            assert column.name in problem.columns
            assert len(problem.columns) == 1


@pytest.mark.parametrize("name", ["inbox", "occurrences", "order_areas", "order_squads", "terms"])
def test_every_column_of_what_belongs_to_orders(engine: Engine, name: str) -> None:
    table = tables.metadata.tables[name]
    rows = rows_of(engine, table)
    assert rows
    for row in rows:
        for column in table.columns:
            assert found(engine, changing(table, row, column.name, other(row[column.name]))).kind == "order"
        removed = found(engine, lambda c, row=row: c.execute(delete(table).where(of_row(table, row))))
        assert removed.kind == "order"


def test_the_clocks_that_run(engine: Engine) -> None:
    running = [row for row in rows_of(engine, tables.clocks) if row["stopped_at"] is None]
    assert len(running) == 3
    for row in running:
        for column in tables.clocks.columns:
            if column.name in ("round", "paused_min"):
                continue  # says nothing about what is due
            problem = found(engine, changing(tables.clocks, row, column.name, other(row[column.name])))
            assert problem.kind == "order"
            assert problem.columns == ("clocks",)


def test_an_order_and_a_finding_that_nobody_recorded(engine: Engine) -> None:
    (order, *_) = rows_of(engine, orders)
    forged = {**order, "order_id": "HW-1", "opened_change_id": 99, "breach_id": "b99", "collecting": False}
    problem = found(engine, lambda connection: connection.execute(insert(orders), forged))
    assert (problem.kind, problem.order_id, problem.seq) == ("order", "HW-1", 0)
    (finding, *_) = rows_of(engine, tables.occurrences)
    again = {**finding, "count": 77}
    problem = found(engine, lambda connection: connection.execute(insert(tables.occurrences), again))
    assert (problem.kind, problem.order_id) == ("order", FIRST)


def test_what_was_recorded_without_a_digest_stays_valid(engine: Engine) -> None:
    """As an earlier version wrote it: the chain is sound, and orders are compared by stage and version."""

    def forget(connection: Connection) -> None:
        before = ""
        for row in rows_of(engine, audit):
            detail = {k: v for k, v in json.loads(row["detail"]).items() if k not in ("state_sha256", "change_id")}
            said = (row["at"], row["actor"], row["action"], row["order_id"], detail)
            digest = entry_hash(before, row["seq"], *said)
            changed = {"detail": canonical(detail), "prev_hash": before, "hash": digest}
            connection.execute(update(audit).where(audit.c.seq == row["seq"]).values(changed))
            before = digest
        connection.execute(update(tables.ledger).values(audit_hash=before))

    with undone(engine, forget) as connection:
        assert verify(connection).problem is None
        connection.execute(update(orders).where(orders.c.order_id == FIRST).values(version=9))
        problem = verify(connection).problem
    assert problem is not None
    assert (problem.kind, problem.order_id, problem.columns) == ("order", FIRST, ("version",))


def test_the_command_names_them(engine: Engine, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    with engine.begin() as connection:
        last = connection.execute(select(func.max(audit.c.seq))).scalar_one()

    def said(crime: str, undo: str) -> str:
        with engine.begin() as connection:
            connection.execute(text(crime))
        assert main(["orders", "audit", "verify", "--database", url, "--lang", "en"]) == 1
        with engine.begin() as connection:
            connection.execute(text(undo))
        return capsys.readouterr().out.strip()

    squad = f"WHERE order_id = '{SECOND}'"
    assert said(
        "UPDATE audit SET actor = actor || '0' WHERE seq = 5", "UPDATE audit SET actor = rtrim(actor, '0')"
    ) == ("[changed] audit entry 5: the content does not match its hash")
    assert said(f"UPDATE orders SET squad_id = 'S-9' {squad}", f"UPDATE orders SET squad_id = NULL {squad}") == (
        f"[order] the order is not as the audit says: squad_id ({SECOND})"
    )
    assert said(f"DELETE FROM audit WHERE seq = {last}", "SELECT 1") == (
        f"[cut] audit entry {last}: this entry and what followed were cut off"
    )
