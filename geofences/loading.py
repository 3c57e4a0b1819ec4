"""Zone files to zones: everything wrong in any of them is found in one run, each problem with its file and feature.

Pure over bytes. A feature's number in a finding's `place` counts from 0, as in `jq '.features[3]'`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, get_args

from geofences.datum import Datum
from geofences.geojson import Feature, read_features
from geofences.shapes import ShapeProblem, build_area, check_geometry
from geofences.zones import Zone, ZoneKind
from haulwatch.domain.errors import Finding, did_you_mean
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text

ROUTE_BUFFER_M = 50.0
_PROPERTIES = ("zone_id", "name", "kind", "buffer_m", "radius_m", "hours", "valid_from", "valid_to", "parent")
_KINDS: tuple[ZoneKind, ...] = get_args(ZoneKind)
_LONGEST_ID = 128
_LONGEST_SHOWN = 60
_WIDEST_BUFFER_M = 10_000.0
_WIDEST_RADIUS_M = 50_000.0


def load_zones(files: Sequence[tuple[str, bytes]], datum: Datum) -> tuple[list[Zone], list[Finding]]:
    """The zones of GeoJSON `files` (name, bytes) drawn in `datum`, in the order written, and every finding.

    With an error among the findings the zones are those that could be read: good for showing, not for deciding.
    """
    drafts: list[_Draft] = []
    findings: list[Finding] = []
    for file, data in files:
        features, problems = read_features(file, data)
        findings += problems
        for feature in features:
            draft = _read_feature(feature, datum, findings)
            if draft is not None:
                drafts.append(draft)
    findings += _check_ids(drafts)
    findings += _check_parents(drafts)
    order = {file: number for number, (file, _) in enumerate(files)}
    findings.sort(key=lambda finding: (order[finding.file], finding.line, finding.column))
    return [draft.zone for draft in drafts if draft.zone is not None], findings


@dataclass(frozen=True, slots=True)
class _Draft:
    """What is known of a feature: enough to check references even when no zone came out of it."""

    feature: Feature
    zone_id: str | None
    parent: str | None
    zone: Zone | None


def _read_feature(feature: Feature, datum: Datum, findings: list[Finding]) -> _Draft | None:
    properties = feature.value.get("properties") if isinstance(feature.value, dict) else None
    if not isinstance(feature.value, dict) or feature.value.get("type") != "Feature":
        findings.append(feature.finding("Z007", Text("这不是 Feature", "This is not a Feature"), "type"))
        return None
    for key in feature.repeated:
        findings.append(feature.finding("Z006", Text(f"“{key}” 写了两次", f"“{key}” stands twice"), key))
    reader = _Reader(feature, properties if isinstance(properties, dict) else {}, findings)
    before = len(findings)
    zone = reader.zone(datum)
    failed = any(finding.severity == "error" for finding in findings[before:]) or feature.repeated
    return _Draft(feature, reader.zone_id, reader.parent, None if failed else zone)


class _Reader:
    """Reads the properties of one feature; each bad one is a finding and reads as its default."""

    def __init__(self, feature: Feature, properties: dict[str, Any], findings: list[Finding]) -> None:
        self._feature = feature
        self._properties = properties
        self._findings = findings
        self.zone_id: str | None = None
        self.parent: str | None = None

    def zone(self, datum: Datum) -> Zone | None:
        self._check_names()
        self.zone_id = self._identifier("zone_id", required=True)
        kind = self._kind()
        self.parent = self._identifier("parent", required=False)
        name = self._name()
        hours = self._hours()
        valid_from, valid_to = self._day("valid_from"), self._day("valid_to")
        if valid_from and valid_to and valid_from > valid_to:
            self._wrong("Z016", Text("valid_from 晚于 valid_to", "valid_from is after valid_to"), "valid_from")
        geometry = self._feature.value.get("geometry")
        buffer_m = self._buffer_m(kind, geometry.get("type") if isinstance(geometry, dict) else None)
        problems = check_geometry(geometry)
        for problem in problems:
            self._bad_shape(problem)
        if problems or buffer_m is None:
            return None
        built = build_area(geometry, datum, buffer_m)
        if isinstance(built, ShapeProblem):
            self._bad_shape(built)
            return None
        if self.zone_id is None or kind is None:
            return None
        outline, area = built
        return Zone(self.zone_id, name, kind, area, outline, buffer_m, hours, valid_from, valid_to, self.parent)

    def _check_names(self) -> None:
        for key in self._properties:
            if key in _PROPERTIES or len(key) <= 3:
                continue
            hint = did_you_mean(key, _PROPERTIES)
            if hint is not None:
                text = Text(f"未知属性 {key}，不起作用", f"Unknown property {key} has no effect")
                self._wrong("Z019", text, key, hint, warning=True)

    def _identifier(self, key: str, *, required: bool) -> str | None:
        value = self._properties.get(key)
        if value is None:
            if required:
                self._missing(key)
            return None
        if not isinstance(value, str):
            text = Text(f"{key} 应为文字", f"{key} must be a text")
            self._wrong("Z011", text, key, Text(f'写作 "{_shown(value)}"', f'Write "{_shown(value)}"'))
            return None
        if not value or value != value.strip() or len(value) > _LONGEST_ID or not value.isprintable():
            text = Text(
                f"{key} “{_shown(value)}” 为空、过长或含有首尾空白、控制字符",
                f"{key} “{_shown(value)}” is empty, too long, or has outer blanks or control characters",
            )
            self._wrong("Z011", text, key)
            return None
        return value

    def _kind(self) -> ZoneKind | None:
        value = self._properties.get("kind")
        if value is None:
            self._missing("kind")
            return None
        for kind in _KINDS:
            if kind == value:
                return kind
        listed = ", ".join(_KINDS)
        text = Text(f"未知类型 “{_shown(value)}”，可用：{listed}", f"Unknown kind “{_shown(value)}”; known: {listed}")
        self._wrong("Z012", text, "kind", did_you_mean(str(value).lower(), _KINDS))
        return None

    def _name(self) -> Text:
        value = self._properties.get("name")
        if value is None:
            return Text(self.zone_id or "", self.zone_id or "")
        written = {"zh": value} if isinstance(value, str) else value
        if isinstance(written, dict) and "zh" in written and set(written) <= {"zh", "en"}:
            zh, en = written["zh"], written.get("en") or written["zh"]
            if _is_text(zh) and _is_text(en):
                return Text(zh, en)
        text = Text("name 应为文字，或 {zh, en}", "name must be a text, or {zh, en}")
        self._wrong("Z011", text, "name")
        return Text("", "")

    def _hours(self) -> tuple[Hours, ...]:
        value = self._properties.get("hours")
        if value is None:
            return ()
        if not isinstance(value, list):
            hint = Text('写作 ["22:00-05:00"]', 'Write ["22:00-05:00"]')
            self._wrong("Z014", Text("hours 应为列表", "hours must be a list"), "hours", hint)
            return ()
        return tuple(hours for part in value if (hours := self._span(part)) is not None)

    def _span(self, part: Any) -> Hours | None:
        try:
            return Hours.parse(part if isinstance(part, str) else "")
        except ValueError:
            hint = Text(
                "写作 22:00-05:00（全天 00:00-24:00）", "Write it like 22:00-05:00 (a whole day is 00:00-24:00)"
            )
            text = Text(f"“{_shown(part)}” 不是时段", f"“{_shown(part)}” is not a span of hours")
            self._wrong("Z014", text, "hours", hint)
            return None

    def _day(self, key: str) -> date | None:
        value = self._properties.get(key)
        if value is None:
            return None
        try:
            if isinstance(value, str) and len(value) == len("2026-05-01"):
                return date.fromisoformat(value)
        except ValueError:
            pass  # said below, like every other text that is no day
        hint = Text("写作 2026-05-01", "Write it like 2026-05-01")
        self._wrong(
            "Z015", Text(f"{key} “{_shown(value)}” 不是日期", f"{key} “{_shown(value)}” is not a date"), key, hint
        )
        return None

    def _buffer_m(self, kind: ZoneKind | None, shape: str | None) -> float | None:
        """The margin in metres; None where it is missing or wrong, and said."""
        if shape == "Point":
            if self._properties.get("radius_m") is None:
                self._missing("radius_m")
                return None
            radius_m = self._metres("radius_m", _WIDEST_RADIUS_M)
            margin_m = self._metres("buffer_m", _WIDEST_BUFFER_M) if "buffer_m" in self._properties else 0.0
            return None if radius_m is None or margin_m is None else radius_m + margin_m
        if self._properties.get("buffer_m") is None:
            return ROUTE_BUFFER_M if kind == "route" else 0.0
        return self._metres("buffer_m", _WIDEST_BUFFER_M)

    def _metres(self, key: str, maximum: float) -> float | None:
        value = self._properties.get(key)
        if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= maximum:
            return float(value)
        text = Text(f"{key} 应为 0 – {maximum:g} 的数字（米）", f"{key} must be a number, 0 – {maximum:g} metres")
        self._wrong("Z011", text, key)
        return None

    def _missing(self, key: str) -> None:
        close = next((name for name in self._properties if name.lower().replace("-", "_") == key), None)
        hint = Text(f"{close} 应写作 {key}", f"{close} is written {key}") if close else None
        self._wrong("Z010", Text(f"缺少属性 {key}", f"Property {key} is missing"), "properties", hint)

    def _bad_shape(self, problem: ShapeProblem) -> None:
        self._wrong(problem.code, problem.text, "geometry", problem.hint)

    def _wrong(self, code: str, text: Text, key: str, hint: Text | None = None, *, warning: bool = False) -> None:
        severity: Any = "warning" if warning else "error"
        self._findings.append(self._feature.finding(code, text, key, hint=hint, severity=severity))


def _is_text(value: object) -> bool:
    """Whether it is a text with something to see, and can be written as UTF-8 (no half of a surrogate pair)."""
    return isinstance(value, str) and bool(value.strip()) and not re.search("[\ud800-\udfff]", value)


def _shown(value: object) -> str:
    """A wrong value as it appears in a message."""
    text = str(value).encode("utf-8", "replace").decode()
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…"


def _check_ids(drafts: Sequence[_Draft]) -> Iterator[Finding]:
    """Z013 for every feature that takes an id which an earlier one has."""
    owners: dict[str, Feature] = {}
    for draft in drafts:
        if draft.zone_id is None:
            continue
        owner = owners.setdefault(draft.zone_id, draft.feature)
        if owner is not draft.feature:
            where = f"{owner.source.file} feature {owner.index}"
            text = Text(f"zone_id {draft.zone_id} 重复", f"zone_id {draft.zone_id} is used twice")
            hint = Text(f"另一处：{where}", f"The other one: {where}")
            yield draft.feature.finding("Z013", text, "zone_id", hint=hint)


def _check_parents(drafts: Sequence[_Draft]) -> Iterator[Finding]:
    """Z017 for a parent that is nowhere, Z018 for one that leads back to the zone itself."""
    parents = {draft.zone_id: draft.parent for draft in drafts if draft.zone_id is not None}
    for draft in drafts:
        if draft.parent is None:
            continue
        if draft.parent not in parents:
            text = Text(f"上级 {draft.parent} 不存在", f"There is no zone {draft.parent} to be the parent")
            hint = did_you_mean(draft.parent, parents)
            yield draft.feature.finding("Z017", text, "parent", hint=hint)
        elif draft.zone_id is not None and _leads_back(draft.zone_id, parents):
            text = Text(f"{draft.zone_id} 是自己的上级", f"{draft.zone_id} is its own ancestor")
            yield draft.feature.finding("Z018", text, "parent")


def _leads_back(zone_id: str, parents: dict[str, str | None]) -> bool:
    """Whether `zone_id` is among its own ancestors."""
    seen: set[str] = set()
    above = parents.get(zone_id)
    while above is not None and above not in seen:
        if above == zone_id:
            return True
        seen.add(above)
        above = parents.get(above)
    return False
