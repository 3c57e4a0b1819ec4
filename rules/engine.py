"""The rule engine: one truck's events through a compiled book. No clock, no I/O, no randomness.

Every rule sees every event. Base event first, then its derived events in order, `while` conditions last. Semantics:
docs/decisions/0004-rule-semantics.md. Deadlines are the caller's to keep: `on_deadline` before any event that is later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args
from zoneinfo import ZoneInfo

from haulwatch.domain.derived import DerivedEvent, Silence
from haulwatch.domain.events import Observation
from haulwatch.domain.instants import FOREVER_MS
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, TruckState
from rules.compiling import CompiledBook, Scan
from rules.matching.counts import CountMatcher, SingleMatcher
from rules.matching.firing import Gate, OnJudged
from rules.matching.holds import HoldMatcher
from rules.matching.moments import Counters, Detection, Matcher, Moment
from rules.matching.sequences import SequenceMatcher
from rules.model import CountMatch, OnMatch, WhileMatch

__all__ = ["Counters", "Detection", "Engine"]

NOTHING: list[Detection] = []
"""Shared answer of the many events that find nothing; never changed."""


@dataclass(slots=True)
class Feed:
    """What one kind of event can mean to the rules of the book: whom to show it to, beside what the scan finds.

    `heads`: leading absent steps; `waiting` and `holds`: sequences and `while` rules, indexes by rule id.
    """

    scan: Scan | None
    heads: list[tuple[SequenceMatcher, int]] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)
    holds: dict[str, int] = field(default_factory=dict)
    remembering: frozenset[str] = frozenset()
    """Ids of the rules that may want to see such an event because of what they remember."""


class Engine:
    """Runs a compiled book; everything it remembers of a truck is in `TruckState.rules` and `rule_deadline_ms`."""

    def __init__(self, compiled: CompiledBook, timezone: ZoneInfo, on_judged: OnJudged | None = None) -> None:
        self.counters = Counters()
        self._compiled = compiled
        self._gate = Gate(compiled, timezone, self.counters, on_judged)
        self._matchers: list[Matcher] = [self._matcher(index) for index in range(len(compiled.rules))]
        self._index = {rule.rule_id: index for index, rule in enumerate(compiled.rules)}
        self._matcher_of = dict(zip(self._index, self._matchers, strict=True))
        triggers = list(enumerate(compiled.triggers))
        self._fitting = {hit: t.rule_index for hit, t in triggers if t.role not in ("while", "head")}
        self._holding = {hit: t.rule_index for hit, t in triggers if t.role == "while"}
        self._feeds = {kind: self._feed(kind) for kind in get_args(Observation) + get_args(DerivedEvent)}

    def _matcher(self, index: int) -> Matcher:
        match = self._compiled.rules[index].match
        if isinstance(match, OnMatch):
            return SingleMatcher(self._compiled, self._gate, index, match)
        if isinstance(match, CountMatch):
            return CountMatcher(self._compiled, self._gate, index, match)
        if isinstance(match, WhileMatch):
            return HoldMatcher(self._compiled, self._gate, index, match)
        return SequenceMatcher(self._compiled, self._gate, self.counters, index, match)

    def _feed(self, event_type: type[Applied]) -> Feed:
        kind = str(event_type.__struct_config__.tag)
        feed = Feed(self._compiled.scan.get(kind))
        for rule_id, index in self._index.items():
            matcher = self._matchers[index]
            if isinstance(matcher, HoldMatcher) and matcher.observes(event_type):
                feed.holds[rule_id] = index
            elif isinstance(matcher, SequenceMatcher):
                feed.heads += [(matcher, step) for step in matcher.heads_of(kind)]
                if matcher.awaits(kind):
                    feed.waiting[rule_id] = index
        feed.remembering = frozenset((*feed.waiting, *feed.holds))
        return feed

    def on_event(
        self,
        state: TruckState,
        truck: Truck,
        base: Observation,
        at_ms: int,
        derived: Sequence[DerivedEvent],
        accepted: bool = True,
    ) -> list[Detection]:
        """What the base event and the events derived from it find; the list is not the caller's to change.

        `accepted` false: a poor fix, after which `while` conditions are not looked at.
        """
        feed = self._feeds[type(base)]
        scan = feed.scan
        hits = scan(base, at_ms, state, truck) if scan is not None else None
        if hits is None and not derived and not feed.heads:
            remembered = state.rules
            if not remembered or feed.remembering.isdisjoint(remembered):
                return NOTHING
        found: list[Detection] = []
        moment = Moment(base, at_ms, state, truck)
        self._match(moment, feed, hits, found)
        for event in derived:
            self._apply_derived(event, Moment(event, at_ms, state, truck), found)
        if accepted:
            self._observe(moment, feed, hits, found)
        if state.rules or state.rule_deadline_ms != FOREVER_MS:
            self._set_deadline(state)
        return found

    def on_derived(self, state: TruckState, truck: Truck, event: DerivedEvent, at_ms: int) -> list[Detection]:
        """What a derived event finds that no base event implied, but time: silence, a stop, a filled gap."""
        found: list[Detection] = []
        self._apply_derived(event, Moment(event, at_ms, state, truck), found)
        self._set_deadline(state)
        return found

    def on_deadline(self, state: TruckState, truck: Truck, deadline_ms: int) -> list[Detection]:
        """What falls due at or before `deadline_ms`: in order of time, then of rules."""
        found: list[Detection] = []
        while state.rule_deadline_ms <= deadline_ms:
            moment = Moment(None, state.rule_deadline_ms, state, truck)
            for index in self._due(state):
                detection = self._matchers[index].expire(moment)
                if detection is not None:
                    found.append(detection)
            self._set_deadline(state)
        return found

    def drop_changed(self, state: TruckState, previous: CompiledBook) -> int:
        """On activation of this book: memory of rules whose match is the same stays, the rest goes.

        Returns how many rules lost something. A rule that begins with an absence and is new in force starts blind.
        """
        before = {rule.rule_id: rule.match_hash for rule in previous.rules}
        same = {rule.rule_id for rule in self._compiled.rules if before.get(rule.rule_id) == rule.match_hash}
        lost = [rule_id for rule_id in state.rules if rule_id not in same]
        for rule_id in lost:
            del state.rules[rule_id]
            self.counters.memories_dropped[rule_id] += 1
        for rule, matcher in zip(self._compiled.rules, self._matchers, strict=True):
            if rule.rule_id not in same and isinstance(matcher, SequenceMatcher):
                matcher.start_blind(state)
        self._set_deadline(state)
        return len(lost)

    def _apply_derived(self, event: DerivedEvent, moment: Moment, found: list[Detection]) -> None:
        feed = self._feeds[type(event)]
        hits = feed.scan(event, moment.at_ms, moment.state, moment.truck) if feed.scan is not None else None
        self._match(moment, feed, hits, found)
        if isinstance(event, Silence):
            for rule_id in list(moment.state.rules):
                matcher = self._matcher_of[rule_id]
                if isinstance(matcher, HoldMatcher):
                    matcher.break_by_silence(moment)
            self._observe(moment, feed, hits, found)

    def _match(self, moment: Moment, feed: Feed, hits: list[int] | None, found: list[Detection]) -> None:
        """Shows the event to the rules it concerns, in order of their indexes."""
        remembered = moment.state.rules
        concerned: dict[int, bool] = {}
        if remembered and feed.waiting:
            concerned = {feed.waiting[rule_id]: False for rule_id in remembered if rule_id in feed.waiting}
        if hits is not None:
            concerned.update((self._fitting[hit], True) for hit in hits if hit in self._fitting)
        if concerned:
            for index in sorted(concerned):
                detection = self._matchers[index].advance(moment, concerned[index])
                if detection is not None:
                    found.append(detection)
        for matcher, step in feed.heads:
            matcher.note_head(moment, step)

    def _observe(self, moment: Moment, feed: Feed, hits: list[int] | None, found: list[Detection]) -> None:
        """Shows the event to `while` conditions: those that hold, and those that held until now."""
        remembered = moment.state.rules
        concerned: dict[int, bool] = {}
        if remembered and feed.holds:
            concerned = {feed.holds[rule_id]: False for rule_id in remembered if rule_id in feed.holds}
        if hits is not None:
            concerned.update((self._holding[hit], True) for hit in hits if hit in self._holding)
        for index in sorted(concerned):
            detection = self._matchers[index].advance(moment, concerned[index])
            if detection is not None:
                found.append(detection)

    def _due(self, state: TruckState) -> list[int]:
        """Rules with something due at the truck's deadline, in order."""
        due_ms = state.rule_deadline_ms
        indexes = ((self._index[rule_id], memory) for rule_id, memory in state.rules.items())
        return sorted(i for i, memory in indexes if self._matchers[i].next_deadline(memory) <= due_ms)

    def _set_deadline(self, state: TruckState) -> None:
        deadline_ms = FOREVER_MS
        for rule_id, memory in state.rules.items():
            due_ms = self._matcher_of[rule_id].next_deadline(memory)
            if due_ms < deadline_ms:
                deadline_ms = due_ms
        if deadline_ms != state.rule_deadline_ms:
            state.rule_deadline_ms = deadline_ms
