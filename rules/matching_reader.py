"""Reads `match:` of a rule, in its four forms, and the conditions that go with it (`unless`, `until`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from yaml.nodes import Node, ScalarNode

from haulwatch.domain.text import Text
from rules import expressions, schema
from rules.findings import suggestion
from rules.model import CountMatch, Match, OnMatch, SequenceMatch, Step, WhileMatch
from rules.nodes import Expression
from rules.reading import Entry, Reader
from rules.scopes import Names

_FORMS = {
    "on": ("on", "where"),
    "while": ("while", "for", "until"),
    "sequence": ("sequence", "within"),
    "count": ("count", "of", "within"),
}
_STEP_KEYS = ("as", "on", "where", "absent", "for")
_WHERE = Text("where ", "where")
_ABSENT = Text("absent 步骤没有记录", "an absent step has no record")
_LATER = Text("该步骤在后面", "that step comes later")


@dataclass
class MatchReader:
    """Reads the match of one rule; afterwards `names` are those of `unless`."""

    reader: Reader
    names: Names
    aliases: list[str] = field(default_factory=list)

    def read(self, node: Node) -> Match | None:
        """The match, or None after telling what is wrong."""
        what = Text("match ", "match")
        keys = dict.fromkeys(key for form in _FORMS.values() for key in form)
        entries = self.reader.mapping(node, keys, what)
        if entries is None:
            return None
        forms = [form for form in _FORMS if form in entries]
        if len(forms) != 1:
            self._not_one_form(node, entries, forms)
            return None
        form = forms[0]
        for key, entry in entries.items():
            if key not in _FORMS[form]:
                zh, en = f'{form} 形式中没有 "{key}"', f'"{key}" does not belong to {form}'
                self.reader.error(entry.key, "E010", zh, en, suggestion(key, _FORMS[form]))
        readers = {"on": self._on, "while": self._while, "sequence": self._sequence, "count": self._count}
        return readers[form](node, entries)

    def _not_one_form(self, node: Node, entries: dict[str, Entry], forms: list[str]) -> None:
        hint = Text("四选一: on / while / sequence / count", "one of on, while, sequence, count")
        if not forms:
            self.reader.error(node, "E011", "match 缺少形式", "match has no form", hint)
        else:
            zh, en = "match 只能有一种形式", "match has more than one form"
            self.reader.error(entries[forms[1]].key, "E010", zh, en, hint)

    # forms

    def _on(self, _node: Node, entries: dict[str, Entry]) -> Match | None:
        kind = self._kind(entries["on"].value)
        self.names = self.names.on(kind)
        self.aliases = [kind] if kind else []
        where, sound = self._where(entries, kind)
        return OnMatch(kind, where) if kind and sound else None

    def _while(self, node: Node, entries: dict[str, Entry]) -> Match | None:
        self.names = self.names.on("position")
        self.aliases = ["first", "last"]
        condition = expressions.read(self.reader, entries["while"].value, Text("while ", "while"), self.names)
        for_s = self._duration(node, entries, "for", "E011")
        until = None
        if "until" in entries:
            until = expressions.read(self.reader, entries["until"].value, Text("until ", "until"), self.names)
        if condition is None or for_s is None or ("until" in entries and until is None):
            return None
        return WhileMatch(condition, _ms(for_s), until)

    def _count(self, node: Node, entries: dict[str, Entry]) -> Match | None:
        count = self._whole(entries["count"].value)
        within = self._duration(node, entries, "within", "E020")
        if "of" not in entries:
            self.reader.error(entries["count"].key, "E011", "count 缺少 of", "count has no of")
            return None
        inner = self.reader.mapping(entries["of"].value, ("on", "where"), Text("of ", "of"))
        if inner is None:
            return None
        if "on" not in inner:
            self.reader.error(entries["of"].key, "E011", "of 缺少 on", "of has no on")
            return None
        kind = self._kind(inner["on"].value)
        self.names = self.names.on(kind)
        self.aliases = [kind] if kind else []
        where, sound = self._where(inner, kind)
        if count is None or within is None or kind is None or not sound:
            return None
        return CountMatch(count, kind, where, _ms(within))

    def _sequence(self, _node: Node, entries: dict[str, Entry]) -> Match | None:
        items = self.reader.items(entries["sequence"].value, Text("sequence ", "sequence"))
        within = self._duration(entries["sequence"].key, entries, "within", "E020")
        self.names = self.names.on(None)
        declared = self._declared(items)
        steps = [self._step(item, declared) for item in items]
        known = tuple(step for step in steps if step is not None)
        if len(known) < len(steps) or not known:
            if not items:
                self.reader.error(entries["sequence"].value, "E013", "sequence 没有步骤", "sequence has no steps")
            return None
        self.names = replace(self.names, blocked={a: w for a, w in self.names.blocked.items() if w is _ABSENT})
        if within is None or not self._reachable(items, known, within, entries):
            return None
        return SequenceMatch(known, _ms(within))

    # steps

    def _declared(self, items: list[Node]) -> list[str]:
        """The aliases in order, so that a step can say of another that it comes later."""
        names = []
        for item in items:
            for key, value in getattr(item, "value", ()) if not isinstance(item, ScalarNode) else ():
                if getattr(key, "value", "") == "as" and isinstance(value, ScalarNode):
                    names.append(value.value)
        return names

    def _step(self, node: Node, declared: list[str]) -> Step | None:
        entries = self.reader.mapping(node, _STEP_KEYS, Text("步骤", "step"))
        if entries is None:
            return None
        absent = "absent" in entries
        if absent == ("on" in entries):
            zh, en = "步骤要有 on 或 absent，二选一", "a step has either on or absent"
            self.reader.error(node, "E011", zh, en)
            return None
        alias = self._alias(node, entries)
        kind = self._kind(entries["absent" if absent else "on"].value)
        blocked = {name: _LATER for name in declared if name not in self.names.steps and name not in self.aliases}
        here = replace(self.names, blocked={**blocked, **self.names.blocked}).on(kind)
        where, sound = self._where(entries, kind, here)
        for_s = self._step_duration(node, entries, absent)
        if alias is not None:
            self._declare(alias, kind, absent)
        if alias is None or kind is None or not sound or for_s is None:
            return None
        return Step(alias, kind, where, absent, _ms(for_s))

    def _step_duration(self, node: Node, entries: dict[str, Entry], absent: bool) -> float | None:
        if absent:
            return self._duration(node, entries, "for", "E011")
        if "for" in entries:
            zh, en = "for 只用于 absent 步骤", "for belongs to absent steps only"
            self.reader.error(entries["for"].key, "E010", zh, en)
            return None
        return 0.0

    def _alias(self, node: Node, entries: dict[str, Entry]) -> str | None:
        if "as" not in entries:
            self.reader.error(node, "E011", "步骤缺少名称 as", "step has no name (as)")
            return None
        key = entries["as"].value
        alias = self.reader.identifier(key, Text("步骤名称", "step name"))
        if alias is None:
            return None
        taken = alias in self.names.steps or alias in self.names.blocked
        if taken:
            self.reader.error(key, "E018", f'步骤名称 "{alias}" 重复', f'step name "{alias}" twice')
            return None
        if alias in schema.RESERVED or any(alias in fields for fields in schema.EVENT_FIELDS.values()):
            self.reader.error(key, "E029", f'"{alias}" 已是字段名或保留字', f'"{alias}" is a field or a reserved word')
            self.names.broken.add(alias)
            return None
        return alias

    def _declare(self, alias: str, kind: str | None, absent: bool) -> None:
        if absent:
            self.names = replace(self.names, blocked={**self.names.blocked, alias: _ABSENT})
        elif kind is None:
            self.names.broken.add(alias)
        else:
            self.names = replace(self.names, steps={**self.names.steps, alias: kind})
            self.aliases = [*self.aliases, alias]

    def _reachable(self, items: list[Node], steps: tuple[Step, ...], within: float, entries: dict[str, Entry]) -> bool:
        present = [i for i, step in enumerate(steps) if not step.absent]
        if not present:
            zh, en = "sequence 至少要有一个 on 步骤，否则永远不会开始", "without an `on` step the sequence never begins"
            self.reader.error(entries["sequence"].key, "E022", zh, en)
            return False
        waited = 0
        for item, step in list(zip(items, steps, strict=True))[present[0] :]:
            waited += step.for_ms
            if step.absent and waited > _ms(within):
                zh = f'步骤 "{step.alias}" 到不了：等待 {waited / 1000:g} 秒，超过 within 的 {within:g} 秒'
                en = f'step "{step.alias}" cannot be reached: it waits {waited / 1000:g} s, within is {within:g} s'
                hint = Text("把 within 调大，或把 for 调小", "make within longer or for shorter")
                self.reader.error(self._key_of(item, "for"), "E022", zh, en, hint)
                return False
        return True

    def _key_of(self, item: Node, name: str) -> Node:
        entries = self.reader.mapping(item, _STEP_KEYS, Text("步骤", "step")) or {}
        return entries[name].value if name in entries else item

    # parts

    def _kind(self, node: Node) -> str | None:
        return self.reader.choice(node, Text("事件类型", "kind of event"), schema.KINDS)

    def _where(
        self, entries: dict[str, Entry], kind: str | None, names: Names | None = None
    ) -> tuple[Expression | None, bool]:
        """The condition, and whether it is right (no condition is right)."""
        if "where" not in entries:
            return None, True
        found = expressions.read(self.reader, entries["where"].value, _WHERE, (names or self.names) if kind else None)
        return found, found is not None

    def _duration(self, node: Node, entries: dict[str, Entry], key: str, missing: str) -> float | None:
        if key not in entries:
            hint = Text(f"加上 {key}: 10m", f"add {key}: 10m")
            self.reader.error(node, missing, f"缺少 {key}", f"{key} is missing", hint)
            return None
        return duration(self.reader, self.names, entries[key].value, Text(f"{key} ", key))

    def _whole(self, node: Node) -> int | None:
        what = Text("count ", "count")
        value = number(self.reader, self.names, node, what)
        if value is None:
            return None
        if value < 1 or value != int(value):
            self.reader.error(node, "E014", "count 应当是不小于 1 的整数", "count must be a whole number of at least 1")
            return None
        return int(value)


def duration(reader: Reader, names: Names, node: Node, what: Text) -> float | None:
    """A duration or a `$param` that is one, in seconds."""
    if not _is_param(node):
        return reader.duration(node, what)
    return _param(reader, names, node, what, "duration")


def number(reader: Reader, names: Names, node: Node, what: Text) -> float | None:
    """A number or a `$param` that is one."""
    if not _is_param(node):
        return reader.number(node, what)
    return _param(reader, names, node, what, "number")


def _is_param(node: Node) -> bool:
    return isinstance(node, ScalarNode) and node.value.startswith("$")


def _param(reader: Reader, names: Names, node: Node, what: Text, unit: str) -> float | None:
    assert isinstance(node, ScalarNode)
    name = node.value[1:]
    names.used_params.add(name)
    if "$" + name in names.broken:
        return None
    param = names.params.get(name)
    if param is None:
        hint = suggestion(name, names.params) or Text("规则没有 params", "the rule has no params")
        reader.error(node, "E038", f"未知参数 ${name}", f"unknown param ${name}", hint)
        return None
    if param.unit != unit:
        wanted = Text("时长", "a duration") if unit == "duration" else Text("数", "a number")
        reader.error(
            node, "E033", f"{what.zh}需要{wanted.zh}，${name} 不是", f"{what.en} takes {wanted.en}, ${name} is not"
        )
        return None
    return float(param.value)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
