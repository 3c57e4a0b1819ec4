"""Service terms: the limits of every step and the calendar by which they count, frozen into an order when it opens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, bindparam, insert, select

from haulwatch.city.calendar import DEFAULT_CALENDAR, Calendar
from haulwatch.dispatch import tables
from haulwatch.dispatch.working_time import Time, WallTime, WorkingTime
from haulwatch.domain.orders import ClockStep, Urgency
from haulwatch.domain.service import Limit, Limits

SHIPPED_LIMITS: Limits = {
    "file": {"urgent": Limit(10), "normal": Limit(30), "low": Limit(480, working=True)},
    "dispatch": {"urgent": Limit(5), "normal": Limit(15), "low": Limit(240, working=True)},
    "accept": {"urgent": Limit(5), "normal": Limit(15), "low": Limit(240, working=True)},
    "arrive": {"urgent": Limit(30), "normal": Limit(60), "low": Limit(480, working=True)},
    "handle": {"urgent": Limit(120), "normal": Limit(240), "low": Limit(960, working=True)},
    "verify": {"urgent": Limit(240), "normal": Limit(480, working=True), "low": Limit(960, working=True)},
}
"""Where a city says nothing: a truck on the road has to be met, so the first steps are minutes; what can wait counts
working hours (480 minutes are one day of the default calendar)."""

_KNOWN = select(tables.terms.c.stored).where(tables.terms.c.terms == bindparam("of_terms"))


class Terms(Struct, frozen=True):
    """Limits by step and urgency, and the calendar and time zone (IANA name) by which working hours count."""

    limits: Mapping[ClockStep, Mapping[Urgency, Limit]]
    calendar: Calendar = DEFAULT_CALENDAR
    timezone: str = "Asia/Shanghai"

    @property
    def stored(self) -> str:
        """Canonical JSON: equal terms give equal text."""
        return msgspec.json.encode(self, order="sorted").decode()

    @property
    def terms_id(self) -> str:
        """SHA-256 (hex) of `stored`."""
        return hashlib.sha256(self.stored.encode()).hexdigest()

    def time(self, *, working: bool) -> Time:
        """How minutes are counted."""
        return _working_time(self.calendar, self.timezone) if working else WallTime()

    def limit(self, step: ClockStep, urgency: Urgency) -> Limit:
        """How long `step` of an order of this urgency may take."""
        return self.limits[step][urgency]


def terms_of(limits: Limits, calendar: Calendar, timezone: str) -> Terms:
    """The terms of a city: its own limits, and the shipped ones where it has set none.

    In a city that never works the shipped limits count wall time.
    """
    merged: dict[ClockStep, Mapping[Urgency, Limit]] = {}
    for step, shipped in SHIPPED_LIMITS.items():
        row = {**shipped, **limits.get(step, {})}
        if not calendar.working_day_min:
            row = {urgency: Limit(limit.minutes) for urgency, limit in row.items()}
        merged[step] = row
    return Terms(merged, calendar, timezone)


SHIPPED_TERMS = terms_of({}, DEFAULT_CALENDAR, "Asia/Shanghai")


@lru_cache(maxsize=64)
def _working_time(calendar: Calendar, timezone: str) -> WorkingTime:
    return WorkingTime(calendar, ZoneInfo(timezone))


@lru_cache(maxsize=64)
def _read(stored: str) -> Terms:
    return msgspec.json.decode(stored, type=Terms)


def keep_terms(connection: Connection, terms: Terms) -> str:
    """Stores the terms, unless they are stored, and returns their id."""
    terms_id = terms.terms_id
    if connection.execute(_KNOWN, {"of_terms": terms_id}).first() is None:
        connection.execute(insert(tables.terms), {"terms": terms_id, "stored": terms.stored})
    return terms_id


def stored_terms(connection: Connection, terms_id: str) -> Terms:
    """The terms of this id, which an order names."""
    return _read(connection.execute(_KNOWN, {"of_terms": terms_id}).scalar_one())
