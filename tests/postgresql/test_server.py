"""The tests' own PostgreSQL: it asks for the password, keeps what was committed, and each database begins empty."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy.engine import make_url

from tests.postgresql.server import Postgres


def dsn(server: Postgres) -> str:
    return server.url().render_as_string(hide_password=False)


def test_what_was_committed_survives_a_kill(own_postgres: Postgres) -> None:
    with psycopg.connect(dsn(own_postgres)) as connection:
        connection.execute("CREATE TABLE kept (n integer)")
    for number, end in enumerate((own_postgres.kill, own_postgres.stop)):
        with psycopg.connect(dsn(own_postgres)) as connection:
            connection.execute("INSERT INTO kept VALUES (%s)", [number])
        end()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(dsn(own_postgres))
        own_postgres.start()
    with psycopg.connect(dsn(own_postgres)) as connection:
        assert connection.execute("SELECT n FROM kept ORDER BY n").fetchall() == [(0,), (1,)]


def test_a_wrong_password_is_refused(own_postgres: Postgres) -> None:
    wrong = own_postgres.url().set(password="guessed").render_as_string(hide_password=False)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)


def test_a_database_of_a_test_begins_empty(postgres_url: str, postgres_database: str) -> None:
    assert make_url(postgres_database).database != make_url(postgres_url).database
    with psycopg.connect(postgres_database) as connection:
        assert connection.execute("SELECT * FROM pg_tables WHERE schemaname = 'public'").fetchall() == []
