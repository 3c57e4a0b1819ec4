"""Opening the order store's database: readers, one writer at a time, an up-to-date schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, delete, insert, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from haulwatch.dispatch import tables
from haulwatch.dispatch.engines import new_engine, parse_url, shown, world_error
from haulwatch.dispatch.lifecycle import TRANSITIONS
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

ORDERS_FILE = "orders.sqlite"
"""The order database of an embedded system, in its data folder."""


def sqlite_url(data: Path) -> str:
    """The URL of the order database in the data folder `data`."""
    return f"sqlite:///{data / ORDERS_FILE}"


def check_exists(url: str) -> None:
    """Raises `WorldError` when there is no order store at `url`, so that a reader does not create one."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        if not Path(parsed.database or "").is_file():
            raise WorldError(Text(f"没有工单库 {parsed.database}", f"there is no order store {parsed.database}"))
        return
    engine = new_engine(url)
    try:
        with reading(engine) as connection:
            found = inspect(connection).has_table(tables.ledger.name)
    finally:
        engine.dispose()
    if not found:
        raise WorldError(Text(f"{shown(parsed)} 中没有工单库", f"there is no order store in {shown(parsed)}"))


def open_engine(url: str) -> Engine:
    """An engine on `url` with an up-to-date schema; `WorldError` when it cannot be reached or is of a newer version."""
    engine = new_engine(url)
    try:
        _bring_up_to_date(engine)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database throughout."""
    with _world(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that no other writer overlaps: all of it is committed at the end, or none of it after an error."""
    with _world(engine), engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


@contextmanager
def _world(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        found = world_error(engine, error)
        if found is None:
            raise
        raise found from error


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
            connection.execute(text("SET LOCAL statement_timeout = 0"))  # a migration takes as long as it takes
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


def _transition_rows() -> list[dict[str, str | bool]]:
    names = ("source", "command", "target", "approval")
    return [{name: getattr(row, name) for name in names} for row in TRANSITIONS]


def _same_transitions(connection: Connection) -> bool:
    stored = [dict(row._mapping) for row in connection.execute(select(tables.transitions))]
    wanted = _transition_rows()
    return len(stored) == len(wanted) and all(row in stored for row in wanted)
