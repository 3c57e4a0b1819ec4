"""A condition at one moment as a tree that people can read: what held, what did not, what nobody knows, and the values.

The tree is read by `rules.explaining`, which gives the meaning of every expression; nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from haulwatch.domain.breaches import Scalar
from rules.explaining import measured, truth, unknown_names
from rules.facts import Facts
from rules.nodes import Compare, Const, Junction, Node, Not

Result = Literal["PASS", "FAIL", "UNKNOWN"]


class Judged(Struct, frozen=True, omit_defaults=True):
    """One condition of a tree. `op` with `items` is a junction; otherwise `observed operator threshold` in `unit`.

    `unknown` names what nobody knew; `param` is the `$param` that the threshold comes from.
    """

    text: str
    result: Result
    op: Literal["and", "or"] | None = None
    items: tuple[Judged, ...] = ()
    observed: Scalar | list[str] = None
    operator: str | None = None
    threshold: Scalar | list[str] = None
    unit: str | None = None
    param: str | None = None
    event_id: str | None = None
    unknown: tuple[str, ...] = ()

    def leaves(self) -> Iterator[Judged]:
        """The comparisons of the tree."""
        if self.op is None:
            yield self
        for item in self.items:
            yield from item.leaves()


def result_of(value: bool | None) -> Result:
    """True, false or (None) unknown, as people are told."""
    return "UNKNOWN" if value is None else "PASS" if value else "FAIL"


def judged(node: Node, facts: Facts, want: bool = True) -> Judged:
    """How `node` came out against `want`; a negation is told by what it negates, as in a breach's conditions."""
    if isinstance(node, Not):
        return judged(node.item, facts, not want)
    found = truth(node, facts)
    result = result_of(found if want or found is None else not found)
    if isinstance(node, Junction):
        text = node.text if want else f"not ({node.text})"
        items = tuple(judged(item, facts, want) for item in node.items)
        return Judged(text, result, "and" if (node.op == "and") is want else "or", items)
    condition = measured(node, facts, want)
    return Judged(
        condition.text,
        result,
        observed=condition.observed,
        operator=condition.operator,
        threshold=condition.threshold,
        unit=condition.unit,
        param=_param(node),
        event_id=condition.event_id,
        unknown=tuple(unknown_names(node, facts)) if found is None else (),
    )


def _param(node: Node) -> str | None:
    if not isinstance(node, Compare):
        return None
    return next((side.param for side in (node.left, node.right) if isinstance(side, Const) and side.param), None)
