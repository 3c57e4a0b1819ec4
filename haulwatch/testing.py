"""Public building blocks for tests: a small city from a few lines, events by offset, logs through processors."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from haulwatch.city import City, build_city
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Event, Manifest, Position, Sighting, Tick, Weighing
from streams.processor import PartitionProcessor
from streams.runtime import CityRuntime

E = TypeVar("E", Position, Sighting, Weighing, Manifest)
START = datetime(2026, 5, 1, 2, 0, tzinfo=UTC)
"""Ten in the morning in Shanghai."""
PLATE = "浙E12345"
SETTINGS = "id: test\nname: {zh: 测试, en: Test}\ntimezone: Asia/Shanghai\ndatum: wgs84\nlaw: [cn-2016-62, zj-2020]\n"


def square(zone_id: str, kind: str, lon: float, lat: float, half_deg: float = 0.002, **more: Any) -> dict[str, Any]:
    """A square zone around a point as a GeoJSON feature."""
    west, east, south, north = lon - half_deg, lon + half_deg, lat - half_deg, lat + half_deg
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    properties = {"zone_id": zone_id, "name": zone_id, "kind": kind, **more}
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}


def city_of(
    rules: str | None = None,
    *,
    zones: Sequence[Mapping[str, Any]] = (),
    settings: str = SETTINGS,
    tables: Mapping[str, str] | None = None,
) -> City:
    """A city of these zones and rules (None: the shipped books). Raises AuthorError like any other."""
    return build_city(city_files_of(rules, zones=zones, settings=settings, tables=tables))


def city_files_of(
    rules: str | None = None,
    *,
    zones: Sequence[Mapping[str, Any]] = (),
    settings: str = SETTINGS,
    tables: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """The files of such a city."""
    features = list(zones) or [square("D1", "district", 120.1, 30.86, 0.2)]
    files = {
        "city.yaml": settings.encode(),
        "geofences/zones.geojson": json.dumps({"type": "FeatureCollection", "features": features}).encode(),
    }
    if rules is not None:
        files["rules/test.yaml"] = rules.encode()
    return files | {name: text.encode() for name, text in (tables or {}).items()}


def at(t_s: float) -> datetime:
    """The instant `t_s` seconds after the tests' start."""
    return START + timedelta(seconds=t_s)


def position(t_s: float, lon: float = 120.1, lat: float = 30.86, *, truck_id: str = PLATE, **fields: Any) -> Position:
    """A position at `t_s`; `received_s` and `event_id` may be given."""
    return _event(Position, "p", t_s, truck_id, {"lon": lon, "lat": lat, **fields})


def sighting(t_s: float, *, truck_id: str = PLATE, camera_id: str = "C1", **fields: Any) -> Sighting:
    """A sighting at `t_s`."""
    return _event(Sighting, "s", t_s, truck_id, {"camera_id": camera_id, **fields})


def weighing(t_s: float, gross_kg: float, *, truck_id: str = PLATE, station_id: str = "W1", **fields: Any) -> Weighing:
    """A weighing at `t_s`."""
    return _event(Weighing, "w", t_s, truck_id, {"station_id": station_id, "gross_kg": gross_kg, **fields})


def manifest(t_s: float, *, truck_id: str = PLATE, manifest_id: str = "M1", **fields: Any) -> Manifest:
    """A manifest at `t_s`."""
    return _event(Manifest, "m", t_s, truck_id, {"manifest_id": manifest_id, **fields})


def tick(t_s: float) -> Tick:
    """A tick at `t_s`."""
    return Tick(at=at(t_s), received_at=at(t_s))


def _event(kind: type[E], letter: str, t_s: float, truck_id: str, fields: dict[str, Any]) -> E:
    """Converted, not constructed, so that the ranges hold and numbers have their types as after decoding."""
    received_s = fields.pop("received_s", None)
    common = {
        "kind": kind.__struct_config__.tag,
        "event_id": fields.pop("event_id", f"{letter}-{truck_id}-{t_s:g}"),
        "truck_id": truck_id,
        "at": at(t_s),
        "received_at": None if received_s is None else at(received_s),
    }
    return msgspec.convert({**common, **fields}, kind)


def decide(city: City, events: Iterable[Event], *, until_s: float | None = None) -> list[Breach]:
    """All breaches of a log, the clock moved on at its end as a replay does."""
    processor = PartitionProcessor(CityRuntime(city))
    found = [breach for event in events for breach in processor.apply(event)]
    return found + finish(processor, until_s)


def finish(processor: PartitionProcessor, until_s: float | None = None) -> list[Breach]:
    """Moves the clock past everything that was received, or to `until_s`."""
    assert processor.runtime is not None
    end_ms = processor.clock_ms
    if until_s is not None:
        end_ms = max(end_ms, int(at(until_s).timestamp() * 1000))
    return processor.advance_to(end_ms + processor.runtime.lateness_ms + 1)
