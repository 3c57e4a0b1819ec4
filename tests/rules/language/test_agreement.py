"""Two readings of one condition, generated code and the plain interpreter, agree on everything, unknowns included."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haulwatch.domain.events import Position, Sighting, Weighing
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.registry import Camera, Hours, Permit, Registry, Station, Truck
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import Capture, Membership, Trip, TruckState, ZoneView
from rules.compiling import CompiledBook
from rules.engines import EngineName, compile_book
from rules.explaining import reasons, truth, unknown_names
from rules.hashing import book_hash
from rules.judgements import InexpressibleError, judgement_of
from rules.lexing import parse
from rules.model import EpisodePolicy, OnMatch, Param, Place, Rule, RuleBook, SequenceMatch, Step, WorkOrderPolicy
from rules.nodes import Expression
from rules.scopes import NamedList, Names
from rules.typing_ import check_condition
from tests.durable import ENGINES

AT = 1_790_000_000_000
NAMES = Names(None, steps={"seen": "sighting"}, lists={"night": NamedList("night", ("Z1", "Z2"))},
              params={"grace": Param("grace", 60.0, "duration"), "parts": Param("parts", 0.0, "number")})  # fmt: skip


class FlatLaw:
    """31 t for four axles, nothing known of others."""

    def limit_kg(self, truck: Truck, axle_count: int | None, at_ms: int) -> float | None:
        axles = truck.axle_count or axle_count
        return 31_000.0 if axles == 4 and at_ms else None


def expression(text: str, names: Names) -> Expression | None:
    """The checked condition; None when the checker refuses it (some random ones can never hold)."""
    refused: list[str] = []

    def tell(*told: object) -> None:
        refused.append(str(told[2]))

    parsed = parse(text, tell)
    tree = check_condition(parsed, names, tell) if parsed is not None else None
    assert set(refused) <= {"E035"}, (text, refused)
    return Expression(tree, text, "t", 1, 1) if tree is not None else None


def rule(match: OnMatch | SequenceMatch, unless: Expression | None = None, rule_id: str = "r") -> Rule:
    """A rule of which only the conditions matter."""
    title = Text("t", "t")
    return Rule(rule_id, title, "speed", "minor", "active", "o", (), {}, match, unless, (), EpisodePolicy(),
                WorkOrderPolicy(), None, (), rule_id, rule_id, Place("t", 1, 1))  # fmt: skip


REGISTRY = Registry(
    stations={
        "W1": Station(
            station_id="W1", lon=120.1, lat=30.8, tolerance_pct=5, verified_until=date(2026, 9, 21), mode="wim"
        ),
        "W2": Station(station_id="W2"),
    },
    cameras={"C1": Camera(camera_id="C1", lon=120.0, lat=30.9, trust=0.7), "C2": Camera(camera_id="C2")},
    permits={"P1": Permit(permit_id="P1", hours=(Hours(1320, 300),)), "P2": Permit(permit_id="P2")},
)


def compiled(*rules: Rule, engine: EngineName = "native") -> CompiledBook:
    book = RuleBook(rules, book_hash(rules))
    return compile_book(book, REGISTRY, FlatLaw(), ZoneInfo("Asia/Shanghai"), "hekou", engine)


def judged_by(engine: EngineName, where: Expression | None) -> Expression | None:
    """The condition, if there is one and the engine can judge it."""
    try:
        if where is not None and engine == "durable":
            judgement_of(where.tree)
    except InexpressibleError:
        return None
    return where


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


SPEED = st.sampled_from([0.0, 5.0, 40.0, 200.0])
MASS = st.sampled_from([0.0, 12_000.0, 31_000.0, 40_000.0])
LOAD = st.sampled_from(["empty", "half", "full"])
COVER = st.sampled_from(["closed", "half", "open"])
SEEN = st.sampled_from(["closed", "half", "open", "unknown"])
ZONES = st.sampled_from([(), ("Z1",), ("Z3",), ("Z2", "Z3")])
FLAG = st.booleans()
MS = st.sampled_from([NEVER_MS, AT - 3_600_000, AT - 60_000, AT])

zone_views = st.builds(ZoneView, forbidden=ZONES, district=ZONES, route=ZONES)
trips = maybe(
    st.builds(Trip, trip_id=st.just("T"), started_ms=st.just(AT - 600_000), origin_zone=maybe(st.sampled_from(["Z1"])),
              permit_id=maybe(st.sampled_from(["P1", "P2"])), route_zone=maybe(st.sampled_from(["Z1", "Z3"])))
)  # fmt: skip
states = st.builds(
    TruckState, truck_id=st.just("a"), fix_ms=MS, lon=st.just(120.0), lat=st.just(30.8), speed_kmh=maybe(SPEED),
    ignition=maybe(FLAG), moving=maybe(FLAG), silent=FLAG, load=maybe(LOAD), load_ms=MS, load_kg=maybe(MASS),
    gross_kg=maybe(MASS), gross_ms=MS, cover=maybe(COVER), cover_ms=MS,
    zones=st.builds(Membership, view=zone_views, known=FLAG), trip=trips,
    phase=st.sampled_from(["idle", "at_source", "loaded", "under_way"]),
)  # fmt: skip
trucks = st.builds(
    Truck, truck_id=st.just("a"), axle_count=maybe(st.sampled_from([2, 4])), tare_kg=maybe(MASS),
    body=maybe(st.sampled_from(["rigid", "articulated"])), air_suspension=maybe(FLAG),
    permit_from=maybe(st.just(date(2026, 1, 1))),
    permit_to=maybe(st.sampled_from([date(2026, 2, 1), date(2027, 1, 1)])),
)  # fmt: skip
NOW = datetime(2026, 9, 21, tzinfo=UTC)
COMMON = {"event_id": st.just("E"), "truck_id": st.just("a"), "at": st.just(NOW)}
positions = st.builds(
    Position, **COMMON, lon=st.just(120.0), lat=st.just(30.8), speed_kmh=maybe(SPEED), ignition=maybe(FLAG),
    load=maybe(st.sampled_from(["empty", "full", "unknown"])), load_kg=maybe(MASS), cover=maybe(SEEN),
    alarms=maybe(st.sampled_from([[], ["Z1"], ["fatigue"]])),
)  # fmt: skip
weighings = st.builds(
    Weighing, **COMMON, station_id=st.sampled_from(["W1", "W2", "W9"]), gross_kg=st.sampled_from([20_000.0, 52_900.0]),
    axle_count=maybe(st.sampled_from([2, 4])), speed_kmh=maybe(SPEED),
)  # fmt: skip
sightings = st.builds(
    Sighting, **COMMON, camera_id=st.sampled_from(["C1", "C2", "C9"]), cover=maybe(SEEN),
    cover_confidence=maybe(st.sampled_from([0.0, 0.8, 1.0])),
)  # fmt: skip

STATE_LEAVES = [
    'truck.load == "full"', 'truck.load != "empty"', 'truck.load in ("full", "half")', 'truck.load not in ("empty",)',
    '(truck.load == "full" or truck.load == "half")', 'truck.cover == "open"', "truck.speed_kmh > 5",
    "truck.speed_kmh <= 40", "10 < truck.speed_kmh < 100", "truck.moving", "truck.silent", "truck.permitted",
    "truck.moving == true", "truck.gross_kg > limit_kg()", "over_ratio(truck.gross_kg) > 0.05",
    "truck.load_kg / $parts > 1",
    "truck.load_kg + truck.tare_kg > 30000", "truck.load_kg / truck.tare_kg > 1", "truck.axle_count in (4, 5)",
    "zones.forbidden", "zones.district", '"Z1" in zones.forbidden', "trip.origin_zone in zones.district",
    "trip.origin_zone in night", "trip.on_route", "trip.in_hours", "trip.permitted",
    "trip.dark_s > 1m", 'trip.phase == "under_way"',
    'trip.phase in ("loaded", "under_way")', "age(truck.load) > $grace", "age(trip.trip_id) >= 10m",
    "age(truck.speed_kmh) < 1h", 'city.id == "hekou"', 'truck.body == "rigid"', 'contains(night, trip.origin_zone)',
    "truck.gross_kg - truck.tare_kg > truck.load_kg * 1.1", 'truck.load_kg / (truck.gross_kg / truck.tare_kg) > 0',
]  # fmt: skip
LEAVES = {
    "position": ["speed_kmh > 5", "speed_kmh != 40", "ignition", 'load == "full"', 'load == truck.load',
                 'cover != "open"',
                 'cover == "open"', "alarms", '"Z1" in alarms', "load_kg >= 12000", "over_ratio(load_kg) > 0.1",
                 "lon > 119", 'truck_id == "a"'],
    "weighing": ["gross_kg > limit_kg()", "over_ratio(gross_kg * (1 - 0.05)) > 0", "station.verified",
                 'station.mode == "wim"', "station.tolerance_pct < 6", "distance_m(here, station) > 500",
                 "axle_count == truck.axle_count"],
    "sighting": ["camera.trust >= 0.5", 'cover == "open"', "cover_confidence >= 0.8",
                 "distance_m(camera, here) < 20000",
                 "speed_kmh < 50"],
}  # fmt: skip
STEP_LEAVES = ['seen.cover == "open"', "seen.cover_confidence >= 0.8", "age(seen) > 2m", "distance_m(here, seen) > 100"]
EVENTS = {"position": positions, "weighing": weighings, "sighting": sightings}


def conditions(leaves: list[str]) -> st.SearchStrategy[str]:
    def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        many = st.lists(inner, min_size=2, max_size=4)
        return (
            many.map(lambda items: "(" + " and ".join(items) + ")")
            | many.map(lambda items: "(" + " or ".join(items) + ")")
            | inner.map(lambda item: f"(not {item})")
        )

    return st.recursive(st.sampled_from(leaves), deeper, max_leaves=8)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_scan_finds_what_the_interpreter_calls_true_and_counts_what_it_calls_unknown(
    engine: EngineName, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(LEAVES)))
    texts = data.draw(st.lists(conditions(STATE_LEAVES + LEAVES[kind]), min_size=1, max_size=5))
    wheres = [w for text in texts if (w := judged_by(engine, expression(text, NAMES.on(kind)))) is not None]
    book = compiled(*(rule(OnMatch(kind, where), rule_id=f"r{i}") for i, where in enumerate(wheres)), engine=engine)
    for _ in range(3):
        event, state, truck = data.draw(EVENTS[kind]), data.draw(states), data.draw(trucks)
        before = dict(book.unknowns)
        found = book.scan[kind](event, AT, state, truck) or [] if wheres else []
        plain = [truth(w.tree, book.facts(i, "on", event, AT, state, truck, ())) for i, w in enumerate(wheres)]
        assert found == [i for i, value in enumerate(plain) if value is True]
        counted = {key[0] for key, value in book.unknowns.items() if value > before.get(key, 0)}
        assert counted == {f"r{i}" for i, value in enumerate(plain) if value is None}


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_tested_slot_agrees_with_the_interpreter_with_and_without_event_and_captures(
    engine: EngineName, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(sorted(LEAVES)))
    text = data.draw(conditions(STATE_LEAVES + LEAVES[kind] + STEP_LEAVES))
    where = judged_by(engine, expression(text, NAMES.on(kind)))
    if where is None:
        return
    steps = (Step("seen", "sighting", None), Step("then", kind, where))
    book = compiled(rule(SequenceMatch(steps, 60_000)), engine=engine)
    state, truck = data.draw(states), data.draw(trucks)
    event = data.draw(st.none() | EVENTS[kind] | sightings)
    captures = data.draw(st.just(()) | sightings.map(lambda e: (Capture("seen", e, AT - 120_000),)))
    facts = book.facts(0, ("step", 1), event, AT, state, truck, captures)
    value = book.test(0, ("step", 1), event, AT, state, truck, captures)
    assert value is truth(where.tree, facts)
    assert bool(unknown_names(where.tree, facts)) or value is not None
    assert bool(reasons(where.tree, facts)) is (value is True)


TABLE = [
    ("T", "T", "T", "T"), ("T", "F", "F", "T"), ("T", "U", "U", "T"),
    ("F", "T", "F", "T"), ("F", "F", "F", "F"), ("F", "U", "F", "U"),
    ("U", "T", "U", "T"), ("U", "F", "F", "U"), ("U", "U", "U", "U"),
]  # fmt: skip
VALUES = {"T": True, "F": False, "U": None}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("a", "b", "both", "either"), TABLE)
def test_and_or_not_are_kleenes(engine: EngineName, a: str, b: str, both: str, either: str) -> None:
    state = TruckState("a", moving=VALUES[a], ignition=VALUES[b])
    texts = {
        "truck.moving and truck.ignition": VALUES[both],
        "truck.moving or truck.ignition": VALUES[either],
        "not truck.moving": None if VALUES[a] is None else not VALUES[a],
        "not (truck.moving and truck.ignition)": None if VALUES[both] is None else not VALUES[both],
    }
    for text, expected in texts.items():
        condition = expression(text, NAMES)
        book = compiled(rule(OnMatch("jump", None), unless=condition), engine=engine)
        assert book.test(0, "unless", None, AT, state, Truck(truck_id="a"), ()) is expected, text


@pytest.mark.parametrize("engine", ENGINES)
def test_an_unknown_comparison_and_its_negation_are_both_unknown(engine: EngineName) -> None:
    for text in ("truck.speed_kmh > 5", "truck.speed_kmh != 5", 'truck.load != "full"', 'not truck.load == "full"'):
        book = compiled(rule(OnMatch("jump", None), unless=expression(text, NAMES)), engine=engine)
        assert book.test(0, "unless", None, AT, TruckState("a"), Truck(truck_id="a"), ()) is None
    assert sum(book.unknowns.values()) == 1


def test_zones_are_unknown_before_the_first_good_fix() -> None:
    book = compiled(rule(OnMatch("jump", None), unless=expression("zones.forbidden", NAMES)))
    state = TruckState("a")
    values = []
    for known, inside in ((False, ()), (True, ()), (True, ("Z1",))):
        state.zones = Membership(view=ZoneView(forbidden=inside), known=known)
        values.append(book.test(0, "unless", None, AT, state, Truck(truck_id="a"), ()))
    assert values == [None, False, True]


def test_local_hours_follow_the_citys_time_zone_over_midnight() -> None:
    book = compiled(rule(OnMatch("jump", None), unless=expression("trip.in_hours", NAMES)))
    state = TruckState("a", trip=Trip("T", AT, permit_id="P1"))
    midnight = datetime(2026, 9, 21, 16, tzinfo=UTC)  # 00:00 in Shanghai, and the permit says 22:00-05:00
    hours = [-3, -2, 0, 4, 5, 6]
    values = []
    for hour in hours:
        at_ms = round((midnight + timedelta(hours=hour)).timestamp() * 1000)
        values.append(book.test(0, "unless", None, at_ms, state, Truck(truck_id="a"), ()))
    assert values == [False, True, True, True, False, False]


def test_draft_and_deprecated_rules_are_not_compiled() -> None:
    made = [
        replace(rule(OnMatch("jump", None), rule_id=s), status=s) for s in ("active", "deprecated", "draft", "shadow")
    ]
    assert [r.rule_id for r in compiled(*made).rules] == ["active", "shadow"]
