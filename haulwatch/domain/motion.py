"""How a truck moves: which fixes to believe, standing and driving, the recent track. Pure arithmetic on its state."""

from __future__ import annotations

import struct
from math import cos, radians, sqrt

from haulwatch.domain.derived import DerivedEvent, Jump, StopEnd, StopStart
from haulwatch.domain.events import Position
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.trucks import Suspect, TruckState

METRES_PER_DEGREE = 111_195.0
"""Metres per degree of latitude on the mean earth (R = 6,371,009 m)."""
TELEPORT_KMH = 150.0
"""No muck truck drives faster; a fix that implies more moves nothing (design: gates)."""
JUMP_FIXES = 3
JUMP_SPAN_MS = 15_000
STILL_KMH = 3.0
DRIVING_KMH = 6.0
STOP_MS = 30_000
"""A stop is a stop when the truck has stood for half a minute: shorter ones are traffic."""
TRACK_POINTS = 64
TRACK_PARKED_MS = 60_000
_POINT = struct.Struct("<qiih")
_KEEP_BYTES = TRACK_POINTS * _POINT.size
_TRIM_BYTES = _KEEP_BYTES + 16 * _POINT.size
"""Trimmed a few points at a time: cutting the front off at every fix would copy the whole track each time."""


def distance_m(lon_a: float, lat_a: float, lon_b: float, lat_b: float) -> float:
    """Metres between two WGS-84 points, equirectangular: < 0.1 % off within a city."""
    dx = (lon_a - lon_b) * cos(radians((lat_a + lat_b) / 2))
    dy = lat_a - lat_b
    return METRES_PER_DEGREE * sqrt(dx * dx + dy * dy)


def good_fix(state: TruckState, event: Position, at_ms: int, gate_m: float) -> bool:
    """Whether a position may move the truck: valid, accurate enough, reachable from the last good fix.

    Keeps the suspects that, if they persist, are a jump (see `move`).
    """
    accuracy_m = event.accuracy_m
    if event.valid is False or (accuracy_m is not None and accuracy_m > gate_m):
        return False
    if state.fix_ms == NEVER_MS:
        return True
    lon, lat = event.lon, event.lat
    # Within about 200 m in degrees nothing needs to be computed: no truck is gated for that.
    if (-0.002 < lon - state.lon < 0.002 and -0.002 < lat - state.lat < 0.002) or reachable(
        state.lon, state.lat, state.fix_ms, lon, lat, at_ms, state.accuracy_m, accuracy_m
    ):
        if state.suspect is not None:
            state.suspect = None
        return True
    return _persists(state, event, at_ms)


def reachable(
    lon_a: float,
    lat_a: float,
    ms_a: int,
    lon_b: float,
    lat_b: float,
    ms_b: int,
    accuracy_a: float | None,
    accuracy_b: float | None,
) -> bool:
    """Whether 150 km/h suffices from fix a to fix b, less what both accuracies explain."""
    metres = distance_m(lon_a, lat_a, lon_b, lat_b) - (accuracy_a or 0.0) - (accuracy_b or 0.0)
    return metres <= max(ms_b - ms_a, 1000) / 3_600_000 * TELEPORT_KMH * 1000


def _persists(state: TruckState, event: Position, at_ms: int) -> bool:
    suspect = state.suspect
    if suspect is None or not reachable(
        suspect.lon, suspect.lat, suspect.ms, event.lon, event.lat, at_ms, None, event.accuracy_m
    ):
        state.suspect = Suspect(event.lon, event.lat, at_ms, at_ms)
        return False
    suspect.lon, suspect.lat, suspect.ms = event.lon, event.lat, at_ms
    suspect.fixes += 1
    return suspect.fixes >= JUMP_FIXES and at_ms - suspect.since_ms >= JUMP_SPAN_MS


def move(state: TruckState, event: Position, at_ms: int, derived: list[DerivedEvent]) -> None:
    """Takes a good fix: position, speed, standing or driving, track; appends jump, stop_start, stop_end."""
    if state.suspect is not None:
        derived.append(_jumped(state, event, at_ms))
        state.suspect = None
    speed = event.speed_kmh
    if speed is None:
        speed = _speed_from(state, event, at_ms)
    state.fix_ms = at_ms
    state.fix_event_id = event.event_id
    state.lon = event.lon
    state.lat = event.lat
    state.speed_kmh = speed
    state.heading_deg = event.heading_deg
    accuracy_m = event.accuracy_m or 0.0
    if accuracy_m != state.accuracy_m:
        state.accuracy_m = accuracy_m
    if speed is None:
        return
    if speed >= DRIVING_KMH:
        if state.moving is not True or state.still_since_ms != NEVER_MS:
            _start_driving(state, event, at_ms, derived)
    elif speed <= STILL_KMH and state.moving is not False:
        _stand(state, event, at_ms, derived)


