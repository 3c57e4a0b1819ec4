"""The checked tree of an expression: what a condition means after names and types are resolved.

Three values: true, false, unknown. A comparison with an unknown operand is unknown; `and`, `or`, `not` are Kleene's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["number", "text", "bool", "enum", "list", "instant", "point"]
Unit = Literal["km/h", "kg", "t", "m", "km", "deg", "s", "ratio", "%", "count", "ms"] | None
Scope = Literal["event", "truck", "trip", "zones", "station", "camera", "city", "step"]
Operator = Literal["==", "!=", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Type:
    """Type of a value; `values` are the known values of an enum; `nullable` says that it can be unknown.

    `low` and `high` (inclusive) are the range of a number where the event's definition gives one.
    """

    kind: Kind
    unit: Unit = None
    values: tuple[str, ...] = ()
    nullable: bool = True
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Const:
    """A literal, a `$param` (then `param` is its name) or a list of the book (then `list_name` is its name)."""

    value: float | str | bool | tuple[str, ...]
    type: Type
    text: str
    param: str | None = None
    list_name: str | None = None


@dataclass(frozen=True, slots=True)
class Name:
    """A name with a value at run time: `cover` (event), `truck.load`, `zones.forbidden`, `seen.camera_id` (step)."""

    scope: Scope
    attribute: str
    type: Type
    text: str
    step: str | None = None
    step_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """`not item`."""

    item: Node
    text: str


@dataclass(frozen=True, slots=True)
class Junction:
    """`a and b and …` or `a or b or …`."""

    op: Literal["and", "or"]
    items: tuple[Node, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`; a chain is a junction of these."""

    op: Operator
    left: Node
    right: Node
    text: str


@dataclass(frozen=True, slots=True)
class Membership:
    """`item in container`, or `not in` with `negated`."""

    item: Node
    container: Node
    negated: bool
    text: str


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """`left op right`, numbers; division by zero is unknown."""

    op: Literal["+", "-", "*", "/"]
    left: Node
    right: Node
    type: Type
    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """`distance_m age limit_kg over_ratio contains` of checked arguments."""

    function: str
    arguments: tuple[Node, ...]
    type: Type
    text: str


Node = Const | Name | Not | Junction | Compare | Membership | Arithmetic | Call


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked condition, its source text on one line, and where that stands."""

    tree: Node
    text: str
    file: str
    line: int
    column: int
