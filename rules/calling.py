"""The functions of expressions: which arguments each takes, and what type it gives."""

from __future__ import annotations

import ast
from typing import Protocol

from haulwatch.domain.text import Text
from rules import schema, scopes
from rules.comparing import type_of
from rules.findings import suggestion
from rules.lexing import Parsed
from rules.nodes import Call, Const, Name, Node, Type
from rules.scopes import Names, Unknown

_ARGUMENTS = {"distance_m": 2, "age": 1, "limit_kg": 0, "over_ratio": 1, "contains": 2}


class Checker(Protocol):
    """What checking a call needs of the checker of the expression around it."""

    parsed: Parsed
    names: Names

    def tell(self, node: ast.expr, code: str, zh: str, en: str, hint: Text | None = None) -> None:
        """Reports at a node."""

    def told(self, node: ast.expr, found: Name | Const | Unknown) -> Name | Const | None:
        """The meaning of a name, or None after telling that it has none."""

    def value(self, node: ast.expr) -> Node | None:
        """A checked value."""

    def membership(self, left: ast.expr, right: ast.expr, negated: bool, text: str) -> Node | None:
        """A checked `left in right`."""


def check_call(node: ast.Call, checker: Checker) -> Node | None:
    """The checked call, or None after telling what is wrong."""
    name = node.func.id if isinstance(node.func, ast.Name) else ""
    text = checker.parsed.segment(node)
    if name not in schema.FUNCTIONS:
        shown = checker.parsed.segment(node.func)
        hint = suggestion(shown, schema.FUNCTIONS)
        checker.tell(node.func, "E037", f'未知函数 "{shown}"', f'unknown function "{shown}"', hint)
        return None
    wanted = _ARGUMENTS[name]
    if len(node.args) != wanted or node.keywords:
        checker.tell(node, "E037", f"{name} 需要 {wanted} 个参数", f"{name} takes {wanted} arguments")
        return None
    if name == "contains":
        return checker.membership(node.args[1], node.args[0], False, text)
    if name == "limit_kg":
        return Call(name, (), Type("number", "kg", low=0), text)
    if name == "distance_m":
        return _distance(node, checker, text)
    return _age(node.args[0], checker, text) if name == "age" else _over(node.args[0], checker, text)


def _distance(node: ast.Call, checker: Checker, text: str) -> Node | None:
    places: list[Node] = []
    for argument in node.args:
        word = argument.id if isinstance(argument, ast.Name) else checker.parsed.segment(argument)
        found = checker.told(argument, scopes.point(checker.names, word, word))
        if found is not None:
            places.append(found)
    return Call("distance_m", tuple(places), Type("number", "m", low=0), text) if len(places) == 2 else None


def _age(argument: ast.expr, checker: Checker, text: str) -> Node | None:
    names = checker.names
    word = checker.parsed.segment(argument)
    kind = Type("number", "s")
    if word in schema.AGE_OF:
        owner, attribute = word.split(".")
        found = scopes.dotted(names, owner, attribute, word)
        return Call("age", (found,), kind, text) if isinstance(found, Name) else None
    if word in names.steps:
        return Call("age", (Name("step", "", Type("instant"), word, word, names.steps[word]),), kind, text)
    if word in names.blocked:
        checker.told(argument, scopes.bare(names, word, word))
        return None
    hint = suggestion(word, [*schema.AGE_OF, *names.steps])
    checker.tell(argument, "E037", f"age() 不能用于 {word}", f"age() cannot be asked of {word}", hint)
    return None


def _over(argument: ast.expr, checker: Checker, text: str) -> Node | None:
    mass = checker.value(argument)
    if mass is None:
        return None
    if type_of(mass).kind == "number" and type_of(mass).unit in ("kg", None):
        return Call("over_ratio", (mass,), Type("number", "ratio"), text)
    checker.tell(argument, "E037", "over_ratio() 需要以 kg 计的质量", "over_ratio() takes a mass in kg")
    return None
