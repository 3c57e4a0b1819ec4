"""Mapped fields as an event: its source, and an id that is the same whenever the same thing comes again."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from connectors.field_map import Kind
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_ms
from haulwatch.domain.text import Text
from haulwatch.wire import decode_event

LONGEST_SOURCE = 200
"""So that an id made of it is no longer than ids may be."""


def source_name(kind: str, name: str) -> str:
    """`kind:name`, shortened with a digest where it would be too long."""
    source = f"{kind}:{name}"
    if len(source) <= LONGEST_SOURCE:
        return source
    return f"{source[: LONGEST_SOURCE - 17]}~{hashlib.sha256(source.encode('utf-8', 'replace')).hexdigest()[:16]}"


def mapped_event(
    kind: Kind, fields: dict[str, Any], *, truck_id: str, source: str, received_at: datetime | None
) -> Event:
    """The event, through the one definition of what an event is. Raises DeviceError.

    The sender's own `event_id` counts within its source; without one the id comes from time and content, and what was
    kept and is sent again (`resent`) is the same.
    """
    at = fields.get("at")
    if not isinstance(at, datetime):
        raise DeviceError("missing_field", Text("没有时刻 at", "it has no instant at"))
    own_id = fields.get("event_id")
    if own_id is None:
        said = {name: value for name, value in fields.items() if name != "resent"}
        content = msgspec.json.encode([kind, truck_id, said], order="sorted")
        own_id = f"{to_ms(at)}:{hashlib.sha256(content).hexdigest()[:24]}"
    values: dict[str, Any] = {"source": source, **fields}
    values |= {"kind": kind, "event_id": f"{source}:{own_id}", "truck_id": truck_id}
    if received_at is not None:
        values["received_at"] = received_at
    return decode_event(msgspec.json.encode(values))
