"""Content hashes of rules: equal exactly when they decide the same, however the file is laid out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, get_args

from haulwatch.domain.text import Text
from rules.model import Match, Param, Rule
from rules.nodes import Const, Expression, Node

_NODES = get_args(Node)
_NOT_DECIDING = frozenset({"place", "examples", "rule_hash", "match_hash", "params", "owner"})


def match_hash(match: Match) -> str:
    """SHA-256 of what a rule's memory depends on: its match with params, lists and named conditions filled in."""
    return _digest(_canonical(match))


def rule_hash(rule: Rule) -> str:
    """SHA-256 of everything that decides or is shown: all but owner, examples, place and how the params are named."""
    return _digest({f.name: _canonical(getattr(rule, f.name)) for f in fields(rule) if f.name not in _NOT_DECIDING})


def book_hash(rules: tuple[Rule, ...]) -> str:
    """SHA-256 over the hashes of the rules, in the order of their ids."""
    return _digest([[rule.rule_id, rule.rule_hash] for rule in rules])


def same_meaning(one: Any, other: Any) -> bool:
    """Whether two parts of rules decide and show the same."""
    return bool(_canonical(one) == _canonical(other))


def _digest(value: object) -> str:
    return hashlib.sha256(
        json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()
    ).hexdigest()


def _names_of(value: Any) -> tuple[str, ...]:
    """The fields of a dataclass, looked up once a class."""
    kind = type(value)
    if kind not in _NAMES:
        _NAMES[kind] = tuple(field.name for field in fields(kind))
    return _NAMES[kind]


_NAMES: dict[Any, tuple[str, ...]] = {}


def _canonical(value: Any) -> Any:
    if isinstance(value, Expression):
        return _tree(value.tree)
    if isinstance(value, Text):
        return [value.zh, value.en]
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, (tuple, list)):
        return [_canonical(v) for v in value]
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, Param):
        return {"": type(value).__name__, **{name: _canonical(getattr(value, name)) for name in _names_of(value)}}
    if hasattr(value, "__struct_fields__"):
        return [_canonical(getattr(value, name)) for name in value.__struct_fields__]
    return value


def _tree(node: Node) -> Any:
    """The meaning of a tree without the author's wording: a param counts by its value."""
    if isinstance(node, Const):
        return list(node.value) if isinstance(node.value, tuple) else node.value
    parts: dict[str, Any] = {"": type(node).__name__}
    for name in _names_of(node):
        value = getattr(node, name)
        if name in ("text", "type"):
            continue
        if isinstance(value, tuple):
            parts[name] = [_tree(item) for item in value]
        else:
            parts[name] = _tree(value) if isinstance(value, _NODES) else value
    return parts
