"""From Python's tree to the checked tree of `rules.nodes`: only known names, types and units get through.

Everything wrong in an expression is told, not only the first; a part that is wrong counts as fitting everywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from haulwatch.domain.text import Text
from rules import calling, comparing, scopes
from rules.comparing import type_of
from rules.findings import suggestion
from rules.lexing import Parsed, Tell
from rules.nodes import Arithmetic, Compare, Const, Junction, Membership, Name, Node, Not, Operator, Type
from rules.scopes import Names, Unknown

_OPERATORS: dict[type[ast.cmpop], Operator] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}
_ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_NULL = ("null", "None", "unknown")
LARGEST = 1e15
"""Whole numbers up to here are exact as floats, in which all numbers are compared."""
MAX_CONDITIONS = 2000
_NUMBER = Type("number", nullable=False)
_TEXT = Type("text", nullable=False)
_BOOL = Type("bool", nullable=False)


def check_condition(parsed: Parsed, names: Names, tell: Tell) -> Node | None:
    """The checked tree of a condition, or None after telling everything that is wrong with it."""
    checker = _Checker(parsed, names, tell, (), [0])
    tree = checker.condition(parsed.tree)
    if tree is not None:
        comparing.tell_contradictions(tree, checker.tell_node_text)
    return tree


class _Checker:
    def __init__(self, parsed: Parsed, names: Names, tell: Tell, inside: tuple[str, ...], size: list[int]) -> None:
        self.parsed = parsed
        self.names = names
        self._tell = tell
        self.inside = inside
        self.size = size

    def tell(self, node: ast.expr, code: str, zh: str, en: str, hint: Text | None = None) -> None:
        start = self.parsed.start(node)
        self._tell(start, max(1, self.parsed.end(node) - start), code, zh, en, hint)

    def tell_node_text(self, zh: str, en: str) -> None:
        """Tells that the condition as a whole can never hold."""
        self.tell(self.parsed.tree, "E035", zh, en)

    # conditions

    def condition(self, node: ast.expr) -> Node | None:
        """`node` as something true, false or unknown."""
        self.size[0] += 1
        if self.size[0] > MAX_CONDITIONS:
            if self.size[0] == MAX_CONDITIONS + 1:
                zh, en = "命名条件展开后过大", "too large with all named conditions filled in"
                self.tell(node, "E031", zh, en)
            return None
        if isinstance(node, ast.BoolOp):
            return self._junction(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            item = self.condition(node.operand)
            return Not(item, self.parsed.segment(node)) if item is not None else None
        if isinstance(node, ast.Compare):
            return self._comparison(node)
        if isinstance(node, ast.Name) and node.id in self.names.conditions and node.id not in self.names.fields:
            return self._named(node)
        value = self.value(node)
        if value is None:
            return None
        if type_of(value).kind == "bool" or (isinstance(value, Name) and type_of(value).kind == "list"):
            return value
        hint = Text("写成比较，例如 … == … 或 … > …", "write a comparison, such as … == … or … > …")
        self.tell(
            node,
            "E040",
            f"{self.parsed.segment(node)} 不是条件",
            f"{self.parsed.segment(node)} is not a condition",
            hint,
        )
        return None

    def _junction(self, node: ast.BoolOp) -> Node | None:
        items = [self.condition(item) for item in node.values]
        checked = [item for item in items if item is not None]
        if len(checked) < len(items):
            return None
        op = "and" if isinstance(node.op, ast.And) else "or"
        return Junction("and" if op == "and" else "or", tuple(checked), self.parsed.segment(node))

    def _named(self, node: ast.Name) -> Node | None:
        named = self.names.conditions[node.id]
        named.used = True
        if node.id in self.inside:
            circle = " → ".join([*self.inside, node.id])
            self.tell(node, "E039", f"命名条件互相引用：{circle}", f"named conditions refer to each other: {circle}")
            return None
        return _Checker(named.parsed, self.names, named.tell, (*self.inside, node.id), self.size).condition(
            named.parsed.tree
        )

    def _comparison(self, node: ast.Compare) -> Node | None:
        sides = [node.left, *node.comparators]
        pairs = [self._pair(node, sides[i], op, sides[i + 1]) for i, op in enumerate(node.ops)]
        checked = [pair for pair in pairs if pair is not None]
        if len(checked) < len(pairs):
            return None
        return checked[0] if len(checked) == 1 else Junction("and", tuple(checked), self.parsed.segment(node))

    def _pair(self, whole: ast.Compare, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Node | None:
        text = self.parsed.segment(whole)
        if len(whole.ops) > 1:
            text = " ".join(self.parsed.text[self.parsed.start(left) : self.parsed.end(right)].split())
        for side, other in ((left, right), (right, left)):
            if self._is_null(side) and (
                not isinstance(side, ast.Constant) or side.value is None or self._is_enum(other)
            ):
                self._refuse_null(side)
                return None
        if isinstance(op, (ast.In, ast.NotIn)):
            return self.membership(left, right, isinstance(op, ast.NotIn), text)
        if type(op) not in _OPERATORS:
            hint = Text("用 == 或 !=", "use == or !=")
            self.tell(whole, "E031", "不能用 is", "`is` is not allowed", hint)
            return None
        a, b = self.value(left), self.value(right)
        if a is None or b is None:
            return None
        found = comparing.compare(_OPERATORS[type(op)], a, b, text)
        if isinstance(found, Compare):
            return found
        self.tell(
            right if found.at == "right" else left if found.at == "left" else whole,
            found.code,
            found.zh,
            found.en,
            found.hint,
        )
        return None

    def _is_null(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Constant):
            return node.value is None or node.value == "unknown"
        return isinstance(node, ast.Name) and node.id in _NULL and node.id not in self.names.fields

    def _is_enum(self, node: ast.expr) -> bool:
        found = None
        if isinstance(node, ast.Name):
            found = scopes.bare(self.names, node.id, node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found = scopes.dotted(self.names, node.value.id, node.attr, node.attr)
        return isinstance(found, Name) and found.type.kind == "enum"

    def _refuse_null(self, node: ast.expr) -> None:
        hint = Text(
            "未知的值使比较结果未知，规则只在确定为真时触发；没有发生过的事用 absent 步骤表达",
            "unknown never fires; say with an absent step what did not happen",
        )
        word = self.parsed.segment(node)
        self.tell(node, "E036", f"不能与 {word} 比较", f"comparison with {word}", hint)

    # membership

    def membership(self, left: ast.expr, right: ast.expr, negated: bool, text: str) -> Node | None:
        item = self.value(left)
        container = self._container(right)
        if item is None or container is None:
            return None
        if isinstance(container, list):
            return self._any_number(item, container, negated, text, left)
        return self._contained(item, container, negated, text, left, right)

    def _contained(
        self, item: Node, container: Node, negated: bool, text: str, left: ast.expr, right: ast.expr
    ) -> Node | None:
        kind = type_of(item).kind
        if type_of(container).kind != "list":
            self.tell(
                right, "E032", f"{self.parsed.segment(right)} 不是列表", f"{self.parsed.segment(right)} is not a list"
            )
            return None
        if kind not in ("text", "enum"):
            self.tell(
                left,
                "E032",
                f"{self.parsed.segment(left)} 不是文字，不在列表中",
                f"{self.parsed.segment(left)} is not text, the list is",
            )
            return None
        if kind == "enum" and isinstance(container, Const) and isinstance(container.value, tuple):
            for value in container.value:
                trouble = comparing.enum_value(type_of(item), value)
                if trouble is not None:
                    self.tell(self._element(right, value), trouble.code, trouble.zh, trouble.en, trouble.hint)
                    return None
        return Membership(item, container, negated, text)

    @staticmethod
    def _element(node: ast.expr, value: str) -> ast.expr:
        if isinstance(node, (ast.Tuple, ast.List)):
            return next((e for e in node.elts if isinstance(e, ast.Constant) and e.value == value), node)
        return node

    def _container(self, node: ast.expr) -> Node | list[Const] | None:
        """A list that is a name, or written out: texts become one constant, numbers stay apart."""
        if not isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            return self.value(node)
        values = [self.value(element) for element in node.elts]
        constants = [v for v in values if isinstance(v, Const)]
        if len(constants) < len(values):
            if None not in values:
                self.tell(node, "E031", "列表里只能写固定的值", "only fixed values in a list")
            return None
        kinds = {c.type.kind for c in constants}
        if kinds == {"number"}:
            return constants
        texts = tuple(c.value for c in constants if isinstance(c.value, str))
        if kinds != {"text"} or not texts:
            self.tell(node, "E032", "列表应当全是文字或全是数", "a list holds either texts or numbers")
            return None
        return Const(texts, Type("list", nullable=False), self.parsed.segment(node))

    def _any_number(self, item: Node, values: Sequence[Const], negated: bool, text: str, left: ast.expr) -> Node | None:
        pairs = [comparing.compare("!=" if negated else "==", item, value, text) for value in values]
        checked = [pair for pair in pairs if isinstance(pair, Compare)]
        for pair in pairs:
            if not isinstance(pair, Compare):
                self.tell(left, pair.code, pair.zh, pair.en, pair.hint)
                return None
        return checked[0] if len(checked) == 1 else Junction("and" if negated else "or", tuple(checked), text)

    # values

    def value(self, node: ast.expr) -> Node | None:
        """`node` as a value with a type."""
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name):
            return self._name(node)
        if isinstance(node, ast.Attribute):
            return self._attribute(node)
        if isinstance(node, ast.Call):
            return calling.check_call(node, self)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            return self._arithmetic(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
            return self._signed(node)
        if isinstance(node, (ast.BoolOp, ast.Compare)) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            if self.condition(node) is not None:
                self.tell(node, "E032", "此处要一个值，不是条件", "a value is needed here, not a condition")
            return None
        hint = Text(
            "可用: 比较、and or not in、+ - * /、函数", "available: comparisons, and or not in, + - * /, functions"
        )
        self.tell(
            node, "E031", f"不允许的写法 {self.parsed.segment(node)}", f"not allowed: {self.parsed.segment(node)}", hint
        )
        return None

    def _constant(self, node: ast.Constant) -> Const | None:
        value, text = node.value, self.parsed.segment(node)
        if isinstance(value, bool):
            return Const(value, _BOOL, text)
        if isinstance(value, (int, float)):
            if abs(value) <= LARGEST:
                return Const(float(value), _NUMBER, text)
            self.tell(node, "E026", "数值过大", "the number is too large")
            return None
        if isinstance(value, str):
            return Const(value, _TEXT, text)
        if value is None:
            self._refuse_null(node)
            return None
        self.tell(node, "E031", f"不允许的写法 {text}", f"not allowed: {text}")
        return None

    def _name(self, node: ast.Name) -> Node | None:
        placeholder = self.parsed.placeholders.get(self.parsed.start(node))
        if placeholder is not None and placeholder.param is not None:
            return self._param(node, placeholder.param)
        if placeholder is not None and placeholder.seconds is not None:
            return Const(placeholder.seconds, Type("number", "s", nullable=False), placeholder.text)
        if self._is_null(node):
            self._refuse_null(node)
            return None
        if node.id in self.names.conditions and node.id not in self.names.fields:
            self.tell(node, "E032", f'"{node.id}" 是条件，不是值', f'"{node.id}" is a condition, not a value')
            return None
        return self.told(node, scopes.bare(self.names, node.id, self.parsed.segment(node)))

    def _param(self, node: ast.expr, name: str) -> Const | None:
        self.names.used_params.add(name)
        param = self.names.params.get(name)
        if param is None and "$" + name in self.names.broken:
            return None
        if param is None:
            hint = suggestion(name, self.names.params) or Text("规则没有 params", "the rule has no params")
            self.tell(node, "E038", f"未知参数 ${name}", f"unknown param ${name}", hint)
            return None
        value = float(param.value) if param.unit in ("number", "duration") else param.value
        return Const(value, comparing.param_type(param), f"${name}", param=name)

    def _attribute(self, node: ast.Attribute) -> Node | None:
        if not isinstance(node.value, ast.Name):
            self.tell(node, "E031", "只能写一个点", "only one dot is allowed")
            return None
        found = scopes.dotted(self.names, node.value.id, node.attr, self.parsed.segment(node))
        if isinstance(found, Unknown) and found.at == "attribute":
            width = len(node.attr)
            self._tell(self.parsed.end(node) - width, width, found.code, found.zh, found.en, found.hint)
            return None
        return self.told(node.value if isinstance(found, Unknown) and found.at == "owner" else node, found)

    def told(self, node: ast.expr, found: Name | Const | Unknown) -> Name | Const | None:
        if isinstance(found, Unknown):
            if self.parsed.segment(node).split(".")[0] in self.names.broken:
                return None
            self.tell(node, found.code, found.zh, found.en, found.hint)
            return None
        return found

    def _signed(self, node: ast.UnaryOp) -> Node | None:
        item = self.value(node.operand)
        if item is None:
            return None
        if isinstance(item, Const) and isinstance(item.value, float):
            value = -item.value if isinstance(node.op, ast.USub) else item.value
            return Const(value, item.type, self.parsed.segment(node))
        self.tell(node, "E031", "负号只能写在数前面", "a sign is only allowed before a number")
        return None

    def _arithmetic(self, node: ast.BinOp) -> Node | None:
        left, right = self.value(node.left), self.value(node.right)
        if left is None or right is None:
            return None
        found = comparing.arithmetic(_ARITHMETIC[type(node.op)], left, right, self.parsed.segment(node))
        if isinstance(found, (Arithmetic, Const)):
            return found
        at = {"left": node.left, "right": node.right, "whole": node}[found.at]
        self.tell(at, found.code, found.zh, found.en, found.hint)
        return None
