"""A GeoJSON file from one datum to another: positions move, everything else stays as it was."""

from __future__ import annotations

import json
from typing import Any

from geofences.datum import Datum, convert
from geofences.geojson import check_reference_system, read_any
from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text

_DECIMALS = 9
"""0.1 mm."""
_INNER = ("features", "geometry", "geometries")


def shift_file(file: str, data: bytes, from_: Datum, to: Datum) -> bytes | list[Finding]:
    """The GeoJSON object in `data` with every position converted, one feature a line; or what is wrong with it.

    Heights stay; `bbox` members, which would be wrong now, go.
    """
    read = read_any(file, data)
    if isinstance(read, Finding):
        return [read]
    source, document = read
    if not isinstance(document, dict) or not isinstance(document.get("type"), str):
        return [source.finding("Z003", Text("应为 GeoJSON 对象", "Must be a GeoJSON object"))]
    findings = check_reference_system(source, document)
    if findings:
        return findings
    try:
        shifted = _shifted(document, from_, to)
    except (TypeError, ValueError, IndexError):
        text = Text("有的坐标不是 [经度, 纬度]", "Some position is not [longitude, latitude]")
        return [source.finding("Z021", text, hint=Text("先用 zones check 检查", "Run zones check first"))]
    return _written(shifted).encode()


def shift_geometry(geometry: dict[str, Any], from_: Datum, to: Datum) -> dict[str, Any]:
    """A GeoJSON geometry converted; one that is malformed stays as it is, for whoever checks it to say so."""
    try:
        return geometry if from_ == to else dict(_shifted(geometry, from_, to))
    except (TypeError, ValueError, IndexError, RecursionError):
        return geometry


def _shifted(value: Any, from_: Datum, to: Datum) -> Any:
    """An object, or a list of objects, with its positions converted."""
    if isinstance(value, list):
        return [_shifted(part, from_, to) for part in value]
    if not isinstance(value, dict):
        return value
    moved = {key: part for key, part in value.items() if key != "bbox"}
    for key in _INNER:
        if key in moved:
            moved[key] = _shifted(moved[key], from_, to)
    if "coordinates" in moved:
        moved["coordinates"] = _moved(moved["coordinates"], from_, to)
    return moved


def _moved(coordinates: Any, from_: Datum, to: Datum) -> Any:
    """Nested `coordinates` converted; TypeError, ValueError or IndexError where they are malformed."""
    if not isinstance(coordinates, list):
        raise TypeError(coordinates)
    if not coordinates or isinstance(coordinates[0], list):
        return [_moved(part, from_, to) for part in coordinates]
    lon, lat = float(coordinates[0]), float(coordinates[1])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(coordinates)
    lon, lat = convert(lon, lat, from_, to)
    return [round(lon, _DECIMALS), round(lat, _DECIMALS), *coordinates[2:]]


def _written(document: dict[str, Any]) -> str:
    """JSON with one feature a line, so that two versions of a file can be compared."""
    features = document.get("features")
    if not isinstance(features, list):
        return json.dumps(document, ensure_ascii=False) + "\n"
    lines = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    others = {key: value for key, value in document.items() if key != "features"}
    head = json.dumps(others, ensure_ascii=False)[:-1]
    return f'{head}, "features": [\n{lines}\n]}}\n'
