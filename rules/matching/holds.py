"""`while: … for: …`: a condition that holds at every observation, without a break, for long enough."""

from __future__ import annotations

from typing import Literal

from haulwatch.domain.breaches import Condition
from haulwatch.domain.derived import Silence
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.instants import FOREVER_MS
from haulwatch.domain.trucks import Capture, Hold, RuleMemory
from rules.compiling import CompiledBook
from rules.matching.firing import Gate
from rules.matching.moments import (
    Detection,
    Moment,
    capture_of,
    forget_if_empty,
    memory_of,
    names_scope,
)
from rules.model import Rule, WhileMatch
from rules.nodes import Expression

BASE_KINDS = frozenset((Position, Weighing, Sighting, Manifest))


def observed_on(expression: Expression) -> frozenset[type]:
    """The types of events after which a `while` or `until` is looked at.

    Bare names are fields of a position. Without them every base event is an observation, and `silence` is one for what
    names `truck.silent`: no position ever sees a silent truck.
    """
    if any(names_scope(expression, scope) for scope in ("event", "station", "camera")):
        return frozenset((Position,))
    return BASE_KINDS | {Silence} if names_scope(expression, "truck", "silent") else BASE_KINDS


class HoldMatcher:
    """Begins at the first observation on which the condition is definitely true; any other value breaks it.

    Fires at `since + for`. When the gate is shut then, it is tried again at each further observation that still holds.
    After firing it stays until the condition is no longer definitely true or, with `until`, until that is true; the
    observation that ends it begins no new one.
    """

    def __init__(self, compiled: CompiledBook, gate: Gate, index: int, match: WhileMatch) -> None:
        self._compiled = compiled
        self._gate = gate
        self._index = index
        self._match = match
        self._rule: Rule = compiled.rules[index]
        self.condition_on = observed_on(match.condition)
        self.until_on = observed_on(match.until) if match.until is not None else frozenset()
        self.outlives_silence = names_scope(match.condition, "truck", "silent")

    def observes(self, kind: type) -> bool:
        """Whether events of this type say anything about the condition or about `until`."""
        return kind in self.condition_on or kind in self.until_on

    def advance(self, moment: Moment, fits: bool) -> Detection | None:
        """One observation; `fits` says whether the condition is definitely true on it."""
        memory = moment.state.rules.get(self._rule.rule_id)
        hold = memory.hold if memory is not None else None
        if hold is not None and hold.fired:
            return self._end_if_over(hold, moment, fits)
        if type(moment.event) not in self.condition_on:
            return None
        if not fits:
            self._drop(moment)
        elif hold is None:
            first = self._capture("first", moment)
            memory_of(moment.state, self._rule.rule_id).hold = Hold(since_ms=moment.at_ms, first=first)
        else:
            hold.last = self._capture("last", moment)
            if hold.due:
                return self._fire(hold, moment)
        return None

    def _capture(self, alias: str, moment: Moment) -> Capture:
        assert moment.event is not None  # observations are events
        return capture_of(self._compiled, self._index, "while", alias, moment, moment.event, ())

    def _drop(self, moment: Moment) -> None:
        memory = moment.state.rules.get(self._rule.rule_id)
        if memory is not None:
            memory.hold = None
            forget_if_empty(moment.state, self._rule.rule_id, memory)

    def break_by_silence(self, moment: Moment) -> None:
        """A silent truck gives no observations: what has not fired yet is not known to hold any longer."""
        memory = moment.state.rules.get(self._rule.rule_id)
        if memory is not None and memory.hold is not None and not memory.hold.fired and not self.outlives_silence:
            self._drop(moment)

    def _end_if_over(self, hold: Hold, moment: Moment, holds: bool) -> Detection | None:
        if self._match.until is None:
            over = not holds
        else:
            over = type(moment.event) in self.until_on and self._until_is_true(moment)
        if not over:
            return None
        self._drop(moment)
        return self._detection("ended", hold, moment.at_ms)

    def _until_is_true(self, moment: Moment) -> bool:
        value = self._compiled.test(self._index, "until", moment.event, moment.at_ms, moment.state, moment.truck, ())
        return value is True

    def expire(self, moment: Moment) -> Detection | None:
        """At `since + for`: fires, or is marked as due and tried again later."""
        memory = moment.state.rules.get(self._rule.rule_id)
        hold = memory.hold if memory is not None else None
        if hold is None or hold.fired or hold.due:
            return None
        hold.due = True
        return self._fire(hold, moment)

    def _fire(self, hold: Hold, moment: Moment) -> Detection | None:
        # Bare names of `unless` are those of the last observation, as long as that is a position.
        last = (hold.last or hold.first).event
        event = last if isinstance(last, Position) else None
        judged = Moment(event, moment.at_ms, moment.state, moment.truck)
        if not self._gate.opens(self._index, judged, _captures(hold)):
            return None
        hold.fired = True
        return self._detection("fired", hold, moment.at_ms)

    def _detection(self, phase: Literal["fired", "ended"], hold: Hold, at_ms: int) -> Detection:
        held = Condition(
            text=self._match.condition.text,
            name="held",
            observed=(at_ms - hold.since_ms) / 1000,
            operator=">=",
            threshold=self._match.for_ms / 1000,
            unit="s",
        )
        captures = _captures(hold)
        return Detection(self._rule, phase, hold.since_ms, at_ms, captures, hold.first.event.event_id, (held,))

    def next_deadline(self, memory: RuleMemory) -> int:
        """When the condition will have held for long enough."""
        hold = memory.hold
        return FOREVER_MS if hold is None or hold.fired or hold.due else hold.since_ms + self._match.for_ms


def _captures(hold: Hold) -> tuple[Capture, ...]:
    return (hold.first,) if hold.last is None else (hold.first, hold.last)
