"""One weighing a crossing: whatever the rate, the noise, the way a truck drives on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from connectors.weighbridge.crossing import KEPT_FRAMES, Crossed, Crossing, Unsettled, WeighingRule
from connectors.weighbridge.readings import Reading
from tests.connectors.weighbridge.device import crossing, yaohua

RULE = WeighingRule()
TENTH_MS = 100


def reading(kg: float, **more: object) -> Reading:
    return Reading(kg, yaohua(kg), **more)  # type: ignore[arg-type]


def run(
    weights: Iterable[float | Reading], rule: WeighingRule = RULE, every_ms: int = TENTH_MS
) -> list[Crossed | Unsettled]:
    """What is told of these, one every `every_ms` from 0 on."""
    scale = Crossing(rule)
    told: list[Crossed | Unsettled] = []
    for number, one in enumerate(weights):
        told += scale.take(one if isinstance(one, Reading) else reading(one), number * every_ms)
    return told


def weights_of(told: Iterable[Crossed | Unsettled]) -> list[float]:
    return [one.kg for one in told if isinstance(one, Crossed)]


def test_a_truck_that_drives_on_axle_by_axle_is_weighed_once_when_it_leaves() -> None:
    [one] = run(crossing(52_900, stands=40))
    assert isinstance(one, Crossed)
    # Empty for 0.3 s, two axles for 0.2 s; five readings and 1.5 s that agree are there at 2.0 s; it leaves at 4.7 s.
    assert (one.kg, one.from_ms, one.at_ms, one.to_ms, one.reason) == (52_900, 300, 2_000, 4_700, "left")
    assert set(one.frames) == {yaohua(52_900)}
    assert 5 <= len(one.frames) <= KEPT_FRAMES


def test_a_stop_with_the_front_axles_only_is_not_the_weight() -> None:
    assert weights_of(run([0.0] * 3 + [8_000.0] * 50 + [16_000.0] + [31_000.0] * 30 + [0.0])) == [31_000]


def test_axles_that_leave_one_by_one_and_stop_are_no_second_truck() -> None:
    assert weights_of(run([40_000.0] * 30 + [18_000.0] * 30 + [9_000.0] * 30 + [0.0])) == [40_000]


def test_a_truck_that_does_not_leave_is_told_after_a_while_and_once() -> None:
    held = [52_900.0] * 800
    [one] = run(held)
    assert isinstance(one, Crossed)
    assert (one.reason, one.to_ms - one.at_ms) == ("held", 60_000)
    assert weights_of(run([*held, 0.0])) == [52_900]
    assert weights_of(run([*held, *[53_300.0] * 800, 0.0])) == [52_900], "the driver climbs in"
    assert weights_of(run([*held, *[60_000.0] * 30, 0.0])) == [52_900, 60_000], "it was not on the scale whole"


def test_a_truck_that_follows_before_the_scale_is_free_is_weighed_too() -> None:
    told = run([0.0, *[50_000.0] * 30, 30_000.0, 18_000.0, 15_000.0, 24_000.0, *[40_000.0] * 30, 0.0])
    assert weights_of(told) == [50_000, 40_000]
    assert [one.reason for one in told if isinstance(one, Crossed)] == ["next", "left"]


def test_who_drives_over_without_stopping_is_not_weighed_but_told() -> None:
    [one] = run([0.0, 4_000.0, 9_000.0, 23_000.0, 24_100.0, 23_500.0, 9_000.0, 0.0])
    assert isinstance(one, Unsettled)
    assert (one.highest_kg, one.trouble, one.from_ms, one.to_ms) == (24_100, None, 100, 700)
    assert yaohua(24_100) in one.frames


def test_what_is_lighter_than_a_truck_is_nobody() -> None:
    assert run([0.0, *[1_650.0] * 100, 0.0, *[-2_500.0] * 100]) == []


def test_motion_that_the_indicator_reports_is_believed() -> None:
    moving = [reading(30_000, in_motion=True)] * 50
    assert weights_of(run([*moving, 0.0])) == []
    assert weights_of(run([*moving, *[30_000.0] * 20, 0.0])) == [30_000]


def test_an_overload_of_the_scale_is_told_with_what_it_said() -> None:
    over = [Reading(0.0, b"?", trouble="out_of_range")] * 30
    [one] = run([0.0, 30_000.0, *over, 30_000.0, 0.0])
    assert isinstance(one, Unsettled)
    assert one.trouble == "out_of_range"


def test_a_scale_that_says_nothing_of_the_weight_ends_the_crossing() -> None:
    broken = [Reading(0.0, b"?", trouble="not_zeroed")] * 110
    assert weights_of(run([*[50_000.0] * 30, *broken, *[40_000.0] * 30, 0.0])) == [50_000, 40_000]


def test_a_line_that_is_lost_ends_the_crossing() -> None:
    scale = Crossing(RULE)
    for number in range(30):
        assert scale.take(reading(50_000), number * TENTH_MS) == []
    assert scale.due_ms == 12_900
    assert scale.wake(12_900) == []
    [one] = scale.wake(12_901)
    assert isinstance(one, Crossed)
    assert (one.kg, one.reason, one.to_ms) == (50_000, "lost", 2_900)
    assert scale.due_ms is None
    assert scale.wake(99_999_999) == []


def test_a_clock_that_is_set_back_begins_anew() -> None:
    scale = Crossing(RULE)
    told = [one for number in range(30) for one in scale.take(reading(50_000), 9_000_000 + number * TENTH_MS)]
    told += [one for number in range(30) for one in scale.take(reading(50_000), 1_000_000 + number * TENTH_MS)]
    told += scale.take(reading(0), 1_003_000)
    assert [one.reason for one in told if isinstance(one, Crossed)] == ["lost", "left"]


def test_a_clock_that_goes_back_a_little_stands_still() -> None:
    scale = Crossing(RULE)
    told = [*scale.take(reading(50_000), 1_000_000)]
    for number in range(100):
        told += scale.take(reading(50_000), 995_000 + number)
    told += [one for number in range(30) for one in scale.take(reading(50_000), 1_000_000 + number * TENTH_MS)]
    told += scale.take(reading(0), 1_003_000)
    assert weights_of(told) == [50_000]
    [one] = told
    assert isinstance(one, Crossed)
    assert (one.from_ms, one.at_ms) == (1_000_000, 1_001_500)


def test_many_frames_at_one_instant_are_no_time() -> None:
    scale = Crossing(RULE)
    assert [one for _ in range(500) for one in scale.take(reading(50_000), 7)] == []
    [one] = scale.take(reading(0), 8)
    assert isinstance(one, Unsettled)


@settings(max_examples=50, deadline=None)
@given(
    trucks=st.lists(st.integers(3_000, 120_000), min_size=1, max_size=3),
    rate_hz=st.sampled_from([1.0, 2.0, 5.0, 12.5, 20.0, 50.0]),
    noise=st.lists(st.floats(-0.5, 0.5), min_size=7, max_size=31),
    axles=st.integers(2, 6),
    pause_s=st.floats(0, 4),
)
def test_every_truck_is_weighed_once(
    trucks: list[int], rate_hz: float, noise: list[float], axles: int, pause_s: float
) -> None:
    rule = WeighingRule()
    shown: list[float] = []
    for kg in trucks:
        shown += [0.0] * 3
        for axle in range(1, axles):
            shown += [kg * axle / axles] * max(1, round(pause_s * rate_hz))
        shown += [float(kg)] * (rule.samples + int(rule.stable_s * rate_hz) + 2)
        shown += [kg * axle / axles for axle in range(axles - 1, 0, -1)]
    shown += [0.0] * 3
    noisy = [kg + rule.tolerance_kg * noise[number % len(noise)] for number, kg in enumerate(shown)]
    told = run(map(round, noisy), rule, round(1000 / rate_hz))
    assert weights_of(told) == [pytest.approx(kg, abs=rule.tolerance_kg) for kg in trucks]
    assert len(told) == len(trucks)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-1_000, 130_000), st.booleans(), st.integers(0, 20_000)), max_size=200))
def test_whatever_a_scale_shows_weighings_are_figures_that_it_has_shown(
    steps: list[tuple[int, bool, int]],
) -> None:
    scale, at_ms, shown = Crossing(RULE), 0, {0}
    for kg, moves, later_ms in steps:
        at_ms += later_ms
        for _ in range(8):
            shown.add(kg)
            for one in scale.take(reading(kg, in_motion=moves), at_ms):
                assert one.from_ms <= one.to_ms <= at_ms
                if isinstance(one, Crossed):
                    assert one.kg in shown
                    assert one.kg >= RULE.floor_kg
                    assert one.from_ms <= one.at_ms <= one.to_ms
                    assert len(one.frames) <= KEPT_FRAMES
            at_ms += 300


def test_a_scale_cannot_be_free_above_its_floor() -> None:
    with pytest.raises(ValidationError, match="rearm_kg must be below floor_kg"):
        WeighingRule(floor_kg=500, rearm_kg=500)
