"""Zones for operators: those in force and those of a draft as sheets, and which of them hold a place."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from zoneinfo import ZoneInfo

from geofences.datum import convert
from geofences.doubts import area_m2, doubts, geojson
from geofences.geojson import Feature
from geofences.index import ZoneIndex
from geofences.loading import load_zones
from geofences.zones import Zone
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.bootstrap.zone_imports import read_import
from haulwatch.city import City
from haulwatch.city.comparing import zone_changes
from haulwatch.city.zone_drafts import datum_of, zone_features, zone_files, zone_id_of
from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.instants import rfc3339, to_datetime, to_ms
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.text import Text
from haulwatch.domain.workbench import Draft
from haulwatch.domain.zone_sheets import (
    DraftedZones,
    ImportBody,
    PlaceBody,
    ZoneDoubt,
    ZoneHere,
    ZoneImport,
    ZoneMap,
    ZoneSheet,
    ZonesHere,
    ZoneTrouble,
)

Features = Mapping[str, list[Feature]]
"""The features of zone files by their names."""
_YEARS = range(2000, 2200)


class ZoneDesk:
    """See `haulwatch.domain.zone_sheets.Zones`."""

    def __init__(self, bench: CityWorkbench, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._bench, self._now_ms = bench, now_ms
        self._asked: tuple[Draft, ZoneIndex] | None = None

    def in_force(self) -> ZoneMap:
        """The zones of the city in force. Raises WorldError before there is one."""
        city, files = self._bench.city(self._bench.in_force().city_hash)
        sheets = list(zone_sheets(city.zones, dict(zone_features(files)), self._now(city)))
        return ZoneMap(city.city_hash, city.datum, _bounds(city), sheets)

    def drafted(self, draft: Draft) -> DraftedZones:
        """What the draft does to zones, and what is wrong or doubtful in it. Raises `RolloutRefused`."""
        city, files = self._bench.laid(draft)
        zones, findings = load_zones(zone_files(files), datum_of(files))
        features = dict(zone_features(files))
        written = {zone_id for some in features.values() for zone_id in map(zone_id_of, some)}
        changed = {change.zone_id for change in zone_changes(city.zones, zones) if change.kind != "removed"}
        return DraftedZones(
            zones=list(zone_sheets([zone for zone in zones if zone.zone_id in changed], features, self._now(city))),
            removed=[zone.zone_id for zone in city.zones if zone.zone_id not in written],
            troubles=list(_troubles(findings, features)),
            doubts=[
                ZoneDoubt(
                    code=doubt.code,
                    text=doubt.text,
                    zone_ids=list(doubt.zone_ids),
                    area_m2=doubt.area_m2,
                    shape=None if doubt.shape is None else geojson(doubt.shape),
                )
                for doubt in doubts(zones, changed)
            ],
        )

    def here(self, place: PlaceBody) -> ZonesHere:
        """The zones that hold a place. Raises AuthorError for a draft with errors in its zones, `RolloutRefused`."""
        index = self._index(place.draft)
        at_ms = self._instant(place.at, index.timezone)
        lon, lat = convert(place.lon, place.lat, place.datum, "wgs84")
        counting = index.at(lon, lat, at_ms).ids
        held = [zone for zone in index.zones if index.covers(zone.zone_id, lon, lat)]
        local = to_datetime(at_ms).astimezone(index.timezone).date()
        return ZonesHere(
            at=rfc3339(at_ms),
            wgs84=(lon, lat),
            gcj02=convert(lon, lat, "wgs84", "gcj02"),
            bd09=convert(lon, lat, "wgs84", "bd09"),
            zones=[
                _here(zone, local, counts=zone.zone_id in counting)
                for zone in sorted(held, key=lambda zone: (area_m2(zone.geometry), zone.zone_id))
            ],
        )

    def read_import(self, body: ImportBody) -> ZoneImport:
        """What a file drawn elsewhere would bring into the draft. Raises AuthorError, `RolloutRefused`."""
        _, files = self._bench.laid(body.draft)
        zones, _ = load_zones(zone_files(files), datum_of(files))
        written = {
            zone_id: feature.value["properties"] for zone_id, (feature, _) in _places(dict(zone_features(files)))
        }
        return read_import(body, {zone.zone_id: (zone, written[zone.zone_id]) for zone in zones})

    def _index(self, draft: Draft | None) -> ZoneIndex:
        if draft is None or draft.empty:
            return self._bench.city(self._bench.in_force().city_hash)[0].index
        if self._asked is not None and self._asked[0] == draft:
            return self._asked[1]
        city, files = self._bench.laid(draft)
        zones, findings = load_zones(zone_files(files), datum_of(files))
        if any(finding.severity == "error" for finding in findings):
            raise AuthorError(findings)
        index = ZoneIndex(zones, city.timezone)
        self._asked = (draft, index)
        return index

    def _instant(self, at: datetime | None, timezone: ZoneInfo) -> int:
        if at is None:
            return self._now_ms()
        if at.year not in _YEARS:
            raise RolloutRefused("bad-instant", Text("时间超出范围", "an instant out of range"))
        return to_ms(at if at.tzinfo else at.replace(tzinfo=timezone))

    def _now(self, city: City) -> datetime:
        return to_datetime(self._now_ms()).astimezone(city.timezone)


def zone_sheets(zones: Iterable[Zone], features: Features, now: datetime) -> Iterator[ZoneSheet]:
    """Zones that were read from these features as sheets; `now` is local."""
    day, minute = now.toordinal(), now.hour * 60 + now.minute
    places = dict(_places(features))
    for zone in zones:
        feature, line = places[zone.zone_id]
        yield ZoneSheet(
            zone_id=zone.zone_id,
            kind=zone.kind,
            name=zone.name,
            file=feature.source.file,
            line=line,
            properties=dict(feature.value["properties"]),
            outline=geojson(zone.outline),
            area=geojson(zone.geometry) if zone.buffer_m else None,
            area_m2=round(area_m2(zone.geometry), 1),
            counts=zone.counts_on(day, minute),
        )


def _bounds(city: City) -> tuple[float, float, float, float]:
    west, south, east, north = zip(*(zone.geometry.bounds for zone in city.zones), strict=True)
    return min(west), min(south), max(east), max(north)


def _places(features: Features) -> Iterator[tuple[str, tuple[Feature, int]]]:
    """Where each zone is written."""
    for some in features.values():
        line, counted = 1, 0
        for feature in some:
            line += feature.source.text.count("\n", counted, feature.start)
            counted = feature.start
            zone_id = zone_id_of(feature)
            if zone_id is not None:
                yield zone_id, (feature, line)


def _troubles(findings: list[Finding], features: Features) -> Iterator[ZoneTrouble]:
    """The findings with the zones that they are about."""
    names = {
        (file, f"feature {feature.index}"): zone_id_of(feature) for file, some in features.items() for feature in some
    }
    for finding in findings:
        yield ZoneTrouble(names.get((finding.file, finding.place or "")), finding)


def _here(zone: Zone, day: date, *, counts: bool) -> ZoneHere:
    return ZoneHere(zone.zone_id, zone.kind, zone.name, counts, None if counts else _why_not(zone, day))


def _why_not(zone: Zone, day: date) -> Text:
    if zone.valid_from is not None and day < zone.valid_from:
        return Text(f"{zone.valid_from} 起生效", f"from {zone.valid_from} on")
    if zone.valid_to is not None and day > zone.valid_to:
        return Text(f"{zone.valid_to} 已到期", f"ended {zone.valid_to}")
    return Text("不在生效时段", "outside its hours")
