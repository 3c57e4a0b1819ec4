"""Deployments: proposed by one, approved by another, in force, rolled back; on both databases."""

from __future__ import annotations

import pytest

from haulwatch.city import build_city, pack_city
from haulwatch.dispatch.rollouts import Rollouts
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.errors import AuthorError
from haulwatch.domain.orders import Actor
from haulwatch.domain.rollouts import FieldChange, Rollout, RolloutRefused, UnknownRollout
from haulwatch.domain.text import Text
from tests.dispatch.conftest import run_sql
from tests.rollouts.conftest import APPROVER, BOTH, CITY_HASH, FILES, OPERATOR, faster


def refused(code: str) -> object:
    return pytest.raises(RolloutRefused, check=lambda error: error.code == code)


def deployed(desk: Rollouts, limit: int) -> Rollout:
    proposed = desk.propose(faster(limit), "更快", actor=OPERATOR)
    desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
    return desk.entered(proposed.rollout_id)


def states(desk: Rollouts) -> list[tuple[int, str, str]]:
    return [(one.rollout_id, one.kind, one.state) for one in desk.list()]


def test_from_proposal_to_force_and_back(desk: Rollouts, store: OrderStore, database_url: str) -> None:
    proposed = desk.propose(faster(90), "误报多", actor=OPERATOR)
    assert (proposed.state, proposed.base_hash, proposed.proposed_by) == ("proposed", CITY_HASH, "operator")
    [changed] = proposed.changes.rules
    assert (changed.rule_id, changed.memory) == ("fast", "dropped")
    assert changed.fields == [FieldChange("params.limit", "80", "90")]
    assert (proposed.changes.memory_kept, proposed.changes.memory_dropped) == (1, 1)
    assert desk.approved() is None

    desk.decide(proposed.rollout_id, approve=True, note="同意", actor=APPROVER)
    assert (desk.approved() or proposed).rollout_id == proposed.rollout_id
    entered = desk.entered(proposed.rollout_id)
    assert (entered.state, entered.decided_by, entered.decision_note) == ("in_force", "approver", "同意")
    assert desk.entered(proposed.rollout_id) == entered, "said twice, done once"
    assert states(desk) == [(2, "proposal", "in_force"), (1, "found", "replaced")]

    back = desk.roll_back("太松", actor=OPERATOR)
    assert (back.city_hash, back.state, back.kind) == (CITY_HASH, "approved", "rollback")
    desk.entered(back.rollout_id)
    assert states(desk) == [(3, "rollback", "in_force"), (2, "proposal", "replaced"), (1, "found", "replaced")]
    files = desk.files(CITY_HASH)
    assert files is not None
    assert {name: files[name] for name in FILES} == FILES
    assert run_sql(database_url, "SELECT actor, action FROM audit ORDER BY seq") == [
        ("system", "city_found"),
        ("operator", "city_proposed"),
        ("approver", "city_approved"),
        ("system", "city_in_force"),
        ("operator", "city_rolled_back"),
        ("system", "city_in_force"),
    ]
    assert store.verify().problem is None


def test_it_takes_two(desk: Rollouts) -> None:
    proposed = desk.propose(faster(90), "x", actor=BOTH)
    with refused("own-proposal"):
        desk.decide(proposed.rollout_id, approve=True, note="", actor=BOTH)
    with refused("own-proposal"):
        desk.decide(proposed.rollout_id, approve=False, note="no", actor=BOTH)
    assert desk.get(proposed.rollout_id) == proposed


@pytest.mark.parametrize("role", ["dispatcher", "duty_officer", "verifier", "auditor", "administrator", "device"])
def test_only_those_who_own_the_rules(desk: Rollouts, role: str) -> None:
    other = Actor("other", frozenset((role,)))  # type: ignore[arg-type]
    proposed = desk.propose(faster(90), "x", actor=OPERATOR)
    with refused("not-permitted"):
        desk.propose(faster(91), "x", actor=other)
    with refused("not-permitted"):
        desk.decide(proposed.rollout_id, approve=True, note="", actor=other)
    with refused("not-permitted"):
        desk.roll_back("x", actor=other)
    with refused("not-yours"):
        desk.withdraw(proposed.rollout_id, actor=other)
    with refused("not-permitted"):
        desk.propose(faster(91), "x", actor=APPROVER)
    with refused("not-permitted"):
        desk.decide(proposed.rollout_id, approve=True, note="", actor=OPERATOR)
    assert states(desk) == [(2, "proposal", "proposed"), (1, "found", "in_force")]


