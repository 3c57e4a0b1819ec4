"""Where the expressions of a rule stand in it, and which of them an event can satisfy by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules.comparing import walk
from rules.model import CountMatch, OnMatch, Rule, SequenceMatch
from rules.nodes import Call, Expression, Name, Node

Role = Literal["on", "while", "step", "count", "head"]
Slot = tuple[str, int] | str
"""Which expression of a rule: `("step", k)`, `"on"`, `"count"`, `"while"`, `"until"`, `"unless"`."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """A place of a rule that an event can satisfy without the rule having remembered anything.

    `role` "step" is the first positive step of a sequence, "head" an absent step before it, whose events must be
    remembered; `step` is the step's index.
    """

    rule_index: int
    role: Role
    step: int = 0


@dataclass(frozen=True, slots=True)
class ExpressionPlace:
    """One expression of a rule, and the kind of event whose fields its bare names are."""

    kind: str | None
    tree: Node | None
    names_event: bool = False
    reads_event: bool = False
    names_silent: bool = False


def _place(kind: str | None, expression: Expression | None) -> ExpressionPlace:
    if expression is None:
        return ExpressionPlace(kind, None)
    nodes = list(walk(expression.tree))
    names = any(isinstance(node, Name) and node.scope in ("event", "station", "camera") for node in nodes)
    limits = any(isinstance(node, Call) and node.function in ("limit_kg", "over_ratio") for node in nodes)
    silent = any(isinstance(node, Name) and (node.scope, node.attribute) == ("truck", "silent") for node in nodes)
    return ExpressionPlace(kind, expression.tree, names, names or limits, silent)


def places_of(rule: Rule) -> dict[Slot, ExpressionPlace]:
    """Every expression of a rule, and what has none where it could have one."""
    match = rule.match
    places: dict[Slot, ExpressionPlace] = {}
    kind: str | None = None
    if isinstance(match, OnMatch):
        kind = match.kind
        places["on"] = _place(kind, match.where)
    elif isinstance(match, CountMatch):
        kind = match.kind
        places["count"] = _place(kind, match.where)
    elif isinstance(match, SequenceMatch):
        for index, step in enumerate(match.steps):
            places["step", index] = _place(step.kind, step.where)
    else:
        kind = "position"
        places["while"] = _place("position", match.condition)
        places["until"] = _place("position", match.until)
    places["unless"] = _place(kind, rule.unless)
    return places


def triggers_of(index: int, rule: Rule) -> list[Trigger]:
    """Where an event can satisfy the rule at `index` that has remembered nothing yet."""
    match = rule.match
    if isinstance(match, OnMatch):
        return [Trigger(index, "on")]
    if isinstance(match, CountMatch):
        return [Trigger(index, "count")]
    if not isinstance(match, SequenceMatch):
        return [Trigger(index, "while")]
    first = next(i for i, step in enumerate(match.steps) if not step.absent)
    return [*(Trigger(index, "head", i) for i in range(first)), Trigger(index, "step", first)]


def slot_of(trigger: Trigger) -> Slot:
    """The expression that a trigger asks."""
    return ("step", trigger.step) if trigger.role in ("step", "head") else trigger.role
