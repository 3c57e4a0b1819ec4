"""Nobody is flooded, nobody is forgotten."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.notify.pacing import (
    LATEST_AGAIN_MS,
    LONGEST_REST_MS,
    MARGIN_MS,
    REST_MS,
    WINDOW_MS,
    again_ms,
    next_slot_ms,
    rest_ms,
    together,
)
from haulwatch.domain.deliveries import Answer
from tests.connectors.notify.conftest import a_delivery

RATES = st.integers(1, 60)


@given(RATES, st.lists(st.integers(0, 90_000), max_size=200))
def test_never_more_than_the_rate_in_any_minute(rate: int, waits: list[int]) -> None:
    sent: list[int] = []
    now_ms = 0
    for wait in waits:
        now_ms = next_slot_ms(sent, rate, now_ms + wait)
        sent.append(now_ms)
    for at_ms in sent:
        assert sum(at_ms <= other < at_ms + WINDOW_MS for other in sent) <= rate


@given(RATES)
def test_a_channel_that_always_has_something_to_say_is_never_silent_for_a_minute(rate: int) -> None:
    sent: list[int] = []
    now_ms = 0
    for _ in range(3 * rate):
        now_ms = next_slot_ms(sent, rate, now_ms)
        sent.append(now_ms)
    gaps = [later - earlier for earlier, later in pairwise(sent)]
    assert max(gaps, default=0) <= WINDOW_MS + MARGIN_MS
    assert sent.count(0) == (rate + 1) // 2, "while it is quiet it speaks at once"


def test_a_clock_that_was_put_back_silences_nobody_for_long() -> None:
    ahead = [10_000_000 + at for at in range(20)]
    assert next_slot_ms(ahead, 20, 1_000_000) <= 1_000_000 + WINDOW_MS + MARGIN_MS


def test_a_few_go_one_by_one_the_most_urgent_first() -> None:
    low = a_delivery(1, urgency="low")
    major, critical = a_delivery(2), a_delivery(3, severity="critical")
    assert together([low, major, critical], 3) == [critical]
    assert together([low, major], 3) == [major]


def test_many_go_together_the_most_urgent_first() -> None:
    due = [a_delivery(number, urgency="low" if number < 4 else "urgent") for number in range(1, 6)]
    assert [one.delivery_id for one in together(due, 3)] == [4, 5, 1, 2, 3]


@pytest.mark.parametrize("outcome", ["sent", "refused"])
def test_a_channel_that_answers_does_not_rest(outcome: str) -> None:
    assert rest_ms(Answer(outcome=outcome), 0, 1.0) == 0  # type: ignore[arg-type]


def test_rests_double_up_to_minutes_and_wishes_are_granted() -> None:
    away = Answer(outcome="away")
    assert [rest_ms(away, failures, 1.0) for failures in (1, 2, 3)] == [REST_MS, 2 * REST_MS, 4 * REST_MS]
    assert rest_ms(away, 1, 0.0) == REST_MS // 2
    assert rest_ms(away, 10_000, 1.0) == LONGEST_REST_MS
    assert rest_ms(Answer(outcome="away", wait_ms=90_000), 1, 0.0) == 90_000
    assert rest_ms(Answer(outcome="away", wait_ms=10**12), 1, 0.0) == LATEST_AGAIN_MS


@given(st.integers(1, 10_000), st.floats(0, 1))
def test_failures_are_tried_again_within_hours(attempts: int, chance: float) -> None:
    assert 15_000 <= again_ms(attempts, chance) <= LATEST_AGAIN_MS
