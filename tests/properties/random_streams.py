"""Random streams of one truck: events, what is derived from them, and the truck as it is after each."""

from __future__ import annotations

from datetime import UTC, date, datetime
from random import Random
from typing import Any

from msgspec import structs

from haulwatch.domain import derived as d
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.registry import Camera, Hours, Permit, Registry, Station, Truck
from haulwatch.domain.trucks import Membership, Trip, TruckState, ZoneView

ZERO_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
PLATE = "浙E12345"
PAUSES = (0, 0, 5, 5, 10, 10, 20, 30)
"""Seconds between events."""


def one(rng: Random, *values: Any) -> Any:
    return rng.choice(values)


def base_event(rng: Random, number: int, at: datetime) -> Any:
    head = {"event_id": f"e{number}", "truck_id": PLATE, "at": at}
    kind = rng.randint(0, 9)
    cover = one(rng, None, "unknown", "open", "closed")
    load = one(rng, None, "unknown", "full", "empty")
    if kind == 0:
        return Weighing(**head, station_id="S-1", gross_kg=one(rng, 40.0, 60.0), axle_count=one(rng, None, 4))
    if kind in (1, 2):
        confidence = one(rng, None, 0.5, 1.0)
        return Sighting(
            **head, camera_id=one(rng, "cam-1", "cam-2"), cover=cover, cover_confidence=confidence, load=load
        )
    if kind == 3:
        return Manifest(
            **head, manifest_id="M-1", status=one(rng, "issued", "completed"), origin_zone=one(rng, None, "S-1")
        )
    return Position(
        **head,
        lon=one(rng, 120.1, 120.2),
        lat=30.8,
        speed_kmh=one(rng, None, 0.0, 40.0, 60.0),
        load=load,
        cover=cover,
        lift=one(rng, None, "raised", "lowered"),
        ignition=one(rng, None, True, False),
        load_kg=one(rng, None, 4.0, 60.0),
    )


def derived_event(rng: Random, event_id: str, at_ms: int) -> Any:
    head = {"truck_id": PLATE, "at_ms": at_ms}
    kind = rng.randint(0, 2)
    if kind == 0:
        cover = one(rng, "open", "closed")
        return d.CoverChange(
            **head, event_id=f"{event_id}/cover_change", cover=cover, cover_before=None, basis="camera"
        )
    if kind == 1:
        zone = one(rng, "S-1", "S-2")
        return d.ZoneEnter(
            **head, event_id=f"{event_id}/zone_enter/{zone}", zone_id=zone, zone_kind="forbidden", since_ms=at_ms
        )
    load = one(rng, "full", "empty")
    return d.LoadChange(
        **head,
        event_id=f"{event_id}/load_change",
        load=load,
        load_before=one(rng, None, "half"),
        blind_s=0.0,
        basis="camera",
    )


NOT_KNOWN = Membership()
PLACES = (
    NOT_KNOWN,
    Membership(known=True),
    Membership(known=True, view=ZoneView(ids=("S-1",), construction_site=("S-1",))),
    Membership(known=True, view=ZoneView(ids=("R-1", "S-2"), forbidden=("S-2",), route=("R-1",))),
)


def a_trip(rng: Random, at_ms: int) -> Trip:
    route, permit = one(rng, None, "R-1"), one(rng, None, "P-1")
    return Trip(trip_id="T-1", started_ms=at_ms, origin_zone=one(rng, None, "S-1"), route_zone=route, permit_id=permit)


def move(rng: Random, state: TruckState, at_ms: int) -> TruckState:
    """The truck after an event: anything may have become known or forgotten."""
    changes: dict[str, Any] = {"silent": False, "first_ms": min(state.first_ms, at_ms)}
    if rng.random() < 0.5:
        changes |= {"load": one(rng, None, "full", "empty"), "load_ms": at_ms}
        changes |= {"cover": one(rng, None, "open", "closed"), "zones": one(rng, *PLACES)}
    if rng.random() < 0.5:
        changes |= {"speed_kmh": one(rng, None, 0.0, 40.0), "fix_ms": at_ms, "lon": one(rng, 120.1, 120.2), "lat": 30.8}
        changes |= {"gross_kg": one(rng, None, 40.0, 60.0), "fix_event_id": f"fix-{at_ms}"}
        trip = one(rng, None, a_trip(rng, at_ms))
        changes |= {"trip": trip, "phase": one(rng, "idle", "under_way")}
    return structs.replace(state, **changes)


def a_stream(rng: Random, max_events: int = 24) -> list[tuple[Any, int, list[Any], TruckState]]:
    """Calls in order: (base event, instant, derived events, the truck after them); base None: time alone, silence."""
    state = TruckState(PLATE)
    at_ms, calls = ZERO_MS, []
    for number in range(rng.randint(min(4, max_events), max_events)):
        at_ms += 1000 * one(rng, *PAUSES)
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
        state = move(rng, state, at_ms)
        if number and rng.randint(0, 9) == 0:
            state = structs.replace(state, silent=True)
            quiet = d.Silence(
                event_id=f"e{number}/silence",
                truck_id=PLATE,
                at_ms=at_ms,
                since_ms=at_ms,
                speed_kmh=one(rng, None, 40.0),
            )
            calls.append((None, at_ms, [quiet], state))
            continue
        derived = [derived_event(rng, f"e{number}", at_ms) for _ in range(one(rng, 0, 0, 0, 1, 2))]
        calls.append((base_event(rng, number, at), at_ms, derived, state))
    return calls


def a_truck(rng: Random) -> Truck:
    first = one(rng, None, date(2026, 1, 1), date(2026, 1, 2))
    return Truck(truck_id=PLATE, axle_count=one(rng, None, 4), carrier_id=one(rng, None, "C-1"), permit_from=first)


def a_registry(rng: Random) -> Registry:
    """A station, a camera and a permit of which anything may be unknown."""
    until = one(rng, None, date(2025, 12, 31), date(2026, 1, 1))
    tolerance, mode = one(rng, None, 0.5, 4.0), one(rng, None, "wim")
    station = Station(station_id="S-1", lon=120.1, lat=30.8, tolerance_pct=tolerance, verified_until=until, mode=mode)
    camera = Camera(camera_id="cam-1", lon=one(rng, None, 120.2), lat=30.8, trust=one(rng, None, 0.5, 1.0))
    permit = Permit(permit_id="P-1", hours=one(rng, (), (Hours(8 * 60, 8 * 60 + 1),), (Hours(20 * 60, 6 * 60),)))
    tables = {"stations": {"S-1": station}, "cameras": {"cam-1": camera}, "permits": {"P-1": permit}}
    return Registry(**{name: table for name, table in tables.items() if rng.random() < 0.7})
