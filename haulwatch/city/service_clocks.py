"""The section `service_clocks` of `calendar.yaml`: how long each step of an order may take, by its urgency."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict

from haulwatch.city.documents import author_error
from haulwatch.domain.orders import ClockStep, Urgency
from haulwatch.domain.service import Limit
from haulwatch.domain.text import Text

STEPS: tuple[ClockStep, ...] = ("file", "dispatch", "accept", "arrive", "handle", "verify")
URGENCIES: tuple[Urgency, ...] = ("urgent", "normal", "low")

_HOUR_MIN, _DAY_MIN = 60, 24 * 60
_LONGEST_MIN = 365 * _DAY_MIN
_WRITTEN = re.compile(r"((?:\d+[dhm])+)( working)?", re.ASCII)
_PART = re.compile(r"(\d+)([dhm])", re.ASCII)


class WrittenLimit(Struct, frozen=True):
    """A limit as written: `1d working` is a working day, however many hours that has in this city."""

    days: int
    minutes: int
    working: bool

    def limit(self, working_day_min: int) -> Limit:
        """The limit in minutes; `working_day_min` is how many a working day has."""
        return Limit(self.days * (working_day_min if self.working else _DAY_MIN) + self.minutes, self.working)


def _limit(value: Any) -> WrittenLimit:
    example = Text("例如 30m、2h、4h working、1d working", "For example 30m, 2h, 4h working, 1d working")
    written = _WRITTEN.fullmatch(" ".join(value.split())) if isinstance(value, str) else None
    if written is None:
        text = Text(f"“{value}” 不是时限", f"“{value}” is not a limit")
        raise author_error("C016", text, example)
    sums = {"d": 0, "h": 0, "m": 0}
    for count, unit in _PART.findall(written[1]):
        sums[unit] += int(count)
    days, minutes = sums["d"], sums["h"] * _HOUR_MIN + sums["m"]
    if not 0 < days * _DAY_MIN + minutes <= _LONGEST_MIN:
        raise author_error("C015", Text(f"{value} 超出范围（1m – 365d）", f"{value} is out of range (1m - 365d)"))
    return WrittenLimit(days, minutes, written[2] is not None)


class StepFile(BaseModel):
    """The limits of one step; what is not written keeps the shipped limit."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    urgent: Annotated[WrittenLimit | None, BeforeValidator(_limit)] = None
    normal: Annotated[WrittenLimit | None, BeforeValidator(_limit)] = None
    low: Annotated[WrittenLimit | None, BeforeValidator(_limit)] = None


class ServiceClocksFile(BaseModel):
    """The section as written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: StepFile = StepFile()
    dispatch: StepFile = StepFile()
    accept: StepFile = StepFile()
    arrive: StepFile = StepFile()
    handle: StepFile = StepFile()
    verify: StepFile = StepFile()

    def limits(self, working_day_min: Callable[[], int]) -> dict[ClockStep, Mapping[Urgency, Limit]]:
        """The limits that are written. Raises what `author_error` makes where one can never run out."""
        found: dict[ClockStep, Mapping[Urgency, Limit]] = {}
        for step in STEPS:
            row: dict[Urgency, Limit] = {}
            for urgency in URGENCIES:
                written: WrittenLimit | None = getattr(getattr(self, step), urgency)
                if written is None:
                    continue
                day_min = working_day_min()
                if written.working and not day_min:
                    text = Text(
                        "没有工作时段，按工作时间的时限永远不会到期", "A city that never works has no working time"
                    )
                    raise author_error("C042", text, inside=("service_clocks", step, urgency))
                row[urgency] = written.limit(day_min)
            if row:
                found[step] = row
        return found
