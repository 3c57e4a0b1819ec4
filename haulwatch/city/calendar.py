"""`calendar.yaml`: when the offices work, and how long each step of an order may take."""

from __future__ import annotations

from calendar import day_name
from datetime import date, timedelta
from itertools import pairwise
from typing import Annotated, Any

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from haulwatch.city import cells
from haulwatch.city.cells import CellError
from haulwatch.city.documents import author_error
from haulwatch.city.service_clocks import ServiceClocksFile
from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.registry import Hours
from haulwatch.domain.service import Limits
from haulwatch.domain.text import Text

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAYS = {name: number for number, day in enumerate(day_name) for name in (day.lower(), day[:3].lower())}
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

    @property
    def working_day_min(self) -> int:
        """Minutes of a working day, the first of the week that has any; 0 where nobody ever works."""
        first = next((hours for hours in self.week if hours), ())
        return sum(span.to_min - span.from_min for span in first)


_OFFICE = (Hours(8 * 60 + 30, 12 * 60), Hours(13 * 60 + 30, 17 * 60 + 30))
DEFAULT_CALENDAR = Calendar(week=(_OFFICE,) * 5 + ((), ()))
"""Monday to Friday 08:30-12:00 and 13:30-17:30, where a city has no `calendar.yaml`."""


def _week(value: Any) -> tuple[tuple[Hours, ...], ...]:
    if not isinstance(value, dict):
        example = 'mon-fri: ["08:30-12:00", "13:30-17:30"]'
        raise author_error("C015", Text("应为“星期: 时段”", "must map weekdays to hours"), Text(example, example))
    week: dict[int, tuple[Hours, ...]] = {}
    for key, written in value.items():
        hours = _hours(key, written)
        for number in _weekdays(key):
            if number in week:
                text = Text(f"{DAYS[number]} 写了两次", f"{DAYS[number]} stands twice")
                raise author_error("C015", text, inside=(key,), at_key=True)
            week[number] = hours
    return tuple(week.get(number, ()) for number in range(len(DAYS)))


def _weekdays(key: str) -> range:
    """`mon`, `monday` or `mon-fri` as weekday numbers."""
    first, _, last = key.lower().partition("-")
    numbers = []
    for name in (first, last or first):
        if name not in _WEEKDAYS:
            listed = ", ".join(DAYS)
            text = Text(f"未知的星期 “{name}”，可用：{listed}", f"Unknown weekday “{name}”; known: {listed}")
            raise author_error("C015", text, did_you_mean(name, _WEEKDAYS), inside=(key,), at_key=True)
        numbers.append(_WEEKDAYS[name])
    if numbers[0] > numbers[1]:
        text = Text(f"“{key}” 首尾颠倒", f"“{key}” is the wrong way round")
        raise author_error("C015", text, inside=(key,), at_key=True)
    return range(numbers[0], numbers[1] + 1)


def _hours(key: str, written: Any) -> tuple[Hours, ...]:
    spans: list[Hours] = []
    for part in written if isinstance(written, list) else [written or ""]:
        try:
            spans.extend(cells.hours(str(part)))
        except CellError as error:
            raise author_error(error.code, error.text, error.hint, inside=(key,)) from None
    spans.sort(key=lambda hours: hours.from_min)
    if any(after.from_min < before.to_min for before, after in pairwise(spans)):
        raise author_error("C032", Text("同一天的时段重叠", "Hours of one day overlap"), inside=(key,))
    if any(hours.to_min < hours.from_min for hours in spans):
        text = Text("工作时段不能跨过零点", "Working hours must not run over midnight")
        raise author_error("C032", text, inside=(key,))
    return tuple(spans)


def _days(value: Any) -> frozenset[date]:
    """A list of days and spans `2026-10-01/2026-10-07`, both ends included."""
    if value is None:
        return frozenset()
    if not isinstance(value, list):
        example = Text("例如 - 2026-10-01/2026-10-07", "For example - 2026-10-01/2026-10-07")
        raise author_error("C015", Text("应为日期列表", "must be a list of days"), example)
    days: set[date] = set()
    for index, entry in enumerate(value):
        days.update(_span(str(entry), index))
    return frozenset(days)


def _span(entry: str, index: int) -> list[date]:
    first_text, _, last_text = entry.partition("/") if entry.count("/") == 1 else (entry, "", "")
    try:
        first = cells.day(first_text.strip())
        last = cells.day(last_text.strip()) if last_text else first
    except CellError as error:
        raise author_error(error.code, error.text, error.hint, inside=(index,)) from None
    length = (last - first).days + 1
    if not 1 <= length <= _LONGEST_HOLIDAY_DAYS:
        limit = _LONGEST_HOLIDAY_DAYS
        text = Text(f"“{entry}” 的起止不合理", f"“{entry}” runs backwards, or for more than {limit} days")
        raise author_error("C038", text, inside=(index,))
    return [first + timedelta(days=offset) for offset in range(length)]


class CalendarFile(BaseModel):
    """`calendar.yaml` as written."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    working_hours: Annotated[tuple[tuple[Hours, ...], ...], BeforeValidator(_week)] = DEFAULT_CALENDAR.week
    holidays: Annotated[frozenset[date], BeforeValidator(_days)] = frozenset()
    extra_working_days: Annotated[frozenset[date], BeforeValidator(_days)] = frozenset()
    service_clocks: ServiceClocksFile = ServiceClocksFile()

    @model_validator(mode="after")
    def _can_run_out(self) -> CalendarFile:
        self.limits()
        return self

    def calendar(self) -> Calendar:
        """The calendar it describes."""
        return Calendar(self.working_hours, self.holidays, self.extra_working_days)

    def limits(self) -> Limits:
        """The service limits that are written; a working day is as long as the calendar has it."""
        return self.service_clocks.limits(lambda: self.calendar().working_day_min)
