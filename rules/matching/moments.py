"""What the matchers share: the moment they look at, what they hand back, and the memory they keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from msgspec import Struct

from haulwatch.domain.breaches import Condition
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, Capture, RuleMemory, TruckState
from rules.comparing import walk
from rules.compiling import CompiledBook
from rules.model import Rule
from rules.nodes import Expression, Name, Scope
from rules.places import Slot

MAX_PARTIALS = 8
"""Open partial matches per truck and rule; when one more opens, the oldest goes and is counted."""


@dataclass(frozen=True, slots=True)
class Detection:
    """A rule was satisfied (`fired`), or the conduct that it found is over (`ended`).

    `started_ms`: the conduct began; `detected_ms`: event time at which the rule was satisfied, or the conduct ended.
    `captures` are the records it rests on, oldest first; `conditions` what was measured between them (how long a
    condition held, how many were counted, what did not come); `opened_event_id` is the first captured event.
    """

    rule: Rule
    phase: Literal["fired", "ended"]
    started_ms: int
    detected_ms: int
    captures: tuple[Capture, ...]
    opened_event_id: str
    conditions: tuple[Condition, ...] = ()


class Moment(Struct):
    """One instant of one truck: the event that is looked at (None at a deadline) and the truck as it is then."""

    event: Applied | None
    at_ms: int
    state: TruckState
    truck: Truck


@dataclass(slots=True)
class Counters:
    """What was not found, by rule id: partials pushed out, memories dropped by an edit, findings held back and why."""

    partials_dropped: Counter[str] = field(default_factory=Counter)
    memories_dropped: Counter[str] = field(default_factory=Counter)
    held_back_unless: Counter[str] = field(default_factory=Counter)
    held_back_schedule: Counter[str] = field(default_factory=Counter)
    held_back_exception: Counter[str] = field(default_factory=Counter)


class Matcher(Protocol):
    """One rule's state machine. It owns the `RuleMemory` of its rule and nothing else."""

    def advance(self, moment: Moment, fits: bool) -> Detection | None:
        """Takes one event; `fits`: it is definitely what the rule, or the first step of a sequence, asks for."""
        ...

    def expire(self, moment: Moment) -> Detection | None:
        """Does what falls due at `moment.at_ms`; afterwards `next_deadline` is later."""
        ...

    def next_deadline(self, memory: RuleMemory) -> int:
        """The next instant at which `expire` has something to do, in ms; FOREVER_MS for none."""
        ...


def memory_of(state: TruckState, rule_id: str) -> RuleMemory:
    """The rule's memory of the truck, made when there is none."""
    memory = state.rules.get(rule_id)
    if memory is None:
        memory = state.rules[rule_id] = RuleMemory()
    return memory


def forget_if_empty(state: TruckState, rule_id: str, memory: RuleMemory) -> None:
    """Drops a memory that holds nothing: a truck at rest carries only what is needed."""
    if not (memory.partials or memory.hits or memory.heads or memory.hold is not None):
        state.rules.pop(rule_id, None)


def capture_of(
    compiled: CompiledBook,
    index: int,
    slot: Slot,
    alias: str,
    moment: Moment,
    event: Applied,
    captures: Sequence[Capture],
) -> Capture:
    """The event as evidence, with the comparisons that held on it at this moment."""
    conditions = compiled.explain(index, slot, event, moment.at_ms, moment.state, moment.truck, captures)
    return Capture(alias, event, moment.at_ms, conditions)


def within_condition(span_ms: int, within_ms: int) -> Condition:
    """How long it took from the first record to the finding, against the window."""
    return Condition(
        text="within",
        name="within",
        observed=span_ms / 1000,
        operator="<=",
        threshold=within_ms / 1000,
        unit="s",
    )


def names_scope(expression: Expression | None, scope: Scope, attribute: str | None = None) -> bool:
    """Whether the expression names something of `scope` (and, when given, that very `attribute`)."""
    if expression is None:
        return False
    return any(
        isinstance(node, Name) and node.scope == scope and attribute in (None, node.attribute)
        for node in walk(expression.tree)
    )
