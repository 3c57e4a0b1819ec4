"""Drawings of others as zones: which would be new, which changed, which are as they are, which are refused and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from geofences.datum import Datum
from geofences.importing.drawing import Drawn
from geofences.importing.reading import read_drawing
from geofences.loading import load_zones
from geofences.shifting import shift_geometry
from geofences.zones import Zone
from haulwatch.domain.errors import Finding
from haulwatch.domain.zone_sheets import ImportBody, ImportedZone, ZoneImport

KEPT = ("name", "kind", "buffer_m", "radius_m", "hours", "valid_from", "valid_to", "parent")
_ALIKE_DEG = 2e-8
_DECIMALS = 8


def read_import(body: ImportBody, zones: Mapping[str, tuple[Zone, dict[str, Any]]]) -> ZoneImport:
    """What the file holds, compared with `zones` (with their properties, by id). Raises AuthorError."""
    drawing = read_drawing(body.file, body.data)
    datum = body.datum or drawing.datum or "wgs84"
    features = [_feature(drawn, number, body, datum) for number, drawn in enumerate(drawing.features, 1)]
    found, findings = load_zones([(body.file, json.dumps(_collection(features)).encode())], "wgs84")
    by_number = _by_number(findings, features, zones)
    good = {zone.zone_id: zone for zone in found}
    return ZoneImport(
        datum=datum,
        said=drawing.datum is not None and body.datum is None,
        fields=sorted({name for drawn in drawing.features for name in drawn.properties if name}),
        zones=[_imported(feature, good, by_number.get(number, []), zones) for number, feature in enumerate(features)],
    )


def _feature(drawn: Drawn, number: int, body: ImportBody, datum: Datum) -> dict[str, Any]:
    given = drawn.properties
    properties = {name: given[name] for name in KEPT if given.get(name) not in (None, "")}
    if body.name_field and given.get(body.name_field) not in (None, ""):
        properties["name"] = str(given[body.name_field])
    if body.kind and "kind" not in properties:
        properties["kind"] = body.kind
    written = given.get(body.id_field or "zone_id")
    if written in (None, ""):
        written = f"{PurePosixPath(body.file).stem}-{number}"
    if isinstance(written, float) and written.is_integer():
        written = int(written)
    geometry = drawn.geometry
    if isinstance(geometry, dict):
        geometry = _flat(shift_geometry(geometry, datum, "wgs84"))
    return {"type": "Feature", "properties": {"zone_id": str(written).strip(), **properties}, "geometry": geometry}


def _flat(geometry: dict[str, Any]) -> dict[str, Any]:
    """Without heights, and not finer than a millimetre."""

    def flat(value: Any) -> Any:
        if isinstance(value, list) and value and not isinstance(value[0], list):
            return [round(part, _DECIMALS) if isinstance(part, float) else part for part in value[:2]]
        return [flat(part) for part in value] if isinstance(value, list) else value

    try:
        return {"type": geometry.get("type"), "coordinates": flat(geometry.get("coordinates"))}
    except RecursionError:
        return {"type": geometry.get("type")}


def _collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": features}


def _by_number(
    findings: list[Finding], features: list[dict[str, Any]], zones: Mapping[str, object]
) -> dict[int, list[Finding]]:
    """The errors by the feature that they are about. A zone above may be one that the city has."""
    found: dict[int, list[Finding]] = {}
    for finding in findings:
        number = int((finding.place or "feature 0").removeprefix("feature "))
        if finding.severity == "error" and not (
            finding.code == "Z017" and features[number]["properties"].get("parent") in zones
        ):
            found.setdefault(number, []).append(finding)
    return found


def _imported(
    feature: dict[str, Any],
    good: Mapping[str, Zone],
    errors: list[Finding],
    zones: Mapping[str, tuple[Zone, dict[str, Any]]],
) -> ImportedZone:
    properties = dict(feature["properties"])
    zone_id = properties.pop("zone_id")
    before, zone = zones.get(zone_id), good.get(zone_id)
    if errors or zone is None:
        change: Any = "rejected"
    elif before is None:
        change = "added"
    else:
        change = "same" if _alike(before[0], zone) and not list(_others(before[1], properties)) else "changed"
    return ImportedZone(
        zone_id=zone_id,
        change=change,
        properties=properties,
        geometry=feature["geometry"] if isinstance(feature["geometry"], dict) else None,
        reasons=[finding.text for finding in errors],
    )


def _alike(before: Zone, after: Zone) -> bool:
    return bool(before.outline.normalize().equals_exact(after.outline.normalize(), _ALIKE_DEG))


def _others(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """Properties that an import would change; what it does not have stays."""
    yield from (name for name, value in after.items() if before.get(name) != value)
