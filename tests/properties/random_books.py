"""Random rule books: what the engine is compared with its definition on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

from haulwatch.domain.breaches import Category
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text
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
"""Seconds: few, and like the pauses between events, so that they often meet exactly."""


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
