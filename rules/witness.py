"""The engine with one rule under observation: what it looked at, how that came out, and what kept it from firing.

It is the engine itself that decides; a witness only writes down, for one rule, what is put before it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from zoneinfo import ZoneInfo

from msgspec import structs

from haulwatch.domain.derived import DerivedEvent, Silence
from haulwatch.domain.events import Observation
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS, to_datetime
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, Capture, Partial, RuleMemory, TruckState
from rules.compiling import CompiledBook
from rules.engine import Detection, Engine
from rules.facts import kind_of
from rules.judging import Judged, judged
from rules.matching.firing import Keeper, sparing
from rules.matching.holds import HoldMatcher
from rules.matching.moments import Moment
from rules.matching.sequences import SequenceMatcher
from rules.model import CountMatch, Match, OnMatch, RuleException, SequenceMatch, WhileMatch
from rules.places import Slot

Offer = tuple[Slot, str, str | None]
"""An expression, the event it was looked at on, and the first record of the open match that asked (None: none)."""
Rank = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Look:
    """One expression on one event: `value` as the engine has it, the tree for people (None: every event fits)."""

    slot: Slot
    kind: str
    event_id: str
    at_ms: int
    value: bool | None
    tree: Judged | None
    asked_by: str | None = None
    heads: tuple[HeadLook, ...] = ()
    """On a first step: how the absences before it stood."""

    @property
    def share(self) -> float:
        """How much of the condition held, 0 to 1."""
        if self.tree is None or self.value is True:
            return 1.0
        leaves = list(self.tree.leaves())
        return sum(leaf.result == "PASS" for leaf in leaves) / (len(leaves) + 1)


@dataclass(frozen=True, slots=True)
class HeadLook:
    """A leading absent step at a moment: satisfied or not, when last contradicted, since when the truck is observed."""

    step: int
    clear: bool
    came_ms: int
    observed_ms: int


@dataclass(frozen=True, slots=True)
class GateLook:
    """The last word before a rule fires; `unless` is the tree of its negation (passes when the rule may fire)."""

    at_ms: int
    keeper: Keeper | None
    unless: Judged | None
    captures: tuple[Capture, ...]
    sparing: RuleException | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """An open match that came to nothing: `look` at the event that contradicted it, None when its time was over."""

    partial: Partial
    at_ms: int
    look: Look | None


@dataclass(frozen=True, slots=True)
class Firing:
    """The rule fired: the detection, the looks its records rest on, and the gate that let it through."""

    detection: Detection
    looks: tuple[Look | None, ...]
    gate: GateLook | None
    late: bool


@dataclass(slots=True)
class Trace:
    """What is known of one truck and the rule up to `at_ms`."""

    truck_id: str
    late: bool
    at_ms: int = NEVER_MS
    latest: dict[tuple[Slot, str | None], Look] = field(default_factory=dict)
    taken: dict[Offer, Look] = field(default_factory=dict)
    memory: RuleMemory | None = None
    gate: GateLook | None = None
    broken: Broken | None = None
    silent_ms: int | None = None
    seen: Counter[str] = field(default_factory=Counter)
    fired_ms: list[int] = field(default_factory=list)
    firing: Firing | None = None
    rank: Rank = (-1.0, 0.0)
    best: Trace | None = None

    def frozen(self) -> Trace:
        """As it stands now; what comes later does not change it."""
        return replace(self, latest=dict(self.latest), taken=dict(self.taken), seen=Counter(self.seen), best=None)


class Witness:
    """Watches rule `rule_id`; `truck_id` None: of every truck. What is later than `until_ms` is not looked at."""

    def __init__(self, rule_id: str, truck_id: str | None = None, until_ms: int = FOREVER_MS) -> None:
        self.rule_id = rule_id
        self.truck_id = truck_id
        self.until_ms = until_ms
        self.traces: dict[tuple[str, bool], Trace] = {}

    def trace_of(self, state: TruckState, at_ms: int) -> Trace | None:
        """Where to write down what happens to a truck; None when that is not asked for."""
        if at_ms > self.until_ms or self.truck_id not in (None, state.truck_id):
            return None
        key = state.truck_id, state.late
        trace = self.traces.get(key)
        if trace is None:
            trace = self.traces[key] = Trace(*key)
        return trace


class WitnessedEngine(Engine):
    """Runs the book as the engine does and tells the witness about its rule."""

    def __init__(self, compiled: CompiledBook, timezone: ZoneInfo, witness: Witness) -> None:
        super().__init__(compiled, timezone, self._judged)
        self._witness = witness
        self._timezone = timezone
        self._rule_index = self._index[witness.rule_id]
        self._rule = compiled.rules[self._rule_index]
        self._of_rule = self._matchers[self._rule_index]

    def on_event(
        self,
        state: TruckState,
        truck: Truck,
        base: Observation,
        at_ms: int,
        derived: Sequence[DerivedEvent],
        accepted: bool = True,
    ) -> list[Detection]:
        trace = self._witness.trace_of(state, at_ms)
        if trace is None:
            return super().on_event(state, truck, base, at_ms, derived, accepted)
        moment = Moment(base, at_ms, state, truck)
        self._offer(trace, moment)
        if accepted:
            self._offer_hold(trace, moment)
        found = super().on_event(state, truck, base, at_ms, derived, accepted)
        self._note(trace, state, at_ms, found)
        return found

    def on_derived(self, state: TruckState, truck: Truck, event: DerivedEvent, at_ms: int) -> list[Detection]:
        found = super().on_derived(state, truck, event, at_ms)
        trace = self._witness.trace_of(state, at_ms)
        if trace is not None:
            self._note(trace, state, at_ms, found)
        return found

    def on_deadline(self, state: TruckState, truck: Truck, deadline_ms: int) -> list[Detection]:
        found: list[Detection] = []
        while (due_ms := state.rule_deadline_ms) <= deadline_ms:
            fallen = super().on_deadline(state, truck, due_ms)
            trace = self._witness.trace_of(state, due_ms)
            if trace is not None:
                self._note(trace, state, due_ms, fallen)
            found += fallen
        return found

    def _apply_derived(self, event: DerivedEvent, moment: Moment, found: list[Detection]) -> None:
        trace = self._witness.trace_of(moment.state, moment.at_ms)
        if trace is not None:
            self._offer(trace, moment)
            if isinstance(event, Silence):
                trace.silent_ms = moment.at_ms
                self._offer_hold(trace, moment)
        super()._apply_derived(event, moment, found)

    # what is put before the rule

    def _offer(self, trace: Trace, moment: Moment) -> None:
        """Writes down how the rule's expressions come out on an event, before the rule has seen it."""
        assert moment.event is not None  # offered are events
        kind = kind_of(moment.event)
        trace.seen[kind] += 1
        match = self._rule.match
        if isinstance(match, SequenceMatch):
            self._offer_steps(trace, moment, match, kind)
        elif isinstance(match, OnMatch | CountMatch) and match.kind == kind:
            self._look(trace, moment, "on" if isinstance(match, OnMatch) else "count", ())

    def _offer_steps(self, trace: Trace, moment: Moment, match: SequenceMatch, kind: str) -> None:
        memory = moment.state.rules.get(self._rule.rule_id)
        for partial in memory.partials if memory is not None else ():
            step = match.steps[partial.step]
            if step.kind == kind and not (step.absent and moment.at_ms <= partial.wait_from_ms):
                self._look(trace, moment, ("step", partial.step), partial.captures)
        assert isinstance(self._of_rule, SequenceMatcher)
        first = next(k for k, step in enumerate(match.steps) if not step.absent)
        for k in range(first + 1):
            if match.steps[k].kind == kind:
                heads = self._heads(memory, moment, first) if k == first else ()
                self._look(trace, moment, ("step", k), (), heads)

    def _heads(self, memory: RuleMemory | None, moment: Moment, first: int) -> tuple[HeadLook, ...]:
        matcher = self._of_rule
        assert isinstance(matcher, SequenceMatcher)
        observed_ms = moment.state.first_ms
        return tuple(
            HeadLook(k, matcher.head_is_clear(k, memory, moment), matcher.head_came_ms(k, memory, moment), observed_ms)
            for k in range(first)
        )

    def _offer_hold(self, trace: Trace, moment: Moment) -> None:
        match, matcher = self._rule.match, self._of_rule
        if isinstance(match, WhileMatch) and isinstance(matcher, HoldMatcher):
            if type(moment.event) in matcher.condition_on:
                self._look(trace, moment, "while", ())
            if match.until is not None and type(moment.event) in matcher.until_on:
                self._look(trace, moment, "until", ())

    def _look(
        self,
        trace: Trace,
        moment: Moment,
        slot: Slot,
        captures: Sequence[Capture],
        heads: tuple[HeadLook, ...] = (),
    ) -> None:
        event = moment.event
        assert event is not None  # offered are events
        where = self._rule_index, slot, event, moment.at_ms, moment.state, moment.truck, captures
        asked_by = captures[0].event.event_id if captures else None
        look = Look(
            slot,
            kind_of(event),
            event.event_id,
            moment.at_ms,
            self._compiled.test(*where),
            self._tree(slot, event, moment, captures),
            asked_by,
            heads,
        )
        trace.latest[slot, asked_by] = look
        if look.value is True:
            trace.taken[slot, event.event_id, asked_by] = look

    def _tree(
        self, slot: Slot, event: Applied | None, moment: Moment, captures: Sequence[Capture], want: bool = True
    ) -> Judged | None:
        node = self._compiled.tree(self._rule_index, slot)
        if node is None:
            return None
        args = event, moment.at_ms, moment.state, moment.truck, captures
        return judged(node, self._compiled.facts(self._rule_index, slot, *args), want)

    # what came of it

    def _judged(self, index: int, moment: Moment, captures: Sequence[Capture], keeper: Keeper | None) -> None:
        if index != self._rule_index:
            return
        trace = self._witness.trace_of(moment.state, moment.at_ms)
        if trace is not None:
            unless = self._tree("unless", moment.event, moment, captures, want=False)
            spared = None
            if keeper == "exception":
                today = to_datetime(moment.at_ms).astimezone(self._timezone).date()
                spared = sparing(self._rule, today, moment, captures)
            trace.gate = GateLook(moment.at_ms, keeper, unless, tuple(captures), spared)

    def _note(self, trace: Trace, state: TruckState, at_ms: int, found: Sequence[Detection]) -> None:
        """Writes down what the rule remembers now, whether it fired, and which open match came to nothing."""
        trace.at_ms = at_ms
        before, memory = trace.memory, state.rules.get(self._rule.rule_id)
        fired = [d for d in found if d.rule.rule_id == self._rule.rule_id and d.phase == "fired"]
        for detection in fired:
            trace.fired_ms.append(detection.detected_ms)
            looks = tuple(self._taken(trace, capture, detection.captures) for capture in detection.captures)
            trace.firing = Firing(detection, looks, trace.gate, state.late)
        judged_now = trace.gate is not None and trace.gate.at_ms == at_ms
        if before is not None and before.partials and not fired and not judged_now:
            self._note_broken(trace, before, memory, at_ms)
        trace.memory = _copy(memory)
        self._prune(trace)
        rank = _rank(trace)
        if rank >= trace.rank:
            trace.rank, trace.best = rank, trace.frozen()

    def _taken(self, trace: Trace, capture: Capture, captures: Sequence[Capture]) -> Look | None:
        slot = slot_of(self._rule.match, capture.alias)
        first = captures[0].event.event_id if isinstance(slot, tuple) and capture is not captures[0] else None
        return trace.taken.get((slot, capture.event.event_id, first))

    def _note_broken(self, trace: Trace, before: RuleMemory, after: RuleMemory | None, at_ms: int) -> None:
        going_on = {first_of(partial) for partial in after.partials} if after is not None else set()
        for partial in before.partials:
            if first_of(partial) not in going_on:
                look = trace.latest.get((("step", partial.step), first_of(partial)))
                at_fault = look if look is not None and look.at_ms == at_ms else None
                trace.broken = Broken(partial, at_ms, at_fault)

    def _prune(self, trace: Trace) -> None:
        """Keeps the looks that something open rests on; a day of a truck must not fill the memory."""
        captures = captures_of(trace.memory)
        if not captures:
            trace.taken.clear()
        elif len(trace.taken) > 64:
            kept = {capture.event.event_id for capture in captures}
            trace.taken = {key: look for key, look in trace.taken.items() if key[1] in kept}
        if len(trace.latest) > 64:
            firsts = {first_of(partial) for partial in trace.memory.partials} if trace.memory is not None else set()
            trace.latest = {key: look for key, look in trace.latest.items() if key[1] is None or key[1] in firsts}


