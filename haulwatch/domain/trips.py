"""The truck's state machine: at source → loaded → under way → unloaded, from load, zone visits and manifests.

A trip begins when a loaded truck leaves its source (or is first known to be loaded on the road) and ends when the
load is gone. Which permit it runs under follows from where it came from, its manifest and the day.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from haulwatch.domain.derived import DerivedEvent, TripEnd, TripStart, ZoneEnter, ZoneExit, ZonePass
from haulwatch.domain.events import Manifest
from haulwatch.domain.fusion import add_load_evidence
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.registry import Permit
from haulwatch.domain.trucks import Trip, TruckState

SOURCE_STAY_S = 300.0
"""A stay at a construction site from which on the truck is presumed to have been loaded there."""
UNLOAD_STAY_S = 180.0
"""A stay at a disposal site from which on the truck is presumed to have unloaded there."""
PRESUMED_LOADED = 1.5
PRESUMED_EMPTY = -3.5
MANIFEST_SAYS_LOADED = 1.7
"""Log-odds, see `haulwatch.domain.fusion`: a stay plus a manifest convinces, a stay alone does not."""
GATE_MS = 120_000
"""A camera that saw the truck this shortly before it left saw it at the gate, with what it carries out."""
MANIFEST_FRESH_MS = 7_200_000
SOURCE_FRESH_MS = 600_000
"""A load that shows this soon after leaving a construction site comes from there."""
SOURCE_FRESH_AFTER_STAY_MS = 1_800_000
"""The same after a stay long enough to load; without a sensor the load shows at the first camera or scale."""
UNLOADING_KINDS = ("disposal_site", "transfer_site")


class Permits(Protocol):
    """What trips need to know of the permit table: candidates from one origin on one local day."""

    def __bool__(self) -> bool:
        """Whether the city has permits at all: without any, nobody hauls without one."""
        ...

    def from_origin(self, origin_zone: str, at_ms: int) -> Sequence[Permit]:
        """Permits in force at `at_ms` for hauling from `origin_zone`."""
        ...


class PermitTable:
    """The permits of a city by origin; `local_date` turns an instant into the city's day."""

    def __init__(self, permits: Sequence[Permit], local_date: LocalDate) -> None:
        self._by_origin: dict[str, list[Permit]] = {}
        for permit in sorted(permits, key=lambda p: p.permit_id):
            if permit.origin_zone is not None:
                self._by_origin.setdefault(permit.origin_zone, []).append(permit)
        self._local_date = local_date

    def __bool__(self) -> bool:
        return bool(self._by_origin)

    def from_origin(self, origin_zone: str, at_ms: int) -> list[Permit]:
        """Permits in force at `at_ms` for hauling from `origin_zone`."""
        day = self._local_date(at_ms)
        return [p for p in self._by_origin.get(origin_zone, ()) if in_force(p, day)]


class LocalDate(Protocol):
    """Turns an instant in milliseconds into the local calendar day."""

    def __call__(self, at_ms: int) -> date: ...


def in_force(permit: Permit, day: date) -> bool:
    """Whether the permit is valid on `day`, both ends included."""
    return (permit.valid_from is None or permit.valid_from <= day) and (
        permit.valid_to is None or day <= permit.valid_to
    )


def take_manifest(state: TruckState, event: Manifest, at_ms: int, derived: list[DerivedEvent]) -> None:
    """Opens or closes the truck's manifest; an open one is evidence that it hauls."""
    if event.status == "issued":
        state.manifest_id = event.manifest_id
        state.manifest_ms = at_ms
        state.manifest_origin = event.origin_zone
        state.manifest_destination = event.destination_zone
        if state.trip is not None:
            state.trip.manifest_id = event.manifest_id
    elif event.manifest_id == state.manifest_id:
        state.manifest_closed, state.manifest_id = state.manifest_id, None
        if event.status == "completed" and state.zones.view.disposal_site:
            add_load_evidence(state, PRESUMED_EMPTY, at_ms, event.event_id, "manifest", derived)


def take_late_manifest(state: TruckState, event: Manifest, at_ms: int) -> None:
    """A manifest that arrives after its time: papers hold for the trip, whatever the network did to them.

    Changes what is known of the trip and no more: nothing is found by it, nothing is concluded about the load.
    """
    if event.status != "issued":
        if event.manifest_id == state.manifest_id:
            state.manifest_closed, state.manifest_id = state.manifest_id, None
    elif event.manifest_id != state.manifest_closed and at_ms > state.manifest_ms:
        state.manifest_id = event.manifest_id
        state.manifest_ms = at_ms
        state.manifest_origin = event.origin_zone
        state.manifest_destination = event.destination_zone
        if state.trip is not None and state.trip.manifest_id is None:
            state.trip.manifest_id = event.manifest_id


