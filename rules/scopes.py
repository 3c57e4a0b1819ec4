"""What the names of one expression mean: fields of its event, the truck, earlier steps, what the book names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from haulwatch.domain.text import Text
from rules import schema
from rules.findings import suggestion
from rules.lexing import Parsed, Tell
from rules.model import Param
from rules.nodes import Const, Name, Scope, Type

POINT = Type("point")
_DOTTED: tuple[Scope, ...] = ("truck", "trip", "zones", "station", "camera", "city")


@dataclass(slots=True)
class NamedCondition:
    """A condition of the book, parsed where it is defined; checked again wherever it is used."""

    name: str
    parsed: Parsed
    tell: Tell
    used: bool = False


@dataclass(slots=True)
class NamedList:
    """A list of the book."""

    name: str
    values: tuple[str, ...]
    used: bool = False


@dataclass(frozen=True, slots=True)
class Names:
    """Where an expression stands: `kind` gives the bare names (None: no event), `steps` the earlier records."""

    kind: str | None
    steps: dict[str, str] = field(default_factory=dict)
    blocked: dict[str, Text] = field(default_factory=dict)
    params: dict[str, Param] = field(default_factory=dict)
    lists: dict[str, NamedList] = field(default_factory=dict)
    conditions: dict[str, NamedCondition] = field(default_factory=dict)
    used_params: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    """Names (`$param`, list, condition, step) whose own definition is wrong: told there, taken for right here."""

    def on(self, kind: str | None) -> Names:
        """The same book and rule with another event."""
        return replace(self, kind=kind)

    @property
    def fields(self) -> dict[str, Type]:
        """The bare names of the event."""
        return schema.EVENT_FIELDS[self.kind] if self.kind else {}

    def all_bare(self) -> Iterator[str]:
        """Every bare name that can be written here, fields first."""
        yield from self.fields
        yield from self.steps
        yield from self.conditions
        yield from self.lists


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a name means nothing here."""

    code: str
    zh: str
    en: str
    hint: Text | None = None
    at: Literal["whole", "owner", "attribute"] = "whole"


def bare(names: Names, word: str, text: str) -> Name | Const | Unknown:
    """The meaning of a name without a dot (named conditions are for the caller)."""
    if word in names.fields:
        return Name("event", word, names.fields[word], text)
    if word in names.lists:
        named = names.lists[word]
        named.used = True
        return Const(named.values, Type("list", nullable=False), text, list_name=word)
    if word in ("true", "True", "false", "False"):
        return Const(word.lower() == "true", Type("bool", nullable=False), text)
    return _unknown_bare(names, word)


def _unknown_bare(names: Names, word: str) -> Unknown:
    if word in names.steps:
        return Unknown("E041", f'步骤 "{word}" 后面要跟 .字段', f'step "{word}" needs a .field after it')
    if word in names.blocked:
        why = names.blocked[word]
        return Unknown("E041", f'此处不能用 "{word}"：{why.zh}', f'"{word}" cannot be used here: {why.en}')
    if word in _DOTTED:
        hint = suggestion("", schema.SCOPES[word])
        return Unknown("E012", f'"{word}" 后面要跟 .字段', f'"{word}" needs a .field after it', hint)
    where = (
        Text(f"{names.kind} 事件", f"{names.kind} event") if names.kind else Text("此处没有事件字段", "no event here")
    )
    for scope in ("truck", "trip", "zones"):
        if word in schema.SCOPES[scope]:
            hint = Text(f"是否想写 {scope}.{word} ？", f"did you mean {scope}.{word}?")
            break
    else:
        found = suggestion(word, names.all_bare(), zh="可用字段", en="available fields")
        hint = found or Text("可用: truck.… trip.… zones.… city.…", "available: truck.… trip.… zones.… city.…")
    return Unknown("E012", f'未知字段 "{word}"（{where.zh}）', f'unknown field "{word}" ({where.en})', hint)


def dotted(names: Names, owner: str, attribute: str, text: str) -> Name | Unknown:
    """The meaning of `owner.attribute`."""
    if owner in names.steps:
        kind = names.steps[owner]
        fields = schema.EVENT_FIELDS[kind]
        if attribute in fields:
            return Name("step", attribute, replace(fields[attribute], nullable=True), text, owner, kind)
        where = Text(f"步骤 {owner}，{kind} 事件", f"step {owner}, {kind} event")
        return _unknown_attribute(attribute, fields, where)
    if owner in names.blocked:
        return _unknown_bare(names, owner)
    for scope in _DOTTED:
        if scope == owner:
            return _scoped(names, scope, attribute, text)
    hint = suggestion(owner, [*_DOTTED, *names.steps])
    return Unknown("E012", f'未知名称 "{owner}"', f'unknown name "{owner}"', hint, "owner")


def _scoped(names: Names, scope: Scope, attribute: str, text: str) -> Name | Unknown:
    only = schema.ONLY_ON.get(scope)
    if only is not None and names.kind != only:
        return Unknown("E041", f"{scope}.… 只能用于 {only} 事件", f"{scope}.… is only known on {only} events")
    fields = schema.SCOPES[scope]
    if attribute in fields:
        return Name(scope, attribute, fields[attribute], text)
    return _unknown_attribute(attribute, fields, Text(scope, scope))


def _unknown_attribute(attribute: str, fields: dict[str, Type], where: Text) -> Unknown:
    hint = suggestion(attribute, fields, zh="可用字段", en="available fields")
    zh, en = f'未知字段 "{attribute}"（{where.zh}）', f'unknown field "{attribute}" ({where.en})'
    return Unknown("E012", zh, en, hint, "attribute")


def point(names: Names, word: str, text: str) -> Name | Unknown:
    """The meaning of `word` as a place: `here`, a step, the station or the camera of the event."""
    if word == "here":
        return Name("truck", "here", POINT, text)
    if word in names.steps:
        kind = names.steps[word]
        if kind != "manifest":
            return Name("step", "", POINT, text, word, kind)
        return Unknown("E037", f'步骤 "{word}" 没有位置', f'step "{word}" has no place')
    if word in ("station", "camera"):
        if names.kind == schema.ONLY_ON[word]:
            return Name("station" if word == "station" else "camera", "", POINT, text)
        return _scoped_point(word)
    if word in names.blocked:
        return _unknown_bare(names, word)
    hint = suggestion(word, ["here", *names.steps, "station", "camera"])
    return Unknown("E037", f'"{word}" 不是位置', f'"{word}" is not a place', hint)


def _scoped_point(word: str) -> Unknown:
    only = schema.ONLY_ON[word]
    return Unknown("E041", f"{word} 只能用于 {only} 事件", f"{word} is only known on {only} events")
