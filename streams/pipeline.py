"""What happens to one event of one truck, in order, on one page: locate → advance → match.

Poor fixes move nothing but are heard. What the event implies (derived events) is complete before any rule looks.
"""

from __future__ import annotations

from collections.abc import Sequence

from haulwatch.domain.derived import DerivedEvent, GapFilled, Silence
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.fusion import fuse_position, fuse_sighting, fuse_weighing
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS
from haulwatch.domain.motion import good_fix, move, remember
from haulwatch.domain.registry import Truck
from haulwatch.domain.trips import advance_trip, take_manifest, visit
from haulwatch.domain.trucks import WEIGHED_KEPT, Pending, TruckState
from rules.engine import Detection
from streams.runtime import CityRuntime


def apply_event(runtime: CityRuntime, state: TruckState, event: Pending, at_ms: int) -> Sequence[Detection]:
    """Applies one observation in its turn; returns what the rules found."""
    truck = runtime.truck(state.truck_id)
    if state.first_ms > at_ms:
        state.first_ms = at_ms
    if isinstance(event, Position):
        derived = _position(runtime, state, truck, event, at_ms)
        accepted = state.fix_event_id == event.event_id
        return runtime.engine.on_event(state, truck, event, at_ms, derived, accepted)
    derived = _other(runtime, state, truck, event, at_ms)
    # Of a silent truck nobody knows where it is: what a camera saw begins no condition that is to last.
    return runtime.engine.on_event(state, truck, event, at_ms, derived, not state.silent)


def _position(runtime: CityRuntime, state: TruckState, truck: Truck, event: Position, at_ms: int) -> list[DerivedEvent]:
    derived: list[DerivedEvent] = []
    # Writing to a state costs several times what reading does: what rarely changes is written when it does.
    if state.silent:
        state.silent = False
        if state.trip is not None:
            state.trip.dark_s += (at_ms - state.heard_ms) / 1000
    state.heard_ms = at_ms
    ignition = event.ignition
    if ignition is not None and ignition is not state.ignition:
        state.ignition = ignition
    first = state.fix_ms == NEVER_MS
    if good_fix(state, event, at_ms, runtime.accuracy_m):
        changes = runtime.tracker.step(
            state.zones, state.truck_id, event.event_id, at_ms, event.lon, event.lat, event.speed_kmh
        )
        move(state, event, at_ms, derived)
        fuse_position(state, truck, event, at_ms, derived)  # what its sensors say happened here, not at the fix before
        remember(state, event, at_ms)
        if changes:
            visit(state, changes, derived)
            derived[:0] = changes
    else:
        fuse_position(state, truck, event, at_ms, derived)
    if derived or first:
        advance_trip(state, runtime.permits, event.event_id, at_ms, derived)
    return derived


def _other(
    runtime: CityRuntime, state: TruckState, truck: Truck, event: Weighing | Sighting | Manifest, at_ms: int
) -> list[DerivedEvent]:
    derived: list[DerivedEvent] = []
    if isinstance(event, Sighting):
        fuse_sighting(state, event, runtime.camera_trust(event.camera_id), at_ms, derived)
    elif isinstance(event, Weighing):
        fuse_weighing(state, truck, event, at_ms, derived)
        if not state.late:
            state.weighed = [*state.weighed[1 - WEIGHED_KEPT :], event.event_id]
    else:
        take_manifest(state, event, at_ms, derived)
    if derived:
        advance_trip(state, runtime.permits, event.event_id, at_ms, derived)
    return derived


def silence_due_ms(runtime: CityRuntime, state: TruckState) -> int:
    """When the truck counts as silent if nothing is heard of it until then."""
    if state.silent or state.heard_ms == NEVER_MS:
        return FOREVER_MS
    return state.heard_ms + runtime.gap_ms


def apply_silence(runtime: CityRuntime, state: TruckState, at_ms: int) -> Sequence[Detection]:
    """The truck has not been heard for the city's `gap`."""
    state.silent = True
    silence = Silence(
        event_id=f"{state.truck_id}/{state.heard_ms}/silence",
        truck_id=state.truck_id,
        at_ms=at_ms,
        lon=state.known_lon,
        lat=state.known_lat,
        since_ms=state.heard_ms,
        speed_kmh=state.speed_kmh,
    )
    return runtime.engine.on_derived(state, runtime.truck(state.truck_id), silence, at_ms)


def apply_gap_filled(
    runtime: CityRuntime, state: TruckState, at_ms: int, from_ms: int, to_ms: int, covered_share: float
) -> Sequence[Detection]:
    """Late positions of a silent spell have been looked at: the terminal had been out of reach, not switched off."""
    filled = GapFilled(
        event_id=f"{state.truck_id}/{from_ms}/gap_filled/{at_ms}",
        truck_id=state.truck_id,
        at_ms=at_ms,
        lon=state.known_lon,
        lat=state.known_lat,
        from_ms=from_ms,
        to_ms=to_ms,
        covered_share=covered_share,
    )
    return runtime.engine.on_derived(state, runtime.truck(state.truck_id), filled, at_ms)


def apply_rule_deadline(runtime: CityRuntime, state: TruckState, at_ms: int) -> Sequence[Detection]:
    """Absences and holds whose time has come."""
    return runtime.engine.on_deadline(state, runtime.truck(state.truck_id), at_ms)
