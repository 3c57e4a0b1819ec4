"""Random rule books and random streams: what the properties are tried on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from msgspec import structs

from haulwatch.domain import derived as d
from haulwatch.domain.breaches import Category
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.registry import Camera, Hours, Permit, Registry, Station, Truck
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import Membership, Trip, TruckState, ZoneView
from rules.model import (
    CountMatch,
    EpisodePolicy,
    Match,
    OnMatch,
    Place,
    Rule,
    RuleException,
    SequenceMatch,
    Step,
    WhileMatch,
    WorkOrderPolicy,
)
from rules.nodes import Arithmetic, Call, Compare, Const, Expression, Junction, Name, Not, Scope, Type
from rules.nodes import Membership as In
from rules.schema import EVENT_FIELDS, SCOPES

ZERO_MS = 1_767_225_600_000  # 2026-01-01T00:00Z
PLATE = "浙E12345"
CATEGORY: Category = "uncovered"

# expressions

BARE = {
    "position": ("speed_kmh", "load", "cover", "lift", "ignition", "load_kg"),
    "sighting": ("cover", "cover_confidence", "camera_id", "load"),
    "weighing": ("gross_kg", "station_id", "axle_count"),
    "manifest": ("status", "origin_zone"),
    "cover_change": ("cover", "cover_before"),
    "zone_enter": ("zone_id", "zone_kind"),
    "load_change": ("load", "load_before", "blind_s"),
    "silence": ("speed_kmh",),
}
STATE = (
    ("truck", "load"),
    ("truck", "cover"),
    ("truck", "speed_kmh"),
    ("truck", "axle_count"),
    ("truck", "silent"),
    ("trip", "trip_id"),
    ("trip", "phase"),
    ("trip", "origin_zone"),
    ("trip", "on_route"),
    ("trip", "in_hours"),
    ("truck", "permitted"),
    ("city", "id"),
)
ZONES = ("construction_site", "forbidden")
AGES = (("truck", "load"), ("truck", "speed_kmh"), ("trip", "trip_id"))
TEXTS = ("S-1", "S-2", "cam-1", "cam-2")


def some(rng: Random, values: Sequence[str], share: float = 0.5) -> frozenset[str]:
    return frozenset(value for value in values if rng.random() < share)


def literal(rng: Random, kind: Type) -> Const:
    if kind.kind == "number":
        number = rng.choice((0, 1, 4, 40, 0.5, 60))
        return Const(float(number), kind, str(number))
    if kind.kind == "enum":
        word = rng.choice(kind.values)
        return Const(word, kind, f'"{word}"')
    if kind.kind == "bool":
        flag = rng.random() < 0.5
        return Const(flag, kind, str(flag).lower())
    word = rng.choice(TEXTS)
    return Const(word, Type("text", nullable=False), f'"{word}"')


def a_name(rng: Random, kind: str | None, steps: tuple[Step, ...]) -> Name:
    """A name that conditions on `kind` can use; None: only the truck's state."""
    places = [("event", field) for field in BARE.get(kind or "", ())] * 3 + list(STATE)
    taken = [step for step in steps if not step.absent]
    if kind == "sighting":
        places += [("camera", "trust")] * 2
    if kind == "weighing":
        places += [("station", "tolerance_pct"), ("station", "verified"), ("station", "mode")] * 2
    places += [(step.alias, field) for step in taken for field in BARE[step.kind]]
    scope, field = rng.choice(places)
    if scope == "event":
        return Name("event", field, EVENT_FIELDS[kind or ""][field], field)
    if scope in SCOPES:
        return Name(scope, field, SCOPES[scope][field], f"{scope}.{field}")
    step = next(s for s in taken if s.alias == scope)
    kind_of = EVENT_FIELDS[step.kind][field]
    return Name("step", field, kind_of, f"{scope}.{field}", step=scope, step_kind=step.kind)


