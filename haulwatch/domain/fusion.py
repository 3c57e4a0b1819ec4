"""What is believed of load, cover and lift, fused from sensors, cameras, scales and visits, each with its own trust.

Load is a log-odds of "loaded": a camera that is right 85 % of the time adds ln(0.85/0.15) = 1.73, so two that agree
convince and one does not; a terminal's own sensor, once it persists, decides alone and overrules cameras for ten
minutes. Below the threshold the load is unknown, and unknown never fires.
"""

from __future__ import annotations

from math import log

from haulwatch.domain.derived import CoverChange, DerivedEvent, LiftRaised, LoadChange
from haulwatch.domain.events import Position, Sighting, Weighing
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import KnownCover, KnownLift, KnownLoad, Reading, TruckState

CONVINCED = 3.0
"""Log-odds from which a load is believed (95 %)."""
DOUBTED = 1.0
"""Log-odds below which a believed load is unknown again (73 %): one camera that errs must not unsettle a stay."""
CERTAIN = 5.0
SENSOR_RULES_MS = 600_000
"""How long a terminal's own sensor outweighs cameras."""
SETTLE_MS = 15_000
SETTLE_READINGS = 2
COVER_FRESH_MS = 3_600_000
"""How long what a camera saw of the cover supports the next one."""
DEFAULT_TRUST = 0.85
"""AI cameras are 70-90 % right."""
PLATE_FLOOR = 0.6
"""Below this plate confidence a camera's or scale's word says nothing about this truck."""
FULL_SHARE, EMPTY_SHARE = 0.5, 0.12
DEFAULT_CAPACITY_KG = 15_000.0
LIFT_SPEED_KMH = 12.0
PLACE_FRESH_MS = 120_000
"""Where a truck was longer ago than this says nothing about where its body is raised or its load lost."""


def fuse_position(state: TruckState, truck: Truck, event: Position, at_ms: int, derived: list[DerivedEvent]) -> None:
    """Takes the terminal's own sensors; appends load_change, cover_change, lift_raised."""
    load_kg = event.load_kg
    if load_kg is not None:
        state.load_kg = load_kg
    load = event.load
    if load is not None and load != "unknown":
        _take_load(state, load, at_ms, event.event_id, derived)
    elif load_kg is not None:
        _take_load(state, load_of_mass(truck, load_kg), at_ms, event.event_id, derived)
    cover = event.cover
    if cover is not None and cover != "unknown":
        state.cover_sensor_ms = at_ms
        if state.cover_odds != CERTAIN:
            state.cover_odds = CERTAIN
        if cover != state.cover:
            believe_cover(state, cover, at_ms, event.event_id, "sensor", derived)
    lift = event.lift
    if lift is not None and lift != "unknown":
        if lift != state.lift:
            _take_lift(state, event, lift, at_ms, derived)
        elif state.lift_reading is not None:
            state.lift_reading = None


def load_of_mass(truck: Truck, load_kg: float) -> KnownLoad:
    """A measured load as empty, half or full, by its share of the truck's payload (15 t where unknown)."""
    capacity = DEFAULT_CAPACITY_KG
    if truck.registered_gross_kg is not None and truck.tare_kg is not None:
        capacity = max(truck.registered_gross_kg - truck.tare_kg, 1000.0)
    share = load_kg / capacity
    if share >= FULL_SHARE:
        return "full"
    return "empty" if share < EMPTY_SHARE else "half"


def _take_load(state: TruckState, load: KnownLoad, at_ms: int, event_id: str, derived: list[DerivedEvent]) -> None:
    """A sensor's first word is believed; a different one when it has persisted (sensors flicker).

    "Empty" is a matter of where, see `_is_placeless`.
    """
    state.load_sensor_ms = at_ms
    if load == state.load:
        state.load_seen_ms = at_ms
        if state.load_reading is not None:
            state.load_reading = None
        return
    if state.load is not None:
        reading = state.load_reading
        if reading is None or (reading.value == "empty") != (load == "empty"):
            state.load_reading = Reading(load, at_ms)
            return
        reading.readings += 1
        if reading.readings < SETTLE_READINGS or at_ms - reading.since_ms < SETTLE_MS:
            return
        if load == "empty" and _is_placeless(state, at_ms):
            return
    state.load_odds = -CERTAIN if load == "empty" else CERTAIN
    state.load_reading = None
    _believe_load(state, load, at_ms, event_id, "sensor", derived)


def _believe_load(
    state: TruckState, load: KnownLoad | None, at_ms: int, event_id: str, basis: str, derived: list[DerivedEvent]
) -> None:
    before, seen_ms = state.load, state.load_seen_ms
    state.load_seen_ms = at_ms
    if load == before:
        return
    state.load = load
    state.load_ms = at_ms
    if load is None:
        return
    derived.append(
        LoadChange(
            event_id=f"{event_id}/load_change",
            truck_id=state.truck_id,
            at_ms=at_ms,
            lon=state.known_lon,
            lat=state.known_lat,
            load=load,
            load_before=before,
            blind_s=0.0 if seen_ms == NEVER_MS else (at_ms - seen_ms) / 1000,
            basis=basis,
        )
    )


