"""Which comparisons of a rule are with one of its params: what an operator moves when a number is changed."""

from __future__ import annotations

from collections.abc import Iterable

from haulwatch.domain.breaches import Condition
from haulwatch.domain.trials import Compared
from rules.comparing import walk
from rules.model import CountMatch, OnMatch, Rule, SequenceMatch
from rules.nodes import Compare, Const, Expression


class Thresholds:
    """The params of one rule that something is compared with as they are (not as part of a sum)."""

    def __init__(self, rule: Rule) -> None:
        self._params: dict[str, str] = {}
        for expression in expressions_of(rule):
            for node in walk(expression.tree):
                if isinstance(node, Compare):
                    for side in (node.left, node.right):
                        if isinstance(side, Const) and side.param is not None:
                            self._params[node.text] = self._params[f"not ({node.text})"] = side.param

    def compared(self, conditions: Iterable[Condition]) -> list[Compared]:
        """Of each param that numbers were compared with, the comparison that held most narrowly."""
        found: dict[str, Compared] = {}
        for condition in conditions:
            param, observed, threshold = self._params.get(condition.text), condition.observed, condition.threshold
            if param is None or not _is_number(observed) or not _is_number(threshold):
                continue
            here = Compared(param, float(observed), condition.operator, float(threshold), condition.unit)  # type: ignore[arg-type]
            before = found.get(param)
            if before is None or abs(here.observed - here.threshold) < abs(before.observed - before.threshold):
                found[param] = here
        return [found[param] for param in sorted(found)]


def expressions_of(rule: Rule) -> list[Expression]:
    """Every condition of a rule."""
    match = rule.match
    found: list[Expression | None] = [rule.unless]
    if isinstance(match, SequenceMatch):
        found += [step.where for step in match.steps]
    elif isinstance(match, OnMatch | CountMatch):
        found.append(match.where)
    else:
        found += [match.condition, match.until]
    return [expression for expression in found if expression is not None]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
