"""A breach: what a rule found, with everything a person needs to judge it. Its JSON form is a published contract."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from haulwatch.domain.text import Text

Category = Literal["uncovered", "dumping", "overweight", "route", "time", "permit", "tamper", "manifest", "speed"]
Severity = Literal["info", "minor", "major", "critical"]
Phase = Literal["opened", "updated", "ended"]
Scalar = str | int | float | bool | None


class Condition(Struct, frozen=True):
    """One comparison that held: `observed operator threshold`, in `unit`, seen on the record `event_id`."""

    text: str
    name: str
    observed: Scalar | list[str]
    operator: str
    threshold: Scalar | list[str]
    unit: str | None = None
    event_id: str | None = None


class Evidence(Struct, frozen=True):
    """A record the finding rests on; `role` is the rule's step name, `payload` the event as it was received."""

    event_id: str
    kind: str
    role: str
    at: str
    payload: dict[str, Any]


class LawNote(Struct, frozen=True):
    """Legal basis (article references) and a suggested consequence with its edition; a person decides."""

    basis: list[str]
    suggestion: dict[str, Any] | None = None


class Breach(Struct, frozen=True, kw_only=True):
    """One phase of one finding. `started_at`: conduct began; `detected_at`: event time at which the rule was satisfied.

    Instants are RFC 3339 UTC with milliseconds; `track` rows are `[at_ms, lon, lat, speed_kmh]`, oldest first.
    """

    breach_id: str
    phase: Phase
    rule_id: str
    rule_hash: str
    city_hash: str
    category: Category
    severity: Severity
    status: Literal["active", "shadow"]
    truck_id: str
    started_at: str
    detected_at: str
    ended_at: str | None
    occurrences: int
    late: bool
    lon: float | None
    lat: float | None
    zone_ids: list[str]
    title: Text
    summary: Text
    conditions: list[Condition]
    evidence: list[Evidence]
    track: list[tuple[int, float, float, float | None]]
    law: LawNote
