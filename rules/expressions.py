"""Expressions in a rule file: from the YAML scalar to the checked tree, every finding at its place in the file."""

from __future__ import annotations

from yaml.nodes import Node, ScalarNode

from haulwatch.domain.text import Text
from rules import lexing, typing_
from rules.lexing import Parsed, Tell
from rules.nodes import Expression
from rules.reading import Reader
from rules.scopes import NamedCondition, Names


def teller(reader: Reader, node: ScalarNode) -> Tell:
    """Reports at an offset of the scalar's value."""

    def tell(offset: int, width: int, code: str, zh: str, en: str, hint: Text | None) -> None:
        reader.report.error(reader.source.inside(node, offset, width), code, zh, en, hint)

    return tell


def parse(reader: Reader, node: Node, what: Text) -> tuple[Parsed, Tell] | None:
    """The syntax tree of the expression at `node`."""
    scalar = reader.scalar(node, what, switch=True)
    if scalar is None:
        return None
    tell = teller(reader, scalar)
    parsed = lexing.parse(scalar.value, tell)
    return (parsed, tell) if parsed is not None else None


def read(reader: Reader, node: Node, what: Text, names: Names | None) -> Expression | None:
    """The checked condition at `node`; with `names` None only its syntax is looked at (its event is not known)."""
    found = parse(reader, node, what)
    if found is None or names is None:
        return None
    parsed, tell = found
    tree = typing_.check_condition(parsed, names, tell)
    if tree is None:
        return None
    spot = reader.source.spot(node)
    return Expression(tree, " ".join(parsed.text.split()), spot.file, spot.line, spot.column)


def read_named(reader: Reader, name: str, node: Node) -> NamedCondition | None:
    """A condition of the book, by its name."""
    found = parse(reader, node, Text(f"命名条件 {name} ", f"condition {name}"))
    return NamedCondition(name, *found) if found is not None else None
