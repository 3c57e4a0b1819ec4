"""Values that several commands take, checked in one place."""

from __future__ import annotations

from datetime import datetime

from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import to_ms
from haulwatch.domain.text import Text


def instant_ms(text: str) -> int:
    """An RFC 3339 instant with its time zone, in milliseconds. Raises WorldError."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise WorldError(Text(f"不是 RFC 3339 时刻：{text}", f"not an RFC 3339 instant: {text}")) from error
    if instant.tzinfo is None:
        raise WorldError(Text(f"时刻缺少时区：{text}", f"instant without a time zone: {text}"))
    return to_ms(instant)
