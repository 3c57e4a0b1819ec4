"""Which rules have both kinds of cases, and which conditions were ever true: what `rules test --coverage` shows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import get_args
from zoneinfo import ZoneInfo

from haulwatch.domain.derived import DerivedEvent, Silence
from haulwatch.domain.events import Observation
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, Capture, Pending, TruckState
from rules.compiling import CompiledBook
from rules.engine import Detection, Engine
from rules.explaining import truth
from rules.facts import kind_of
from rules.matching.holds import observed_on
from rules.model import CountMatch, OnMatch, Rule, RuleBook, SequenceMatch
from rules.nodes import Expression, Junction, Node, Not
from rules.places import Slot
from rules.schema import BASE_KINDS
from streams.runtime import CityRuntime


@dataclass(frozen=True)
class Condition:
    """One comparison of a rule, as written, and where its expression stands; `negated` when it stands under `not`."""

    rule_id: str
    slot: Slot
    text: str
    negated: bool
    file: str
    line: int
    column: int

    @property
    def shown(self) -> str:
        """What had to be true, as written."""
        return f"not ({self.text})" if self.negated else self.text


class ConditionWatch:
    """Notes which conditions came out true; attach it to a runtime before its processor starts."""

    def __init__(self) -> None:
        self.true: set[Condition] = set()

    def attach(self, runtime: CityRuntime) -> None:
        """From now on looks at every event that the runtime's engine is shown."""
        runtime.engine = _WatchedEngine(runtime.city.compiled, runtime.timezone, self)

    def never_true(self, book: RuleBook) -> list[Condition]:
        """The conditions of the book that no event so far made true, in the order of the book."""
        return [c for rule in book.rules for c, _ in conditions_of(rule) if c not in self.true]


def conditions_of(rule: Rule) -> list[tuple[Condition, Node]]:
    """The comparisons of a rule that can each be true or not, with their trees."""
    found = []
    for slot, expression, _ in _places(rule):
        for node, negated in _units(expression.tree, False):
            where = expression.file, expression.line, expression.column
            found.append((Condition(rule.rule_id, slot, node.text, negated, *where), node))
    return found


def _units(node: Node, negated: bool) -> Iterator[tuple[Node, bool]]:
    if isinstance(node, Not):
        yield from _units(node.item, not negated)
    elif isinstance(node, Junction):
        for item in node.items:
            yield from _units(item, negated)
    else:
        yield node, negated


def _places(rule: Rule) -> list[tuple[Slot, Expression, frozenset[str]]]:
    """Each expression of a rule, and the kinds of events on which it is looked at."""
    match = rule.match
    places: list[tuple[Slot, Expression | None, frozenset[str]]] = []
    kinds = frozenset(BASE_KINDS)
    if isinstance(match, SequenceMatch):
        places += [(("step", k), step.where, frozenset((step.kind,))) for k, step in enumerate(match.steps)]
    elif isinstance(match, OnMatch | CountMatch):
        kinds = frozenset((match.kind,))
        places.append(("on" if isinstance(match, OnMatch) else "count", match.where, kinds))
    else:
        kinds = _observed(match.condition)
        places.append(("while", match.condition, kinds))
        if match.until is not None:
            places.append(("until", match.until, _observed(match.until)))
    places.append(("unless", rule.unless, kinds))
    return [(slot, expression, on) for slot, expression, on in places if expression is not None]


def _observed(expression: Expression) -> frozenset[str]:
    kinds: dict[type, str] = {kind: str(kind.__struct_config__.tag) for kind in (*get_args(Observation), Silence)}
    return frozenset(kinds[kind] for kind in observed_on(expression))


class _WatchedEngine(Engine):
    """The engine, with every condition looked at on every event that it can see."""

    def __init__(self, compiled: CompiledBook, timezone: ZoneInfo, watch: ConditionWatch) -> None:
        super().__init__(compiled, timezone)
        self._watch = watch
        self._looks = [
            (index, condition, node, kinds)
            for index, rule in enumerate(compiled.rules)
            for slot, _, kinds in _places(rule)
            for condition, node in conditions_of(rule)
            if condition.slot == slot
        ]

    def on_event(
        self,
        state: TruckState,
        truck: Truck,
        base: Pending,
        at_ms: int,
        derived: Sequence[DerivedEvent],
        accepted: bool = True,
    ) -> list[Detection]:
        for event in (base, *derived):
            self._look(state, truck, event, at_ms)
        return super().on_event(state, truck, base, at_ms, derived, accepted)

    def on_derived(self, state: TruckState, truck: Truck, event: DerivedEvent, at_ms: int) -> list[Detection]:
        self._look(state, truck, event, at_ms)
        return super().on_derived(state, truck, event, at_ms)

    def _look(self, state: TruckState, truck: Truck, event: Applied, at_ms: int) -> None:
        kind = kind_of(event)
        for index, condition, node, kinds in self._looks:
            if kind not in kinds or condition in self._watch.true:
                continue
            for captures in _captured(state, self._compiled.rules[index], condition.slot):
                facts = self._compiled.facts(index, condition.slot, event, at_ms, state, truck, captures)
                if truth(node, facts) is not condition.negated and truth(node, facts) is not None:
                    self._watch.true.add(condition)


def _captured(state: TruckState, rule: Rule, slot: Slot) -> list[list[Capture]]:
    """The records of earlier steps with which an expression is looked at now: those of the matches that wait for it."""
    match, memory = rule.match, state.rules.get(rule.rule_id)
    if not isinstance(match, SequenceMatch) or not isinstance(slot, tuple):
        return [[]]
    opens = all(step.absent for step in match.steps[: slot[1]])
    waiting = [partial.captures for partial in memory.partials if partial.step == slot[1]] if memory is not None else []
    return [[], *waiting] if opens else waiting
