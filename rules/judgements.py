"""Conditions in the language of durable-rules, the second engine: what it is told, and what it cannot be told.

It knows two values, matched and not matched, and a fact that is missing never matches. So each condition becomes two
rules, one for definitely true and one for definitely false, with negation pushed down to the comparisons; when neither
fires, the condition is unknown. What the functions and the arithmetic of the language give is observed first, like a
name. Of what durable-rules offers only comparisons of one observed value with a fixed one are used: those between two
facts end the process (docs/decisions/0009-second-engine.md).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text
from rules.explaining import FLIPPED, NEGATED
from rules.findings import Report, Spot
from rules.model import CountMatch, OnMatch, Rule, SequenceMatch
from rules.nodes import Compare, Const, Expression, Junction, Membership, Node, Not

MAX_COMPARISONS = 24
"""In one condition, values of fixed lists counted one by one: at 32 in a row durable-rules refuses the ruleset."""
LARGEST = 1e30
"""Values are cut off here, far beyond every number that a rule file may hold: no comparison comes out otherwise."""
TRUE, FALSE, UNKNOWN = "true", "false", "unknown"
_OPERATORS = {"!=": "$neq", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}


class InexpressibleError(Exception):
    """durable-rules cannot be told this condition; `text` says why."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


@dataclass(frozen=True, slots=True)
class Judgement:
    """One condition for durable-rules.

    `when_true` and `when_false` are its rules as JSON, or True for always and False for never. `observed`: the values
    it looks at, each a fact `f0`, `f1`, …, in this order.
    """

    when_true: str | bool
    when_false: str | bool
    observed: tuple[Node, ...]

    def ruleset(self) -> str:
        """The rules to be asked, by name: `true`, `false`, and `unknown`, which matches whatever those leave.

        Deleting a session in which no rule has fired frees memory that was never allocated, so one always fires.
        """
        asked = ((TRUE, self.when_true), (FALSE, self.when_false))
        written = [f'"{name}":{{"pri":1,"all":[{{"m":{code}}}]}}' for name, code in asked if isinstance(code, str)]
        return "{" + ",".join([*written, f'"{UNKNOWN}":{{"pri":2,"all":[{{"m":{{"id":"1"}}}}]}}']) + "}"

    def fact(self, sid: str, values: Sequence[Any]) -> str:
        """What was observed, for session `sid`; `values` as in `observed`, None for unknown, which is left out."""
        known = [f',"f{i}":{_literal(value)}' for i, value in enumerate(values) if value is not None]
        return f'{{"sid":"{sid}","id":"1"{"".join(known)}}}'


def judgement_of(tree: Node) -> Judgement:
    """The condition for durable-rules; InexpressibleError with the reason where there is no way to say it."""
    writer = _Writer()
    when_true, when_false = writer.write(tree, True), writer.write(tree, False)
    return Judgement(when_true, when_false, tuple(writer.observed))


def inexpressible(rules: Sequence[Rule]) -> list[Finding]:
    """An error for every condition of these rules that durable-rules cannot judge, at its place."""
    report = Report()
    for rule in rules:
        for expression in _conditions(rule):
            try:
                judgement_of(expression.tree)
            except InexpressibleError as error:
                spot = Spot(expression.file, expression.line, expression.column)
                report.error(
                    spot,
                    "E043",
                    f"规则 {rule.rule_id}：引擎 durable 无法表达：{error.text.zh}",
                    f"rule {rule.rule_id}: the engine durable cannot express it: {error.text.en}",
                    Text("用 rules_engine: native 运行", "run it with rules_engine: native"),
                )
    return report.findings


def _conditions(rule: Rule) -> list[Expression]:
    match = rule.match
    found: list[Expression | None] = [rule.unless]
    if isinstance(match, SequenceMatch):
        found += [step.where for step in match.steps]
    elif isinstance(match, (OnMatch, CountMatch)):
        found.append(match.where)
    else:
        found += [match.condition, match.until]
    return [expression for expression in found if expression is not None]


class _Writer:
    """Writes both rules of a condition; `write(node, want)` is when `node` is definitely `want`."""

    def __init__(self) -> None:
        self.observed: dict[Node, str] = {}
        self._count = 0

    def write(self, node: Node, want: bool) -> str | bool:
        if isinstance(node, Not):
            return self.write(node.item, not want)
        if isinstance(node, Junction):
            op: Literal["and", "or"] = "and" if (node.op == "and") is want else "or"
            return _joined(op, [self.write(item, want) for item in node.items])
        if isinstance(node, Compare):
            return self._compare(node, want)
        if isinstance(node, Membership):
            return self._membership(node, want)
        if isinstance(node, Const):
            return bool(node.value) is want
        return self._leaf("==", node, want)

    def _compare(self, node: Compare, want: bool) -> str | bool:
        op, left, right = str(node.op), node.left, node.right
        if isinstance(left, Const):
            op, left, right = FLIPPED[op], right, left
        if not isinstance(right, Const):
            raise InexpressibleError(
                Text(f"“{node.text}” 比较两个观测值", f'"{node.text}" compares two observed values with each other')
            )
        if isinstance(left, Const):
            raise InexpressibleError(Text(f"“{node.text}” 没有观测值", f'"{node.text}" looks at nothing observed'))
        return self._leaf(op if want else NEGATED[op], left, right.value)

    def _membership(self, node: Membership, want: bool) -> str | bool:
        values = node.container.value if isinstance(node.container, Const) else None
        if not isinstance(values, tuple) or isinstance(node.item, Const):
            raise InexpressibleError(
                Text(f"“{node.text}” 的名单随观测而变", f'"{node.text}" looks into a list that is itself observed')
            )
        inside = want is not node.negated
        if not values:
            return False if inside else f'{{"$ex":{{"{self._name(node.item)}":1}}}}'
        leaves = [self._leaf("==" if inside else "!=", node.item, value) for value in values]
        return _joined("or" if inside else "and", leaves)

    def _leaf(self, op: str, observed: Node, value: object) -> str | bool:
        self._count += 1
        if self._count > 2 * MAX_COMPARISONS:  # each is written twice, once as it is and once negated
            raise InexpressibleError(
                Text(
                    f"比较超过 {MAX_COMPARISONS} 个（名单逐项计）",
                    f"more than {MAX_COMPARISONS} comparisons, the values of lists counted one by one",
                )
            )
        compared = f'{{"{self._name(observed)}":{_literal(value)}}}'
        return compared if op == "==" else f'{{"{_OPERATORS[op]}":{compared}}}'

    def _name(self, observed: Node) -> str:
        return self.observed.setdefault(observed, f"f{len(self.observed)}")


def _joined(op: Literal["and", "or"], parts: list[str | bool]) -> str | bool:
    decisive = op == "or"
    if decisive in parts:
        return decisive
    written = [part for part in parts if isinstance(part, str)]
    if not written:
        return not decisive
    return written[0] if len(written) == 1 else f'{{"${op}":[{",".join(written)}]}}'


def _literal(value: object) -> str:
    """A value as durable-rules reads it: no exponents, and every number with a point, or it counts as a C long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        written = format(Decimal(repr(float(max(-LARGEST, min(LARGEST, value))))), "f")
        return written if "." in written else f"{written}.0"
    if isinstance(value, (tuple, list, frozenset)):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)
