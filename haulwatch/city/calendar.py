"""`calendar.yaml`: when the offices work, for service clocks that count working hours or working days."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict

from haulwatch.city import cells
from haulwatch.city.cells import CellError
from haulwatch.city.documents import author_error
from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_LONGEST_HOLIDAY_DAYS = 60


class Calendar(Struct, frozen=True):
    """Working hours by weekday (Monday first), local time; a day that is named overrides its weekday."""

    week: tuple[tuple[Hours, ...], ...]
    holidays: frozenset[date] = frozenset()
    extra_working_days: frozenset[date] = frozenset()

    def hours_on(self, day: date) -> tuple[Hours, ...]:
        """The working hours of a local day in order; () on a day off. An extra working day has those of a weekday."""
        if day in self.extra_working_days:
            return self.week[day.weekday()] or next((hours for hours in self.week if hours), ())
        return () if day in self.holidays else self.week[day.weekday()]


_OFFICE = (Hours(8 * 60 + 30, 12 * 60), Hours(13 * 60 + 30, 17 * 60 + 30))
DEFAULT_CALENDAR = Calendar(week=(_OFFICE,) * 5 + ((), ()))
"""Monday to Friday 08:30-12:00 and 13:30-17:30, where a city has no `calendar.yaml`."""


def _week(value: Any) -> tuple[tuple[Hours, ...], ...]:
    if not isinstance(value, dict):
        raise author_error(
            "C015",
            Text("应为“星期: 时段”", "must map weekdays to hours"),
            Text('mon-fri: ["08:30-17:30"]', 'mon-fri: ["08:30-17:30"]'),
        )
    week: dict[int, tuple[Hours, ...]] = {}
    for key, written in value.items():
        for number in _weekdays(str(key)):
            if number in week:
                raise author_error("C015", Text(f"{DAYS[number]} 写了两次", f"{DAYS[number]} stands twice"))
            week[number] = _hours(written)
    return tuple(week.get(number, ()) for number in range(len(DAYS)))


def _weekdays(key: str) -> range:
    """`mon`, `monday` or `mon-fri` as weekday numbers."""
    first, _, last = key.lower().partition("-")
    numbers = []
    for name in (first, last or first):
        if name[:3] not in DAYS:
            raise author_error(
                "C015",
                Text(
                    f"未知的星期 “{name}”，可用：{', '.join(DAYS)}",
                    f"Unknown weekday “{name}”; known: {', '.join(DAYS)}",
                ),
                did_you_mean(name, DAYS),
            )
        numbers.append(DAYS.index(name[:3]))
    if numbers[0] > numbers[1]:
        raise author_error("C015", Text(f"“{key}” 首尾颠倒", f"“{key}” is the wrong way round"))
    return range(numbers[0], numbers[1] + 1)


def _hours(written: Any) -> tuple[Hours, ...]:
    spans: list[Hours] = []
    for part in written if isinstance(written, list) else [written or ""]:
        try:
            spans.extend(cells.hours(str(part)))
        except CellError as error:
            raise author_error(error.code, error.text, error.hint) from None
    spans.sort(key=lambda hours: hours.from_min)
    for before, after in pairwise(spans):
        if after.from_min < before.to_min:
            raise author_error("C032", Text("同一天的时段重叠", "Hours of one day overlap"))
    if any(hours.to_min < hours.from_min for hours in spans):
        raise author_error("C032", Text("工作时段不能跨过零点", "Working hours must not run over midnight"))
    return tuple(spans)


def _days(value: Any) -> frozenset[date]:
    """A list of days and spans `2026-10-01/2026-10-07`, both ends included."""
    if not isinstance(value, list):
        raise author_error(
            "C015",
            Text("应为日期列表", "must be a list of days"),
            Text("- 2026-10-01/2026-10-07", "- 2026-10-01/2026-10-07"),
        )
    days: set[date] = set()
    for entry in value:
        days.update(_span(str(entry)))
    return frozenset(days)


def _span(entry: str) -> list[date]:
    first_text, _, last_text = entry.partition("/") if entry.count("/") == 1 else (entry, "", "")
    try:
        first = cells.day(first_text.strip())
        last = cells.day(last_text.strip()) if last_text else first
    except CellError as error:
        raise author_error(error.code, error.text, error.hint) from None
    length = (last - first).days + 1
    if not 1 <= length <= _LONGEST_HOLIDAY_DAYS:
        raise author_error(
            "C038",
            Text(
                f"“{entry}” 的起止日期不合理",
                f"“{entry}” does not run forward, or for more than {_LONGEST_HOLIDAY_DAYS} days",
            ),
        )
    return [first + timedelta(days=offset) for offset in range(length)]


class CalendarFile(BaseModel):
    """`calendar.yaml` as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    working_hours: Annotated[tuple[tuple[Hours, ...], ...], BeforeValidator(_week)] = DEFAULT_CALENDAR.week
    holidays: Annotated[frozenset[date], BeforeValidator(_days)] = frozenset()
    extra_working_days: Annotated[frozenset[date], BeforeValidator(_days)] = frozenset()

    def calendar(self) -> Calendar:
        """The calendar it describes."""
        return Calendar(self.working_hours, self.holidays, self.extra_working_days)
