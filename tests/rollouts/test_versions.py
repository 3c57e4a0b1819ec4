"""A zone and a rule over the deployments: what each was, who wanted it, from when until when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from haulwatch.bootstrap.version_desk import VersionDesk
from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.city import pack_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.workbench import Draft, RuleDraft, ZoneDraft
from haulwatch.testing import square
from tests.rollouts.conftest import APPROVER, CITY_HASH, FILES, OPERATOR

PLACE = {"type": "Polygon", "coordinates": [[[120, 30.8], [120.01, 30.8], [120.01, 30.81], [120, 30.8]]]}
NEW = ZoneDraft({"kind": "parking", "name": "新"}, PLACE, added=True)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


class People:
    """Who proposes and who approves; every city comes into force at once."""

    def __init__(self, desk: Rollouts) -> None:
        self.desk, self.bench = desk, CityWorkbench(desk, lambda: date(2026, 5, 1))
        self.hash = CITY_HASH

    def deploy(self, note: str, **changes: object) -> None:
        rollout = self.bench.propose(Draft(self.hash, **changes), note, actor=OPERATOR)  # type: ignore[arg-type]
        self.desk.decide(rollout.rollout_id, approve=True, note="", actor=APPROVER)
        self.hash = self.desk.entered(rollout.rollout_id).city_hash


@pytest.fixture
def people(store: OrderStore) -> People:
    desk = store.rollouts()
    desk.found(CITY_HASH, pack_city(FILES), folder=True)
    return People(desk)


def test_a_zone_is_traced_back(people: People) -> None:
    people.deploy("画", zones={"N1": NEW})
    people.deploy("调参", rules={"fast": RuleDraft({"limit": 90.0})})
    people.deploy("到期", zones={"N1": ZoneDraft({"valid_to": "2026-04-30"})})
    people.deploy("挪", zones={"N1": ZoneDraft(geometry=square("x", "parking", 120.0, 30.7)["geometry"])})
    people.deploy("去掉", zones={"N1": None})
    gone, moved, ended, drawn = VersionDesk(people.desk).zone("N1").versions
    assert [(one.change, one.fields) for one in (drawn, ended, moved, gone)] == [
        ("added", []),
        ("changed", ["valid_to"]),
        ("changed", ["geometry", "outline"]),
        ("removed", []),
    ]
    assert (drawn.term.note, drawn.term.proposed_by, drawn.term.decided_by) == ("画", "operator", "approver")
    assert (drawn.term.until, gone.term.until, gone.zone) == (ended.term.since, None, None)
    assert drawn.zone is not None
    assert drawn.zone.outline["coordinates"] == ((tuple(map(tuple, PLACE["coordinates"][0]))),)  # type: ignore[index]
    assert ended.zone is not None
    assert (ended.zone.counts, ended.zone.properties["valid_to"]) == (False, "2026-04-30")
    [first] = VersionDesk(people.desk).zone("D1").versions
    assert (first.change, first.term.rollout_id, first.term.until) == ("added", 1, None)


def test_what_a_deployment_does_to_zones(people: People) -> None:
    desk = VersionDesk(people.desk)
    assert (desk.rollout(1).bounds, desk.rollout(1).zones) == (None, [])
    people.deploy("画", zones={"N1": NEW})
    moved = ZoneDraft(geometry=square("x", "district", 120.2, 30.86, 0.2)["geometry"])
    proposed = people.bench.propose(Draft(people.hash, zones={"N1": None, "D1": moved}), "x", actor=OPERATOR)
    found = desk.rollout(proposed.rollout_id)
    told = {one.zone_id: (one.before is not None, one.after is not None) for one in found.zones}
    assert told == {"D1": (True, True), "N1": (True, False)}
    assert found.bounds == pytest.approx((119.9, 30.66, 120.4, 31.06))
    [drawn] = desk.rollout(2).zones
    assert (drawn.before, drawn.after is None) == (None, False)
    with pytest.raises(RolloutRefused):
        desk.rollout(9)


def test_a_rule_is_traced_back_also_over_a_rollback(people: People) -> None:
    people.deploy("高一点", rules={"fast": RuleDraft({"limit": 90.0}, status="shadow")})
    text = FILES["rules/test.yaml"].decode().replace("speed_kmh > $limit", "speed_kmh >= $limit")
    people.deploy("改写", files={"rules/test.yaml": text})
    back = people.desk.roll_back("退", actor=OPERATOR, to=1)
    people.desk.entered(back.rollout_id)
    again, rewritten, raised, first = VersionDesk(people.desk).rule("fast").versions
    assert [one.params["limit"] for one in (first, raised, rewritten, again)] == ["80", "90", "90", "80"]
    assert [one.status for one in (first, raised, rewritten, again)] == ["active", "shadow", "shadow", "active"]
    assert (first.rule_hash, first.text) == (again.rule_hash, again.text)
    assert "speed_kmh > $limit" in raised.text
    assert "speed_kmh >= $limit" in rewritten.text
    assert [field.name for field in raised.fields] == ["params.limit", "status"]
    assert (again.term.kind, again.term.rollout_id) == ("rollback", 4)


def test_what_was_never_there(people: People) -> None:
    desk = VersionDesk(people.desk)
    for ask in (desk.zone, desk.rule):
        with pytest.raises(RolloutRefused) as refused:
            ask("nothing")
        assert refused.value.code == "not-found"
