"""Expressions: what is understood, what it comes to, and how it is explained."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from haulwatch.domain.derived import Silence
from haulwatch.domain.events import Position, Sighting, Weighing
from haulwatch.domain.registry import Registry, Truck
from haulwatch.domain.trucks import Capture, Membership, TruckState, ZoneView
from rules.compiling import CompiledBook
from rules.engines import compile_book
from rules.loading import load_books
from rules.places import Trigger
from rules.schema import EVENT_FIELDS, KINDS, SCOPES

AT = 1_790_000_000_000
NOW = datetime(2026, 9, 21, 13, 33, 20, tzinfo=UTC)
TRUCK = Truck(truck_id="a", axle_count=3)


class FlatLaw:
    """25 t for everyone whose axles are known."""

    def limit_kg(self, truck: Truck, axle_count: int | None, at_ms: int) -> float | None:
        return 25_000.0 if axle_count is not None and truck.truck_id and at_ms else None


def book(match: str, more: str = "") -> CompiledBook:
    """A compiled book of one rule with this match."""
    text = f"""
lists: {{night: [S-1, S-2]}}
conditions: {{loaded: truck.load == "full" or truck.load == "half"}}
rules:
  - id: r
    title: t
    category: speed
    severity: minor
    status: active
    owner: o
    params:
      n: {{value: 5}}
      limit_kmh: {{value: 60}}
      wait: {{value: 2m}}
      on_road: {{value: true}}
      word: {{value: full}}
    match: {match}
    {more}
    examples: [{{name: a, events: [], expect: [{{at: 1s}}]}}, {{name: b, events: [], expect: []}}]
