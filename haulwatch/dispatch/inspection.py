"""An order store as it stands, looked at without changing it: not created, not upgraded."""

from __future__ import annotations

import json
from typing import Any

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from msgspec import Struct
from sqlalchemy import Row, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import check_exists, reading
from haulwatch.dispatch.engines import new_engine
from haulwatch.dispatch.ledger import entry_hash


class StoreState(Struct, frozen=True):
    """`revision` of the schema and the program's own `newest`; the head of the audit, and whether its last entry is as
    it was written. Of an outdated schema the audit is not looked at."""

    database: str
    revision: str | None
    newest: str | None
    audit_entries: int | None = None
    last_at: str | None = None
    last_sound: bool | None = None


def inspect_store(url: str) -> StoreState:
    """The order store at `url`. Raises WorldError where there is none or it cannot be reached."""
    check_exists(url)
    config = Config()
    config.set_main_option("script_location", "haulwatch.dispatch:migrations")
    newest = ScriptDirectory.from_config(config).get_current_head()
    engine = new_engine(url)
    try:
        with reading(engine) as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            state = StoreState(engine.dialect.name, revision, newest)
            if revision != newest:
                return state
            head = connection.execute(select(tables.ledger)).one()
            last = connection.execute(select(tables.audit).order_by(tables.audit.c.seq.desc()).limit(1)).one_or_none()
    finally:
        engine.dispose()
    if last is None:
        return StoreState(engine.dialect.name, revision, newest, head.audit_seq, None, head.audit_seq == 0)
    return StoreState(engine.dialect.name, revision, newest, head.audit_seq, last.at, _is_sound(head, last))


def _is_sound(head: Row[Any], last: Row[Any]) -> bool:
    try:
        detail = json.loads(last.detail)
    except ValueError:
        return False
    written = entry_hash(last.prev_hash, last.seq, last.at, last.actor, last.action, last.order_id, detail)
    return (head.audit_seq, head.audit_hash) == (last.seq, last.hash) and written == last.hash