def test_one_at_a_time(desk: Rollouts) -> None:
    first, second = (desk.propose(faster(limit), "x", actor=OPERATOR) for limit in (90, 100))
    desk.decide(first.rollout_id, approve=True, note="", actor=APPROVER)
    with refused("busy"):
        desk.decide(second.rollout_id, approve=True, note="", actor=APPROVER)
    desk.entered(first.rollout_id)
    desk.roll_back("x", actor=OPERATOR)
    with refused("busy"):
        desk.roll_back("x", actor=APPROVER)


def test_refusals(desk: Rollouts) -> None:
    with refused("unchanged"):
        desk.propose(FILES, "x", actor=OPERATOR)
    with refused("nothing-before"):
        desk.roll_back("x", actor=OPERATOR)
    with refused("unchanged"):
        desk.roll_back("x", actor=OPERATOR, to=1)
    for note in ("", "  ", "x" * 1001, "\x00"):
        with refused("bad-note"):
            desk.propose(faster(90), note, actor=OPERATOR)
    with pytest.raises(AuthorError) as wrong:
        desk.propose({**FILES, "rules/test.yaml": b"rules: [{id: 1"}, "x", actor=OPERATOR)
    assert wrong.value.findings[0].file == "rules/test.yaml"
    proposed = desk.propose(faster(90), "x", actor=OPERATOR)
    with refused("already-proposed"):
        desk.propose(faster(90), "y", actor=OPERATOR)
    with refused("never-in-force"):
        desk.roll_back("x", actor=OPERATOR, to=proposed.rollout_id)
    with refused("bad-note"):
        desk.decide(proposed.rollout_id, approve=False, note="", actor=APPROVER)
    desk.decide(proposed.rollout_id, approve=False, note="不行", actor=APPROVER)
    with refused("decided"):
        desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
    with refused("decided"):
        desk.withdraw(proposed.rollout_id, actor=OPERATOR)
    for number in (0, -1, 99, 2**40):
        with pytest.raises(UnknownRollout):
            desk.get(number)
    again = desk.propose(faster(90), "z", actor=OPERATOR)
    assert desk.withdraw(again.rollout_id, actor=OPERATOR).state == "withdrawn"


def test_a_proposal_that_was_overtaken(desk: Rollouts) -> None:
    late = desk.propose(faster(100), "x", actor=OPERATOR)
    deployed(desk, 90)
    with refused("stale"):
        desk.decide(late.rollout_id, approve=True, note="", actor=APPROVER)
    assert desk.decide(late.rollout_id, approve=False, note="过时", actor=APPROVER).state == "rejected"


def test_what_fails_to_come_into_force(desk: Rollouts, store: OrderStore) -> None:
    proposed = desk.propose(faster(90), "x", actor=OPERATOR)
    desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
    desk.failed(proposed.rollout_id, Text("断", "away"), for_good=False)
    waiting = desk.get(proposed.rollout_id)
    assert (waiting.state, waiting.trouble) == ("approved", Text("断", "away"))
    desk.failed(proposed.rollout_id, Text("旧", "old"), for_good=True)
    assert desk.get(proposed.rollout_id).state == "withdrawn"
    assert desk.approved() is None
    assert (desk.in_force() or waiting).city_hash == CITY_HASH
    assert store.verify().problem is None


def test_what_came_past_the_desk_is_written_down_once(desk: Rollouts) -> None:
    files = faster(90)
    found = desk.found(_hash(files), pack_city(files))
    assert desk.found(_hash(files), pack_city(files)) == found
    assert (found.kind, found.state, found.folder_hash) == ("found", "in_force", CITY_HASH)
    assert found.changes.rules[0].fields == [FieldChange("params.limit", "80", "90")]
    proposed = desk.propose(faster(100), "x", actor=OPERATOR)
    desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
    entered = desk.found(proposed.city_hash, pack_city(faster(100)))
    assert (entered.rollout_id, entered.state) == (proposed.rollout_id, "in_force"), "it is the approved one"


def _hash(files: dict[str, bytes]) -> str:
    return build_city(files).city_hash
