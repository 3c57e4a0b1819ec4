"""Why a rule fired, or why not: the parts of its match in order, each with how it came out and what it waits for.

Built from what a `Witness` wrote down while the engine decided.
"""

from __future__ import annotations

from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from haulwatch.domain.instants import FOREVER_MS, NEVER_MS, rfc3339
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import Partial
from rules.judging import result_of
from rules.model import CountMatch, OnMatch, Rule, SequenceMatch, Step, WhileMatch
from rules.parts import Fired, Open, Part, Role, Standing, absent, held, not_reached, record
from rules.places import Slot
from rules.satisfied import fired, last_word, satisfied
from rules.witness import GateLook, Look, Trace, first_of, progress


class Explanation(Struct, frozen=True):
    """Of one rule and one truck. `fired`: it fired, most recently as told; else why not.

    `held_back`: everything matched and the schedule, an exception or `unless` kept it; `waiting`: something is open;
    `not_met`: a condition is not satisfied, or not known; `no_events`: nothing came that the rule could look at.
    """

    verdict: Literal["fired", "held_back", "waiting", "not_met", "no_events"]
    truck_id: str
    fired_at: list[str]
    last: Fired | None
    now: Standing


def explanation(rule: Rule, trace: Trace, at_closest: bool, timezone: ZoneInfo) -> Explanation:
    """What a trace says; `at_closest`: a rule that never fired is told at the moment when it was nearest to it."""
    last = None if trace.firing is None else fired(rule, trace.firing, timezone)
    shown = trace
    if at_closest and last is None and trace.best is not None and not _open_at_its_best(trace, trace.best):
        shown = trace.best
    now = standing(rule, shown, timezone)
    fired_at = [rfc3339(ms) for ms in trace.fired_ms]
    return Explanation(_verdict(last, now), trace.truck_id, fired_at, last, now)


def _open_at_its_best(trace: Trace, best: Trace) -> bool:
    """Whether the rule is as far at the end as it ever was, and waits for the rest."""
    return 0 < progress(trace) >= progress(best)


def _verdict(last: Fired | None, now: Standing) -> Literal["fired", "held_back", "waiting", "not_met", "no_events"]:
    if last is not None:
        return "fired"
    results = [(part.role, part.result) for part in now.parts]
    if any(role in ("schedule", "exception", "unless") and result != "PASS" for role, result in results):
        return "held_back"
    if now.open:
        return "waiting"
    looked_at = any(result in ("PASS", "FAIL", "UNKNOWN") for _, result in results)
    return "not_met" if looked_at else "no_events"


def standing(rule: Rule, trace: Trace, timezone: ZoneInfo) -> Standing:
    """Every part of the rule as it is at the trace's instant."""
    match, opened = rule.match, list[Open]()
    if isinstance(match, OnMatch):
        parts = [_looked("on", match.kind, trace, ("on", None))]
    elif isinstance(match, CountMatch):
        parts, opened = _counting(match, trace)
    elif isinstance(match, WhileMatch):
        parts, opened = _holding(match, trace)
    else:
        parts, opened = _following(match, trace)
    gate = trace.gate
    if gate is not None and gate.keeper is not None and _is_last_word(rule, trace, gate):
        parts = [*satisfied(rule, gate), *last_word(rule, gate, timezone)]
    at = None if trace.at_ms == NEVER_MS else rfc3339(trace.at_ms)
    return Standing(at, parts, opened)


def _is_last_word(rule: Rule, trace: Trace, gate: GateLook) -> bool:
    """Whether nothing has been put before the rule since the gate was shut on it."""
    match, memory = rule.match, trace.memory
    if isinstance(match, WhileMatch):
        return memory is not None and memory.hold is not None and memory.hold.due and not memory.hold.fired
    if memory is not None and memory.partials:
        return False
    if trace.broken is not None and trace.broken.at_ms > gate.at_ms:
        return False
    return all(look.at_ms <= gate.at_ms for look in trace.latest.values() if look.asked_by is None)


# the four forms


