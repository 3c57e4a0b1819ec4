"""What only a server can do: be away, come back, refuse, be of another kind; and what then becomes of the orders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import URL, make_url

from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.engines import parse_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import ROLES, Actor, Conflict, Order
from tests.dispatch.conftest import run_sql
from tests.postgresql.server import PASSWORD, Postgres

Make = Callable[..., Breach]
ID = "HW-20260501-0001"
HABITS = {
    "lock_timeout": "15s",
    "statement_timeout": "2min",
    "idle_in_transaction_session_timeout": "1min",
    "synchronous_commit": "on",  # whatever the server does by itself
    "application_name": "haulwatch",
}


@pytest.fixture
def server_store(postgres_database: str) -> Iterator[OrderStore]:
    store = open_store(postgres_database)
    yield store
    store.close()


def written(url: URL) -> str:
    """The URL with its password in it."""
    return url.render_as_string(hide_password=False)


def insistent(work: Callable[[], Order], deadline: float) -> tuple[Order, int]:
    """What `work` gives once the server lets it, and how often it was away; whatever else it raises is a failure."""
    away = 0
    while True:
        try:
            return work(), away
        except WorldError as error:
            if not error.retryable or PASSWORD in str(error) or time.monotonic() > deadline:
                raise
            away += 1
            time.sleep(0.01)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_server_that_goes_and_comes_while_commands_run(own_postgres: Postgres, breach: Make, how: str) -> None:
    """Whoever repeats what failed, with its key, gets everything done, once, on the store that was open all along."""
    orders, outages = 120, 3
    store = open_store(written(own_postgres.url()))
    store.intake([breach(f"b{number}", truck_id=f"浙E{number:05d}") for number in range(orders)])
    deadline = time.monotonic() + 120
    done = threading.Semaphore(0)

    def file(number: int) -> int:
        def act() -> Order:
            return store.command(
                f"HW-20260501-{number:04d}",
                "file",
                expected_version=1,
                actor=Actor(f"p{number % 3}", frozenset(ROLES)),
                idempotency_key=f"k{number}",
            )

        order, away = insistent(act, deadline)
        assert (order.stage, order.version) == ("filed", 2)
        done.release()
        return away

    def feed() -> int:
        away = 0
        for number in range(orders):
            findings = [breach(f"b{number}", "updated", 2, truck_id=f"浙E{number:05d}")]

            def take(findings: list[Breach] = findings) -> Order:
                store.intake(findings)
                return store.list(limit=1).orders[0]

            away += insistent(take, deadline)[1]
        return away

    with ThreadPoolExecutor(5) as threads:
        feeding = threads.submit(feed)
        filing = [threads.submit(file, number) for number in range(1, orders + 1)]
        for _ in range(outages):
            for _ in range(orders // (outages + 1)):  # let some work be done before it goes
                assert done.acquire(timeout=60)
            getattr(own_postgres, how)()
            own_postgres.start()
        times_away = feeding.result() + sum(one.result() for one in filing)
    assert times_away > 0
    assert store.counts()["filed"] == orders
    for order in store.list(limit=500).orders:
        detail = store.get(order.order_id)
        assert sorted(entry.action for entry in detail.audit) == ["file", "opened", "updated"]
        assert detail.order.occurrences == 2
    assert [change.change_id for change in store.changes_since(0, limit=500)] == list(range(1, 3 * orders + 1))
    assert store.verify().problem is None
    store.close()


def test_without_a_server_everything_says_so_and_afterwards_works(own_postgres: Postgres, breach: Make) -> None:
    store = open_store(written(own_postgres.url()))
    store.intake([breach()])
    own_postgres.stop()
    everything: list[Callable[[], object]] = [
        store.list,
        store.counts,
        store.verify,
        store.last_change_id,
        lambda: store.get(ID),
        lambda: store.intake([breach("b2")]),
        lambda: store.command(ID, "file", expected_version=1, actor=Actor("p", frozenset(ROLES))),
        lambda: open_store(written(own_postgres.url())),
    ]
    for ask in everything:
        with pytest.raises(WorldError, match=r"不可用.*is away: connection failed") as refused:
            ask()
        assert refused.value.retryable
    own_postgres.start()
    assert store.get(ID).order.stage == "new"
    assert store.intake([breach("b2", truck_id="浙E2")]).opened == ("HW-20260501-0002",)
    store.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": "guessed"}, "password authentication failed"),
        ({"username": "nobody"}, "authentication failed"),
        ({"database": "nowhere"}, 'database "nowhere" does not exist'),
        ({"port": 1}, "Connection refused"),
        ({"host": "nowhere.invalid"}, "nowhere.invalid"),
        ({"query": {"sslmode": "perhaps"}}, "sslmode"),
        ({"query": {"colour": "red"}}, "colour"),
        ({"query": {"options": "-csearch_path=nowhere"}}, "schema"),
    ],
)
def test_a_server_that_lets_nobody_in(postgres_database: str, changes: dict[str, object], said: str) -> None:
    with pytest.raises(WorldError, match=said) as refused:
        open_store(written(make_url(postgres_database).set(**changes)))  # type: ignore[arg-type]
    assert PASSWORD not in str(refused.value)
    assert "guessed" not in str(refused.value)


def test_a_role_that_may_not_make_tables(postgres_database: str) -> None:
    role = f"reader_{make_url(postgres_database).database}"
    run_sql(postgres_database, f"CREATE ROLE {role} LOGIN PASSWORD 'x'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    try:
        with pytest.raises(WorldError, match="permission denied") as refused:
            open_store(written(make_url(postgres_database).set(username=role, password="x")))
        assert not refused.value.retryable
    finally:
        run_sql(postgres_database, f"DROP ROLE {role}")


def test_a_database_in_another_encoding(postgres_url: str) -> None:
    name = "haulwatch_test_gb"
    engine = create_engine(parse_url(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE IF EXISTS {name}")
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} ENCODING 'EUC_CN' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        )
        try:
            with pytest.raises(WorldError, match="UTF8") as refused:
                open_store(written(make_url(postgres_url).set(database=name)))
            assert not refused.value.retryable
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2"])
def test_any_name_of_the_database_means_the_same_driver(postgres_database: str, scheme: str) -> None:
    store = open_store(postgres_database.replace("postgresql", scheme, 1))
    assert sum(store.counts().values()) == 0
    store.close()


def test_habits_of_a_connection(postgres_database: str) -> None:
    name = make_url(postgres_database).database
    run_sql(postgres_database, f"ALTER DATABASE {name} SET synchronous_commit = off")
    store = open_store(postgres_database)
    with store._engine.connect() as connection:
        shown = {name: connection.exec_driver_sql(f"SHOW {name}").scalar() for name in HABITS}
    store.close()
    run_sql(postgres_database, f"ALTER DATABASE {name} RESET synchronous_commit")
    assert shown == HABITS


def test_readers_write_nothing(server_store: OrderStore) -> None:
    with pytest.raises(WorldError, match="read-only"), reading(server_store._engine) as connection:
        connection.exec_driver_sql("DELETE FROM transitions")


def test_a_frozen_writer_loses_the_lock(postgres_database: str, breach: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haulwatch.dispatch.engines.IDLE_TIMEOUT_MS", 200)
    frozen, other = open_store(postgres_database), open_store(postgres_database)

    def freeze() -> None:
        with writing(frozen._engine) as connection:
            connection.exec_driver_sql("SELECT * FROM ledger FOR UPDATE")
            assert other.intake([breach("b2")]).opened == (ID,), "waits until the server gives up on the first"
            connection.exec_driver_sql("UPDATE ledger SET audit_seq = audit_seq")

    with pytest.raises(WorldError) as refused:
        freeze()
    assert refused.value.retryable
    assert frozen.intake([breach("b3", truck_id="浙E3")]).opened == ("HW-20260501-0002",)
    frozen.close()
    other.close()


def test_numbers_grow_beyond_four_bytes(server_store: OrderStore, postgres_database: str, breach: Make) -> None:
    far = 5_000_000_000
    run_sql(postgres_database, f"UPDATE ledger SET change_id = {far}")
    server_store.intake([breach()])
    assert server_store.get(ID).order.change_id == far + 1
    (change,) = server_store.changes_since(far)
    assert change.change_id == far + 1
    with pytest.raises(Conflict):
        server_store.command(ID, "close", expected_version=1, actor=Actor("p", frozenset(ROLES)))
