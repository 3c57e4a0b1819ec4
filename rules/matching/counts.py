"""`on:` fires on every event that fits; `count:` when enough of them came within a window."""

from __future__ import annotations

from haulwatch.domain.breaches import Condition
from haulwatch.domain.instants import FOREVER_MS
from haulwatch.domain.trucks import Capture, RuleMemory
from rules.compiling import CompiledBook
from rules.matching.firing import Gate
from rules.matching.moments import Detection, Moment, capture_of, forget_if_empty, memory_of, within_condition
from rules.model import CountMatch, OnMatch, Rule


class SingleMatcher:
    """Fires on each event; remembers nothing."""

    def __init__(self, compiled: CompiledBook, gate: Gate, index: int, match: OnMatch) -> None:
        self._compiled = compiled
        self._gate = gate
        self._index = index
        self._match = match
        self._rule: Rule = compiled.rules[index]

    def advance(self, moment: Moment, fits: bool) -> Detection | None:
        """A detection when the event fits and the gate is open."""
        if not fits or moment.event is None or not self._gate.opens(self._index, moment, ()):
            return None
        capture = capture_of(self._compiled, self._index, "on", self._match.kind, moment, moment.event, ())
        at_ms = moment.at_ms
        return Detection(self._rule, "fired", at_ms, at_ms, (capture,), capture.event.event_id)

    def expire(self, moment: Moment) -> Detection | None:  # noqa: ARG002 - one verb for all matchers
        """Nothing ever falls due."""
        return None

    def next_deadline(self, memory: RuleMemory) -> int:  # noqa: ARG002 - one verb for all matchers
        """Never."""
        return FOREVER_MS


class CountMatcher:
    """Keeps the hits of the window; fires at the N-th and starts again from none.

    A firing that the gate holds back keeps the N - 1 youngest hits, so that the next one is judged again.
    """

    def __init__(self, compiled: CompiledBook, gate: Gate, index: int, match: CountMatch) -> None:
        self._compiled = compiled
        self._gate = gate
        self._index = index
        self._match = match
        self._rule: Rule = compiled.rules[index]

    def advance(self, moment: Moment, fits: bool) -> Detection | None:
        """Adds the hit; a detection when it is the N-th and the gate is open."""
        if not fits or moment.event is None:
            return None
        memory = memory_of(moment.state, self._rule.rule_id)
        kind = self._match.kind
        memory.hits.append(capture_of(self._compiled, self._index, "count", kind, moment, moment.event, ()))
        if len(memory.hits) < self._match.count:
            return None
        captures = tuple(memory.hits)
        if self._gate.opens(self._index, moment, captures):
            memory.hits.clear()
            forget_if_empty(moment.state, self._rule.rule_id, memory)
            return self._detection(moment.at_ms, captures)
        del memory.hits[0]
        forget_if_empty(moment.state, self._rule.rule_id, memory)
        return None

    def _detection(self, at_ms: int, captures: tuple[Capture, ...]) -> Detection:
        match, first = self._match, captures[0]
        where = "" if match.where is None else f" where {match.where.text}"
        counted = Condition(
            text=match.kind + where,
            name="count",
            observed=len(captures),
            operator=">=",
            threshold=match.count,
            unit="count",
        )
        return Detection(
            self._rule, "fired", first.at_ms, at_ms, captures, first.event.event_id, (counted, self._span(at_ms, first))
        )

    def _span(self, at_ms: int, first: Capture) -> Condition:
        return within_condition(at_ms - first.at_ms, self._match.within_ms)

    def expire(self, moment: Moment) -> Detection | None:
        """Forgets the hits that are too old to count with any later event."""
        memory = moment.state.rules.get(self._rule.rule_id)
        if memory is not None:
            oldest_ms = moment.at_ms - self._match.within_ms
            memory.hits = [hit for hit in memory.hits if hit.at_ms > oldest_ms]
            forget_if_empty(moment.state, self._rule.rule_id, memory)
        return None

    def next_deadline(self, memory: RuleMemory) -> int:
        """When the oldest hit leaves the window."""
        return memory.hits[0].at_ms + self._match.within_ms if memory.hits else FOREVER_MS