def _speed_from(state: TruckState, event: Position, at_ms: int) -> float | None:
    """Speed over ground since the last fix when the terminal reports none; drift below 15 m is standing."""
    elapsed_ms = at_ms - state.fix_ms
    if state.fix_ms == NEVER_MS or not 0 < elapsed_ms <= 120_000:
        return None
    metres = distance_m(state.lon, state.lat, event.lon, event.lat)
    return 0.0 if metres < 15.0 else metres / elapsed_ms * 3600


def _start_driving(state: TruckState, event: Position, at_ms: int, derived: list[DerivedEvent]) -> None:
    if state.moving is False:
        derived.append(
            StopEnd(
                event_id=f"{event.event_id}/stop_end",
                truck_id=state.truck_id,
                at_ms=at_ms,
                lon=state.lon,
                lat=state.lat,
                stopped_s=(at_ms - state.still_since_ms) / 1000,
                load_before=state.load_at_stop,
                load_after=state.load,
            )
        )
    state.moving = True
    state.still_since_ms = NEVER_MS


def _stand(state: TruckState, event: Position, at_ms: int, derived: list[DerivedEvent]) -> None:
    if state.still_since_ms == NEVER_MS:
        state.still_since_ms = at_ms
        state.load_at_stop = state.load
    if at_ms - state.still_since_ms < STOP_MS:
        return
    state.moving = False
    derived.append(
        StopStart(
            event_id=f"{event.event_id}/stop_start",
            truck_id=state.truck_id,
            at_ms=at_ms,
            lon=state.lon,
            lat=state.lat,
            since_ms=state.still_since_ms,
        )
    )


def _jumped(state: TruckState, event: Position, at_ms: int) -> Jump:
    assert state.suspect is not None
    metres = distance_m(state.lon, state.lat, event.lon, event.lat)
    blind_ms = max(state.suspect.since_ms - state.fix_ms, 1000)
    return Jump(
        event_id=f"{event.event_id}/jump",
        truck_id=state.truck_id,
        at_ms=at_ms,
        lon=event.lon,
        lat=event.lat,
        distance_m=round(metres, 1),
        implied_kmh=round(metres / blind_ms * 3600, 1),
        blind_s=blind_ms / 1000,
    )


def remember(state: TruckState, event: Position, at_ms: int) -> None:
    """Adds a fix to the recent track; a parked truck's is kept once a minute."""
    track = state.track
    if state.moving is False and track and at_ms - _last_ms(track) < TRACK_PARKED_MS:
        return
    track += pack_point(event, at_ms)
    if len(track) > _TRIM_BYTES:
        del track[:-_KEEP_BYTES]


def _last_ms(track: bytearray) -> int:
    return int.from_bytes(track[-_POINT.size : 8 - _POINT.size], "little", signed=True)


def insert_late(state: TruckState, event: Position, at_ms: int) -> None:
    """Puts a late fix where it belongs in the recent track, if `remember` would have kept it in its time."""
    size = _POINT.size
    track = state.track
    at = len(track)
    there_ms = NEVER_MS
    while at and (there_ms := _POINT.unpack_from(track, at - size)[0]) > at_ms:
        at -= size
    if there_ms == at_ms or (at == 0 and len(track) >= _KEEP_BYTES):
        return
    if at and at_ms - there_ms < TRACK_PARKED_MS and (event.speed_kmh is None or event.speed_kmh < DRIVING_KMH):
        return
    track[at:at] = pack_point(event, at_ms)
    if len(track) > _TRIM_BYTES:
        del track[:-_KEEP_BYTES]


def pack_point(event: Position, at_ms: int) -> bytes:
    """A fix in 18 bytes: milliseconds, degrees x 1e7, km/h x 10 (-1 = unknown)."""
    speed = -1 if event.speed_kmh is None else round(event.speed_kmh * 10)
    return _POINT.pack(at_ms, round(event.lon * 1e7), round(event.lat * 1e7), speed)


def track_rows(track: bytearray) -> list[tuple[int, float, float, float | None]]:
    """The last `TRACK_POINTS` of a track as rows `[at_ms, lon, lat, speed_kmh]`, oldest first."""
    return [
        (ms, lon / 1e7, lat / 1e7, None if speed < 0 else speed / 10)
        for ms, lon, lat, speed in _POINT.iter_unpack(track[-_KEEP_BYTES:])
    ]
