"""Opening a store: a fresh file, a current one, several at once, and what is no store of ours."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url

from haulwatch.dispatch import rollouts_tables, tables
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.engines import parse_url
from haulwatch.dispatch.lifecycle import TRANSITIONS
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import WorldError
from tests.dispatch.conftest import run_sql

sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""A test of what only SQLite has."""


def test_a_store_is_opened_again_as_it_was(store: OrderStore, url: str, breach: object) -> None:
    store.intake([breach()])  # type: ignore[operator]
    before = store.list()
    again = open_store(url)
    assert again.list() == before
    again.close()


def test_the_migrations_build_what_the_code_expects(store: OrderStore, url: str) -> None:
    del store
    engine = create_engine(parse_url(url))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, tables.metadata) == []
    assert rollouts_tables.cities.metadata is tables.metadata
    engine.dispose()


def test_the_database_knows_the_life_cycle(store: OrderStore, url: str) -> None:
    store.close()
    insert = "INSERT INTO transitions VALUES ('new', 'close', 'closed', false)"
    run_sql(url, "DELETE FROM transitions WHERE command = 'close'", insert)
    open_store(url).close()
    rows = run_sql(url, "SELECT source, command, target, approval FROM transitions")
    assert set(rows) == {(row.source, row.command, row.target, row.approval) for row in TRANSITIONS}


@sqlite
def test_habits_of_a_connection(store: OrderStore, url: str) -> None:
    assert run_sql(url, "PRAGMA journal_mode") == [("wal",)]
    with store._engine.connect() as ours:
        pragmas = [ours.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("foreign_keys", "synchronous")]
    assert pragmas == [1, 2]


@sqlite
def test_the_open_order_of_a_truck_is_found_by_index(store: OrderStore) -> None:
    with store._engine.connect() as connection:
        query = "EXPLAIN QUERY PLAN SELECT order_id FROM orders WHERE dedup_key = 'x' AND orders.collecting = 1"
        plan = str(connection.exec_driver_sql(query).all())
    assert "uq_orders_dedup_key_collecting" in plan


def test_several_open_a_fresh_store_at_once(url: str) -> None:
    start, failures = threading.Barrier(6), []

    def open_it() -> None:
        start.wait()
        try:
            open_store(url).close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
            failures.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    again = open_store(url)
    assert sum(again.counts().values()) == 0
    again.close()


def test_a_store_of_a_newer_version_is_left_alone(store: OrderStore, url: str) -> None:
    store.close()
    run_sql(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(WorldError, match="newer than this program"):
        open_store(url)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "orders.sqlite").write_text("truck_id,axle_count\n" * 100)
    with pytest.raises(WorldError, match="not an order store"):
        open_store(sqlite_url(tmp_path))


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/at/all/orders.sqlite", "mysql://db/orders", "orders", "what://x/y"]
)
def test_a_database_that_cannot_be_reached(url: str) -> None:
    with pytest.raises(WorldError):
        open_store(url)


def test_a_store_in_memory_for_one_thread(breach: object) -> None:
    store = open_store("sqlite://")
    store.intake([breach()])  # type: ignore[operator]
    assert store.counts()["new"] == 1
    store.close()


def test_a_writer_that_keeps_the_lock(url: str, breach: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haulwatch.dispatch.engines.BUSY_TIMEOUT_MS", 20)
    store = open_store(url)
    engine = create_engine(parse_url(url))
    with engine.connect() as other:
        other.exec_driver_sql("UPDATE ledger SET audit_seq = audit_seq")
        with pytest.raises(WorldError, match="lock") as refused:
            store.intake([breach()])  # type: ignore[operator]
        assert refused.value.retryable
        assert store.list().orders == [], "readers do not wait for writers"
    engine.dispose()
    assert store.intake([breach()]).opened == ("HW-20260501-0001",)  # type: ignore[operator]
    store.close()


@sqlite
def test_a_damaged_file(store: OrderStore, url: str, breach: object) -> None:
    store.intake([breach()])  # type: ignore[operator]
    store.close()
    file = Path(make_url(url).database or "")
    whole = file.read_bytes()
    file.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(WorldError, match="damaged"):
        open_store(url)


def test_a_password_is_not_told() -> None:
    with pytest.raises(WorldError) as refused:
        open_store("mysql://haulwatch:geheim@db/orders")
    assert "geheim" not in str(refused.value)
