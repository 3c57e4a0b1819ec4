"""Local adjustments: files under `rules/local/` that change the vendor's rules without touching the vendor's files.

Each entry says `override: append` or `override: replace`. With `replace`, the named params, the status and the
exceptions take the place of the vendor's; `append` only adds exceptions or list items.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath
from typing import Any, Literal, cast, get_args

from yaml.nodes import MappingNode, Node

from haulwatch.domain.text import Text
from rules.exception_reader import read_exceptions
from rules.findings import suggestion
from rules.model import RuleException, Status
from rules.reading import Entry, Reader

Override = Literal["append", "replace"]
RULE_KEYS = (
    "id", "title", "category", "severity", "status", "owner", "law", "params", "match", "unless", "schedule",
    "episode", "work_order", "summary", "runbook", "exceptions", "examples",
)  # fmt: skip
"""The keys of a vendor's rule."""
_CHANGEABLE = ("id", "override", "params", "status", "exceptions")
_LIST_KEYS = ("override", "items")


@dataclass(slots=True)
class RuleOverlay:
    """What one entry of a local file changes in one rule."""

    rule_id: str
    id_node: Node
    override: Override
    reader: Reader
    params: dict[str, Node] = field(default_factory=dict)
    param_keys: dict[str, Node] = field(default_factory=dict)
    status: Status | None = None
    exceptions: tuple[RuleException, ...] | None = None


@dataclass(slots=True)
class ListOverlay:
    """What one entry of a local file changes in one list."""

    name: str
    key: Node
    override: Override
    reader: Reader
    items: tuple[str, ...]


@dataclass(slots=True)
class Overlays:
    """All local adjustments of a city."""

    rules: dict[str, list[RuleOverlay]] = field(default_factory=dict)
    lists: dict[str, list[ListOverlay]] = field(default_factory=dict)

    def apply_list(self, name: str, values: tuple[str, ...]) -> tuple[str, ...]:
        """The list as adjusted locally."""
        for overlay in self.lists.get(name, ()):
            values = overlay.items if overlay.override == "replace" else tuple(dict.fromkeys(values + overlay.items))
        return values

    def tell_orphans(self, rule_ids: set[str], lists: set[str]) -> None:
        """Reports the adjustments of rules and lists that do not exist."""
        for rule_id, found in self.rules.items():
            if rule_id not in rule_ids:
                for overlay in found:
                    hint = suggestion(rule_id, sorted(rule_ids))
                    overlay.reader.error(
                        overlay.id_node, "E024", f'没有规则 "{rule_id}"', f'there is no rule "{rule_id}"', hint
                    )
        for name, changes in self.lists.items():
            if name not in lists:
                for change in changes:
                    hint = suggestion(name, sorted(lists))
                    change.reader.error(change.key, "E024", f'没有名单 "{name}"', f'there is no list "{name}"', hint)


def is_local(name: str) -> bool:
    """Whether a file holds local adjustments, by its folder."""
    return PurePosixPath(name).parent.name == "local"


def read_overlay(reader: Reader, root: MappingNode, today: date | None, into: Overlays) -> None:
    """Reads one local file."""
    entries = reader.mapping(root, ("rules", "lists"), Text("本地调整文件", "local file")) or {}
    if "rules" in entries:
        for item in reader.items(entries["rules"].value, Text("rules ", "rules")):
            overlay = _rule(reader, item, today)
            if overlay is not None:
                into.rules.setdefault(overlay.rule_id, []).append(overlay)
    if "lists" in entries:
        lists = reader.mapping(entries["lists"].value, (), Text("lists ", "lists"), open_keys=True) or {}
        for name, entry in lists.items():
            change = _list(reader, name, entry)
            if change is not None:
                into.lists.setdefault(name, []).append(change)


def _override(reader: Reader, node: Node, entries: dict[str, Entry], what: str) -> Override | None:
    if "override" not in entries:
        hint = Text("加上 override: replace 或 override: append", "add override: replace or override: append")
        at = entries["id"].value if "id" in entries else node
        reader.error(at, "E025", f"{what} 的调整缺少 override", f"adjustment of {what} without override", hint)
        return None
    found = reader.choice(entries["override"].value, Text("override ", "override"), get_args(Override))
    return cast(Override, found) if found is not None else None


def _rule(reader: Reader, node: Node, today: date | None) -> RuleOverlay | None:
    entries = reader.mapping(
        node, (*_CHANGEABLE, *(k for k in RULE_KEYS if k not in _CHANGEABLE)), Text("本地调整", "adjustment")
    )
    if entries is None:
        return None
    for key in entries.keys() - set(_CHANGEABLE):
        hint = Text(
            "本地只能改 params、status、exceptions；新规则放在 rules/ 下",
            "only params, status and exceptions change here; new rules go to rules/",
        )
        reader.error(entries[key].key, "E025", f"本地调整不能改 {key}", f"{key} cannot be changed locally", hint)
    if "id" not in entries:
        reader.error(node, "E011", "缺少规则 id", "rule id is missing")
        return None
    rule_id = reader.reference(entries["id"].value, Text("规则编号", "rule id"))
    override = _override(reader, node, entries, rule_id or "?")
    if rule_id is None or override is None:
        return None
    overlay = RuleOverlay(rule_id, entries["id"].value, override, reader)
    for key in ("params", "status"):
        if key in entries and override == "append":
            zh, en = f"{key} 不能追加，只能 override: replace", f"{key} cannot be appended to, only override: replace"
            reader.error(entries[key].key, "E025", zh, en)
            return None
    if "params" in entries:
        _params(reader, entries["params"].value, overlay)
    if "status" in entries:
        overlay.status = cast(Any, reader.choice(entries["status"].value, Text("status ", "status"), get_args(Status)))
    if "exceptions" in entries:
        overlay.exceptions = read_exceptions(reader, entries["exceptions"].value, today)
    return overlay


def _params(reader: Reader, node: Node, overlay: RuleOverlay) -> None:
    entries = reader.mapping(node, (), Text("params ", "params"), open_keys=True) or {}
    for name, entry in entries.items():
        value: Node | None = entry.value
        if isinstance(entry.value, MappingNode):
            inner = reader.mapping(entry.value, ("value",), Text(f"参数 {name} ", f"param {name}")) or {}
            value = inner["value"].value if "value" in inner else None
        if value is not None:
            overlay.params[name] = value
            overlay.param_keys[name] = entry.key


def _list(reader: Reader, name: str, entry: Entry) -> ListOverlay | None:
    if not isinstance(entry.value, MappingNode):
        hint = Text(f"写成 {name}: {{override: append, items: […]}}", f"write {name}: {{override: append, items: […]}}")
        reader.error(
            entry.key, "E025", f"名单 {name} 的调整缺少 override", f"adjustment of list {name} without override", hint
        )
        return None
    entries = reader.mapping(entry.value, _LIST_KEYS, Text(f"名单 {name} ", f"list {name}"))
    if entries is None:
        return None
    override = _override(reader, entry.key, entries, name)
    if "items" not in entries:
        reader.error(entry.key, "E011", f"名单 {name} 缺少 items", f"list {name} has no items")
        return None
    items = reader.each(entries["items"].value, Text(f"名单 {name} ", f"list {name}"), reader.reference)
    return ListOverlay(name, entry.key, override, reader, items) if override is not None else None
