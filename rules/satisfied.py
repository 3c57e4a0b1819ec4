"""A rule that was satisfied: its records, what was measured between them, and the last word on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal
from zoneinfo import ZoneInfo

from haulwatch.domain.instants import rfc3339, to_datetime
from haulwatch.domain.registry import Hours
from rules.judging import Result
from rules.matching.firing import Keeper
from rules.matching.moments import Detection
from rules.model import CountMatch, Rule, SequenceMatch, WhileMatch
from rules.parts import Fired, Part, Role, absent, held, record, scalar
from rules.witness import Firing, GateLook, Look


def fired(rule: Rule, firing: Firing, timezone: ZoneInfo) -> Fired:
    detection = firing.detection
    parts = list(_records(rule, detection, firing.looks))
    if firing.gate is not None:
        parts += last_word(rule, firing.gate, timezone)
    return Fired(rfc3339(detection.started_ms), rfc3339(detection.detected_ms), firing.late, parts)


def _records(rule: Rule, detection: Detection, looks: Sequence[Look | None]) -> Iterator[Part]:
    """The records in the order of the rule's own parts, then what was measured between them."""
    records = {capture.alias: record(capture, look) for capture, look in zip(detection.captures, looks, strict=True)}
    if isinstance(rule.match, CountMatch):
        yield from (record(capture, look) for capture, look in zip(detection.captures, looks, strict=True))
    elif not isinstance(rule.match, SequenceMatch):
        yield from records.values()
    measured = {condition.name: condition for condition in detection.conditions}
    if isinstance(rule.match, SequenceMatch):
        for step in rule.match.steps:
            if not step.absent:
                yield records[step.alias]
                continue
            condition = measured.pop(step.alias)
            yield absent(step, "PASS", observed=condition.observed)
    for name, condition in measured.items():
        role: Role = "held" if name == "held" else "count" if name == "count" else "within"
        yield Part(
            name,
            role,
            "PASS",
            text=condition.text,
            observed=scalar(condition.observed),
            operator=condition.operator,
            threshold=scalar(condition.threshold),
            unit=condition.unit,
        )


def satisfied(rule: Rule, gate: GateLook) -> list[Part]:
    """The records of a match that was complete and was kept back."""
    named = [c.alias for c in gate.captures]
    records = [record(capture, None) for capture in gate.captures]
    if isinstance(rule.match, WhileMatch):
        since = gate.captures[0].at_ms
        return [*records, held(rule.match, since, gate.at_ms, "PASS")]
    if isinstance(rule.match, SequenceMatch):
        by_name = dict(zip(named, records, strict=True))
        return [by_name.get(step.alias) or absent(step, "PASS") for step in rule.match.steps]
    return records


def last_word(rule: Rule, gate: GateLook, timezone: ZoneInfo) -> Iterator[Part]:
    local = to_datetime(gate.at_ms).astimezone(timezone)
    order: tuple[Keeper, ...] = ("schedule", "exception", "unless")
    reached = order.index(gate.keeper) if gate.keeper is not None else len(order)
    if rule.schedule:
        hours = ", ".join(_clock(span) for span in rule.schedule)
        result = _passed(0, reached)
        yield Part("schedule", "schedule", result, observed=f"{local:%H:%M}", operator="in", threshold=hours)
    if rule.exceptions:
        yield _exception(gate, _passed(1, reached))
    if rule.unless is not None:
        result = _passed(2, reached)
        if result == "FAIL" and gate.unless is not None:
            result = gate.unless.result  # what is not known keeps a rule from firing, too
        yield Part("unless", "unless", result, text=rule.unless.text, condition=gate.unless)


def _passed(place: int, reached: int) -> Literal["PASS", "FAIL", "NOT_REACHED"] | Result:
    return "PASS" if place < reached else "FAIL" if place == reached else "NOT_REACHED"


def _exception(gate: GateLook, result: Result | Literal["NOT_REACHED"]) -> Part:
    if result != "FAIL":
        return Part("exception", "exception", result)
    spared = gate.sparing
    text = None if spared is None else f"{spared.reason} ({spared.approved_by}, {spared.expires})"
    return Part("exception", "exception", result, text=text)


def _clock(hours: Hours) -> str:
    spans = (hours.from_min, hours.to_min)
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in spans)
