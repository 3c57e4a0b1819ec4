"""Reads a condition's tree as it is written: the slow, plain meaning of an expression, and why it came out so."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from haulwatch.domain.breaches import Condition
from rules.comparing import type_of
from rules.facts import Facts
from rules.nodes import Arithmetic, Call, Compare, Const, Junction, Membership, Name, Node, Not

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
NEGATED = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
FLIPPED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def value(node: Node, facts: Facts) -> Any:
    """The value of `node`; None is unknown."""
    if isinstance(node, Const):
        return node.value
    if isinstance(node, Name):
        return facts.name(node)
    if isinstance(node, Call):
        return facts.call(node, lambda argument: value(argument, facts))
    if isinstance(node, Arithmetic):
        return _reckon(node, facts)
    return truth(node, facts)


def _reckon(node: Arithmetic, facts: Facts) -> float | None:
    left, right = value(node.left, facts), value(node.right, facts)
    if left is None or right is None:
        return None
    if node.op == "/":
        return left / right if right != 0 else None
    return left + right if node.op == "+" else left - right if node.op == "-" else left * right  # type: ignore[no-any-return]


def truth(node: Node, facts: Facts) -> bool | None:
    """True, false or (None) unknown, after Kleene."""
    if isinstance(node, Not):
        found = truth(node.item, facts)
        return None if found is None else not found
    if isinstance(node, Junction):
        decisive = node.op == "or"
        found_all = [truth(item, facts) for item in node.items]
        if decisive in found_all:
            return decisive
        return None if None in found_all else not decisive
    if isinstance(node, Compare):
        left, right = value(node.left, facts), value(node.right, facts)
        return None if left is None or right is None else _COMPARE[node.op](left, right)
    if isinstance(node, Membership):
        item, container = value(node.item, facts), value(node.container, facts)
        return None if item is None or container is None else (item in container) != node.negated
    found = value(node, facts)
    return None if found is None else bool(found)


def reasons(node: Node, facts: Facts, want: bool = True) -> list[Condition]:
    """The comparisons that make `node` come out as `want`; nothing when it does not."""
    if truth(node, facts) is not want:
        return []
    if isinstance(node, Not):
        return reasons(node.item, facts, not want)
    if isinstance(node, Junction):
        return [reason for item in node.items for reason in reasons(item, facts, want)]
    return [measured(node, facts, want)]


def measured(node: Node, facts: Facts, want: bool) -> Condition:
    """What a comparison (or its negation) looked at, and against what; it may hold or not."""
    text = node.text if want else f"not ({node.text})"
    if isinstance(node, Compare):
        left, right, op = node.left, node.right, str(node.op)
        if isinstance(left, Const):
            left, right, op = right, left, FLIPPED[op]
        unit = type_of(left).unit or type_of(right).unit
        op = op if want else NEGATED[op]
        return Condition(text, left.text, _shown(left, facts), op, _shown(right, facts), unit, event_of(left, facts))
    if isinstance(node, Membership):
        op = "in" if want != node.negated else "not in"
        observed, threshold = _shown(node.item, facts), _shown(node.container, facts)
        source = node.item if not isinstance(node.item, Const) else node.container
        return Condition(text, node.item.text, observed, op, threshold, None, event_of(source, facts))
    observed = _shown(node, facts)
    if isinstance(observed, list):
        return Condition(text, node.text, observed, "any" if want else "none", None, None, event_of(node, facts))
    return Condition(text, node.text, observed, "==", want, None, event_of(node, facts))


def _shown(node: Node, facts: Facts) -> Any:
    found = value(node, facts)
    if isinstance(found, (tuple, list)):
        return list(found)
    return round(found, 6) if isinstance(found, float) else found


def event_of(node: Node, facts: Facts) -> str | None:
    """The record that a value was seen on: a step's own, else the one looked at, else the last good fix."""
    if isinstance(node, Name) and node.scope == "step":
        capture = facts.capture(node.step)
        return capture.event.event_id if capture is not None else None
    if facts.event is not None:
        return facts.event.event_id
    return facts.state.fix_event_id or None


def unknown_names(node: Node, facts: Facts) -> list[str]:
    """The names and functions in `node` whose value is unknown."""
    if isinstance(node, (Name, Call)):
        inner = [
            n
            for a in getattr(node, "arguments", ())
            if node.text.startswith("over_ratio")
            for n in unknown_names(a, facts)
        ]
        return inner or ([node.text] if value(node, facts) is None else [])
    children: tuple[Node, ...] = ()
    if isinstance(node, Junction):
        children = node.items
    elif isinstance(node, Not):
        children = (node.item,)
    elif isinstance(node, (Compare, Arithmetic)):
        children = (node.left, node.right)
    elif isinstance(node, Membership):
        children = (node.item, node.container)
    found = list(dict.fromkeys(name for child in children for name in unknown_names(child, facts)))
    if isinstance(node, Arithmetic) and not found and value(node, facts) is None:
        return [node.text]
    return found
