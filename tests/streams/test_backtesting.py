"""Values around a threshold: bins begin and end at it, hold their edge as the comparison does, and lose no outlier."""

from __future__ import annotations

from itertools import pairwise

import pytest

from haulwatch.city import City
from haulwatch.domain.outcomes import OutcomeIndex, RuleOutcome
from haulwatch.domain.trials import Histogram, TrialRun
from haulwatch.testing import city_of, position
from streams.backtesting import backtest_of, trial_run
from streams.trials import Tried, try_rules
from tests.streams.test_processor import rule


def city(condition: str, value: float) -> City:
    params = f"    params: {{limit: {{value: {value}, min: 0, max: 50000, label: {{zh: 限}}}}}}\n"
    episode = "    episode: {key: [truck_id], cooldown: 1s}\n"
    return city_of("rules:\n" + rule("limited", f"on: position\n      where: {condition}", "speed", params + episode))


def histogram(condition: str, limit: float, values: list[float]) -> Histogram:
    # Half an hour apart, so that no one can be taken for the one before.
    log = [position(1_800 * n, load_kg=value) for n, value in enumerate(values)]
    town = city(condition, limit)
    tried = try_rules([town], {"log": iter(log)})
    found = backtest_of(town, tried.cities[0], OutcomeIndex(()), trial_run(tried, 1, 1.0))
    assert len(found.findings) == len(values)
    (drawn,) = found.rules[0].histograms
    return drawn


@pytest.mark.parametrize(
    ("condition", "limit", "values"),
    [
        ("load_kg >= $limit", 1000.0, [1000.0, 1000.0, 1200.0, 1990.0, 2000.0]),
        ("load_kg > $limit", 0.3, [0.4, 0.5, 0.6, 0.7]),
        ("load_kg <= $limit", 1000.0, [1000.0, 1000.0, 900.0, 10.0]),
        ("load_kg < $limit", 30_000.0, [29_999.0, 12.5, 0.0]),
    ],
)
def test_every_value_lies_in_its_bin(condition: str, limit: float, values: list[float]) -> None:
    drawn = histogram(condition, limit, values)
    assert drawn.threshold == limit
    assert sum(one.other for one in drawn.bins) == len(values)
    assert all(before.high == after.low for before, after in pairwise(drawn.bins))
    assert limit == (drawn.bins[0].low if ">" in condition else drawn.bins[-1].high)
    for one in drawn.bins:
        low, high = one.low if one.low is not None else -1e9, one.high if one.high is not None else 1e9
        inside = [v for v in values if (low <= v < high if ">" in condition else low < v <= high)]
        assert one.other == len(inside), (low, high)


def test_one_value_far_away_does_not_squeeze_the_others() -> None:
    drawn = histogram("load_kg > $limit", 1000.0, [*(1001.0 + n for n in range(60)), 49_000.0])
    assert drawn.bins[-1].high is None
    assert drawn.bins[-1].other == 1
    assert len([one for one in drawn.bins if one.other]) > 10


def test_values_that_all_lie_on_the_threshold_make_one_bin() -> None:
    drawn = histogram("load_kg >= $limit", 1000.0, [1000.0, 1000.0])
    assert [(one.low, one.other) for one in drawn.bins] == [(1000.0, 2)]


def test_a_negated_comparison_is_one_too() -> None:
    drawn = histogram("not load_kg < $limit", 1000.0, [1500.0])
    assert (drawn.operator, drawn.threshold) == (">=", 1000.0)


def test_nothing_recorded_is_nothing_found() -> None:
    run = trial_run(Tried(), 1, 0.0)
    assert run == TrialRun(
        events=0, kinds={}, dead_letters={}, trucks=0, from_at=None, to_at=None, processes=1, seconds=0.0
    )


def test_a_finding_is_known_again_by_its_conduct_only_where_times_overlap() -> None:
    outcome = RuleOutcome(
        breach_id="b1",
        rule_id="r",
        shadow=False,
        detected_at="2026-05-01T02:00:00.000Z",
        recorded_at=None,
        order_id="HW-1",
        truck_id="浙E1",
        verdict="confirmed",
        started_at="2026-05-01T02:00:00.000Z",
        last_at="2026-05-01T02:10:00.000Z",
    )
    index = OutcomeIndex([outcome])
    early, within, after = (f"2026-05-01T{time}:00.000Z" for time in ("01:59", "02:05", "02:11"))
    assert index.of("b1", "r", "浙E1", early, early) == (outcome, "breach")
    assert index.of("b2", "r", "浙E1", early, within) == (outcome, "conduct")
    assert index.of("b2", "r", "浙E1", early, early) is None
    assert index.of("b2", "r", "浙E1", after, after) is None
    assert index.of("b2", "r", "浙E2", within, within) is None
    assert index.of("b2", "other", "浙E1", within, within) is None