def _looked(
    name: str, kind: str, trace: Trace, key: tuple[Slot, str | None], since_ms: int | None = None, role: Role = "event"
) -> Part:
    """An expression as it came out the last time that it was asked (not before `since_ms`)."""
    look = trace.latest.get(key)
    if look is None or (since_ms is not None and look.at_ms < since_ms):
        seen = trace.seen[kind]
        note = None if seen else Text("没有收到过这种事件", "no such event has come")
        return Part(name, role, "NOT_REACHED", kind=kind, events=seen, note=note)
    return Part(
        name,
        role,
        result_of(look.value),
        kind=look.kind,
        at=rfc3339(look.at_ms),
        event_id=look.event_id,
        condition=look.tree,
        events=trace.seen[kind],
    )


def _counting(match: CountMatch, trace: Trace) -> tuple[list[Part], list[Open]]:
    parts = [_looked("count", match.kind, trace, ("count", None))]
    hits = [h for h in trace.memory.hits if h.at_ms + match.within_ms > trace.at_ms] if trace.memory is not None else []
    until = rfc3339(hits[0].at_ms + match.within_ms) if hits else None
    parts.append(
        Part(
            "count",
            "count",
            "WAIT" if hits else "FAIL",
            observed=len(hits),
            operator=">=",
            threshold=match.count,
            unit="count",
            since=rfc3339(hits[0].at_ms) if hits else None,
            until=until,
        )
    )
    if not hits:
        return parts, []
    return parts, [Open(rfc3339(hits[0].at_ms), [h.event.event_id for h in hits], match.kind, until)]


def _holding(match: WhileMatch, trace: Trace) -> tuple[list[Part], list[Open]]:
    parts = [_looked("while", "position", trace, ("while", None))]
    hold = trace.memory.hold if trace.memory is not None else None
    if hold is None:
        silent = trace.silent_ms is not None and trace.silent_ms == trace.at_ms
        note = Text("车辆失联，条件是否还成立已不可知", "the truck fell silent: nobody knows whether it still holds")
        broken = Part("held", "held", "FAIL", observed=0.0, operator=">=", threshold=match.for_ms / 1000, unit="s")
        return [*parts, broken if not silent else structs.replace(broken, note=note)], []
    parts.append(held(match, hold.since_ms, trace.at_ms, "PASS" if hold.fired or hold.due else "WAIT"))
    ids = [capture.event.event_id for capture in (hold.first, hold.last) if capture is not None]
    if not hold.fired:
        until = None if hold.due else rfc3339(hold.since_ms + match.for_ms)
        return parts, [Open(rfc3339(hold.since_ms), ids, "while", until)]
    if match.until is not None:
        parts.append(_looked("until", "position", trace, ("until", None), hold.since_ms, "until"))
    return parts, [Open(rfc3339(hold.since_ms), ids, "until" if match.until is not None else "while", None)]


def _following(match: SequenceMatch, trace: Trace) -> tuple[list[Part], list[Open]]:
    partials = trace.memory.partials if trace.memory is not None else []
    opened = [_waiting(match, partial) for partial in partials]
    if partials:
        return _partial_parts(match, trace, max(partials, key=lambda partial: partial.step)), opened
    first = next(k for k, step in enumerate(match.steps) if not step.absent)
    look = trace.latest.get((("step", first), None))
    broken = trace.broken
    if broken is not None and (look is None or look.at_ms <= broken.at_ms):
        return _partial_parts(match, trace, broken.partial, broken_ms=broken.at_ms, contradiction=broken.look), []
    steps = match.steps
    heads = [_head(steps[k], k, look) for k in range(first)]
    parts = [*heads, _looked(steps[first].alias, steps[first].kind, trace, (("step", first), None))]
    return parts + [not_reached(step) for step in steps[first + 1 :]], []


def _partial_parts(
    match: SequenceMatch,
    trace: Trace,
    partial: Partial,
    broken_ms: int | None = None,
    contradiction: Look | None = None,
) -> list[Part]:
    """The steps of an open match, or of one that came to nothing at `broken_ms`."""
    records = {capture.alias: capture for capture in partial.captures}
    asked_by = first_of(partial)
    end_ms = partial.started_ms + match.within_ms
    parts: list[Part] = []
    for k, step in enumerate(match.steps):
        if step.alias in records:
            capture = records[step.alias]
            key = ("step", k), capture.event.event_id, None if capture is partial.captures[0] else asked_by
            parts.append(record(capture, trace.taken.get(key)))
        elif k < partial.step:
            parts.append(absent(step, "PASS"))
        elif k > partial.step:
            parts.append(not_reached(step))
        elif step.absent:
            parts.append(_waited(step, partial, end_ms, contradiction, broken_ms))
        else:
            parts.append(_sought(step, trace, (("step", k), asked_by), partial, end_ms, broken_ms))
    return [*parts, _window(match, partial, trace, broken_ms)]


