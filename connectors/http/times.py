"""Instants as devices write them in texts: with an offset from UTC, or local under the offset of the settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text


def instant_of(text: str, utc_offset_h: float | None) -> datetime:
    """ISO 8601 or `2006-01-02 15:04:05`, as aware UTC; `utc_offset_h` counts only where the text has no offset.

    Raises DeviceError (`bad_time`), also where neither says an offset.
    """
    try:
        at = datetime.fromisoformat(text if len(text) >= 15 else "")
        if at.tzinfo is None:
            if utc_offset_h is None:
                raise DeviceError(
                    "bad_time",
                    Text(
                        f"时间 {text[:40]} 没有时区，设置里也没有 utc_offset_h",
                        f"{text[:40]} has no offset, and the settings say no utc_offset_h",
                    ),
                )
            at = at.replace(tzinfo=timezone(timedelta(hours=utc_offset_h)))
        return at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise DeviceError("bad_time", Text(f"“{text[:40]}” 不是时间", f"“{text[:40]}” is no time")) from error
