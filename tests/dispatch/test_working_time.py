"""Working hours over a calendar, looked at from the outside: by hand, and by counting every minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulwatch.city.calendar import DEFAULT_CALENDAR, Calendar
from haulwatch.dispatch.working_time import Time, WallTime, WorkingTime
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.registry import Hours

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MIN = 60_000
CALENDAR = Calendar(
    DEFAULT_CALENDAR.week,
    holidays=frozenset(date(2026, 10, day) for day in range(1, 8)),
    extra_working_days=frozenset({date(2026, 9, 27)}),
)
OFFICE = WorkingTime(CALENDAR, SHANGHAI)
START_MS = to_ms(datetime(2026, 9, 1, tzinfo=UTC))
"""A Tuesday; the month before the long holiday."""


def local(text: str) -> int:
    return to_ms(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI))


def told(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, SHANGHAI).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-09-01 09:00", 60, "2026-09-01 10:00"),
        ("2026-09-01 11:30", 60, "2026-09-01 14:00"),  # the midday break does not count
        ("2026-09-01 11:30", 30, "2026-09-01 12:00"),  # due when the morning ends, not when the afternoon begins
        ("2026-09-01 12:30", 30, "2026-09-01 14:00"),
        ("2026-09-01 20:00", 1, "2026-09-02 08:31"),
        ("2026-09-04 17:00", 60, "2026-09-07 09:00"),  # Friday to Monday
        ("2026-09-25 17:00", 60, "2026-09-27 09:00"),  # a Sunday that is worked before the holiday
        ("2026-09-30 17:00", 60, "2026-10-08 09:00"),  # the holiday, with its weekend
        ("2026-09-01 08:30", 450, "2026-09-01 17:30"),  # a whole day
        ("2026-09-01 08:30", 451, "2026-09-02 08:31"),
        ("2026-09-01 20:00", 0, "2026-09-01 20:00"),
    ],
)
def test_by_hand(start: str, minutes: int, due: str) -> None:
    assert told(OFFICE.after(local(start), minutes * MIN)) == due


def test_no_time_passes_backwards() -> None:
    assert OFFICE.elapsed_ms(local("2026-09-02 10:00"), local("2026-09-01 10:00")) == 0
    assert WallTime().elapsed_ms(10, 5) == 0
    assert OFFICE.after(START_MS, -5) == OFFICE.before(START_MS, -5) == START_MS


def test_a_city_that_never_works_cannot_count() -> None:
    with pytest.raises(ValueError, match="without working hours"):
        WorkingTime(Calendar(week=((),) * 7), SHANGHAI)


def test_summer_time_takes_an_hour_and_gives_it_back() -> None:
    nights = WorkingTime(Calendar(week=((Hours(60, 4 * 60),),) * 7), BERLIN)
    begin = to_ms(datetime(2026, 3, 28, 12, tzinfo=UTC))
    assert nights.elapsed_ms(begin, begin + 86_400_000) == 2 * 60 * MIN, "from two to three there was no time"
    begin = to_ms(datetime(2026, 10, 24, 12, tzinfo=UTC))
    assert nights.elapsed_ms(begin, begin + 86_400_000) == 4 * 60 * MIN


spans = st.lists(st.integers(0, 96), min_size=2, max_size=6, unique=True).map(
    lambda marks: tuple(
        Hours(begin * 15, end * 15)
        for begin, end in zip(*[iter(sorted(marks)[: len(marks) // 2 * 2])] * 2, strict=True)
    )
)
days = st.integers(0, 60).map(lambda offset: date(2026, 8, 20) + timedelta(days=offset))
calendars = st.builds(
    Calendar,
    week=st.lists(st.one_of(st.just(()), spans), min_size=7, max_size=7).map(tuple).filter(any),
    holidays=st.frozensets(days, max_size=12),
    extra_working_days=st.frozensets(days, max_size=3),
)
times: st.SearchStrategy[Time] = st.one_of(
    st.just(WallTime()), st.builds(WorkingTime, calendars, st.sampled_from([SHANGHAI, BERLIN, ZoneInfo("UTC")]))
)
instants = st.integers(START_MS, START_MS + 40 * 86_400_000)
lapses = st.integers(0, 5 * 86_400_000)


@given(time=times, at=instants, lapse=lapses)
def test_elapsed_is_the_inverse_of_adding(time: Time, at: int, lapse: int) -> None:
    assert time.elapsed_ms(at, time.after(at, lapse)) == lapse
    assert time.elapsed_ms(time.before(at, lapse), at) == lapse


@given(time=times, at=instants, lapse=st.integers(1, 5 * 86_400_000))
def test_the_due_instant_is_the_earliest_one(time: Time, at: int, lapse: int) -> None:
    due = time.after(at, lapse)
    assert time.elapsed_ms(at, due - 1) == lapse - 1


@given(time=times, at=instants, one=lapses, two=lapses)
def test_adding_is_additive_and_monotone(time: Time, at: int, one: int, two: int) -> None:
    assert time.after(time.after(at, one), two) == time.after(at, one + two)
    assert time.after(at, one) <= time.after(at, one + two)
    assert time.after(at, one) <= time.after(at + two, one)


@given(time=times, at=st.lists(instants, min_size=3, max_size=3).map(sorted))
def test_what_passed_adds_up(time: Time, at: list[int]) -> None:
    first, between, last = at
    assert time.elapsed_ms(first, between) + time.elapsed_ms(between, last) == time.elapsed_ms(first, last)
    assert 0 <= time.elapsed_ms(first, last) <= last - first


@given(calendar=calendars, hours=st.integers(1, 72), offset=st.integers(0, 30 * 24 * 60))
def test_like_counting_every_minute(calendar: Calendar, hours: int, offset: int) -> None:
    begin = START_MS + offset * MIN
    counted = 0
    for minute in range(hours * 60):
        now = datetime.fromtimestamp((begin + minute * MIN) / 1000, SHANGHAI)
        of_day = now.hour * 60 + now.minute
        counted += any(span.from_min <= of_day < span.to_min for span in calendar.hours_on(now.date()))
    found = WorkingTime(calendar, SHANGHAI).elapsed_ms(begin, begin + hours * 60 * MIN)
    assert found == counted * MIN, rfc3339(begin)