def slot_of(match: Match, alias: str) -> Slot:
    """The expression that a captured record satisfied, by the record's alias."""
    if isinstance(match, SequenceMatch):
        return "step", next(k for k, step in enumerate(match.steps) if step.alias == alias)
    if isinstance(match, WhileMatch):
        return "while"
    return "on" if isinstance(match, OnMatch) else "count"


def first_of(partial: Partial) -> str:
    """What tells open matches of a rule apart: the event that began them."""
    return partial.captures[0].event.event_id


def captures_of(memory: RuleMemory | None) -> list[Capture]:
    """Every record that the rule remembers."""
    if memory is None:
        return []
    held = [] if memory.hold is None else [c for c in (memory.hold.first, memory.hold.last) if c is not None]
    return [*memory.hits, *held, *(capture for partial in memory.partials for capture in partial.captures)]


def _copy(memory: RuleMemory | None) -> RuleMemory | None:
    if memory is None:
        return None
    return RuleMemory(
        partials=[structs.replace(partial, captures=list(partial.captures)) for partial in memory.partials],
        hold=structs.replace(memory.hold) if memory.hold is not None else None,
        hits=list(memory.hits),
        heads=dict(memory.heads),
    )


def progress(trace: Trace) -> float:
    """How much of the rule is done at this moment: steps, counted events, a condition that holds."""
    memory = trace.memory
    if memory is None:
        return 0.0
    held = 0.0 if memory.hold is None else 1 + (trace.at_ms - memory.hold.since_ms) / 1e12
    return max((float(partial.step) for partial in memory.partials), default=0.0) + len(memory.hits) + held


def _rank(trace: Trace) -> Rank:
    """How near the rule is to firing at this moment: what is done, then how much of what comes next holds."""
    at_ms = trace.at_ms
    if trace.gate is not None and trace.gate.at_ms == at_ms:
        return inf, 1.0
    if trace.broken is not None and trace.broken.at_ms == at_ms:
        return max(progress(trace), trace.broken.partial.step), 1.0
    return progress(trace), max((look.share for look in trace.latest.values() if look.at_ms == at_ms), default=0.0)
