"""Zones that were drawn, changed or deleted, written into the city's zone files; what is not touched stays as it is.

A zone is rewritten where it stands, on one line; a new one goes into a file of its own kind, `DRAWN_FILE`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from geofences.datum import Datum
from geofences.geojson import Feature, read_features
from geofences.shifting import shift_geometry
from haulwatch.city.documents import read_document
from haulwatch.city.files import SETTINGS_FILE, decides
from haulwatch.city.settings import CitySettings
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.text import Text
from haulwatch.domain.workbench import ZoneDraft

DRAWN_FILE = "geofences/zz-console.geojson"
_DECIMALS = 8
"""1 mm."""
ZoneDrafts = Mapping[str, ZoneDraft | None]


def with_zones(files: Mapping[str, bytes], drafts: ZoneDrafts) -> dict[str, bytes]:
    """The files with these zones in them. What is wrong with a zone is found when the city is checked."""
    changed = dict(files)
    datum = datum_of(files)
    left = dict(drafts)
    for name, features in zone_features(files):
        here = {zone_id: left.pop(zone_id) for zone_id in _ids(features) if _changes(left, zone_id)}
        if not here:
            continue
        text = _rewritten(features, here, datum)
        if text is None:
            del changed[name]
        else:
            changed[name] = _bytes(text)
    added = [_written({}, zone_id, draft, datum) for zone_id, draft in left.items() if draft is not None]
    if added:
        changed[DRAWN_FILE] = _bytes(_appended(changed.get(DRAWN_FILE), added))
    return changed


def zone_features(files: Mapping[str, bytes]) -> Iterator[tuple[str, list[Feature]]]:
    """The features of each zone file, in the order in which a city reads them; none of one that cannot be read."""
    for name, data in zone_files(files):
        yield name, read_features(name, data)[0]


def zone_files(files: Mapping[str, bytes]) -> list[tuple[str, bytes]]:
    """The zone files among a city's files."""
    return [(name, files[name]) for name in sorted(files) if name.startswith("geofences/") and decides(name)]


def zone_id_of(feature: Feature) -> str | None:
    """The id that a feature gives itself; None without one."""
    properties = feature.value.get("properties") if isinstance(feature.value, dict) else None
    zone_id = properties.get("zone_id") if isinstance(properties, dict) else None
    return zone_id if isinstance(zone_id, str) else None


def datum_of(files: Mapping[str, bytes]) -> Datum:
    """The datum that `city.yaml` declares; WGS-84 where it cannot be read, which is an error of its own."""
    settings, _ = read_document(SETTINGS_FILE, files.get(SETTINGS_FILE, b""), CitySettings)
    return settings.datum if settings else "wgs84"


def _ids(features: list[Feature]) -> list[str]:
    return [zone_id for zone_id in dict.fromkeys(map(zone_id_of, features)) if zone_id is not None]


def _changes(left: ZoneDrafts, zone_id: str) -> bool:
    """Whether a draft is of the zone that stands there; a new one of the same id is an error that must be seen."""
    if zone_id not in left:
        return False
    draft = left[zone_id]
    return draft is None or not draft.added


def _rewritten(features: list[Feature], drafts: ZoneDrafts, datum: Datum) -> str | None:
    """The text with these features otherwise or gone; None when none is left."""
    text = features[0].source.text
    parts: list[str] = []
    done: set[str] = set()
    for before, feature in zip([None, *features], features, strict=False):
        zone_id = zone_id_of(feature)
        piece: str | None = text[feature.start : feature.end]
        if zone_id is not None and zone_id in drafts and zone_id not in done:
            done.add(zone_id)
            draft = drafts[zone_id]
            piece = None if draft is None else _written(feature.value, zone_id, draft, datum)
        if piece is None:
            continue
        if parts and before is not None:
            parts.append(text[before.end : feature.start])
        parts.append(piece)
    return text[: features[0].start] + "".join(parts) + text[features[-1].end :] if parts else None


def _written(value: dict[str, Any], zone_id: str, draft: ZoneDraft, datum: Datum) -> str:
    """A feature on one line."""
    given = value.get("properties")
    merged = {**(given if isinstance(given, dict) else {}), **draft.properties, "zone_id": zone_id}
    properties = {"zone_id": zone_id} | {key: kept for key, kept in merged.items() if kept is not None}
    feature = {**value, "type": "Feature", "properties": properties}
    if draft.geometry is not None:
        feature["geometry"] = _rounded(shift_geometry(draft.geometry, "wgs84", datum))
        feature.pop("bbox", None)
    try:
        return json.dumps(feature, ensure_ascii=False)
    except RecursionError:
        words = Text(f"围栏 {zone_id} 嵌套过深", f"zone {zone_id} is nested too deeply")
        raise RolloutRefused("bad-zone", words) from None


def _rounded(geometry: dict[str, Any]) -> dict[str, Any]:
    coordinates = geometry.get("coordinates")
    try:
        return geometry if coordinates is None else {**geometry, "coordinates": _round(coordinates)}
    except RecursionError:
        return geometry


def _round(value: Any) -> Any:
    if isinstance(value, list):
        return [_round(part) for part in value]
    return round(value, _DECIMALS) if isinstance(value, float) else value


def _appended(data: bytes | None, added: list[str]) -> str:
    features = [] if data is None else read_features(DRAWN_FILE, data)[0]
    if not features:
        return '{"type": "FeatureCollection", "features": [\n' + ",\n".join(added) + "\n]}\n"
    text, end = features[-1].source.text, features[-1].end
    return text[:end] + "".join(f",\n{one}" for one in added) + text[end:]


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