def comparison(rng: Random, kind: str | None, steps: tuple[Step, ...]) -> Any:
    shape = rng.randint(0, 9)
    if shape == 0:
        zone = rng.choice(ZONES)
        return Name("zones", zone, SCOPES["zones"][zone], f"zones.{zone}")
    if shape == 1:
        return elapsed(rng, steps) if rng.random() < 0.5 else reckoned(rng, kind, steps)
    name = a_name(rng, kind, steps)
    if name.type.kind == "bool":
        return name
    if shape == 2 and name.type.kind in ("text", "enum"):
        return membership(rng, name)
    left: Any = name
    if shape == 3 and name.type.kind == "number":
        by = Name("truck", "speed_kmh", SCOPES["truck"]["speed_kmh"], "truck.speed_kmh")
        left = Arithmetic("/", name, by, name.type, f"{name.text} / {by.text}")
    operators = ("==", "!=", "<", "<=", ">", ">=") if name.type.kind == "number" else ("==", "!=")
    op = rng.choice(operators)
    right: Any = literal(rng, name.type)
    others = [a_name(rng, kind, steps) for _ in range(2)]
    same = [other for other in others if other.type.kind == name.type.kind and other.type.values == name.type.values]
    if shape == 4 and same:
        right = same[0]
    return Compare(op, left, right, f"{left.text} {op} {right.text}")


def elapsed(rng: Random, steps: tuple[Step, ...]) -> Compare:
    taken = [("step", step.alias) for step in steps if not step.absent]
    scope, field = rng.choice([*AGES, *taken])
    seconds = Type("number", "s")
    if scope == "step":
        kind = next(s.kind for s in steps if s.alias == field)
        of = Name("step", "", Type("instant"), field, step=field, step_kind=kind)
    else:
        of = Name(scope, field, SCOPES[scope][field], f"{scope}.{field}")
    call = Call("age", (of,), seconds, f"age({of.text})")
    op, limit = rng.choice((">", "<=")), rng.choice((10.0, 60.0))
    return Compare(op, call, Const(limit, seconds, f"{limit:g}s"), f"{call.text} {op} {limit:g}s")


def reckoned(rng: Random, kind: str | None, steps: tuple[Step, ...]) -> Compare:
    """A distance, or a mass against the limit."""
    mass = Name("truck", "gross_kg", SCOPES["truck"]["gross_kg"], "truck.gross_kg")
    if kind == "weighing":
        mass = Name("event", "gross_kg", EVENT_FIELDS["weighing"]["gross_kg"], "gross_kg")
    kg = Type("number", "kg")
    if rng.random() < 0.3:
        limit = Call("limit_kg", (), kg, "limit_kg()")
        sides = (mass, limit) if rng.random() < 0.5 else (limit, mass)
        return Compare("<", *sides, f"{sides[0].text} < {sides[1].text}")
    if rng.random() < 0.5:
        ratio = Type("number", "ratio")
        over = Call("over_ratio", (mass,), ratio, f"over_ratio({mass.text})")
        return Compare(">", over, Const(0.05, ratio, "5%"), f"{over.text} > 5%")
    metres = Type("number", "m")
    taken = [s for s in steps if not s.absent and s.kind != "manifest"]
    places = [Name("step", "", Type("point"), s.alias, step=s.alias, step_kind=s.kind) for s in taken]
    if kind in ("weighing", "sighting"):
        scope: Scope = "station" if kind == "weighing" else "camera"
        places.append(Name(scope, "", Type("point"), scope))
    here = Name("truck", "here", Type("point"), "here")
    pair = (here, rng.choice([here, *places]))
    apart = Call("distance_m", pair, metres, f"distance_m({pair[0].text}, {pair[1].text})")
    return Compare(rng.choice(("<", ">")), apart, Const(50.0, metres, "50"), f"{apart.text} <> 50")


def membership(rng: Random, name: Name) -> Any:
    values = name.type.values or TEXTS
    chosen = tuple(sorted(some(rng, values)))
    pool = Const(chosen, Type("list", nullable=False), "some", list_name="some")
    negated = rng.random() < 0.5
    return In(name, pool, negated, f"{name.text} {'not in' if negated else 'in'} some")


def tree(rng: Random, kind: str | None, steps: tuple[Step, ...], depth: int = 2) -> Any:
    shape = rng.randint(0, 11) if depth else 9
    if shape == 0:
        item = tree(rng, kind, steps, depth - 1)
        return Not(item, f"not ({item.text})")
    if shape in (1, 2):
        op = "and" if shape == 1 else "or"
        items = tuple(tree(rng, kind, steps, depth - 1) for _ in range(2))
        return Junction(op, items, f" {op} ".join(f"({item.text})" for item in items))
    return comparison(rng, kind, steps)


