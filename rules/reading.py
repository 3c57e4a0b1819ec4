"""Typed readers over YAML nodes: the place decides what a scalar is, and every trap has its own message.

Each reader returns the value, or None after reporting why not; so one mistake never hides the next.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text
from rules.findings import Report, Spot, suggestion
from rules.yaml_source import Source, ascii_of, full_width, to_ascii

T = TypeVar("T")

SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_S = 100 * 366 * 86400.0
DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhd]))+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|[smhd])")
_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_OCTAL = re.compile(r"[-+]?0[0-7_]+|0o[0-7]+")
_BASE_60 = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_SWITCH_WORD = re.compile(r"(?:yes|no|on|off|true|false)", re.IGNORECASE)
_HOURS = re.compile(r"([0-9]{1,2}):([0-9]{2})-([0-9]{1,2}):([0-9]{2})")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
RULE_ID = re.compile(r"(?=.{1,128}\Z)[a-z][a-z0-9]*(?:-[a-z0-9]+)*")  # the order store keeps 128 characters
REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]*")


def seconds(text: str) -> float | None:
    """`2m10s` as seconds, or None when it is not a duration."""
    if not DURATION.fullmatch(text):
        return None
    found = sum(float(number) * SECONDS[unit] for number, unit in _PART.findall(text))
    return found if found <= LONGEST_S else None


def is_plain(node: Node) -> bool:
    """Whether the scalar stands without quotes."""
    return isinstance(node, ScalarNode) and not node.style


@dataclass(frozen=True, slots=True)
class Entry:
    """One `key: value` of a mapping."""

    key: ScalarNode
    value: Node


@dataclass(frozen=True)
class Reader:
    """Reads the nodes of one file and reports into one report."""

    source: Source
    report: Report

    def error(self, at: Node | Spot, code: str, zh: str, en: str, hint: Text | None = None) -> None:
        """Reports an error at a node."""
        self.report.error(at if isinstance(at, Spot) else self.source.spot(at), code, zh, en, hint)

    # mappings and lists

    def mapping(
        self, node: Node, known: Iterable[str], what: Text, *, open_keys: bool = False
    ) -> dict[str, Entry] | None:
        """The entries of a mapping; unknown keys are reported with what was probably meant."""
        if not isinstance(node, MappingNode):
            if not self._full_width_in(node):
                self.error(node, "E013", f"{what.zh}应当是 键: 值", f"{what.en} must be a mapping")
            return None
        names = tuple(known)
        entries: dict[str, Entry] = {}
        for key, value in merged(node):
            if key.value in names or open_keys:
                entries.setdefault(key.value, Entry(key, value))
            elif self._full_width_in(key):
                # A full-width colon makes key and value one word: nothing more can be said of this mapping.
                return None
            else:
                hint = suggestion(key.value, names)
                self.error(
                    key, "E010", f'{what.zh}中有未知的键 "{key.value}"', f'unknown key "{key.value}" in {what.en}', hint
                )
        return entries

    def items(self, node: Node, what: Text) -> list[Node]:
        """The items of a list, or nothing after an error."""
        if isinstance(node, SequenceNode):
            return list(node.value)
        if not self._full_width_in(node):
            self.error(
                node, "E013", f"{what.zh}应当是列表", f"{what.en} must be a list", Text("写成 [ … ]", "write [ … ]")
            )
        return []

    def each(self, node: Node, what: Text, read: Callable[[Node, Text], T | None]) -> tuple[T, ...]:
        """The items of a list that could be read."""
        values = (read(item, what) for item in self.items(node, what))
        return tuple(v for v in values if v is not None)

    # scalars

    def scalar(self, node: Node, what: Text, *, switch: bool = False) -> ScalarNode | None:
        """The scalar, unless it is a list, a mapping or empty, or one of YAML's traps; `switch` permits true, false."""
        if not isinstance(node, ScalarNode):
            self.error(node, "E013", f"{what.zh}应当是单个值", f"{what.en} must be a single value")
            return None
        if is_plain(node):
            if node.value.lower() in ("", "~", "null"):
                self.error(node, "E013", f"{what.zh}是空的", f"{what.en} is empty")
                return None
            if self._trap(node, switch):
                return None
        return node

    def _trap(self, node: ScalarNode, switch: bool) -> bool:
        value = node.value
        quote = Text(f'如果是文字，写成 "{value}"', f'if text is meant, write "{value}"')
        if _BASE_60.fullmatch(value):
            self.error(node, "E006", f"{value} 会被读成六十进制数", f"{value} is read as a base-60 number", quote)
        elif _OCTAL.fullmatch(value):
            self.error(node, "E008", f"{value} 会被读成八进制数", f"{value} is read as an octal number", quote)
        elif _SWITCH_WORD.fullmatch(value) and not (switch and value in ("true", "false")):
            truth = "true" if value.lower() in ("yes", "on", "true") else "false"
            hint = Text(f"{quote.zh}；如果是开关，写 {truth}", f"{quote.en}; if a switch is meant, write {truth}")
            self.error(node, "E007", f"{value} 会被读成布尔值", f"{value} is read as a boolean", hint)
        else:
            return False
        return True

    def _full_width_in(self, node: Node) -> bool:
        if not isinstance(node, ScalarNode) or node.value.isascii():
            return False
        for offset, character in enumerate(node.value):
            if ascii_of(character):
                full_width(self.report, self.source.inside(node, offset), character)
                return True
        return False

    def text(self, node: Node, what: Text) -> str | None:
        """A text for people, full-width punctuation and all."""
        scalar = self.scalar(node, what)
        return scalar.value if scalar is not None else None

    def token(self, node: Node, what: Text, *, switch: bool = False) -> str | None:
        """A word for the machine: no full-width characters."""
        scalar = self.scalar(node, what, switch=switch)
        if scalar is None or self._full_width_in(scalar):
            return None
        return str(scalar.value)

    def choice(self, node: Node, what: Text, choices: Iterable[str]) -> str | None:
        """One of `choices`."""
        names = tuple(choices)
        word = self.token(node, what)
        if word is None or word in names:
            return word
        self.error(node, "E014", f'{what.zh}没有 "{word}"', f'{what.en} cannot be "{word}"', suggestion(word, names))
        return None

    def pattern(self, node: Node, what: Text, pattern: re.Pattern[str], like: str) -> str | None:
        """A word that matches `pattern`; `like` shows one."""
        word = self.token(node, what)
        if word is None or pattern.fullmatch(word):
            return word
        self.error(
            node,
            "E015",
            f'{what.zh}"{word}" 写法不对',
            f'malformed {what.en} "{word}"',
            Text(f"例如 {like}", f"such as {like}"),
        )
        return None

    def identifier(self, node: Node, what: Text) -> str | None:
        """A name that expressions can use."""
        word = self.token(node, what)
        if word is None or (word.isidentifier() and not word.startswith("_")):
            return word
        hint = Text("用字母、数字和下划线，不以数字开头", "letters, digits and underscores, not starting with a digit")
        self.error(node, "E015", f'{what.zh}"{word}" 写法不对', f'malformed {what.en} "{word}"', hint)
        return None

    def reference(self, node: Node, what: Text) -> str | None:
        """An id of something else: zone, truck, law."""
        word = self.token(node, what)
        if word is None or word.strip() == word != "":
            return word
        self.error(node, "E015", f'{what.zh}"{word}" 写法不对', f'malformed {what.en} "{word}"')
        return None

    def switch(self, node: Node, what: Text) -> bool | None:
        """`true` or `false`."""
        word = self.token(node, what, switch=True)
        if word in ("true", "false") and is_plain(node):
            return word == "true"
        if word is not None:
            self.error(node, "E013", f"{what.zh}应当是 true 或 false", f"{what.en} must be true or false")
        return None

    def number(self, node: Node, what: Text) -> float | None:
        """A number; units and quotes are told apart from plain mistakes."""
        word = self.token(node, what)
        if word is None:
            return None
        if _NUMBER.fullmatch(word) and is_plain(node) and abs(float(word)) < math.inf:
            return float(word)
        if _NUMBER.fullmatch(word):
            self.error(
                node,
                "E013",
                f"{what.zh}应当是数，不是文字",
                f"{what.en} must be a number, not text",
                Text("去掉引号", "without quotes"),
            )
        elif DURATION.fullmatch(word):
            self.error(node, "E026", f"{what.zh}应当是数，不是时长", f"{what.en} must be a number, not a duration")
        else:
            hint = Text("不带单位、逗号和下划线", "without unit, commas or underscores")
            self.error(node, "E026", f'{what.zh}"{word}" 不是数', f'{what.en} "{word}" is not a number', hint)
        return None

    def duration(self, node: Node, what: Text) -> float | None:
        """A duration such as `30s 5m 2h 1d 2m10s`, in seconds."""
        scalar = node if isinstance(node, ScalarNode) else self.scalar(node, what)
        if scalar is None:
            return None
        found = seconds(scalar.value)
        if found is not None:
            return found
        if self.token(scalar, what) is None:
            return None
        self.error(scalar, "E016", *_duration_trouble(what, scalar.value))
        return None

    def hours(self, node: Node, what: Text) -> Hours | None:
        """`22:00-05:00`, local clock."""
        word = self.token(node, what)
        if word is None:
            return None
        match = _HOURS.fullmatch(word)
        if match:
            first, last = int(match[1]) * 60 + int(match[2]), int(match[3]) * 60 + int(match[4])
            if first < 1440 and last <= 1440 and int(match[2]) < 60 and int(match[4]) < 60:
                return Hours(first, last)
        hint = Text('例如 "22:00-05:00"，最晚 24:00', 'such as "22:00-05:00", 24:00 at most')
        self.error(node, "E027", f'{what.zh}"{word}" 写法不对', f'malformed {what.en} "{word}"', hint)
        return None

    def day(self, node: Node, what: Text) -> date | None:
        """`2026-12-31`."""
        word = self.token(node, what)
        if word is None:
            return None
        try:
            if _DATE.fullmatch(word):
                return date.fromisoformat(word)
        except ValueError:
            pass
        self.error(
            node,
            "E028",
            f'{what.zh}"{word}" 不是日期',
            f'{what.en} "{word}" is not a date',
            Text("例如 2026-12-31", "such as 2026-12-31"),
        )
        return None

    def bilingual(self, node: Node, what: Text) -> Text | None:
        """`{zh: …, en: …}` or one text for both; English falls back to Chinese."""
        if isinstance(node, ScalarNode):
            text = self.text(node, what)
            return Text(text, text) if text is not None else None
        entries = self.mapping(node, ("zh", "en"), what)
        if entries is None:
            return None
        if "zh" not in entries:
            self.error(node, "E011", f"{what.zh}缺少 zh", f"{what.en} has no zh")
            return None
        zh = self.text(entries["zh"].value, what)
        en = self.text(entries["en"].value, what) if "en" in entries else zh
        return Text(zh, en) if zh is not None and en is not None else None

    def plain(self, node: Node, what: Text) -> object:
        """A value as written, for examples: numbers, switches, texts, lists and mappings of them; null is None."""
        if isinstance(node, MappingNode):
            return {key.value: self.plain(value, what) for key, value in merged(node)}
        if isinstance(node, SequenceNode):
            return [self.plain(item, what) for item in node.value]
        assert isinstance(node, ScalarNode)
        value = str(node.value)
        if not is_plain(node):
            return value
        if value.lower() in ("", "~", "null"):
            return None
        if self._trap(node, switch=True):
            return None
        if value in ("true", "false"):
            return value == "true"
        if _NUMBER.fullmatch(value):
            return int(value) if value.lstrip("+-").isdigit() else float(value)
        return value


