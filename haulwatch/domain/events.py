"""The events that everything is decided from, each defined once, with its ranges.

A value that is out of its range cannot be built from bytes: `haulwatch.wire` turns it into a dead letter. Optional
fields are `None` when the device did not say; an enumeration also has `"unknown"`, which counts as not said.
Units are in the names; coordinates are WGS-84 degrees.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

Instant = Annotated[datetime, Meta(tz=True)]
EventId = Annotated[str, Meta(min_length=1, max_length=256)]
Plate = Annotated[str, Meta(min_length=1, max_length=32)]
Name = Annotated[str, Meta(max_length=256)]
Lon = Annotated[float, Meta(ge=-180, le=180)]
Lat = Annotated[float, Meta(ge=-90, le=90)]
SpeedKmh = Annotated[float, Meta(ge=0, le=200)]
MassKg = Annotated[float, Meta(gt=0, le=200_000)]
LoadKg = Annotated[float, Meta(ge=0, le=200_000)]
Confidence = Annotated[float, Meta(ge=0, le=1)]
Number = Annotated[int, Meta(ge=-(2**31), lt=2**31)]
"""A whole number that every format we write can hold."""
AxleCount = Annotated[int, Meta(ge=1, le=20)]

Load = Literal["empty", "half", "full", "unknown"]
Cover = Literal["closed", "half", "open", "unknown"]
Lift = Literal["lowered", "raised", "unknown"]
ManifestStatus = Literal["issued", "completed", "cancelled"]


class Image(Struct, frozen=True, omit_defaults=True):
    """A picture as stored evidence: where it is and the SHA-256 of its bytes as received."""

    uri: Annotated[str, Meta(min_length=1, max_length=2048)]
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None


class Observed(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every observation of a truck has in common (contract: docs/contracts.md, events)."""

    event_id: EventId
    truck_id: Plate
    at: Instant
    received_at: Instant | None = None
    source: Name | None = None
    resent: bool = False


class Position(Observed, frozen=True, tag_field="kind", tag="position", kw_only=True, omit_defaults=True):
    """A fix of the truck's terminal with whatever its sensors add."""

    lon: Lon
    lat: Lat
    speed_kmh: SpeedKmh | None = None
    heading_deg: Annotated[float, Meta(ge=0, le=360)] | None = None
    accuracy_m: Annotated[float, Meta(ge=0, le=100_000)] | None = None
    satellites: Annotated[int, Meta(ge=0, le=255)] | None = None
    valid: bool | None = None
    ignition: bool | None = None
    mileage_km: Annotated[float, Meta(ge=0, le=100_000_000)] | None = None
    load: Load | None = None
    load_kg: LoadKg | None = None
    cover: Cover | None = None
    lift: Lift | None = None
    alarms: list[Name] | None = None


class Weighing(Observed, frozen=True, tag_field="kind", tag="weighing", kw_only=True, omit_defaults=True):
    """One crossing of a weighbridge or weigh-in-motion lane."""

    station_id: Annotated[str, Meta(min_length=1, max_length=256)]
    gross_kg: MassKg
    axle_count: AxleCount | None = None
    tare_kg: MassKg | None = None
    speed_kmh: SpeedKmh | None = None
    lane: Name | Number | None = None
    plate_confidence: Confidence | None = None
    images: list[Image] | None = None


class Sighting(Observed, frozen=True, tag_field="kind", tag="sighting", kw_only=True, omit_defaults=True):
    """What a roadside or gate camera says it saw."""

    camera_id: Annotated[str, Meta(min_length=1, max_length=256)]
    cover: Cover | None = None
    cover_confidence: Confidence | None = None
    load: Load | None = None
    load_confidence: Confidence | None = None
    plate_confidence: Confidence | None = None
    plate_color: Name | None = None
    vehicle_type: Name | None = None
    speed_kmh: SpeedKmh | None = None
    direction: Name | None = None
    images: list[Image] | None = None


class Manifest(Observed, frozen=True, tag_field="kind", tag="manifest", kw_only=True, omit_defaults=True):
    """An electronic transfer manifest (电子转移联单): one truck, one trip, one manifest."""

    manifest_id: Annotated[str, Meta(min_length=1, max_length=256)]
    status: ManifestStatus
    origin_zone: Name | None = None
    destination_zone: Name | None = None
    valid_from: Instant | None = None
    valid_to: Instant | None = None
    quantity_t: Annotated[float, Meta(ge=0, le=1000)] | None = None


class Tick(Struct, frozen=True, tag_field="kind", tag="tick", kw_only=True, omit_defaults=True):
    """Time passing in the log, so that deadlines fall even when no truck speaks."""

    at: Instant
    received_at: Instant | None = None


class CityActivated(Struct, frozen=True, tag_field="kind", tag="city_activated", kw_only=True, omit_defaults=True):
    """From this offset on, the city with this content hash (rules, zones, registry, settings) is in force."""

    at: Instant
    city_hash: Annotated[str, Meta(min_length=1, max_length=128)]
    received_at: Instant | None = None


Observation = Position | Weighing | Sighting | Manifest
Event = Position | Weighing | Sighting | Manifest | Tick | CityActivated

SOURCE_PRIORITY: dict[type, int] = {Manifest: 1, Position: 2, Weighing: 3, Sighting: 4}
"""Order of events of one instant: papers first, then where the truck is, then what others saw of it there."""