def expression(rng: Random, kind: str | None, steps: tuple[Step, ...] = ()) -> Expression:
    root = tree(rng, kind, steps)
    return Expression(root, root.text, "random.yaml", 1, 1)


# rules


SPANS = (0, 5, 10, 10, 20, 20, 30, 40)
PAUSES = (0, 0, 5, 5, 10, 10, 20, 30)
"""Seconds in rules and between events: few and alike, so that they often meet exactly."""


def a_span_ms(rng: Random, most: int = 1) -> int:
    return 1000 * int(rng.choice(SPANS)) * int(rng.randint(1, most))


def where(rng: Random, kind: str, steps: tuple[Step, ...] = ()) -> Expression | None:
    return expression(rng, kind, steps) if rng.random() < 0.5 else None


def a_kind(rng: Random) -> str:
    common = ("position", "position", "position", "position", "sighting", "sighting", "sighting", "cover_change")
    return str(rng.choice((*common, *BARE)))


def a_sequence(rng: Random) -> SequenceMatch:
    plan = [rng.random() < 0.35 for _ in range(rng.randint(1, 4))]
    if all(plan):
        plan[rng.randrange(len(plan))] = False
    steps: tuple[Step, ...] = ()
    for number, absent in enumerate(plan):
        kind = a_kind(rng)
        wait_ms = a_span_ms(rng) if absent else 0
        steps += (Step(f"s{number}", kind, where(rng, kind, steps), absent, wait_ms),)
    return SequenceMatch(steps, a_span_ms(rng, 6))


def a_match(rng: Random) -> Match:
    form = rng.randint(0, 5)
    kind = a_kind(rng)
    if form == 0:
        return OnMatch(kind, where(rng, kind))
    if form == 1:
        return CountMatch(rng.randint(1, 4), kind, where(rng, kind), a_span_ms(rng, 4))
    if form == 2:
        scope = rng.choice(("position", None))
        until = expression(rng, rng.choice(("position", None))) if rng.random() < 0.5 else None
        return WhileMatch(expression(rng, scope), a_span_ms(rng), until)
    return a_sequence(rng)


def an_exception(rng: Random) -> RuleException:
    return RuleException(
        truck_ids=some(rng, (PLATE, "浙E00000"), 0.15),
        carrier_ids=some(rng, ("C-1", "C-2"), 0.15),
        zone_ids=some(rng, ("S-1", "S-2"), 0.15),
        reason="works",
        approved_by="the office",
        expires=date(2026, 1, 1) + timedelta(days=rng.choice((-1, 0, 1))),
    )


def a_rule(rng: Random, number: int) -> Rule:
    match = a_match(rng)
    kind = (
        match.kind if isinstance(match, OnMatch | CountMatch) else "position" if isinstance(match, WhileMatch) else None
    )
    steps = match.steps if isinstance(match, SequenceMatch) else ()
    return Rule(
        rule_id=f"r{number}",
        title=Text("随机", "random"),
        category=CATEGORY,
        severity="minor",
        status="active",
        owner="me",
        law=(),
        params={},
        match=match,
        unless=expression(rng, kind, steps) if rng.random() < 0.2 else None,
        # 08:00 local time is the first instant of the streams
        schedule=(Hours(8 * 60 + rng.randint(-1, 1), 8 * 60 + rng.randint(-1, 2)),) if rng.random() < 0.2 else (),
        episode=EpisodePolicy(),
        work_order=WorkOrderPolicy(),
        runbook=None,
        exceptions=(an_exception(rng),) if rng.random() < 0.2 else (),
        rule_hash=f"hash-{number}",
        match_hash=f"match-{number}",
        place=Place("random.yaml", number + 1, 1),
    )


def a_book(rng: Random, max_rules: int = 3) -> tuple[Rule, ...]:
    return tuple(a_rule(rng, number) for number in range(rng.randint(1, max_rules)))


# streams


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
