"""Counting time: minutes of working hours over a calendar, or of the wall clock. Pure; all instants are ms since 1970.

`after(t, d)` is the earliest instant by which `d` has passed since `t`, so work that has to be done within a working
day is due when that day ends, not when the next one begins.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from haulwatch.city.calendar import Calendar
from haulwatch.domain.instants import to_ms

Span = tuple[int, int]
"""From, to in ms; `to` is not in it."""


class Time(Protocol):
    """A way to count time."""

    def elapsed_ms(self, from_ms: int, to_ms: int) -> int:
        """How much has passed from one instant to another; 0 where the second one is not later."""
        ...

    def after(self, at_ms: int, lapse_ms: int) -> int:
        """The earliest instant by which `lapse_ms` has passed since `at_ms`; `at_ms` itself for nothing."""
        ...

    def before(self, at_ms: int, lapse_ms: int) -> int:
        """The latest instant from which `lapse_ms` passes until `at_ms`; `at_ms` itself for nothing."""
        ...


class WallTime:
    """Every minute counts."""

    def elapsed_ms(self, from_ms: int, to_ms: int) -> int:
        """See `Time`, as all that follow."""
        return max(0, to_ms - from_ms)

    def after(self, at_ms: int, lapse_ms: int) -> int:
        return at_ms + max(0, lapse_ms)

    def before(self, at_ms: int, lapse_ms: int) -> int:
        return at_ms - max(0, lapse_ms)


class WorkingTime:
    """Only the working hours of the calendar count, on the clock of the time zone. ValueError for one without any."""

    def __init__(self, calendar: Calendar, timezone: ZoneInfo) -> None:
        if not calendar.working_day_min:
            raise ValueError("a calendar without working hours")
        self._calendar = calendar
        self._timezone = timezone
        self._spans_of = lru_cache(maxsize=1024)(self._new_spans)

    def elapsed_ms(self, from_ms: int, to_ms: int) -> int:
        """See `Time`, as all that follow."""
        if to_ms <= from_ms:
            return 0
        day, last = self._day_of(from_ms), self._day_of(to_ms)
        total_ms = 0
        while day <= last:
            total_ms += sum(max(0, min(end, to_ms) - max(begin, from_ms)) for begin, end in self._spans_of(day))
            day += timedelta(days=1)
        return total_ms

    def after(self, at_ms: int, lapse_ms: int) -> int:
        if lapse_ms <= 0:
            return at_ms
        day, left_ms = self._day_of(at_ms), lapse_ms
        while True:
            for begin, end in self._spans_of(day):
                start = max(begin, at_ms)
                if end - start >= left_ms:
                    return start + left_ms
                left_ms -= max(0, end - start)
            day += timedelta(days=1)

    def before(self, at_ms: int, lapse_ms: int) -> int:
        if lapse_ms <= 0:
            return at_ms
        day, left_ms = self._day_of(at_ms), lapse_ms
        while True:
            for begin, end in reversed(self._spans_of(day)):
                stop = min(end, at_ms)
                if stop - begin >= left_ms:
                    return stop - left_ms
                left_ms -= max(0, stop - begin)
            day -= timedelta(days=1)

    def _day_of(self, at_ms: int) -> date:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._timezone).date()

    def _new_spans(self, day: date) -> tuple[Span, ...]:
        """The working hours of a local day. Where clocks are put forward an hour does not exist and counts nothing."""
        spans: list[Span] = []
        reached = None
        for hours in self._calendar.hours_on(day):
            begin, end = self._instant(day, hours.from_min), self._instant(day, hours.to_min)
            begin = begin if reached is None else max(begin, reached)
            reached = max(begin, end)
            spans.append((begin, reached))
        return tuple(spans)

    def _instant(self, day: date, minute: int) -> int:
        local = datetime(day.year, day.month, day.day) + timedelta(minutes=minute)
        return to_ms(local.replace(tzinfo=self._timezone))