"""
    loaded, findings = load_books([("rules/a.yaml", text.encode())], today=None)
    assert loaded is not None, "\n".join(f.render() for f in findings)
    return compile_book(loaded, Registry(), FlatLaw(), ZoneInfo("Asia/Shanghai"), "hekou")


def on(kind: str, where: str) -> CompiledBook:
    return book(f"{{on: {kind}, where: '{where}'}}")


def position(**fields: object) -> Position:
    return Position(event_id="P", truck_id="a", at=NOW, lon=120.0, lat=30.0, **fields)


ACCEPTED = [
    ("position", "speed_kmh > $limit_kmh"),
    ("position", "speed_kmh > $n * 10 + 5"),
    ("position", "$on_road and truck.load == $word"),
    ("position", "10 <= speed_kmh < 80 and -90 < lat"),
    ("position", "loaded and not zones.forbidden"),
    ("position", "trip.origin_zone in night or contains(night, trip.destination_zone)"),
    ("position", 'trip.phase in ["loaded", "under_way"]'),
    ("position", 'load in {"full", "half"}'),
    ("position", "truck.axle_count in (3, 4) and age(truck.load) > 2m30s"),
    ("position", "over_ratio(truck.tare_kg + load_kg * (1 - $n / 100)) > 0.05"),
    ("weighing", "gross_kg * (1 - station.tolerance_pct / 100) > limit_kg()"),
    ("weighing", "distance_m(here, station) < 500 and station.verified"),
    ("sighting", 'camera.trust > 0.5 and cover == "open"'),
    ("stop_end", 'stopped_s >= 10m and load_before == "full" and load_after == "empty"'),
    ("zone_enter", 'zone_kind == "forbidden" and zone_id not in night'),
    ("load_change", 'load == "empty" and load_before != "empty" and blind_s < $wait'),
    ("silence", 'truck.silent and trip.phase == "under_way"'),
    ("jump", "distance_m > 5000 and implied_kmh > 150"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "where"), ACCEPTED)
def test_an_expression_of_the_language_is_accepted(kind: str, where: str) -> None:
    assert set(on(kind, where).scan) == {kind}


def test_every_field_and_name_of_the_schema_can_be_used() -> None:
    samples = {"number": "{} != 1.5", "text": '{} == "x"', "bool": "{}", "list": "{}"}
    for kind in KINDS:
        names = dict(EVENT_FIELDS[kind])
        for scope in (
            "truck",
            "trip",
            "zones",
            "city",
            *({"weighing": ["station"], "sighting": ["camera"]}.get(kind, [])),
        ):
            names |= {f"{scope}.{name}": type_ for name, type_ in SCOPES[scope].items()}
        parts = []
        for name, type_ in names.items():
            if type_.kind == "enum":
                parts.append(f'{name} == "{type_.values[0]}"')
            elif type_.unit == "s":
                parts.append(f"{name} > 1s")
            else:
                parts.append(samples[type_.kind].format(name))
        assert on(kind, " or ".join(parts)).scan[kind]


def test_enumerations_come_from_the_events_without_unknown() -> None:
    assert EVENT_FIELDS["position"]["cover"].values == ("closed", "half", "open")
    assert EVENT_FIELDS["load_change"]["load"].values == ("empty", "half", "full")
    assert (EVENT_FIELDS["sighting"]["cover_confidence"].high, EVENT_FIELDS["position"]["speed_kmh"].unit) == (
        1,
        "km/h",
    )


# triggers


def test_a_sequence_is_triggered_by_its_first_positive_step_and_remembers_absent_heads() -> None:
    steps = "[{as: none, absent: manifest, for: 2h}, {as: left, on: trip_start}, {as: done, on: trip_end}]"
    compiled = book(f"{{sequence: {steps}, within: 5h}}")
    assert compiled.triggers == (Trigger(0, "head", 0), Trigger(0, "step", 1))
    assert set(compiled.scan) == {"manifest", "trip_start"}


def test_a_held_condition_is_looked_at_on_every_base_event_unless_it_names_a_field() -> None:
    bare = book("{while: speed_kmh > 60, for: 30s}")
    state = book("{while: truck.speed_kmh > 60, for: 30s}")
    silent = book("{while: truck.silent, for: 30s}")
    base = {"position", "weighing", "sighting", "manifest"}
    assert (set(bare.scan), set(state.scan), set(silent.scan)) == ({"position"}, base, base | {"silence"})
    silence = Silence(event_id="S", truck_id="a", at_ms=AT, since_ms=AT - 60_000)
    assert silent.scan["silence"](silence, AT, TruckState("a", silent=True), TRUCK) == [0]


def test_the_axles_of_the_weighing_count_where_the_registry_knows_none() -> None:
    compiled = on("weighing", "over_ratio(gross_kg) > 1")
    seen = Weighing(event_id="W", truck_id="a", at=NOW, station_id="S", gross_kg=52_900, axle_count=3)
    unseen = Weighing(event_id="W", truck_id="a", at=NOW, station_id="S", gross_kg=52_900)
    unknown = Truck(truck_id="a")
    found = [compiled.scan["weighing"](event, AT, TruckState("a"), unknown) for event in (seen, unseen)]
    assert found == [[0], None]
    assert compiled.unknowns == {("r", "limit_kg()"): 1}


# explanations


def test_an_overweight_truck_is_explained_with_ratio_and_threshold() -> None:
    compiled = on("weighing", "over_ratio(gross_kg) > 1 and gross_kg > 30000")
    weighing = Weighing(event_id="W", truck_id="a", at=NOW, station_id="S", gross_kg=52_900)
    found = compiled.explain(0, "on", weighing, AT, TruckState("a"), TRUCK, ())
    assert [(c.name, c.observed, c.operator, c.threshold, c.unit, c.event_id) for c in found] == [
        ("over_ratio(gross_kg)", 1.116, ">", 1.0, "ratio", "W"),
        ("gross_kg", 52_900, ">", 30_000.0, "kg", "W"),
    ]


def test_only_the_branch_that_holds_is_explained_and_not_turns_the_operator() -> None:
    compiled = on("position", 'not (speed_kmh < 5 or load == "empty") and (ignition or 70 < speed_kmh)')
    event = position(speed_kmh=40, load="full", ignition=True)
    found = compiled.explain(0, Trigger(0, "on"), event, AT, TruckState("a"), TRUCK, ())
    assert [(c.text, c.observed, c.operator, c.threshold) for c in found] == [
        ("not (speed_kmh < 5)", 40, ">=", 5.0),
        ('not (load == "empty")', "full", "!=", "empty"),
        ("ignition", True, "==", True),
    ]


def test_nothing_is_explained_that_does_not_hold() -> None:
    compiled = on("position", "speed_kmh > 60 and ignition")
    assert compiled.explain(0, "on", position(speed_kmh=80), AT, TruckState("a"), TRUCK, ()) == []


def test_zones_and_earlier_steps_are_explained_with_ids_and_the_step_s_own_record() -> None:
    steps = '[{as: seen, on: sighting}, {as: fix, on: position, where: zones.forbidden and seen.cover == "open"}]'
    compiled = book(f"{{sequence: {steps}, within: 5m}}")
    state = TruckState("a", zones=Membership(view=ZoneView(forbidden=("F1", "F2")), known=True))
    captured = Sighting(event_id="C", truck_id="a", at=NOW, camera_id="K", cover="open")
    found = compiled.explain(0, ("step", 1), position(), AT, state, TRUCK, [Capture("seen", captured, AT - 1000)])
    assert [(c.name, c.observed, c.operator, c.threshold, c.event_id) for c in found] == [
        ("zones.forbidden", ["F1", "F2"], "any", None, "P"),
        ("seen.cover", "open", "==", "open", "C"),
    ]


def test_a_missing_condition_is_true_and_a_missing_exemption_false() -> None:
    compiled = book("{on: position}")
    arguments = (position(), AT, TruckState("a"), TRUCK, ())
    assert compiled.scan["position"](*arguments[:4]) == [0]
    assert (compiled.test(0, "on", *arguments), compiled.test(0, "unless", *arguments)) == (True, False)


def test_author_s_texts_cannot_become_code() -> None:
    evil = "x') or __import__('os').system('true') or ('"
    compiled = on("position", f'truck_id == "{evil}"'.replace("'", "''"))
    assert compiled.scan["position"](position(), AT, TruckState("a"), TRUCK) is None
    named = Position(event_id="P", truck_id=evil[:32], at=NOW, lon=1, lat=1)
    assert compiled.scan["position"](named, AT, TruckState("a"), TRUCK) is None
