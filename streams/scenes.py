"""A scene: a few zones, a truck, some events in virtual time, played through the real processor.

What a rule's author writes as an inline example or a stream test becomes a city and a log like any other. Everything
that is not written has a default that says nothing: a missing field of an event is unknown.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from geofences.index import ZoneIndex
from geofences.loading import load_zones
from geofences.zones import Zone
from haulwatch.city import City, build_city
from haulwatch.city.registry import Tables
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.events import Manifest, Observation, Position, Sighting, Weighing
from haulwatch.domain.instants import to_ms
from haulwatch.domain.text import Text
from rules.engines import compile_book
from rules.model import ExampleEvent, Place, Rule, RuleBook
from streams.coverage import ConditionWatch
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

PLATE = "浙E12345"
START = "2026-05-01T10:00:00+08:00"
LON, LAT, RADIUS_M = 120.1, 30.86, 200.0
SETTINGS: dict[str, object] = {
    "id": "example",
    "name": "示例",
    "timezone": "Asia/Shanghai",
    "datum": "wgs84",
    "law": ["cn-2016-62", "zj-2020"],
}
ELSEWHERE = {"zone_id": "elsewhere", "kind": "parking", "at": [110.0, 30.0]}
"""A city has a zone; a scene without any has one far away."""
TABLES = {"stations": "station_id", "cameras": "camera_id", "permits": "permit_id"}
_STRUCTS: dict[str, type[Observation]] = {
    "position": Position,
    "weighing": Weighing,
    "sighting": Sighting,
    "manifest": Manifest,
}
_DEFAULTS: dict[str, dict[str, object]] = {
    "position": {},
    "weighing": {"station_id": "W-1"},
    "sighting": {"camera_id": "C-1"},
    "manifest": {"manifest_id": "M-1", "status": "issued"},
}


@dataclass(frozen=True)
class Scene:
    """One story. Offsets (`*_ms`) count from `start`; `settings` are keys of `city.yaml` that differ from the default.

    `tables` holds rows of `stations`, `cameras`, `permits`; `restart_at_ms` are instants at which the processor is
    replaced by one that is restored from its snapshot.
    """

    name: str
    place: Place
    events: Sequence[ExampleEvent]
    until_ms: int = 0
    trucks: Sequence[Mapping[str, object]] = ()
    zones: Sequence[Mapping[str, object]] = ()
    tables: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    start: str | None = None
    restart_at_ms: Sequence[int] = ()


@dataclass(frozen=True)
class Played:
    """What a scene came to: every breach, and the city that found them (its compiled book counts unknown values)."""

    breaches: list[Breach]
    runtime: CityRuntime
    start_ms: int

    def opened(self) -> list[Breach]:
        """The breaches that were opened, in order of time, rule and truck."""
        found = [breach for breach in self.breaches if breach.phase == "opened"]
        return sorted(found, key=lambda breach: (breach.detected_at, breach.rule_id, breach.truck_id))

    def offset_ms(self, instant: str) -> int:
        """How long after the start an instant of a breach is."""
        return to_ms(datetime.fromisoformat(instant)) - self.start_ms


def play(scene: Scene, rules: Sequence[Rule], watch: ConditionWatch | None = None) -> Played:
    """Plays `scene` under `rules` alone. Raises AuthorError, placed in the scene, when it makes no sense.

    `watch` sees every evaluation.
    """
    start = _start(scene)
    log = _log(scene, start)
    runtime = CityRuntime(_city(scene, rules))
    if watch is not None:
        watch.attach(runtime)
    processor = PartitionProcessor(runtime)
    breaches: list[Breach] = []
    restarts = sorted(scene.restart_at_ms)
    for arrives_ms, event in log:
        while restarts and restarts[0] <= arrives_ms:
            restarts.pop(0)
            processor = _restarted(processor, runtime)
        breaches += processor.apply(event)
    if restarts:
        processor = _restarted(processor, runtime)
    end_ms = max(to_ms(start) + scene.until_ms, processor.clock_ms)
    breaches += processor.advance_to(end_ms + runtime.lateness_ms + 1)
    return Played(breaches, runtime, to_ms(start))


def _restarted(processor: PartitionProcessor, runtime: CityRuntime) -> PartitionProcessor:
    fresh = PartitionProcessor(runtime)
    fresh.restore(processor.snapshot())
    return fresh


# the log


def _start(scene: Scene) -> datetime:
    try:
        start = datetime.fromisoformat(scene.start or START)
    except ValueError:
        start = None
    if start is None or start.tzinfo is None:
        zh, en = f'开始时刻 "{scene.start}" 写法不对', f'malformed start "{scene.start}"'
        raise AuthorError([trouble(scene.place, zh, en, Text(f"例如 {START}", f"such as {START}"))])
    return start


def _log(scene: Scene, start: datetime) -> list[tuple[int, Observation]]:
    """The events in order of arrival, with the offset at which each arrives."""
    findings: list[Finding] = []
    told: list[tuple[int, Observation]] = []
    here: dict[object, tuple[object, object]] = {}
    for number, written in enumerate(sorted(scene.events, key=lambda event: event.offset_ms)):
        fields = dict(written.fields)
        arrives_ms, copies = _delivery(written, fields)
        if written.kind == "position":
            lon, lat = here.get(fields.get("truck_id"), (LON, LAT))
            fields["lon"], fields["lat"] = fields.get("lon", lon), fields.get("lat", lat)
            here[fields.get("truck_id")] = fields["lon"], fields["lat"]
        common = {
            "event_id": f"{written.kind}-{number + 1}",
            "truck_id": PLATE,
            "at": start + timedelta(milliseconds=written.offset_ms),
            "received_at": start + timedelta(milliseconds=arrives_ms),
        }
        try:
            event = msgspec.convert({**common, **_DEFAULTS[written.kind], **fields}, _STRUCTS[written.kind])
        except msgspec.ValidationError as error:
            zh, en = f"{written.kind} 事件不合规定：{error}", f"not a valid {written.kind}: {error}"
            findings.append(trouble(written.place, zh, en))
        else:
            told += [(arrives_ms, event)] * copies
    if findings:
        raise AuthorError(findings)
    return sorted(told, key=lambda entry: entry[0])


def _delivery(written: ExampleEvent, fields: dict[str, object]) -> tuple[int, int]:
    """When the event arrives (offset in ms) and how often; takes these keys out of its fields."""
    arrive, duplicates = fields.pop("arrive", None), fields.pop("duplicates", 0)
    arrives_ms = round(arrive * 1000) if isinstance(arrive, int | float) else written.offset_ms
    return arrives_ms, 1 + (duplicates if isinstance(duplicates, int) else 0)


# the city


def _city(scene: Scene, rules: Sequence[Rule]) -> City:
    """The city of a scene: settings and law once for all scenes that share them, zones, tables and rules its own."""
    try:
        base = _settled(json.dumps({**SETTINGS, **scene.settings}, ensure_ascii=False))
        zones = _zones(scene)
        tables = Tables(_tables(scene))
        tables.check_zones(zones)
        if any(finding.severity == "error" for finding in tables.findings()):
            raise AuthorError(tables.findings())
    except AuthorError as error:
        raise AuthorError([_in_scene(scene, finding) for finding in error.findings]) from None
    registry = tables.registry(lambda lon, lat: (lon, lat))
    book = RuleBook(_awake(rules), "scene")
    compiled = compile_book(book, registry, base.law, base.timezone, base.city_id, base.rules_engine)
    index = ZoneIndex(zones, base.timezone)
    return replace(base, zones=tuple(zones), index=index, book=book, compiled=compiled, registry=registry)


def _awake(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    return tuple(replace(rule, status="active") for rule in sorted(rules, key=lambda rule: rule.rule_id))


@lru_cache(maxsize=16)
def _settled(settings: str) -> City:
    zones = {"type": "FeatureCollection", "features": [_feature(ELSEWHERE)]}
    files = {"city.yaml": settings, "geofences/zones.geojson": json.dumps(zones), "rules/none.yaml": "rules: []\n"}
    return build_city({name: text.encode() for name, text in files.items()})


def _zones(scene: Scene) -> list[Zone]:
    features = [_feature(zone) for zone in scene.zones or (ELSEWHERE,)]
    data = json.dumps({"type": "FeatureCollection", "features": features}).encode()
    zones, findings = load_zones([("geofences/zones.geojson", data)], "wgs84")
    if any(finding.severity == "error" for finding in findings):
        raise AuthorError(findings)
    return zones


def _tables(scene: Scene) -> dict[str, bytes]:
    trucks = [{"truck_id": PLATE, "axle_count": None, **truck} for truck in scene.trucks or ({},)]
    files = {"trucks.csv": _table("truck_id", trucks)}
    for name, key in TABLES.items():
        rows = scene.tables.get(name)
        if isinstance(rows, list):
            files[f"{name}.csv"] = _table(key, [row for row in rows if isinstance(row, dict)])
    return files


def _table(key: str, rows: Sequence[Mapping[str, Any]]) -> bytes:
    columns = dict.fromkeys([key, *(name for row in rows for name in row)])
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def _feature(zone: Mapping[str, object]) -> dict[str, object]:
    """A zone in short form: a circle (`at` or `lon` and `lat`, `radius_m`), a `line` or a `polygon`."""
    rest = dict(zone)
    at = rest.pop("at", [rest.pop("lon", LON), rest.pop("lat", LAT)])
    line, ring = rest.pop("line", None), rest.pop("polygon", None)
    zone_id = rest.pop("id", rest.pop("zone_id", None))
    properties = {"zone_id": zone_id, "name": zone_id, **rest}
    if line is not None:
        geometry: dict[str, object] = {"type": "LineString", "coordinates": line}
    elif isinstance(ring, list):
        closed = ring if ring[:1] == ring[-1:] else [*ring, *ring[:1]]
        geometry = {"type": "Polygon", "coordinates": [closed]}
    else:
        properties.setdefault("radius_m", RADIUS_M)
        geometry = {"type": "Point", "coordinates": at}
    return {"type": "Feature", "geometry": geometry, "properties": properties}


# what is wrong with a scene


def trouble(place: Place, zh: str, en: str, hint: Text | None = None, code: str = "T001") -> Finding:
    """A finding at a place of the file in which the scene is written."""
    return Finding(place.file, place.line, place.column, code, Text(zh, en), hint=hint)


def _in_scene(scene: Scene, finding: Finding) -> Finding:
    """A finding in one of the files that the scene stands for, told at the scene."""
    where = finding.file if finding.place is None else f"{finding.file}, {finding.place}"
    zh, en = f"“{scene.name}” 的 {where}：{finding.text.zh}", f'in {where} of "{scene.name}": {finding.text.en}'
    return trouble(scene.place, zh, en, finding.hint)


def with_snippets(findings: Iterable[Finding], sources: Mapping[str, bytes]) -> list[Finding]:
    """The findings with the source line that each points at, where the file is among `sources`."""
    lines = {name: data.decode("utf-8", "replace").splitlines() for name, data in sources.items()}
    return [
        msgspec.structs.replace(found, snippet=lines[found.file][found.line - 1])
        if 0 < found.line <= len(lines.get(found.file, ()))
        else found
        for found in findings
    ]
