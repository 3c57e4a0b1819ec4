"""Between rows and the vocabulary: canonical JSON, orders, findings and audit entries as they are stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, select

from haulwatch.dispatch import tables
from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.orders import AuditEntry, Occurrence, Order, Pending, ServiceClock, Supervision, Task
from haulwatch.domain.text import Text

_ORDER_COLUMNS = Order.__struct_fields__
_OCCURRENCE_COLUMNS = Occurrence.__struct_fields__
JSON_COLUMNS: dict[str, Any] = {
    "title": Text,
    "summary": Text,
    "zone_ids": list[str],
    "jurisdictions": list[str],
    "tasks": list[Task],
    "pending": Pending | None,
    "clock": ServiceClock | None,
    "supervision": Supervision | None,
}
"""Columns of an order that hold canonical JSON (or null), and what it means."""
_JSON_DECODERS = {name: msgspec.json.Decoder(kind) for name, kind in JSON_COLUMNS.items()}
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces, not ASCII-escaped: equal values give equal text."""
    plain = msgspec.to_builtins(value)
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def instant(text: str) -> str:
    """An RFC 3339 instant in the one form in which instants sort as text; `ValueError` when it is none."""
    return rfc3339(instant_ms(text))


def instant_ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 instant; `ValueError` when it is none."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"an instant without an offset: {text}")
    return to_ms(at)


def storable(text: str) -> bool:
    """Whether every database can hold the text: PostgreSQL takes no NUL, none takes half a character of UTF-16."""
    return _UNSTORABLE.search(text) is None


def select_orders() -> Select[Any]:
    """Selects what `order_of` reads: all of an order except the stored finding."""
    return select(*(tables.orders.c[name] for name in _ORDER_COLUMNS))


_ORDER_BY_ID = select_orders().where(tables.orders.c.order_id == bindparam("of_order"))


def order_row(connection: Connection, order_id: str) -> Row[Any] | None:
    """The row of an order for `order_of`, None when there is no such order."""
    if not storable(order_id):
        return None
    return connection.execute(_ORDER_BY_ID, {"of_order": order_id}).one_or_none()


def select_occurrences(order_id: str) -> Select[Any]:
    """Selects what `occurrence_of` reads, oldest first, and always in the same order."""
    table = tables.occurrences
    query = select(*(table.c[name] for name in _OCCURRENCE_COLUMNS)).where(table.c.order_id == order_id)
    return query.order_by(table.c.detected_at, table.c.count, table.c.breach_id, table.c.phase)


def order_of(row: Row[Any]) -> Order:
    """The order in a row of `select_orders`."""
    fields = {name: row._mapping[name] for name in _ORDER_COLUMNS}
    for name, decoder in _JSON_DECODERS.items():
        if fields[name] is not None:
            fields[name] = decoder.decode(fields[name])
    return Order(**fields)


def columns_of(changed: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of an order as its columns hold them."""
    return {
        name: canonical(value) if name in JSON_COLUMNS and value is not None else value
        for name, value in changed.items()
    }


def occurrence_of(row: Row[Any]) -> Occurrence:
    """The finding in a row of `select_occurrences`."""
    return Occurrence(**row._mapping)


def breach_of(stored: str) -> Breach:
    """The finding as it was reported, from its stored JSON."""
    return msgspec.json.decode(stored, type=Breach)


def audit_entry_of(row: Row[Any]) -> AuditEntry:
    """The audit entry in a row of the table `audit`."""
    return AuditEntry(**{**row._mapping, "detail": json.loads(row.detail)})
