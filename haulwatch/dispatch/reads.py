"""Who looked at what: reading goes on record, at most once an hour for each person and order, so that a page which is
open all day does not fill the chain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, select

from haulwatch.dispatch.database import writing
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.records import canonical, order_of, order_row
from haulwatch.dispatch.tables import audit
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor, UnknownOrder

HOUR_MS = 3_600_000
Key = tuple[str, str, str]


class Reads:
    """May be used from any number of threads and processes; the database decides, the memory only spares it work."""

    def __init__(self, engine: Engine, clock_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._lock = threading.Lock()
        self._hour = 0
        self._noted: set[Key] = set()

    def note(self, action: str, order_id: str | None, *, actor: Actor, detail: Mapping[str, Any]) -> None:
        """Puts on record that `actor` read an order, or without one what `detail` says, unless this hour's entry is
        there. Raises `UnknownOrder`."""
        now_ms = self._clock_ms()
        hour = now_ms // HOUR_MS
        entry = {"data": dict(detail), "roles": sorted(actor.roles)}
        key = (action, actor.actor_id, canonical(entry) if order_id is None else order_id)
        with self._lock:
            if hour != self._hour:
                self._hour, self._noted = hour, set()
            if key in self._noted:
                return
        with writing(self._engine) as connection:
            recorder = Recorder(connection, rfc3339(now_ms))  # locks the ledger: the question and the entry are one
            since = rfc3339(hour * HOUR_MS)
            if not _is_noted(connection, since, action, actor.actor_id, order_id, canonical(entry)):
                _write(recorder, action, order_id, actor.actor_id, entry)
        with self._lock:
            if hour == self._hour:
                self._noted.add(key)


def _is_noted(
    connection: Connection, since: str, action: str, actor_id: str, order_id: str | None, detail: str
) -> bool:
    query = select(audit.c.seq).where(
        audit.c.order_id == order_id, audit.c.actor == actor_id, audit.c.action == action, audit.c.at >= since
    )
    if order_id is None:
        query = query.where(audit.c.detail == detail)
    return connection.execute(query.limit(1)).first() is not None


def _write(recorder: Recorder, action: str, order_id: str | None, actor_id: str, entry: Mapping[str, Any]) -> None:
    if order_id is None:
        recorder.audit(actor_id, action, None, entry)
    else:
        row = order_row(recorder.connection, order_id)
        if row is None:
            raise UnknownOrder(order_id)
        recorder.audit_order(actor_id, action, order_of(row), {"from": row.stage, **entry})
    recorder.close()
