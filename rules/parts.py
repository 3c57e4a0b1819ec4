"""The parts of a rule's match as people are told of them: what is asked, what was seen, what is waited for."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from haulwatch.domain.breaches import Scalar
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import Capture
from rules.judging import Judged, Result
from rules.model import Step, WhileMatch
from rules.witness import Look

Role = Literal["event", "absent", "held", "until", "count", "within", "schedule", "exception", "unless"]


class Part(Struct, frozen=True, omit_defaults=True):
    """One thing that must be so for the rule to fire.

    WAIT: open, decided by `until` at the latest; NOT_REACHED: nothing has asked for it yet. `events` of this kind have
    been seen in all; `at` and `event_id` are the record that decided or was looked at last; `note` says why in words.
    """

    name: str
    role: Role
    result: Result | Literal["WAIT", "NOT_REACHED"]
    kind: str | None = None
    text: str | None = None
    at: str | None = None
    event_id: str | None = None
    condition: Judged | None = None
    observed: Scalar = None
    operator: str | None = None
    threshold: Scalar = None
    unit: str | None = None
    since: str | None = None
    until: str | None = None
    events: int | None = None
    note: Text | None = None


class Fired(Struct, frozen=True):
    """The rule's last firing: when the conduct began, when it was found, and every part, all of them passed."""

    started_at: str
    detected_at: str
    late: bool
    parts: list[Part]


class Open(Struct, frozen=True):
    """Something the rule has begun and not finished: the records so far, what it waits for, and until when."""

    since: str
    events: list[str]
    waits_for: str
    until: str | None


class Standing(Struct, frozen=True):
    """How far the rule is at an instant: every part in order, and all that is open."""

    at: str | None
    parts: list[Part]
    open: list[Open]


def record(capture: Capture, look: Look | None) -> Part:
    """A record that satisfied a part."""
    return Part(
        capture.alias,
        "event",
        "PASS",
        kind=str(capture.event.__struct_config__.tag),
        at=rfc3339(capture.at_ms),
        event_id=capture.event.event_id,
        condition=None if look is None else look.tree,
    )


def absent(
    step: Step,
    result: Result | Literal["WAIT", "NOT_REACHED"],
    observed: object = None,
    since: str | None = None,
    until: str | None = None,
) -> Part:
    """An absent step."""
    return Part(
        step.alias,
        "absent",
        result,
        kind=step.kind,
        text=None if step.where is None else step.where.text,
        observed=scalar(observed),
        operator=">=",
        threshold=step.for_ms / 1000,
        unit="s",
        since=since,
        until=until,
    )


def not_reached(step: Step) -> Part:
    """A step that nothing has asked for yet."""
    if step.absent:
        return absent(step, "NOT_REACHED")
    return Part(step.alias, "event", "NOT_REACHED", kind=step.kind)


def held(match: WhileMatch, since_ms: int, at_ms: int, result: Literal["PASS", "WAIT"]) -> Part:
    """For how long a condition has held, against how long it must."""
    return Part(
        "held",
        "held",
        result,
        observed=(at_ms - since_ms) / 1000,
        operator=">=",
        threshold=match.for_ms / 1000,
        unit="s",
        since=rfc3339(since_ms),
        until=rfc3339(since_ms + match.for_ms) if result == "WAIT" else None,
    )


def scalar(value: object) -> Scalar:
    """A value that fits into a part; None for a list."""
    return value if isinstance(value, (str, int, float, bool)) else None
