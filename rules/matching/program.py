"""What the matchers need from a compiled book, and what they hand back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from haulwatch.domain.breaches import Condition
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, Capture, RuleMemory, TruckState
from rules.model import Rule
from rules.nodes import Arithmetic, Call, Compare, Expression, Junction, Membership, Name, Node, Not, Scope

Role = Literal["on", "while", "step", "count", "head"]
Slot = tuple[str, int] | str
"""Which expression of a rule: `("step", k)`, `"on"`, `"count"`, `"while"`, `"until"`, `"unless"`."""
Scan = Callable[[Applied, int, TruckState, Truck], list[int] | None]

MAX_PARTIALS = 8
"""Open partial matches per truck and rule; when one more opens, the oldest goes and is counted."""


class TriggerLike(Protocol):
    """One place of a rule where an event can count."""

    @property
    def rule_index(self) -> int: ...
    @property
    def role(self) -> Role: ...
    @property
    def step(self) -> int: ...


class Program(Protocol):
    """A compiled book: see `rules.compiling.CompiledBook`."""

    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def triggers(self) -> Sequence[TriggerLike]: ...
    @property
    def scan(self) -> Mapping[str, Scan]: ...

    def test(
        self,
        rule_index: int,
        slot: Slot,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> bool | None:
        """The value of one expression: true, false, or None for unknown."""
        ...

    def explain(
        self,
        rule_index: int,
        slot: Slot,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> list[Condition]:
        """The comparisons that made the expression true, with observed values and thresholds."""
        ...


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


@dataclass(slots=True)
class Moment:
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

    def advance(self, moment: Moment, hits: Sequence[int]) -> Detection | None:
        """Takes one event; `hits` are the steps (0 for a rule without steps) that are definitely true on it."""
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


def nodes(node: Node) -> Iterator[Node]:
    """`node` and everything below it."""
    yield node
    if isinstance(node, Not):
        yield from nodes(node.item)
    elif isinstance(node, Junction):
        for item in node.items:
            yield from nodes(item)
    elif isinstance(node, Compare | Arithmetic):
        yield from nodes(node.left)
        yield from nodes(node.right)
    elif isinstance(node, Membership):
        yield from nodes(node.item)
        yield from nodes(node.container)
    elif isinstance(node, Call):
        for argument in node.arguments:
            yield from nodes(argument)


def names_scope(expression: Expression | None, scope: Scope, attribute: str | None = None) -> bool:
    """Whether the expression names something of `scope` (and, when given, that very `attribute`)."""
    if expression is None:
        return False
    return any(
        isinstance(node, Name) and node.scope == scope and attribute in (None, node.attribute)
        for node in nodes(expression.tree)
    )
