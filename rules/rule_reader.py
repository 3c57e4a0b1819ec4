"""Reads one rule of a vendor's book, with the local adjustments that are laid over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, get_args

from yaml.nodes import Node, ScalarNode

from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text
from rules import expressions
from rules.example_reader import read_examples
from rules.exception_reader import read_exceptions
from rules.findings import Spot, suggestion
from rules.hashing import match_hash, rule_hash
from rules.matching_reader import MatchReader, duration
from rules.model import EpisodePolicy, Example, Param, Place, Rule, RuleException, Status, WorkOrderPolicy
from rules.overlays import RULE_KEYS, RuleOverlay
from rules.param_reader import adjust, read_params
from rules.reading import REFERENCE, RULE_ID, Entry, Reader
from rules.scopes import Names

_REQUIRED = ("title", "category", "severity", "status", "match")
EPISODE_KEYS = ("truck_id", "trip_id", "zone_id", "station_id", "camera_id")
URGENCIES = ("urgent", "normal", "low")


@dataclass(slots=True)
class ReadRule:
    """A rule as far as it could be read: its id and places for lints, and the rule when nothing was wrong."""

    rule_id: str
    rule: Rule | None
    spots: dict[str, Spot] = field(default_factory=dict)
    used_params: set[str] = field(default_factory=set)


@dataclass
class RuleReader:
    """Reads the rules of one file."""

    reader: Reader
    names: Names
    today: date | None
    overlays: Mapping[str, list[RuleOverlay]]

    def read(self, node: Node) -> ReadRule | None:
        """The rule at `node`; None when not even its id can be read."""
        entries = self.reader.mapping(node, RULE_KEYS, Text("规则", "rule"))
        if entries is None:
            return None
        if "id" not in entries:
            self.reader.error(
                node,
                "E011",
                "规则缺少 id",
                "rule without id",
                Text("例如 id: uncovered-on-road", "such as id: uncovered-on-road"),
            )
            rule_id = None
        else:
            rule_id = self.reader.pattern(
                entries["id"].value, Text("规则编号", "rule id"), RULE_ID, "uncovered-on-road"
            )
        found = _Parts(self.reader, entries, self.today, self.overlays.get(rule_id or "", []))
        spots = {key: self.reader.source.spot(entry.key) for key, entry in entries.items()}
        spot = self.reader.source.spot(entries["id"].value) if "id" in entries else self.reader.source.spot(node)
        before = self.reader.report.errors
        names = found.params(replace(self.names, used_params=set(), broken=set(self.names.broken)))
        rule = found.rule(rule_id or "", Place(spot.file, spot.line, spot.column), names)
        sound = rule_id is not None and self.reader.report.errors == before
        read = ReadRule(rule_id or "", rule if sound else None, {**spots, **found.spots, "id": spot})
        read.used_params = names.used_params
        return read


class _Parts:
    """The parts of one rule, each read on its own so that a wrong one does not hide the others."""

    def __init__(
        self, reader: Reader, entries: dict[str, Entry], today: date | None, overlays: list[RuleOverlay]
    ) -> None:
        self.reader = reader
        self.entries = entries
        self.today = today
        self.overlays = overlays
        self.spots: dict[str, Spot] = {}

    def params(self, names: Names) -> Names:
        """The names with the rule's params, as adjusted locally."""
        if "params" not in self.entries:
            params: dict[str, Param] = {}
        else:
            params, broken, self.spots = read_params(self.reader, self.entries["params"].value)
            names.broken.update(broken)
        for overlay in self.overlays:
            params = adjust(params, overlay)
        return replace(names, params=params)

    def rule(self, rule_id: str, place: Place, names: Names) -> Rule | None:
        """The rule; when a required part is wrong, None (all findings are in the report)."""
        self._required()
        title = self._get("title", self.reader.bilingual)
        category = self._choice("category", get_args(Category))
        severity = self._choice("severity", get_args(Severity))
        status = self._choice("status", get_args(Status))
        owner = self._owner()
        match_reader = MatchReader(self.reader, names)
        match = match_reader.read(self.entries["match"].value) if "match" in self.entries else None
        unless_names = match_reader.names if match is not None else None
        unless = self._get("unless", lambda node, what: expressions.read(self.reader, node, what, unless_names))
        schedule = self._schedule()
        episode = self._episode(names)
        work_order = self._work_order(match_reader.aliases if match is not None else None)
        law = self._list("law", lambda node, what: self.reader.pattern(node, what, REFERENCE, "cn-air-116"))
        summary = self._get("summary", self.reader.bilingual)
        runbook = self._get("runbook", self.reader.bilingual)
        exceptions = self._exceptions()
        examples = self._examples(category)
        for overlay in self.overlays:
            status = overlay.status or status
        if title is None or category is None or severity is None or status is None or owner is None or match is None:
            return None
        rule = Rule(
            rule_id, title, category, severity, status, owner, law, names.params, match, unless, schedule, episode,
            work_order, runbook, exceptions, "", match_hash(match), place, summary, examples,
        )  # fmt: skip
        return replace(rule, rule_hash=rule_hash(rule))

    # pieces

    def _required(self) -> None:
        at = (
            self.entries["id"].value
            if "id" in self.entries
            else next(iter(self.entries.values())).key
            if self.entries
            else None
        )
        for key in _REQUIRED:
            if key not in self.entries and at is not None:
                self.reader.error(at, "E011", f"规则缺少 {key}", f"rule without {key}")

    def _get(self, key: str, read: Callable[[Node, Text], Any]) -> Any:
        return read(self.entries[key].value, Text(f"{key} ", key)) if key in self.entries else None

    def _choice(self, key: str, choices: tuple[str, ...]) -> Any:
        return self._get(key, lambda node, what: self.reader.choice(node, what, choices))

    def _list(self, key: str, read: Callable[[Node, Text], str | None]) -> tuple[str, ...]:
        return self.reader.each(self.entries[key].value, Text(f"{key} ", key), read) if key in self.entries else ()

    def _owner(self) -> str | None:
        if "owner" in self.entries:
            node = self.entries["owner"].value
            if not (isinstance(node, ScalarNode) and node.value.strip() in ("", "~", "null")):
                return self.reader.text(node, Text("owner ", "owner"))
            self.reader.error(self.entries["owner"].key, "E019", "规则没有负责人 owner", "rule without owner")
        elif "id" in self.entries:
            hint = Text("加上 owner: 科室或责任人", "add owner: the department or person in charge")
            self.reader.error(self.entries["id"].value, "E019", "规则没有负责人 owner", "rule without owner", hint)
        return None

    def _schedule(self) -> tuple[Hours, ...]:
        if "schedule" not in self.entries:
            return ()
        inner = self.reader.mapping(self.entries["schedule"].value, ("active",), Text("schedule ", "schedule"))
        if inner is None or "active" not in inner:
            if inner is not None:
                self.reader.error(
                    self.entries["schedule"].key, "E011", "schedule 缺少 active", "schedule has no active"
                )
            return ()
        return self.reader.each(inner["active"].value, Text("时段", "hours"), self.reader.hours)

    def _episode(self, names: Names) -> EpisodePolicy:
        if "episode" not in self.entries:
            return EpisodePolicy()
        inner = (
            self.reader.mapping(
                self.entries["episode"].value, ("key", "cooldown", "group"), Text("episode ", "episode")
            )
            or {}
        )
        key: tuple[Any, ...] = ("truck_id",)
        cooldown: float | None = 0.0
        if "key" in inner:
            key = (
                self.reader.each(
                    inner["key"].value, Text("key ", "key"), lambda n, w: self.reader.choice(n, w, EPISODE_KEYS)
                )
                or key
            )
        if "cooldown" in inner:
            cooldown = duration(self.reader, names, inner["cooldown"].value, Text("cooldown ", "cooldown"))
        group = (
            self.reader.pattern(inner["group"].value, Text("group ", "group"), RULE_ID, "dumping")
            if "group" in inner
            else None
        )
        return EpisodePolicy(key, round((cooldown or 0.0) * 1000), group)

    def _work_order(self, aliases: list[str] | None) -> WorkOrderPolicy:
        if "work_order" not in self.entries:
            return WorkOrderPolicy()
        what = Text("work_order ", "work_order")
        inner = (
            self.reader.mapping(self.entries["work_order"].value, ("urgency", "departments", "evidence"), what) or {}
        )
        urgency: Any = "normal"
        if "urgency" in inner:
            urgency = self.reader.choice(inner["urgency"].value, Text("urgency ", "urgency"), URGENCIES) or "normal"
        departments: tuple[str, ...] = ()
        if "departments" in inner:
            departments = self.reader.each(
                inner["departments"].value, Text("departments ", "departments"), self.reader.token
            )
        evidence: tuple[str, ...] = ()
        if "evidence" in inner:
            evidence = self.reader.each(
                inner["evidence"].value, Text("evidence ", "evidence"), lambda n, w: self._evidence(n, w, aliases)
            )
        return WorkOrderPolicy(urgency, departments, evidence)

    def _evidence(self, node: Node, what: Text, aliases: list[str] | None) -> str | None:
        word = self.reader.token(node, what)
        if word is None or aliases is None or word in aliases:
            return word
        self.reader.error(node, "E042", f'没有步骤 "{word}"', f'there is no step "{word}"', suggestion(word, aliases))
        return None

    def _exceptions(self) -> tuple[RuleException, ...]:
        own: tuple[RuleException, ...] = ()
        if "exceptions" in self.entries:
            own = read_exceptions(self.reader, self.entries["exceptions"].value, self.today)
        for overlay in self.overlays:
            if overlay.exceptions is not None:
                own = overlay.exceptions if overlay.override == "replace" else own + overlay.exceptions
        return own

    def _examples(self, category: str | None) -> tuple[Example, ...]:
        found = (
            read_examples(self.reader, self.entries["examples"].value, category) if "examples" in self.entries else ()
        )
        if found is None:
            return ()
        at = (
            self.entries["examples"].key
            if "examples" in self.entries
            else self.entries["id"].value
            if "id" in self.entries
            else None
        )
        if at is not None:
            for missing, zh, en in (
                (not any(e.expect for e in found), "正例（expect 不为空）", "positive example (expect not empty)"),
                (not any(not e.expect for e in found), "反例（expect: []）", "negative example (expect: [])"),
            ):
                if missing:
                    self.reader.error(at, "E021", f"规则缺少{zh}", f"rule without {en}")
        return found
