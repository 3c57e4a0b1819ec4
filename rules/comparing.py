"""Which values may be compared or reckoned with which, and which comparisons can never, or must always, hold."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from haulwatch.domain.text import Text
from rules.findings import suggestion
from rules.model import Param
from rules.nodes import Arithmetic, Call, Compare, Const, Junction, Membership, Name, Node, Not, Operator, Type, Unit
from rules.schema import unit_of

_FLIPPED: dict[Operator, Operator] = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_PURE: tuple[Unit, ...] = (None, "ratio", "count", "%")


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why two values do not go together; `at` is the side to point at."""

    code: str
    zh: str
    en: str
    hint: Text | None = None
    at: Literal["left", "right", "whole"] = "whole"


def type_of(node: Node) -> Type:
    """The type of a checked node; conditions are bool."""
    if isinstance(node, (Const, Name, Arithmetic, Call)):
        return node.type
    return Type("bool")


def param_type(param: Param) -> Type:
    """The type of a `$param`; a number's unit is told by its name (`max_speed_kmh`)."""
    if param.unit == "duration":
        return Type("number", "s", nullable=False)
    if param.unit == "number":
        return Type("number", unit_of(param.name), nullable=False)
    return Type("bool" if param.unit == "switch" else "text", nullable=False)


def compare(op: Operator, left: Node, right: Node, text: str) -> Compare | Trouble:
    """`left op right` when it makes sense and can hold."""
    a, b = type_of(left), type_of(right)
    if "list" in (a.kind, b.kind):
        hint = Text('写成 "编号" in 列表', 'write "id" in list')
        return Trouble("E032", "列表不能这样比较", "a list cannot be compared like this", hint)
    if isinstance(left, Const) and isinstance(right, Const):
        return Trouble("E035", "两边都是固定的值", "both sides are fixed values")
    if a.kind == "number" and b.kind == "number":
        return _numbers(op, left, right, text)
    if a.kind != b.kind and {"number", "bool"} & {a.kind, b.kind}:
        return _mismatch(left, right)
    if op not in ("==", "!="):
        return Trouble("E032", f"{_kind(a).zh}只能用 == 或 !=", f"{_kind(a).en} can only be compared by == or !=")
    return _words(op, left, right, text)


def _kind(found: Type) -> Text:
    names = {"number": "数", "text": "文字", "bool": "真假值", "enum": "选项", "list": "列表"}
    return Text(names.get(found.kind, found.kind), found.kind)


def _mismatch(left: Node, right: Node) -> Trouble:
    a, b = type_of(left), type_of(right)
    hint = None
    for constant, other in ((left, b), (right, a)):
        if isinstance(constant, Const) and isinstance(constant.value, str) and other.kind == "number":
            hint = Text("数不要加引号", "write the number without quotes")
    zh = f"类型不匹配：{left.text} 是{_kind(a).zh}，{right.text} 是{_kind(b).zh}"
    return Trouble("E032", zh, f"types differ: {left.text} is {_kind(a).en}, {right.text} is {_kind(b).en}", hint)


def _words(op: Operator, left: Node, right: Node, text: str) -> Compare | Trouble:
    for item, other, at in ((left, right, "right"), (right, left, "left")):
        found = type_of(item)
        if found.kind != "enum":
            continue
        if isinstance(other, Const) and isinstance(other.value, str):
            trouble = enum_value(found, other.value)
            if trouble is not None:
                return replace(trouble, at="right" if at == "right" else "left")
        elif type_of(other).kind == "enum" and not set(found.values) & set(type_of(other).values):
            return Trouble("E032", "两个字段没有共同的取值", "the two fields have no value in common")
    return Compare(op, left, right, text)


def enum_value(found: Type, value: str) -> Trouble | None:
    """What is wrong with comparing an enum with `value`, if anything."""
    if value == "unknown":
        return Trouble("E036", "不能与 unknown 比较：未知不触发规则", "comparison with unknown: unknown never fires")
    if value in found.values:
        return None
    hint = suggestion(value, found.values, zh="可取", en="values")
    return Trouble("E034", f'没有取值 "{value}"', f'"{value}" is not a value of this field', hint)


def _numbers(op: Operator, left: Node, right: Node, text: str) -> Compare | Trouble:
    trouble = _units(left, right)
    if trouble is not None:
        return trouble
    compare_node = Compare(op, left, right, text)
    if outcome(compare_node) == "never":
        bounded = left if isinstance(right, Const) else right
        found = type_of(bounded)
        zh = f"{bounded.text} 的范围是 {_bound(found.low)} 到 {_bound(found.high)}，条件不可能成立"
        en = f"{bounded.text} is between {_bound(found.low)} and {_bound(found.high)}, this can never hold"
        return Trouble("E035", zh, en)
    return compare_node


def _bound(value: float | None) -> str:
    return "∞" if value is None else f"{value:g}"


def _units(left: Node, right: Node) -> Trouble | None:
    a, b = type_of(left).unit, type_of(right).unit
    if a == b:
        return None
    for item, unit in ((left, b), (right, a)):
        if type_of(item).unit is None and isinstance(item, Const):
            if unit != "s":
                return None
            if item.param is None:
                at: Literal["left", "right"] = "left" if item is left else "right"
                hint = Text(f"写成 {item.text}s 或 {item.text}m", f"write {item.text}s or {item.text}m")
                return Trouble("E016", f"时长 {item.text} 缺少单位", f"duration {item.text} has no unit", hint, at)
    if None in (a, b) and "s" not in (a, b):
        return None
    zh = f"单位不匹配：{left.text} 是 {a or '数'}，{right.text} 是 {b or '数'}"
    return Trouble("E033", zh, f"units differ: {left.text} is {a or 'a number'}, {right.text} is {b or 'a number'}")


