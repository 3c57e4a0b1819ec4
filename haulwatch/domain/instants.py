"""Instants: aware UTC datetimes at the edge, integer milliseconds since 1970 (`*_ms`) inside."""

from __future__ import annotations

from datetime import UTC, datetime

NEVER_MS = -(2**62)
"""Before every instant: "has not happened yet"."""
FOREVER_MS = 2**62
"""After every instant: "no deadline"."""


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970-01-01T00:00Z of an aware datetime (rounded to the nearest millisecond)."""
    return round(at.timestamp() * 1000)


def to_datetime(ms: int) -> datetime:
    """The aware UTC datetime of `ms`."""
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def rfc3339(ms: int) -> str:
    """`ms` as RFC 3339 in UTC with milliseconds: `2026-05-01T08:30:00.000Z`."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{ms % 1000:03d}Z"