def _duration_trouble(what: Text, word: str) -> tuple[str, str, Text]:
    hint = Text("例如 30s 5m 2h 1d", "such as 30s 5m 2h 1d")
    if _NUMBER.fullmatch(word):
        hint = Text(f"写成 {word}s（秒）或 {word}m（分）", f"write {word}s (seconds) or {word}m (minutes)")
        return f"{what.zh}{word} 缺少时间单位", f"{what.en} {word} has no unit", hint
    return f'{what.zh}"{to_ascii(word)}" 不是时长', f'{what.en} "{to_ascii(word)}" is not a duration', hint


def merged(node: MappingNode) -> list[tuple[ScalarNode, Node]]:
    """The pairs of a mapping with `<<: *anchor` filled in: own keys first, so that they win."""
    own = [(k, v) for k, v in node.value if isinstance(k, ScalarNode) and k.value != "<<"]
    names = {k.value for k, _ in own}
    for key, value in node.value:
        if isinstance(key, ScalarNode) and key.value == "<<":
            bases = value.value if isinstance(value, SequenceNode) else [value]
            for base in bases:
                if isinstance(base, MappingNode):
                    fresh = [pair for pair in merged(base) if pair[0].value not in names]
                    own += fresh
                    names |= {k.value for k, _ in fresh}
    return own
