"""From the events of the YAML parser to nodes: without recursion, with limits, and with every trap of structure told.

PyYAML's own composer recurses in C: a line of two hundred thousand brackets would end the process, not the file.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from haulwatch.domain.text import Text
from rules.findings import Report, Spot

MAX_NODES = 200_000
MAX_DEPTH = 40
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)+")
_TAGS = frozenset((None, "!", *(f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq"))))


class RefusedError(Exception):
    """The file goes on in a way that makes no sense to follow; already told."""


class Composer:
    """Builds the nodes of one document; aliases are the same node again, counted each time."""

    def __init__(self, name: str, text: str, lines: list[str], report: Report) -> None:
        self._name = name
        self._text = text
        self._lines = lines
        self._report = report
        self._root: Node | None = None
        self._open: list[SequenceNode | MappingNode] = []
        self._keys: list[ScalarNode | None] = []
        self._lines_of_keys: list[dict[str, int]] = []
        self._weights: list[int] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._anchor_of: list[str | None] = []
        self._documents = 0

    def compose(self) -> Node | None:
        """The root node, None for an empty file or after telling what is not allowed; YAMLError for wrong syntax."""
        try:
            for event in yaml.parse(self._text, Loader=_LOADER):
                self._take(event)
        except RefusedError:
            return None
        return self._root

    def _take(self, event: Event) -> None:
        if isinstance(event, ScalarEvent):
            self._allowed(event)
            ends: Any = event.end_mark
            node = ScalarNode("", event.value, self._start(event), ends, event.style)
            self._put(node, 1, event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (node, 1)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._begin(event)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._end(event)
        elif isinstance(event, AliasEvent):
            self._alias(event)
        elif isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._refuse(event, "一个文件只能有一个文档（---）", "one document (---) in a file")

    def _begin(self, event: MappingStartEvent | SequenceStartEvent) -> None:
        self._allowed(event)
        if len(self._open) >= MAX_DEPTH:
            self._refuse(event, "嵌套过深", "nested too deeply")
        kind = MappingNode if isinstance(event, MappingStartEvent) else SequenceNode
        ends: Any = event.end_mark
        node = kind("", [], self._start(event), ends, event.flow_style)
        if self._open and isinstance(self._open[-1], MappingNode) and self._keys[-1] is None:
            self._bad_key(event)
        self._open.append(node)
        self._keys.append(None)
        self._lines_of_keys.append({})
        self._weights.append(1)
        self._anchor_of.append(event.anchor)

    def _end(self, event: Event) -> None:
        node, weight, anchor = self._open.pop(), self._weights.pop(), self._anchor_of.pop()
        self._keys.pop()
        self._lines_of_keys.pop()
        node.end_mark = event.end_mark
        if weight > MAX_NODES:
            self._refuse(event, "内容过多", "too many values")
        if anchor is not None:
            self._anchors[anchor] = (node, weight)
        self._put(node, weight, event)

    def _alias(self, event: AliasEvent) -> None:
        if event.anchor in self._anchor_of:
            self._refuse(event, f"*{event.anchor} 引用了自己", f"*{event.anchor} refers to itself")
        if event.anchor not in self._anchors:
            hint = Text("别名 *… 必须先用 &… 定义", "an alias *… must be defined with &… first")
            zh, en = f"没有定义 &{event.anchor}", f"&{event.anchor} is not defined"
            self._report.error(self._spot(event, len(str(event.anchor)) + 1), "E001", zh, en, hint)
            raise RefusedError
        self._put(*self._anchors[event.anchor], event)

    def _bad_key(self, event: Event) -> None:
        self._report.error(self._spot(event), "E013", "键应当是文字", "a key must be text")
        raise RefusedError

    def _put(self, node: Node, weight: int, at: Event) -> None:
        """Adds a finished node to what is open."""
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        self._weights[-1] += weight
        if isinstance(parent, SequenceNode):
            parent.value.append(node)
            return
        key = self._keys[-1]
        if key is not None:
            parent.value.append((key, node))
            self._keys[-1] = None
        elif isinstance(node, ScalarNode):
            self._key(node)
        else:
            self._bad_key(at)

    def _key(self, node: ScalarNode) -> None:
        self._keys[-1] = node
        known = self._lines_of_keys[-1]
        if node.value in known and node.value != "<<":
            first = known[node.value]
            hint = Text(f"第一次在第 {first} 行", f"first at line {first}")
            mark = node.start_mark
            spot = self._at(mark.line, mark.column, node.end_mark.column - mark.column)
            self._report.error(spot, "E004", f'键 "{node.value}" 写了两次', f'key "{node.value}" twice', hint)
        known.setdefault(node.value, node.start_mark.line + 1)

    def _start(self, event: Any) -> Any:
        """Where the value itself begins, after `&anchor` and `!tag`."""
        mark = event.start_mark
        if event.anchor is None and event.tag is None:
            return mark
        found = _PROPERTIES.match(self._text, mark.index)
        if found is None or found.end() > event.end_mark.index:
            return mark
        index = found.end()
        line = mark.line + self._text.count("\n", mark.index, index)
        return yaml.Mark(self._name, index, line, index - self._text.rfind("\n", 0, index) - 1, None, 0)

    def _allowed(self, event: Any) -> None:
        if event.tag not in _TAGS:
            self._refuse(event, f"不支持标签 {event.tag}", f"tag {event.tag} is not allowed")

    def _refuse(self, event: Event, zh: str, en: str) -> None:
        self._report.error(self._spot(event), "E009", zh, en)
        raise RefusedError

    def _spot(self, event: Event, width: int | None = None) -> Spot:
        start: Any = event.start_mark
        end: Any = event.end_mark
        inline = end.column - start.column if end.line == start.line else 1
        return self._at(start.line, start.column, width if width is not None else inline)

    def _at(self, line: int, column: int, width: int) -> Spot:
        snippet = self._lines[line] if line < len(self._lines) else None
        return Spot(self._name, line + 1, column + 1, width, snippet)
