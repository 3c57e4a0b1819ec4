"""Instants as foreign systems write them: the form and the zone are said by a person, never guessed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from haulwatch.city.documents import author_error
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Text

ISO, SECONDS, MILLISECONDS = "iso", "epoch_s", "epoch_ms"
_COMMON = "%Y-%m-%d %H:%M:%S"
SHORTEST = len("20260501T163000")
"""Of an instant in ISO 8601: a day alone is none."""
_EXAMPLE = datetime(2026, 11, 23, 13, 45, 56, tzinfo=UTC)


class Times(BaseModel):
    """`format` is `iso`, `epoch_s`, `epoch_ms`, or one of Python's strptime (`%Y-%m-%d %H:%M:%S`).

    Clocks that do not write their offset have it from `utc_offset_h` or `timezone`; one that does is believed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = ISO
    utc_offset_h: float | None = Field(None, ge=-14, le=14)
    timezone: str | None = None

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str) -> str:
        if value in (ISO, SECONDS, MILLISECONDS):
            return value
        try:
            sound = "%" in value and datetime.strptime(_EXAMPLE.strftime(value), value).year == _EXAMPLE.year
        except ValueError:
            sound = False
        if not sound:
            raise author_error(
                "N030",
                Text(
                    "时间格式应为 iso、epoch_s、epoch_ms 或 %Y-%m-%d %H:%M:%S 这样的写法（须含年份）",
                    "a format of times is iso, epoch_s, epoch_ms, or like %Y-%m-%d %H:%M:%S (with the year)",
                ),
            )
        return value

    @model_validator(mode="after")
    def _one_zone(self) -> Times:
        if self.utc_offset_h is not None and self.timezone is not None:
            text = Text("utc_offset_h 和 timezone 只写一个", "say utc_offset_h or timezone, not both")
            raise author_error("N031", text)
        if self.timezone is not None:
            try:
                ZoneInfo(self.timezone)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                text = Text(f"没有时区 {self.timezone}", f"there is no time zone {self.timezone}")
                raise author_error("N031", text, inside=("timezone",)) from None
        if self.format not in (ISO, SECONDS, MILLISECONDS) and "%z" not in self.format and self._zone is None:
            text = Text(
                "这种格式不带时差：写明 utc_offset_h 或 timezone",
                "this format has no offset in it: say utc_offset_h or timezone",
            )
            raise author_error("N031", text, inside=("format",))
        return self

    @cached_property
    def _zone(self) -> tzinfo | None:
        if self.timezone is not None:
            return ZoneInfo(self.timezone)
        return None if self.utc_offset_h is None else timezone(timedelta(hours=self.utc_offset_h))

    def instant(self, value: Any, field: str) -> datetime:
        """The value as an aware datetime in UTC. Raises DeviceError `bad_time` that names the field."""
        try:
            if isinstance(value, bool):
                raise ValueError(value)
            if self.format in (SECONDS, MILLISECONDS):
                number = float(value)
                return to_datetime(round(number * 1000 if self.format == SECONDS else number))
            at = self._written(str(value).strip())
            if at.tzinfo is None:
                at = at.replace(tzinfo=self._declared(field))
            return at.astimezone(UTC)
        except (ValueError, OverflowError, OSError, TypeError):
            shown = str(value)[:64]
            text_ = Text(f"{field} 不是时刻：“{shown}”", f"{field} is no instant: “{shown}”")
            raise DeviceError("bad_time", text_) from None

    def _written(self, text: str) -> datetime:
        if self.format == ISO:
            return datetime.fromisoformat(text if len(text) >= SHORTEST else "")
        if self.format == _COMMON and len(text) == 19 and text[10] == " ":
            try:
                return datetime.fromisoformat(text)  # many times faster
            except ValueError:
                pass  # blanks may stand for zeros
        return datetime.strptime(text, self.format)

    def _declared(self, field: str) -> tzinfo:
        zone = self._zone
        if zone is None:
            text = Text(
                f"{field} 没有时差，设置里也没有 utc_offset_h 或 timezone",
                f"{field} has no offset, and the settings neither utc_offset_h nor timezone",
            )
            raise DeviceError("bad_time", text)
        return zone