def visit(state: TruckState, changes: Sequence[ZoneEnter | ZoneExit | ZonePass], derived: list[DerivedEvent]) -> None:
    """What a confirmed stay says about the load of a truck without a load sensor, and where it was a source."""
    for change in changes:
        if type(change) is not ZoneExit:
            continue
        if change.zone_kind == "construction_site":
            stay_began_ms = change.at_ms - change.inside_s * 1000
            if state.trip is not None and state.trip.started_ms < stay_began_ms and change.inside_s >= SOURCE_STAY_S:
                # It was loaded again, so the old load is gone, wherever it went.
                _end_trip(state, "unknown", change.event_id, change.at_ms, derived)
            state.source_zone = change.zone_id
            fresh_ms = SOURCE_FRESH_AFTER_STAY_MS if change.inside_s >= SOURCE_STAY_S else SOURCE_FRESH_MS
            state.source_until_ms = change.at_ms + fresh_ms
            if change.inside_s >= SOURCE_STAY_S:
                fresh = state.manifest_id is not None and change.at_ms - state.manifest_ms <= MANIFEST_FRESH_MS
                odds = PRESUMED_LOADED + (MANIFEST_SAYS_LOADED if fresh else 0.0)
                if change.at_ms - state.load_camera_ms <= GATE_MS:
                    # What was believed before the stay is void; the load that the gate camera saw is not.
                    odds += max(state.load_camera_odds, 0.0)
                add_load_evidence(state, odds - state.load_odds, change.at_ms, change.event_id, "stay", derived)
        elif change.zone_kind in UNLOADING_KINDS and change.inside_s >= UNLOAD_STAY_S:
            state.source_until_ms = NEVER_MS
            odds = min(state.load_odds, PRESUMED_EMPTY) - state.load_odds
            add_load_evidence(state, odds, change.at_ms, change.event_id, "stay", derived)
            if state.trip is not None and state.load == "empty":
                # It is known only now, outside, but it happened there.
                _end_trip(state, "unloaded", change.event_id, change.at_ms, derived, change.zone_id)


def advance_trip(state: TruckState, permits: Permits, event_id: str, at_ms: int, derived: list[DerivedEvent]) -> None:
    """Moves the phase on from load and zones; appends trip_start and trip_end."""
    loaded = state.load in ("half", "full")
    at_source = bool(state.zones.view.construction_site)
    if state.trip is not None:
        if state.load == "empty":
            _end_trip(state, None, event_id, at_ms, derived)
        else:
            state.phase = "under_way"
            return
    if at_source:
        state.phase = "loaded" if loaded else "at_source"
    elif loaded:
        _start_trip(state, permits, event_id, at_ms, derived)
    else:
        state.phase = "idle"


def _start_trip(state: TruckState, permits: Permits, event_id: str, at_ms: int, derived: list[DerivedEvent]) -> None:
    origin = state.source_zone if at_ms <= state.source_until_ms else None
    trip = Trip(trip_id=f"{state.truck_id}@{at_ms}", started_ms=at_ms, origin_zone=origin)
    if state.manifest_id is not None and at_ms - state.manifest_ms <= MANIFEST_FRESH_MS:
        trip.manifest_id = state.manifest_id
        trip.destination_zone = state.manifest_destination
        if origin is None:
            trip.origin_zone = origin = state.manifest_origin
    if origin is not None and permits:
        _choose_permit(trip, permits.from_origin(origin, at_ms))
    state.trip = trip
    state.phase = "under_way"
    # What cameras saw of the cover before this load says nothing about this load.
    state.cover_odds, state.cover_camera = 0.0, None
    derived.append(
        TripStart(
            event_id=f"{event_id}/trip_start",
            truck_id=state.truck_id,
            at_ms=at_ms,
            lon=state.known_lon,
            lat=state.known_lat,
            trip_id=trip.trip_id,
            origin_zone=trip.origin_zone,
            manifest_id=trip.manifest_id,
        )
    )


def _choose_permit(trip: Trip, candidates: Sequence[Permit]) -> None:
    """The one permit that fits; where several do and no manifest tells, the trip has one but which is unknown."""
    trip.permitted = bool(candidates)
    trip.destinations = _named_destinations(candidates)
    if trip.destination_zone is not None:
        fitting = [p for p in candidates if p.destination_zone in (None, trip.destination_zone)]
        candidates = fitting or candidates
    if len(candidates) != 1:
        return
    permit = candidates[0]
    trip.permit_id = permit.permit_id
    trip.route_zone = permit.route_zone
    trip.destination_zone = trip.destination_zone or permit.destination_zone


def _named_destinations(permits: Sequence[Permit]) -> tuple[str, ...]:
    """Whatever the manifest says, each of these may be driven to; one permit without a destination allows all."""
    named = [permit.destination_zone for permit in permits if permit.destination_zone is not None]
    return tuple(sorted(set(named))) if len(named) == len(permits) else ()


def _permitted_at(trip: Trip, here: Sequence[str]) -> bool | None:
    """Whether a permit names one of the sites that it is in; None where it is in none, or no permit tells."""
    return any(site in here for site in trip.destinations) if here and trip.destinations else None


def _end_trip(
    state: TruckState,
    outcome: str | None,
    event_id: str,
    at_ms: int,
    derived: list[DerivedEvent],
    zone_id: str | None = None,
) -> None:
    trip = state.trip
    assert trip is not None
    view = state.zones.view
    sites = view.disposal_site or view.transfer_site
    here = (zone_id,) if zone_id is not None else (*view.disposal_site, *view.transfer_site)
    derived.append(
        TripEnd(
            event_id=f"{event_id}/trip_end",
            truck_id=state.truck_id,
            at_ms=at_ms,
            lon=state.known_lon,
            lat=state.known_lat,
            trip_id=trip.trip_id,
            outcome=outcome or ("unloaded" if sites else "unloaded_elsewhere"),
            zone_id=zone_id or (sites[0] if sites else None),
            duration_s=(at_ms - trip.started_ms) / 1000,
            dark_s=trip.dark_s,
            destination_permitted=_permitted_at(trip, here),
        )
    )
    state.last_trip_id = trip.trip_id
    state.trip = None
