"""Opening the order store's database: connections with the right habits, one writer at a time, an up-to-date schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, delete, event, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from haulwatch.dispatch import tables
from haulwatch.dispatch.lifecycle import TRANSITIONS
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

BUSY_TIMEOUT_MS = 15_000
"""How long a writer waits for another process before it says that the database is busy."""


ORDERS_FILE = "orders.sqlite"
"""The order database of an embedded system, in its data folder."""


def sqlite_url(data: Path) -> str:
    """The URL of the order database in the data folder `data`."""
    return f"sqlite:///{data / ORDERS_FILE}"


def check_exists(url: str) -> None:
    """Raises `WorldError` when `url` names a SQLite file that is not there, so that a reader does not create it."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise WorldError(Text("数据库地址无法识别", "the database URL cannot be read")) from error
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").is_file():
        raise WorldError(Text(f"没有工单库 {parsed.database}", f"there is no order store {parsed.database}"))


def open_engine(url: str) -> Engine:
    """An engine on `url` with an up-to-date schema; `WorldError` when it cannot be reached or is of a newer version."""
    try:
        engine = create_engine(url, **_pool(url))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise WorldError(Text(f"数据库地址不可用：{error}", f"unusable database URL: {error}")) from error
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine)
    elif engine.dialect.name != "postgresql":
        name = engine.dialect.name
        raise WorldError(Text(f"不支持的数据库：{name}", f"unsupported database: {name}"))
    try:
        _bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _pool(url: str) -> dict[str, Any]:
    """Enough connections for every thread of a web server; a server's connections may have died since."""
    if make_url(url).database in (None, "", ":memory:"):
        return {}
    return {"pool_size": 8, "max_overflow": 56, "pool_pre_ping": not url.startswith("sqlite")}


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
        cursor.execute("PRAGMA journal_mode = WAL")
        # A command that was answered must survive a power cut, not only a crash of the process.
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database throughout."""
    with _world(engine), engine.connect() as connection, connection.begin():
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer overlaps: all of it is committed at the end, or none of it after an error."""
    with _world(engine), engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


@contextmanager
def _world(engine: Engine) -> Iterator[None]:
    name = make_url(engine.url).render_as_string(hide_password=True)
    try:
        yield
    except (OperationalError, PoolTimeoutError) as error:
        reason = str(error.orig if isinstance(error, OperationalError) else error).partition("\n")[0]
        text = Text(f"工单库 {name} 不可用：{reason}", f"order store {name} is away: {reason}")
        raise WorldError(text, retryable=True) from error
    except DatabaseError as error:
        if type(error) is not DatabaseError:  # its subclasses are our own faults
            raise
        text = Text(f"{name} 不是工单库或已损坏", f"{name} is not an order store, or is damaged")
        raise WorldError(text) from error


def _bring_up_to_date(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", "haulwatch.dispatch:migrations")
    script = ScriptDirectory.from_config(config)
    with reading(engine) as connection:
        if _revision(connection, script) == script.get_current_head() and _same_transitions(connection):
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('haulwatch.orders'))"))
        if _revision(connection, script) != script.get_current_head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        if not _same_transitions(connection):
            connection.execute(delete(tables.transitions))
            connection.execute(insert(tables.transitions), _transition_rows())


def _revision(connection: Connection, script: ScriptDirectory) -> str | None:
    """The schema's revision; None when there is no schema yet."""
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        zh = f"工单库的版本 {current} 比本程序新"
        raise WorldError(Text(zh, f"the order store's schema {current} is newer than this program"))
    return current


def _transition_rows() -> list[dict[str, str]]:
    return [{"source": row.source, "command": row.command, "target": row.target} for row in TRANSITIONS]


def _same_transitions(connection: Connection) -> bool:
    table = tables.transitions
    stored = {tuple(row) for row in connection.execute(select(table.c.source, table.c.command, table.c.target))}
    return stored == {(row.source, row.command, row.target) for row in TRANSITIONS}
