"""Engines on SQLite and PostgreSQL: connections with the right habits, and which errors are the world's, not ours."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process before it says that the database is busy."""
STATEMENT_TIMEOUT_MS = 120_000
"""How long PostgreSQL works on one statement of ours; the longest reads the whole audit in portions."""
IDLE_TIMEOUT_MS = 60_000
"""When PostgreSQL takes the lock away from a writer that fell silent in the middle of its transaction."""
CONNECT_TIMEOUT_S = 10
OLDEST_POSTGRESQL = 130_000

_POSTGRESQL_LIBPQ = {
    "connect_timeout": CONNECT_TIMEOUT_S,
    "application_name": "haulwatch",
    "client_encoding": "utf8",
    # A server whose machine vanished is noticed within a minute, not within TCP's two hours.
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
_AWAY = ("08", "40", "53", "57", "58")
"""SQLSTATE classes: connection, rolled back for others' sake, out of resources, stopped by an operator, system."""
_BUSY_OR_STANDBY = ("55P03", "25006", "25P03")
"""Lock not to be had in time, a standby that takes no writes (yet), silent for too long."""
_REFUSED = ("28", "3D", "3F", "42501")
"""Wrong password, no such database, no such schema, no permission: somebody has to put that right."""


def parse_url(url: str) -> URL:
    """The URL with the driver that haulwatch uses. Raises WorldError when it cannot be read."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise WorldError(Text("数据库地址无法识别", "the database URL cannot be read")) from error
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def shown(url: URL) -> str:
    """The URL as it may be shown: no password, wherever it was."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def new_engine(url: str) -> Engine:
    """An engine on `url` that has not connected yet. Raises WorldError for a URL or a database that does not serve."""
    parsed = parse_url(url)
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise WorldError(Text(f"不支持的数据库：{backend}", f"unsupported database: {backend}"))
    try:
        engine = create_engine(parsed, **(_sqlite_pool(parsed) if backend == "sqlite" else _postgresql_pool(parsed)))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise WorldError(Text(f"数据库地址不可用：{error}", f"unusable database URL: {error}")) from error
    if backend == "sqlite":
        _prepare_sqlite(engine)
    else:
        _prepare_postgresql(engine)
    return engine


def _sqlite_pool(url: URL) -> dict[str, Any]:
    """Enough connections for every thread of a web server."""
    return {} if url.database in (None, "", ":memory:") else {"pool_size": 8, "max_overflow": 56}


def _postgresql_pool(url: URL) -> dict[str, Any]:
    """Fewer: a server has a hundred for everybody. What died since its last use is noticed before it is used again."""
    given = {name: value for name, value in _POSTGRESQL_LIBPQ.items() if name not in url.query}
    return {
        "pool_size": 8,
        "max_overflow": 16,
        "pool_timeout": BUSY_TIMEOUT_MS / 1000,
        "pool_pre_ping": True,
        "connect_args": given,
    }


def _prepare_sqlite(engine: Engine) -> None:
    """SQLite's own transactions instead of the driver's guesses; a writer takes the write lock from the start.

    A transaction that begins by reading and then writes fails at once (not after the busy timeout) when another
    process wrote meanwhile, so writers say so in advance: execution option `writing`.
    """

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        _use_wal(cursor)
        # A command that was answered must survive a power cut, not only a crash of the process.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Makes the file a WAL one. Whoever comes while another does so is refused at once, whatever the busy timeout."""
    until_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until_s:
                raise
            time.sleep(0.01)
        else:
            return


def _prepare_postgresql(engine: Engine) -> None:
    timeouts = {
        "lock_timeout": BUSY_TIMEOUT_MS,
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": IDLE_TIMEOUT_MS,
    }
    habits = ", ".join(f"set_config('{name}', '{value}', false)" for name, value in timeouts.items())
    # An answered command must survive a power cut: "off" is not taken over; stricter choices of the operator are.
    lasting = "CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', false)"

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: Any) -> None:
        info = connection.info
        if info.server_version < OLDEST_POSTGRESQL or info.parameter_status("server_encoding") != "UTF8":
            version, encoding = info.server_version // 10_000, info.parameter_status("server_encoding")
            raise WorldError(
                Text(
                    f"数据库须为 PostgreSQL 13 或更新、编码 UTF8；此处为 {version}、{encoding}",
                    f"the database must be PostgreSQL 13 or later with encoding UTF8; this is {version}, {encoding}",
                )
            )
        connection.autocommit = True
        connection.execute(f"SELECT {habits}, {lasting} END").close()
        connection.autocommit = False


def world_error(engine: Engine, error: Exception) -> WorldError | None:
    """What of `error` is the world's doing; None when it is our own fault."""
    name = shown(engine.url)
    if isinstance(error, PoolTimeoutError):
        return _away(name, str(error))
    if not isinstance(error, DBAPIError):
        return None
    reason = str(error.orig).partition("\n")[0]
    if engine.dialect.name == "postgresql":
        return _of_postgresql(name, reason, error)
    if isinstance(error, OperationalError):
        return _away(name, reason)
    if type(error.orig).__name__ == "DatabaseError":  # its subclasses are our own faults
        return WorldError(Text(f"{name} 不是工单库或已损坏", f"{name} is not an order store, or is damaged"))
    return None


def _of_postgresql(name: str, reason: str, error: DBAPIError) -> WorldError | None:
    state = getattr(error.orig, "sqlstate", None) or ""
    if state.startswith(_REFUSED):
        return WorldError(Text(f"工单库 {name} 不允许：{reason}", f"order store {name} refuses: {reason}"))
    if state.startswith("XX"):
        return WorldError(Text(f"工单库 {name} 已损坏：{reason}", f"order store {name} is damaged: {reason}"))
    if state.startswith(_AWAY) or state in _BUSY_OR_STANDBY or error.connection_invalidated:
        return _away(name, reason)
    if state:
        return None
    if isinstance(error, OperationalError):  # no answer from a server, or it would let nobody in
        return _away(name, reason)
    if "connection option" in reason or "invalid" in reason.partition(":")[0]:
        return WorldError(Text(f"数据库地址不可用：{reason}", f"unusable database URL: {reason}"))
    return None


def _away(name: str, reason: str) -> WorldError:
    return WorldError(Text(f"工单库 {name} 不可用：{reason}", f"order store {name} is away: {reason}"), retryable=True)