def _window(match: SequenceMatch, partial: Partial, trace: Trace, broken_ms: int | None) -> Part:
    now_ms = trace.at_ms if broken_ms is None else broken_ms
    span_ms = now_ms - partial.started_ms
    return Part(
        "within",
        "within",
        "WAIT" if broken_ms is None else "PASS" if span_ms < match.within_ms else "FAIL",
        observed=span_ms / 1000,
        operator="<=",
        threshold=match.within_ms / 1000,
        unit="s",
        since=rfc3339(partial.started_ms),
        until=rfc3339(partial.started_ms + match.within_ms),
    )


def _sought(
    step: Step, trace: Trace, key: tuple[Slot, str | None], partial: Partial, end_ms: int, broken_ms: int | None
) -> Part:
    """A step that an open match waits for: the last event that was offered and was not it, or none."""
    looked = _looked(step.alias, step.kind, trace, key, partial.wait_from_ms)
    waits = broken_ms is None
    note = None
    if looked.result == "NOT_REACHED":
        note = Text("还没有等到" if waits else "没有等到", "has not come yet" if waits else "did not come in time")
    return Part(
        step.alias,
        "event",
        "WAIT" if waits else "UNKNOWN" if looked.result == "UNKNOWN" else "FAIL",
        kind=step.kind,
        at=looked.at,
        event_id=looked.event_id,
        condition=looked.condition,
        events=trace.seen[step.kind],
        since=rfc3339(partial.wait_from_ms),
        until=rfc3339(end_ms) if waits else None,
        note=note,
    )


def _waited(step: Step, partial: Partial, end_ms: int, look: Look | None, broken_ms: int | None) -> Part:
    """An absence that is waited out; `look` is the event that ended the wait."""
    since_ms = partial.wait_from_ms
    if broken_ms is None:
        until = rfc3339(min(since_ms + step.for_ms, end_ms))
        return absent(step, "WAIT", since=rfc3339(since_ms), until=until)
    part = absent(step, "FAIL", observed=(broken_ms - since_ms) / 1000, since=rfc3339(since_ms))
    if look is None:
        return part
    return structs.replace(
        part,
        result="UNKNOWN" if look.value is None else "FAIL",
        at=rfc3339(look.at_ms),
        event_id=look.event_id,
        condition=look.tree,
        note=Text("等待期间来了这样的事件", "such an event came during the wait"),
    )


def _head(step: Step, k: int, look: Look | None) -> Part:
    """An absence before the first event, as it was when that event came."""
    head = next((head for head in look.heads if head.step == k), None) if look is not None else None
    if head is None or look is None:
        return absent(step, "NOT_REACHED")
    if head.clear:
        return absent(step, "PASS")
    came = head.came_ms > NEVER_MS
    since_ms = max(head.came_ms, head.observed_ms if head.observed_ms < FOREVER_MS else NEVER_MS)
    part = absent(step, "FAIL", observed=(look.at_ms - since_ms) / 1000, since=rfc3339(since_ms))
    note = Text("此前来过这样的事件", "such an event had come") if came and since_ms == head.came_ms else None
    note = note or Text("此前观察的时间还不够长", "the truck had not been observed for long enough")
    return structs.replace(part, note=note)


def _waiting(match: SequenceMatch, partial: Partial) -> Open:
    step = match.steps[partial.step]
    until_ms = partial.started_ms + match.within_ms
    if step.absent:
        until_ms = min(until_ms, partial.wait_from_ms + step.for_ms)
    ids = [capture.event.event_id for capture in partial.captures]
    return Open(rfc3339(partial.started_ms), ids, step.alias, rfc3339(until_ms))