def arithmetic(op: str, left: Node, right: Node, text: str) -> Arithmetic | Const | Trouble:
    """`left op right` with its unit; two constants become one."""
    a, b = type_of(left), type_of(right)
    if a.kind != "number" or b.kind != "number":
        return (
            _mismatch(left, right)
            if a.kind != b.kind
            else Trouble("E032", "只能对数做运算", "only numbers can be reckoned with")
        )
    if op in "+-":
        trouble = _units(left, right)
        if trouble is not None:
            return trouble
        unit = a.unit or b.unit
    elif op == "*":
        if a.unit not in _PURE and b.unit not in _PURE:
            return Trouble("E033", f"{a.unit} 与 {b.unit} 不能相乘", f"{a.unit} times {b.unit} makes no sense here")
        unit = a.unit if a.unit not in _PURE else b.unit
    else:
        unit = "ratio" if a.unit == b.unit and a.unit is not None else a.unit if b.unit in _PURE else None
    if op == "/" and isinstance(right, Const) and right.value == 0 and (right.param is None or isinstance(left, Const)):
        return Trouble("E035", "除以零", "division by zero", at="right")
    if isinstance(left, Const) and isinstance(right, Const):
        return _fold(op, left, right, unit, text)
    found = Type("number", unit, nullable=a.nullable or b.nullable or op == "/")
    return Arithmetic("+" if op == "+" else "-" if op == "-" else "*" if op == "*" else "/", left, right, found, text)


def _fold(op: str, left: Const, right: Const, unit: Unit, text: str) -> Const | Trouble:
    a, b = left.value, right.value
    assert isinstance(a, float)
    assert isinstance(b, float)
    value = a + b if op == "+" else a - b if op == "-" else a * b if op == "*" else a / b
    if not math.isfinite(value):
        return Trouble("E035", "数值过大", "the number is too large")
    return Const(value, Type("number", unit, nullable=False), text)


def outcome(node: Compare) -> Literal["never", "always"] | None:
    """Whether the range of a field decides the comparison with a constant whatever the field's value."""
    op, left, right = node.op, node.left, node.right
    if isinstance(left, Const):
        op, left, right = _FLIPPED[op], right, left
    if not (isinstance(right, Const) and isinstance(right.value, float)):
        return None
    low, high = type_of(left).low, type_of(left).high
    below = -math.inf if low is None else low
    above = math.inf if high is None else high
    value = right.value
    never = {
        "<": value <= below,
        "<=": value < below,
        ">": value >= above,
        ">=": value > above,
        "==": not below <= value <= above,
        "!=": False,
    }
    always = {
        "<": value > above,
        "<=": value >= above,
        ">": value < below,
        ">=": value <= below,
        "==": False,
        "!=": not below <= value <= above,
    }
    return "never" if never[op] else "always" if always[op] else None


def tell_contradictions(tree: Node, tell: Callable[[str, str], None]) -> None:
    """Tells each conjunction in `tree` whose comparisons of one name exclude each other."""
    for item in walk(tree):
        if isinstance(item, Junction) and item.op == "and":
            name = _contradiction(item)
            if name is not None:
                tell(f"条件自相矛盾：{name} 不可能同时满足", f"contradictory: {name} cannot be all of this at once")


def _contradiction(junction: Junction) -> str | None:
    ranges: dict[str, tuple[float, float, bool, bool]] = {}
    words: dict[str, set[str]] = {}
    for item in _flat(junction):
        if isinstance(item, Compare):
            _narrow(item, ranges, words)
        elif isinstance(item, Membership) and not item.negated and isinstance(item.container, Const):
            values = item.container.value
            if isinstance(item.item, Name) and isinstance(values, tuple):
                words[item.item.text] = words.get(item.item.text, set(values)) & set(values)
    for name, (low, high, low_open, high_open) in ranges.items():
        if low > high or (low == high and (low_open or high_open)):
            return name
    return next((name for name, values in words.items() if not values), None)


def _flat(junction: Junction) -> Iterator[Node]:
    for item in junction.items:
        if isinstance(item, Junction) and item.op == "and":
            yield from _flat(item)
        else:
            yield item


def _narrow(node: Compare, ranges: dict[str, tuple[float, float, bool, bool]], words: dict[str, set[str]]) -> None:
    op, left, right = node.op, node.left, node.right
    if isinstance(left, Const):
        op, left, right = _FLIPPED[op], right, left
    if not isinstance(right, Const) or not isinstance(left, (Name, Call)):
        return
    if isinstance(right.value, str):
        known = words.get(left.text)
        if op == "==":
            words[left.text] = {right.value} if known is None else known & {right.value}
        elif known is not None or left.type.values:
            words[left.text] = (set(left.type.values) if known is None else known) - {right.value}
        return
    if not isinstance(right.value, float) or isinstance(right.value, bool):
        return
    low, high, low_open, high_open = ranges.get(left.text, (-math.inf, math.inf, False, False))
    if op in (">", ">=", "==") and (right.value > low or (right.value == low and op == ">")):
        low, low_open = right.value, op == ">"
    if op in ("<", "<=", "==") and (right.value < high or (right.value == high and op == "<")):
        high, high_open = right.value, op == "<"
    ranges[left.text] = (low, high, low_open, high_open)


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything below it."""
    yield node
    children: tuple[Node, ...] = ()
    if isinstance(node, Junction):
        children = node.items
    elif isinstance(node, Not):
        children = (node.item,)
    elif isinstance(node, (Compare, Arithmetic)):
        children = (node.left, node.right)
    elif isinstance(node, Membership):
        children = (node.item, node.container)
    elif isinstance(node, Call):
        children = node.arguments
    for child in children:
        yield from walk(child)
