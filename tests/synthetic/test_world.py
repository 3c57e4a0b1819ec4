"""A recording: the same every time, in order of arrival, readable except where it means not to be, truthfully told."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Position, Sighting, Weighing
from haulwatch.domain.instants import to_ms
from haulwatch.synthetic.chapters import Chapter, Conduct, Span
from haulwatch.synthetic.conduct import KINDS
from haulwatch.synthetic.devices import Observation
from haulwatch.synthetic.evidence import Witness
from haulwatch.synthetic.fleet import build_fleet
from haulwatch.synthetic.lookalikes import GUISES
from haulwatch.synthetic.plan import city_plan
from haulwatch.wire import decode_event

INTENDED = {
    "clock_ahead",
    "null_island",
    "lat_lon_swapped",
    "out_of_range",
    "missing_field",
    "bad_value",
    "not_json",
}


def ms(instant: str) -> int:
    return to_ms(datetime.fromisoformat(instant))


def decoded(recording: Any) -> tuple[list[Any], Counter[str]]:
    events, faults = [], Counter[str]()
    for arrival in recording.arrivals:
        try:
            events.append(decode_event(arrival.line))
        except DeviceError as error:
            faults[error.code] += 1
    return events, faults


@pytest.mark.parametrize("noise", ["none", "high"])
def test_the_same_seed_gives_the_same_bytes(noise: str, record: Any) -> None:
    one, two = (record(seed=5, trucks=5, hours=3.0, noise=noise) for _ in range(2))
    assert one.arrivals == two.arrivals
    assert one.world.truths == two.world.truths
    assert one.world.innocents == two.world.innocents
    assert record(seed=6, trucks=5, hours=3.0, noise=noise).arrivals != one.arrivals


@pytest.mark.parametrize("name", ["noisy", "clean"])
def test_records_come_in_order_of_arrival(name: str, request: pytest.FixtureRequest) -> None:
    recording = request.getfixturevalue(name)
    assert all(a.received_ms <= b.received_ms for a, b in pairwise(recording.arrivals))


def test_without_noise_every_record_is_a_valid_event_and_sent_once(clean: Any) -> None:
    events, faults = decoded(clean)
    assert not faults
    assert len({event.event_id for event in events}) == len(events)


def test_with_noise_only_the_intended_faults_appear_and_few(noisy: Any) -> None:
    events, faults = decoded(noisy)
    assert set(faults) <= INTENDED
    assert {"clock_ahead", "null_island"} <= set(faults)
    assert 0 < sum(faults.values()) < 0.005 * len(events)


def test_duplicates_repeat_an_event_word_for_word(noisy: Any) -> None:
    events, _ = decoded(noisy)
    first: dict[str, Any] = {}
    repeats = 0
    for event in events:
        if event.event_id in first:
            repeats += 1
            assert msgspec.structs.replace(event, received_at=None) == first[event.event_id]
        first.setdefault(event.event_id, msgspec.structs.replace(event, received_at=None))
    assert repeats > 0.01 * len(events)


def test_disorder_stays_within_the_lateness_but_for_a_few(noisy: Any) -> None:
    seen: set[str] = set()
    delays = []
    for event in decoded(noisy)[0]:
        if event.event_id not in seen and not event.resent:
            delays.append(to_ms(event.received_at) - to_ms(event.at))
        seen.add(event.event_id)
    beyond = sum(delay > 3_000 for delay in delays)
    assert 0 < beyond < 0.01 * len(delays)
    assert min(delays) >= 0


def test_what_is_sent_late_says_so(noisy: Any) -> None:
    late = [event for event in decoded(noisy)[0] if event.resent]
    assert late
    assert all(isinstance(event, Position) for event in late)


def test_trucks_report_every_ten_seconds_or_so_under_way(clean: Any) -> None:
    by_truck: dict[str, list[Position]] = {}
    for event in decoded(clean)[0]:
        if isinstance(event, Position):
            by_truck.setdefault(event.truck_id, []).append(event)
    steps = [
        to_ms(b.at) - to_ms(a.at)
        for fixes in by_truck.values()
        for a, b in pairwise(sorted(fixes, key=lambda fix: fix.at))
        if (a.speed_kmh or 0) > 10 and (b.speed_kmh or 0) > 10
    ]
    assert sorted(steps)[len(steps) // 2] <= 12_000
    assert sum(step <= 12_000 for step in steps) > 0.98 * len(steps)


def test_all_that_a_city_sees_is_there(clean: Any) -> None:
    events, _ = decoded(clean)
    kinds = Counter(type(event).__name__ for event in events)
    assert {"Position", "Weighing", "Sighting", "Manifest"} == set(kinds)
    assert any(isinstance(event, Weighing) and event.gross_kg > 20_000 for event in events)
    assert {event.cover for event in events if isinstance(event, Sighting)} == {"open", "closed"}
    assert {event.lift for event in events if isinstance(event, Position)} >= {"raised", "lowered", None}


@pytest.mark.parametrize("name", ["noisy", "clean"])
def test_truths_are_well_formed(name: str, request: pytest.FixtureRequest) -> None:
    world = request.getfixturevalue(name).world
    plates = {truck.truck_id for truck in world.fleet}
    assert len({truth.truth_id for truth in world.truths}) == len(world.truths)
    for truth in world.truths:
        assert truth.truck_id in plates
        assert world.start_ms <= ms(truth.from_at) < ms(truth.to_at)
        if truth.observable:
            assert ms(truth.to_at) <= world.start_ms + world.hours * 3_600_000


@pytest.mark.parametrize("name", ["noisy", "clean"])
def test_truths_of_one_truck_and_category_are_an_hour_apart(name: str, request: pytest.FixtureRequest) -> None:
    by_conduct: dict[tuple[str, str], list[int]] = {}
    for truth in request.getfixturevalue(name).world.truths:
        by_conduct.setdefault((truth.truck_id, truth.category), []).append(ms(truth.from_at))
    for begins in by_conduct.values():
        assert all(b - a > 3_000_000 for a, b in pairwise(sorted(begins)))


def test_look_alikes_are_as_many_as_violations(noisy: Any) -> None:
    world = noisy.world
    assert 0.5 < len(world.innocents) / len(world.truths) < 2
    assert {innocent.kind for innocent in world.innocents} <= {guise.name for guise in GUISES}


def test_a_day_of_a_fleet_has_every_kind_of_violation_and_look_alike(day: Any) -> None:
    world = day.world
    kinds = {truth.note.split(":")[0] for truth in world.truths}
    assert {kind.name for kind in KINDS} <= kinds
    assert {guise.name for guise in GUISES} == {innocent.kind for innocent in world.innocents}


def test_a_contract_truth_line_has_exactly_the_contract_fields(clean: Any) -> None:
    line = msgspec.json.decode(msgspec.json.encode(clean.world.truths[0]))
    assert list(line) == ["truth_id", "truck_id", "category", "from", "to", "observable", "note"]


@pytest.mark.parametrize(
    ("device_class", "seen_by", "observable"),
    [("full", None, True), ("basic", None, False), ("basic", "cam-07", True), ("weight", "cam-d02", False)],
)
def test_an_open_cover_is_observable_by_a_sensor_or_a_camera_on_the_road(
    device_class: str, seen_by: str | None, observable: bool
) -> None:
    plan = city_plan()
    truck = next(truck for truck in build_fleet(50, 1, plan.yards) if truck.device_class == device_class)
    fields = {"kind": "sighting", "camera_id": seen_by, "cover": "open", "cover_confidence": 0.9}
    seen = [Observation(2_000.0, f"isapi:{seen_by}", fields, truck.truck_id)] if seen_by else []
    witness = Witness(plan, truck, Chapter(0.0, {}), seen, 7_200.0)
    verdict = witness.judge(Conduct("uncovered", "uncovered_all", Span(1_500.0, 2_500.0), "open"))
    assert verdict[0] is observable


@pytest.mark.parametrize("span", [Span(10.0, 900.0), Span(1_500.0, 9_000.0)])
def test_what_the_recording_does_not_hold_is_not_observable(span: Span) -> None:
    plan = city_plan()
    truck = next(truck for truck in build_fleet(50, 1, plan.yards) if truck.device_class == "full")
    witness = Witness(plan, truck, Chapter(0.0, {}), [], 7_200.0)
    assert not witness.judge(Conduct("dumping", "dump_lot", span, "tips"))[0]


def test_every_unobservable_truth_says_why(day: Any) -> None:
    reasons = ("no ", "too ", "recording", "nothing ")
    hidden = [truth for truth in day.world.truths if not truth.observable]
    assert hidden
    assert all(any(reason in truth.note.rsplit(";", 1)[-1] for reason in reasons) for truth in hidden)
