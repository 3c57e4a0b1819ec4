"""What a truck's own stream implies: gates, stops, fused load, cover and lift, trips. Told as short timelines."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from haulwatch.domain.derived import DerivedEvent, TripEnd
from haulwatch.domain.events import Position
from haulwatch.domain.fusion import fuse_position, fuse_sighting, fuse_weighing
from haulwatch.domain.instants import to_ms
from haulwatch.domain.motion import (
    TRACK_POINTS,
    distance_m,
    good_fix,
    insert_late,
    move,
    remember,
    track_rows,
)
from haulwatch.domain.registry import Permit, Truck
from haulwatch.domain.trips import PermitTable, advance_trip
from haulwatch.domain.trucks import Pending, TruckState, ZoneView
from haulwatch.testing import PLATE, city_of, manifest, position, sighting, square, weighing
from streams.pipeline import apply_event
from streams.runtime import CityRuntime

SITE, DUMP = (120.1, 30.86), (120.2, 30.86)
ZONES = [square("S1", "construction_site", *SITE), square("D1", "disposal_site", *DUMP)]
PERMITS = "permit_id,origin_zone,destination_zone,route_zone,hours,valid_from,valid_to\n"
PERMITS += "P1,S1,D1,,,2026-01-01,2026-12-31\nP0,S1,D1,,,2025-01-01,2025-12-31\n"


def ms(event: Pending) -> int:
    return to_ms(event.at)


def drive(state: TruckState, *fixes: Position, truck: Truck | None = None) -> list[DerivedEvent]:
    derived: list[DerivedEvent] = []
    for fix in fixes:
        if good_fix(state, fix, ms(fix), 50.0):
            move(state, fix, ms(fix), derived)
            fuse_position(state, truck or Truck(truck_id=PLATE), fix, ms(fix), derived)
    return derived


def kinds(derived: list[DerivedEvent]) -> list[str]:
    return [str(type(event).__struct_config__.tag) for event in derived]


# -- gates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "poor",
    [
        {"valid": False},
        {"accuracy_m": 51},
        {"lon": 120.13},  # 2.9 km in ten seconds
    ],
)
def test_a_poor_fix_moves_nothing(poor: dict[str, Any]) -> None:
    state = TruckState(PLATE)
    drive(state, position(0, speed_kmh=40), position(10, **poor, speed_kmh=40))
    assert (state.lon, state.fix_event_id) == (120.1, f"p-{PLATE}-0")


def test_fixes_that_persist_elsewhere_are_one_jump() -> None:
    state = TruckState(PLATE)
    elsewhere = [position(10 + n * 10, 120.3 + n * 1e-3, speed_kmh=40) for n in range(4)]
    jumps = drive(state, position(0, speed_kmh=40), *elsewhere)
    assert kinds(jumps) == ["jump"]
    assert jumps[0].distance_m == pytest.approx(19_300, rel=0.01)  # type: ignore[union-attr]
    assert state.lon == 120.303


def test_a_jump_back_is_forgotten() -> None:
    state = TruckState(PLATE)
    log = [position(0), position(10, 120.3), position(20, 120.3), position(30, 120.1005), position(40, 120.3)]
    assert drive(state, *log) == []
    assert state.suspect is not None
    assert state.suspect.fixes == 1


# -- standing and driving ---------------------------------------------------------------------------------------------


def test_half_a_minute_of_standing_is_a_stop_and_says_how_long_it_was() -> None:
    state = TruckState(PLATE)
    log = [position(t, speed_kmh=v) for t, v in ((0, 40), (10, 0), (20, 1), (30, 2), (40, 0), (90, 5), (100, 30))]
    derived = drive(state, *log)
    assert kinds(derived) == ["stop_start", "stop_end"]
    assert derived[0].at_ms - derived[0].since_ms == 30_000  # type: ignore[union-attr]
    assert derived[1].stopped_s == 90  # type: ignore[union-attr]


def test_a_red_light_is_no_stop() -> None:
    state = TruckState(PLATE)
    assert drive(state, *(position(t, speed_kmh=v) for t, v in ((0, 40), (10, 0), (30, 0), (39, 30)))) == []
    assert state.moving is True


def test_without_a_reported_speed_the_way_tells() -> None:
    state = TruckState(PLATE)
    drive(state, position(0), position(10, 120.1002), position(20, 120.1004))
    assert state.moving is True
    assert state.speed_kmh == pytest.approx(6.9, abs=0.1)
    parked = TruckState(PLATE)
    drive(parked, *(position(t, 120.1 + (t % 20) * 5e-6) for t in range(0, 60, 10)))
    assert parked.moving is False


def test_the_track_is_a_ring_of_recent_fixes_to_which_late_ones_are_added_in_place() -> None:
    state = TruckState(PLATE)
    for n in range(TRACK_POINTS + 5):
        remember(state, position(n * 10, speed_kmh=40), n * 10_000)
    rows = track_rows(state.track)
    assert (len(rows), rows[0][0], rows[-1]) == (TRACK_POINTS, 50_000, ((TRACK_POINTS + 4) * 10_000, 120.1, 30.86, 40))
    insert_late(state, position(55, speed_kmh=40), 55_000)
    insert_late(state, position(60, speed_kmh=40), 60_000)  # there already
    insert_late(state, position(65, speed_kmh=0), 65_000)  # standing, a few seconds after another
    insert_late(state, position(1), 1_000)  # older than the ring
    times = [row[0] for row in track_rows(state.track)]
    assert (len(times), times[:3]) == (TRACK_POINTS, [55_000, 60_000, 70_000])


def test_distance_is_metres_on_the_earth() -> None:
    assert distance_m(120, 30, 120, 31) == pytest.approx(111_195, rel=1e-3)
    assert distance_m(120, 60, 121, 60) == pytest.approx(55_597, rel=1e-3)


# -- load, cover, lift ------------------------------------------------------------------------------------------------


def test_a_load_sensor_is_believed_at_first_and_then_when_it_persists() -> None:
    state = TruckState(PLATE)
    derived = drive(
        state, *(position(t, speed_kmh=40, load=v) for t, v in ((0, "full"), (10, "empty"), (20, "full"), (30, "full")))
    )
    assert kinds(derived) == ["load_change"]
    assert state.load == "full"
    derived = drive(state, *(position(t, speed_kmh=40, load="empty") for t in (40, 50, 60)))
    assert (kinds(derived), state.load, derived[0].at_ms - ms(position(60))) == (["load_change"], "empty", 0)
    assert derived[0].blind_s == 30  # type: ignore[union-attr]


def test_an_on_board_scale_is_judged_by_the_share_of_the_payload() -> None:
    state, truck = TruckState(PLATE), Truck(truck_id=PLATE, registered_gross_kg=31_000, tare_kg=13_000)
    drive(state, position(0, load_kg=17_000), truck=truck)
    assert state.load == "full"
    drive(state, *(position(10 + t, load_kg=800) for t in (0, 10, 20)), truck=truck)
    assert (state.load, state.load_kg) == ("empty", 800)


def test_one_camera_does_not_convince_and_two_do() -> None:
    state = TruckState(PLATE)
    derived: list[DerivedEvent] = []
    for t in (0, 60):
        seen = sighting(t, load="full", load_confidence=0.95)
        fuse_sighting(state, seen, None, ms(seen), derived)
        assert state.load == (None if t == 0 else "full")


def test_a_camera_that_may_have_misread_the_plate_says_nothing() -> None:
    state = TruckState(PLATE)
    derived: list[DerivedEvent] = []
    seen = sighting(0, cover="open", cover_confidence=0.99, plate_confidence=0.5)
    fuse_sighting(state, seen, None, ms(seen), derived)
    assert (state.cover, derived) == (None, [])


def test_the_terminals_own_sensor_outweighs_a_camera() -> None:
    state = TruckState(PLATE)
    drive(state, position(0, cover="closed", load="empty"))
    derived: list[DerivedEvent] = []
    for t in (10, 20, 30):
        seen = sighting(t, cover="open", cover_confidence=0.9, load="full", load_confidence=0.9)
        fuse_sighting(state, seen, 0.95, ms(seen), derived)
    assert (state.cover, state.load, derived) == ("closed", "empty", [])
    late = sighting(700, cover="open", cover_confidence=0.9)
    fuse_sighting(state, late, 0.95, ms(late), derived)
    assert kinds(derived) == ["cover_change"]


def test_a_scale_and_a_known_tare_tell_the_load_at_once() -> None:
    state = TruckState(PLATE)
    derived: list[DerivedEvent] = []
    heavy = weighing(0, 52_900)
    fuse_weighing(state, Truck(truck_id=PLATE, tare_kg=12_000), heavy, ms(heavy), derived)
    assert (state.load, state.gross_kg, kinds(derived)) == ("full", 52_900, ["load_change"])


def test_a_raised_body_is_believed_at_once_when_slow_and_at_the_second_word_when_fast() -> None:
    state = TruckState(PLATE)
    assert kinds(drive(state, position(0, speed_kmh=5, lift="raised"))) == ["lift_raised"]
    fast = TruckState(PLATE)
    log = [("lowered", 0), ("raised", 10), ("lowered", 20), ("raised", 30)]
    assert drive(fast, *(position(t, speed_kmh=40, lift=v) for v, t in log)) == []
    assert kinds(drive(fast, position(40, speed_kmh=40, lift="raised"))) == ["lift_raised"]


def test_unknown_is_as_good_as_silence() -> None:
    state = TruckState(PLATE)
    drive(state, position(0, load="full", cover="closed", lift="lowered"))
    assert drive(state, position(10, load="unknown", cover="unknown", lift="unknown")) == []
    assert (state.load, state.cover, state.lift) == ("full", "closed", "lowered")


# -- trips ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runtime() -> CityRuntime:
    return CityRuntime(city_of(zones=ZONES, tables={"permits.csv": PERMITS}))


def play(runtime: CityRuntime, events: list[Pending]) -> tuple[TruckState, list[str]]:
    """The state after the events, and phase by phase what it went through."""
    state = TruckState(PLATE)
    phases: list[str] = []
    for event in events:
        apply_event(runtime, state, event, ms(event))
        if not phases or phases[-1] != state.phase:
            phases.append(state.phase)
    return state, phases


def at_place(place: tuple[float, float], times: range, **fields: Any) -> list[Pending]:
    return [position(t, *place, speed_kmh=0, **fields) for t in times]


def on_the_way(start_s: int, **fields: Any) -> list[Pending]:
    """From the site to the disposal site in twelve minutes, 13.3 m/s."""
    return [position(start_s + n * 10, 120.1 + n * 0.1 / 72, speed_kmh=48, **fields) for n in range(72)]


def test_a_trip_from_site_to_disposal_with_a_load_sensor(runtime: CityRuntime) -> None:
    log = [
        *at_place(SITE, range(0, 400, 20), load="empty"),
        *at_place(SITE, range(400, 500, 20), load="full"),
        *on_the_way(500, load="full"),
    ]
    state, phases = play(runtime, log)
    assert phases == ["at_source", "loaded", "under_way"]
    assert state.trip is not None
    assert (state.trip.origin_zone, state.trip.permit_id, state.trip.permitted) == ("S1", "P1", True)
    trip_id = state.trip.trip_id
    state, phases = play(runtime, [*log, *at_place(DUMP, range(1220, 1400, 20), load="empty")])
    assert (phases[-1], state.trip, state.last_trip_id) == ("idle", None, trip_id)


def test_without_a_load_sensor_a_stay_and_a_manifest_make_a_trip(runtime: CityRuntime) -> None:
    log: list[Pending] = [*at_place(SITE, range(0, 500, 20)), *on_the_way(500)]
    paper = manifest(300, status="issued", origin_zone="S1", destination_zone="D1")
    assert play(runtime, log)[0].trip is None  # a stay alone does not convince
    state, _ = play(runtime, sorted([*log, paper], key=ms))
    assert state.trip is not None
    assert (state.trip.manifest_id, state.trip.destination_zone) == ("M1", "D1")
    dumped = [
        *at_place(DUMP, range(1220, 1600, 20)),
        *(position(1600 + n * 10, 120.205 + n * 1e-3, speed_kmh=40) for n in range(9)),
    ]
    state, phases = play(runtime, sorted([*log, paper, *dumped], key=ms))
    assert (state.load, state.trip, phases[-1]) == ("empty", None, "idle")


def test_of_two_permits_the_manifest_chooses_and_without_one_nobody_guesses() -> None:
    permits = [
        Permit(permit_id="A", origin_zone="S1", destination_zone="D1", valid_from=date(2026, 5, 1)),
        Permit(permit_id="B", origin_zone="S1", destination_zone="D2", valid_to=date(2026, 5, 1)),
    ]
    table = PermitTable(permits, lambda _ms: date(2026, 5, 1))
    assert [p.permit_id for p in table.from_origin("S1", 0)] == ["A", "B"]
    for day, expected in ((date(2026, 4, 30), ["B"]), (date(2026, 5, 2), ["A"])):
        assert [p.permit_id for p in PermitTable(permits, lambda _ms, d=day: d).from_origin("S1", 0)] == expected  # type: ignore[misc]
    two = CityRuntime(
        city_of(
            zones=[*ZONES, square("D2", "disposal_site", 120.3, 30.86)],
            tables={"permits.csv": PERMITS + "P2,S1,D2,,,,\n"},
        )
    )
    log = [*at_place(SITE, range(0, 400, 20), load="full"), *on_the_way(400, load="full")]
    state, _ = play(two, log)
    assert state.trip is not None
    assert (state.trip.permitted, state.trip.permit_id) == (True, None)
    paper = manifest(300, status="issued", origin_zone="S1", destination_zone="D2")
    state, _ = play(two, sorted([*log, paper], key=ms))
    assert state.trip is not None
    assert state.trip.permit_id == "P2"


def test_what_the_gate_camera_saw_counts_for_the_trip_that_begins(runtime: CityRuntime) -> None:
    log: list[Pending] = [*at_place(SITE, range(0, 500, 20)), *on_the_way(500)]
    gate = sighting(490, load="full", load_confidence=0.9)
    road = sighting(700, camera_id="C2", load="full", load_confidence=0.9)
    assert play(runtime, sorted([*log, gate], key=ms))[0].trip is None
    state, _ = play(runtime, sorted([*log, gate, road], key=ms))
    assert state.trip is not None
    assert state.trip.started_ms == ms(road)
    # Seen long before it left, it may have been somebody else's load.
    assert play(runtime, sorted([*log, sighting(200, load="full", load_confidence=0.9), road], key=ms))[0].trip is None


@pytest.mark.parametrize(
    ("destinations", "expected"),
    [(["D1"], True), (["D2"], False), (["D2", "D1"], True), (["D2", None], None), ([], None)],
)
def test_whether_a_permit_names_the_place_of_unloading(destinations: list[str | None], expected: bool | None) -> None:
    permits = [
        Permit(permit_id=f"P{number}", origin_zone="S1", destination_zone=destination)
        for number, destination in enumerate(destinations)
    ]
    table = PermitTable([*permits, Permit(permit_id="Q", origin_zone="S9")], lambda _ms: date(2026, 5, 1))
    state = TruckState(PLATE, load="full", source_zone="S1", source_until_ms=1000)
    derived: list[DerivedEvent] = []
    advance_trip(state, table, "left", 0, derived)
    state.load, state.zones.view = "empty", ZoneView(ids=("D1", "T1"), disposal_site=("D1",), transfer_site=("T1",))
    advance_trip(state, table, "unloaded", 60_000, derived)
    end = derived[-1]
    assert isinstance(end, TripEnd)
    assert (end.outcome, end.zone_id, end.destination_permitted) == ("unloaded", "D1", expected)