def add_load_evidence(
    state: TruckState,
    odds: float,
    at_ms: int,
    event_id: str,
    basis: str,
    derived: list[DerivedEvent],
    said: KnownLoad | None = None,
) -> None:
    """Adds evidence for (`odds` > 0) or against "loaded"; the terminal's own recent sensor is not overruled."""
    if at_ms - state.load_sensor_ms <= SENSOR_RULES_MS:
        return
    if basis == "camera":
        state.load_camera_ms = at_ms
        state.load_camera_odds = odds
    state.load_odds = max(-CERTAIN, min(CERTAIN, state.load_odds + odds))
    if state.load_odds >= CONVINCED:
        loaded: KnownLoad = said if said in ("half", "full") else state.load if state.load == "half" else "full"
        _believe_load(state, loaded, at_ms, event_id, basis, derived)
    elif state.load_odds <= -CONVINCED:
        _believe_load(state, "empty", at_ms, event_id, basis, derived)
    elif not _still_believed(state):
        _believe_load(state, None, at_ms, event_id, basis, derived)


def _still_believed(state: TruckState) -> bool:
    """Whether what is left of the evidence is enough to go on believing."""
    if state.load is None:
        return False
    return state.load_odds <= -DOUBTED if state.load == "empty" else state.load_odds >= DOUBTED


def believe_cover(
    state: TruckState, cover: KnownCover, at_ms: int, event_id: str, basis: str, derived: list[DerivedEvent]
) -> None:
    """Sets the believed cover; appends cover_change when it differs."""
    before = state.cover
    state.cover = cover
    state.cover_ms = at_ms
    if cover == before:
        return
    derived.append(
        CoverChange(
            event_id=f"{event_id}/cover_change",
            truck_id=state.truck_id,
            at_ms=at_ms,
            lon=state.known_lon,
            lat=state.known_lat,
            cover=cover,
            cover_before=before,
            basis=basis,
        )
    )


def _take_lift(state: TruckState, event: Position, lift: KnownLift, at_ms: int, derived: list[DerivedEvent]) -> None:
    """A raised body is believed at once when the truck is slow; at speed it must be said twice."""
    if lift == "raised" and _is_placeless(state, at_ms):
        return
    slow = event.speed_kmh is None or event.speed_kmh <= LIFT_SPEED_KMH
    if lift == "raised" and not slow and state.lift_reading is None:
        state.lift_reading = Reading(lift, at_ms)
        return
    state.lift = lift
    state.lift_ms = at_ms
    state.lift_reading = None
    if lift == "raised":
        derived.append(
            LiftRaised(
                event_id=f"{event.event_id}/lift_raised",
                truck_id=state.truck_id,
                at_ms=at_ms,
                lon=state.known_lon,
                lat=state.known_lat,
                speed_kmh=event.speed_kmh,
            )
        )


def _is_placeless(state: TruckState, at_ms: int) -> bool:
    """Whether nobody knows yet where the truck is: what it does elsewhere may be dumping, so the word of it waits.

    After a silence the first words come with a place of long ago, or with one whose zones are not settled: the truck
    moved while nobody saw it and has not been long enough where it appeared again.
    """
    if at_ms - state.fix_ms > PLACE_FRESH_MS:
        return True
    return any(crossing.blind and crossing.moved for crossing in state.zones.pending.values())


def fuse_sighting(
    state: TruckState, event: Sighting, trust: float | None, at_ms: int, derived: list[DerivedEvent]
) -> None:
    """Takes a camera's word for what it is worth; a plate it may have misread says nothing."""
    if event.plate_confidence is not None and event.plate_confidence < PLATE_FLOOR:
        return
    camera_trust = min(max(DEFAULT_TRUST if trust is None else trust, 0.5), 0.99)
    load = event.load
    if load is not None and load != "unknown":
        right = camera_trust * (1.0 if event.load_confidence is None else 0.5 + event.load_confidence / 2)
        odds = log(max(right, 0.5) / (1 - min(right, 0.99)))
        add_load_evidence(
            state, -odds if load == "empty" else odds, at_ms, event.event_id, "camera", derived, said=load
        )
    cover = event.cover
    if cover is None or cover == "unknown" or (event.cover_confidence is not None and event.cover_confidence < 0.5):
        return
    if state.cover_sensor_ms != NEVER_MS and at_ms - state.cover_sensor_ms <= SENSOR_RULES_MS:
        return
    # Experience with the camera, less what it doubts itself.
    right = max(camera_trust * (1.0 if event.cover_confidence is None else event.cover_confidence), 0.5)
    _agree_on_cover(state, event, cover, log(right / (1 - right)), at_ms)
    believe_cover(state, cover, at_ms, event.event_id, "camera", derived)


def _agree_on_cover(state: TruckState, event: Sighting, cover: KnownCover, odds: float, at_ms: int) -> None:
    """Adds a camera's evidence to that of the others before it; one camera counts once, a contradiction starts anew."""
    if cover != state.cover or at_ms - state.cover_ms > COVER_FRESH_MS:
        state.cover_odds = odds
    elif event.camera_id == state.cover_camera:
        state.cover_odds = max(state.cover_odds, odds)
    else:
        state.cover_odds = min(state.cover_odds + odds, CERTAIN)
    state.cover_camera = event.camera_id


def fuse_weighing(state: TruckState, truck: Truck, event: Weighing, at_ms: int, derived: list[DerivedEvent]) -> None:
    """Takes a scale's word: gross mass, and with a known tare how much of it is load."""
    if event.plate_confidence is not None and event.plate_confidence < PLATE_FLOOR:
        return
    state.gross_kg = event.gross_kg
    state.gross_ms = at_ms
    tare_kg = truck.tare_kg if truck.tare_kg is not None else event.tare_kg
    if tare_kg is None:
        return
    load = load_of_mass(truck, max(event.gross_kg - tare_kg, 0.0))
    odds = -CERTAIN if load == "empty" else CERTAIN
    add_load_evidence(state, odds, at_ms, event.event_id, "scale", derived, said=load)
