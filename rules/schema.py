"""Every name that an expression can use, with its type, unit and range: generated from the events' own definitions.

A name that appears in a struct of `haulwatch.domain.events` or `haulwatch.domain.derived` can be used at once.
"""

from __future__ import annotations

import types
import typing
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct

from haulwatch.domain import derived, events
from haulwatch.domain.trucks import ZONE_KINDS, TripPhase
from rules.nodes import Type, Unit

BASE_KINDS = ("position", "weighing", "sighting", "manifest")

_STRUCTS: tuple[type[Struct], ...] = (
    events.Position,
    events.Weighing,
    events.Sighting,
    events.Manifest,
    *get_args(derived.DerivedEvent),
)
_NOT_NAMED = frozenset({"event_id", "at", "received_at", "images", "lane", "valid_from", "valid_to"})
_COMMON = (*events.Observed.__struct_fields__, *derived.Derived.__struct_fields__)
_UNITS: tuple[tuple[str, Unit], ...] = (
    ("_kmh", "km/h"),
    ("_kg", "kg"),
    ("_km", "km"),
    ("_pct", "%"),
    ("_deg", "deg"),
    ("_ratio", "ratio"),
    ("_share", "ratio"),
    ("_confidence", "ratio"),
    ("_count", "count"),
    ("_m", "m"),
    ("_t", "t"),
    ("_s", "s"),
)
_UNIT_OF: dict[str, Unit] = {"lon": "deg", "lat": "deg", "satellites": "count", "trust": "ratio", "confidence": "ratio"}


def _known(values: object) -> tuple[str, ...]:
    return tuple(v for v in get_args(values) if v != "unknown")


LOADS = _known(events.Load)
COVERS = _known(events.Cover)
LIFTS = _known(events.Lift)
_ENUM_OF = {
    "load_before": LOADS,
    "load_after": LOADS,
    "load": LOADS,
    "cover": COVERS,
    "cover_before": COVERS,
    "zone_kind": ZONE_KINDS,
}
"""Fields of derived events that are plain text in the struct but only ever hold these."""


def unit_of(name: str) -> Unit:
    """The unit that a name ends in: `gross_kg` is kg, `speed_kmh` km/h."""
    if name in _UNIT_OF:
        return _UNIT_OF[name]
    return next((unit for suffix, unit in _UNITS if name.endswith(suffix)), None)


def _type_of(name: str, annotation: Any, nullable: bool = False, meta: Meta | None = None) -> Type | None:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *notes = get_args(annotation)
        found = next((n for n in notes if isinstance(n, Meta)), meta)
        return _type_of(name, inner, nullable, found)
    if origin in (Union, types.UnionType):
        members = [a for a in get_args(annotation) if a is not type(None)]
        return _type_of(name, members[0], len(members) < len(get_args(annotation)), meta) if len(members) == 1 else None
    if origin is Literal:
        return Type("enum", values=_known(annotation), nullable=nullable or "unknown" in get_args(annotation))
    if origin is list:
        return (
            Type("list", nullable=nullable)
            if _type_of(name, get_args(annotation)[0]) == Type("text", nullable=False)
            else None
        )
    if annotation is bool:
        return Type("bool", nullable=nullable)
    if annotation in (int, float):
        low = meta.ge if meta and meta.ge is not None else meta.gt if meta else None
        high = meta.le if meta and meta.le is not None else meta.lt if meta else None
        return Type("number", unit_of(name), nullable=nullable, low=low, high=high)
    if annotation is str:
        if name in _ENUM_OF:
            return Type("enum", values=_ENUM_OF[name], nullable=nullable)
        return Type("text", nullable=nullable)
    return None


def _is_named(name: str) -> bool:
    return name not in _NOT_NAMED and not name.endswith("_ms")


def _fields(struct: type[Struct]) -> dict[str, Type]:
    hints = typing.get_type_hints(struct, include_extras=True)
    # What every event has comes last: it is rarely what an author looks for.
    own = sorted(struct.__struct_fields__, key=lambda name: name in _COMMON)
    found = ((name, _type_of(name, hints[name])) for name in own if _is_named(name))
    return {name: kind for name, kind in found if kind is not None}


EVENT_FIELDS: dict[str, dict[str, Type]] = {str(s.__struct_config__.tag): _fields(s) for s in _STRUCTS}
"""For each kind of event, the bare names that conditions on it can use."""

KINDS = tuple(EVENT_FIELDS)

_MASS = Type("number", "kg", low=0, high=200_000)
SCOPES: dict[str, dict[str, Type]] = {
    "truck": {
        "axle_count": Type("number", "count", low=1, high=20),
        "body": Type("enum", values=("rigid", "articulated")),
        "registered_gross_kg": _MASS,
        "tare_kg": _MASS,
        "carrier_id": Type("text"),
        "carrier_name": Type("text"),
        "air_suspension": Type("bool"),
        "device_model": Type("text"),
        "permitted": Type("bool"),
        "load": Type("enum", values=LOADS),
        "load_kg": _MASS,
        "gross_kg": _MASS,
        "cover": Type("enum", values=COVERS),
        "cover_confidence": Type("number", "ratio", low=0, high=1),
        "lift": Type("enum", values=LIFTS),
        "speed_kmh": Type("number", "km/h", low=0, high=200),
        "ignition": Type("bool"),
        "moving": Type("bool"),
        "silent": Type("bool", nullable=False),
    },
    "trip": {
        "trip_id": Type("text"),
        "phase": Type("enum", values=get_args(TripPhase), nullable=False),
        "origin_zone": Type("text"),
        "destination_zone": Type("text"),
        "route_zone": Type("text"),
        "permit_id": Type("text"),
        "manifest_id": Type("text"),
        "has_manifest": Type("bool"),
        "permitted": Type("bool"),
        "dark_s": Type("number", "s", low=0),
        "on_route": Type("bool"),
        "in_hours": Type("bool"),
    },
    "zones": {kind: Type("list") for kind in ZONE_KINDS},
    "station": {
        "tolerance_pct": Type("number", "%", low=0, high=100),
        "mode": Type("enum", values=("static", "wim")),
        "verified": Type("bool"),
    },
    "camera": {"trust": Type("number", "ratio", low=0, high=1)},
    "city": {"id": Type("text", nullable=False)},
}
"""What stands behind a dot: `truck.load`, `zones.forbidden`."""

ONLY_ON = {"station": "weighing", "camera": "sighting"}
"""Names that only events of one kind have."""

AGE_OF = ("truck.load", "truck.cover", "truck.lift", "truck.gross_kg", "truck.speed_kmh", "trip.trip_id")
"""What `age()` can be asked of, besides earlier steps."""

FUNCTIONS = ("distance_m", "age", "limit_kg", "over_ratio", "contains")
RESERVED = frozenset(
    {*SCOPES, *FUNCTIONS, "here", "true", "false", "null", "and", "or", "not", "in", "is", "if", "else"}
)
"""Names that nobody may give to a step, list or condition."""
