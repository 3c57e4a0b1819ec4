"""Test events: put to the rules in force and to a draft's, explained, and gone without a trace."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from haulwatch.bootstrap.prober import RuleProber
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.city import pack_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import AuthorError
from haulwatch.domain.probes import ProbeBody, Probed
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.workbench import Draft, RuleDraft
from haulwatch.testing import city_files_of, city_of, position, weighing
from tests.rollouts.conftest import CITY_HASH, FILES


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def prober(store: OrderStore) -> RuleProber:
    desk = store.rollouts()
    desk.found(CITY_HASH, pack_city(FILES), folder=True)
    return RuleProber(CityWorkbench(desk, lambda: date(2026, 5, 1)))


def verdicts(told: list[Probed] | None) -> dict[str, str]:
    assert told is not None
    return {one.rule_id: one.verdict for one in told}


def test_the_draft_and_what_is_in_force_are_asked_the_same(prober: RuleProber, store: OrderStore) -> None:
    draft = Draft(CITY_HASH, rules={"fast": RuleDraft({"limit": 95.0})})
    answer = prober.probe(ProbeBody(draft, position(0, speed_kmh=88)))
    assert verdicts(answer.in_force) == {"fast": "fired", "stand": "not_met"}
    assert verdicts(answer.drafted) == {"fast": "not_met", "stand": "not_met"}
    assert answer.drafted is not None
    [condition] = [one for one in answer.drafted[0].reasons if one.role == "condition"]
    assert (condition.result, condition.observed, condition.operator, condition.threshold) == ("FAIL", 88, ">", 95.0)
    assert store.counts() == {} or not sum(store.counts().values())


def test_what_takes_time_is_asked_again_and_again(prober: RuleProber) -> None:
    stays = ProbeBody(Draft(CITY_HASH), position(0, speed_kmh=0))
    assert verdicts(prober.probe(stays).in_force)["stand"] != "fired"
    stays.repeat, stays.every_s = 30, 10
    answer = prober.probe(stays)
    assert (answer.events, answer.drafted, verdicts(answer.in_force)["stand"]) == (30, None, "fired")


def test_what_cannot_be_asked(prober: RuleProber) -> None:
    wrong = Draft(CITY_HASH, rules={"fast": RuleDraft({"limit": 500.0})})
    with pytest.raises(AuthorError):
        prober.probe(ProbeBody(wrong, position(0)))
    early = position(0)
    with pytest.raises(RolloutRefused):
        prober.probe(ProbeBody(Draft(CITY_HASH), type(early)(
            event_id="a", truck_id="a", at=datetime(1, 1, 1, tzinfo=UTC), lon=1, lat=1
        )))  # fmt: skip


def test_the_shipped_rules_about_a_heavy_truck(store: OrderStore) -> None:
    files, city = city_files_of(), city_of()
    desk = store.rollouts()
    desk.found(city.city_hash, pack_city(files), folder=True)
    prober = RuleProber(CityWorkbench(desk, lambda: date(2026, 5, 1)))
    answer = prober.probe(ProbeBody(Draft(city.city_hash), weighing(0, gross_kg=60_000, axle_count=4)))
    fired = {one.category for one in answer.in_force if one.verdict == "fired"}
    assert "overweight" in fired
