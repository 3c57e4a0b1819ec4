"""`retention.yaml`: for how many days each class of records is kept, and when in the night the rest goes."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

LONGEST_DAYS = 36_500


def _days(value: Any) -> int | None:
    if value == "never":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int) or not 1 <= value <= LONGEST_DAYS:
        text = Text(f"应为 1 至 {LONGEST_DAYS} 天，或 never", f"from 1 to {LONGEST_DAYS} days, or never")
        raise author_error("K001", text)
    return value


Days = Annotated[int | None, BeforeValidator(_days)]
"""So many days; None (`never` in the file): they stay."""


class KeepDays(BaseModel):
    """Days by class. The defaults that rest on a law say so; the others are a proposal and the city's to choose."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sessions: Days = 1
    login_failures: Days = 180  # 网络安全法: logs of the network for no less than six months
    command_keys: Days = 30
    notices: Days = 180  # as login_failures
    changes: Days = 180
    shadow_findings: Days = 180
    pictures: Days = 90  # 公共安全视频图像信息系统管理条例: 30 days at least, then no longer than the purpose needs
    photos_rejected: Days = 180
    photos_closed: Days = 1096


class RetentionFile(BaseModel):
    """The file. `hour`: the hour of the city's day in which the daily run begins."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hour: Annotated[int, Field(ge=0, le=23)] = 3
    keep_days: KeepDays = KeepDays()
