"""What was approved decides, in a whole embedded system, without a restart; and stays after one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haulwatch.bootstrap import embedded
from haulwatch.bootstrap.embedded import Embedded
from haulwatch.bootstrap.rollouts import RolloutThread
from haulwatch.city import build_city
from haulwatch.domain.errors import WorldError
from haulwatch.domain.rollouts import Rollout
from haulwatch.domain.text import Text
from haulwatch.testing import decide, position
from tests.connectors.kafka_console.records import until
from tests.e2e.embedded import free_port
from tests.rollouts.conftest import APPROVER, CITY_HASH, FILES, OPERATOR, faster


@contextmanager
def system(data: Path, files: dict[str, bytes] = FILES) -> Iterator[Embedded]:
    made = embedded(build_city(files), files, data, "127.0.0.1", free_port())
    made.start()
    try:
        yield made
    finally:
        made.stop()


def deploy(running: Embedded, limit: int) -> Rollout:
    desk = running.store.rollouts()
    proposed = desk.propose(faster(limit), "x", actor=OPERATOR)
    desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
    return entered(running, proposed.rollout_id)


def entered(running: Embedded, rollout_id: int) -> Rollout:
    desk = running.store.rollouts()
    until(lambda: desk.get(rollout_id).state == "in_force")
    return desk.get(rollout_id)


def test_it_decides_from_its_place_in_the_log_on(tmp_path: Path) -> None:
    truck = {"truck_id": "浙E00001"}
    with system(tmp_path) as running:
        running.host.submit_events([position(0, speed_kmh=85, **truck), position(10, speed_kmh=20, **truck)])
        until(lambda: sum(running.store.counts().values()) == 1)
        rollout = deploy(running, 100)
        assert running.host.city.city_hash == rollout.city_hash
        other = {"truck_id": "浙E00002"}
        running.host.submit_events([position(60, speed_kmh=85, **other), position(61, speed_kmh=105, **other)])
        running.host.submit_events([position(90, speed_kmh=10, **other)])
        until(lambda: sum(running.store.counts().values()) == 2)
        orders = running.store.list().orders
        told = {order.truck_id: (order.city_hash, order.rule_hash) for order in orders}
    rules = {limit: build_city(faster(limit)) for limit in (80, 100)}
    assert told == {
        "浙E00001": (CITY_HASH, rules[80].book.rules[0].rule_hash),
        "浙E00002": (rollout.city_hash, rules[100].book.rules[0].rule_hash),
    }


def test_it_stays_after_a_restart_until_the_folder_changes_or_it_is_rolled_back(tmp_path: Path) -> None:
    with system(tmp_path) as running:
        rollout = deploy(running, 100)
    with system(tmp_path) as running:
        assert running.host.city.city_hash == rollout.city_hash, "the folder is as it was: the deployment holds"
        back = running.store.rollouts().roll_back("back", actor=OPERATOR)
        entered(running, back.rollout_id)
        assert running.host.city.city_hash == CITY_HASH
        forward = running.store.rollouts().roll_back("forth", actor=OPERATOR, to=rollout.rollout_id)
        entered(running, forward.rollout_id)
    changed = faster(110)
    with system(tmp_path, changed) as running:
        assert running.host.city.city_hash == build_city(changed).city_hash, "who changes the folder means it"
        kinds = [(one.kind, one.state) for one in running.store.rollouts().list()]
        assert kinds[0] == ("found", "in_force")
        assert [state for _kind, state in kinds[1:]] == ["replaced"] * 4
        assert running.store.verify().problem is None


def test_approved_before_a_crash_it_comes_into_force_after_it(tmp_path: Path) -> None:
    with system(tmp_path) as running:
        assert running.rollouts is not None
        running.rollouts.stop()
        desk = running.store.rollouts()
        proposed = desk.propose(faster(90), "x", actor=OPERATOR)
        desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
    with system(tmp_path) as running:
        assert running.host.city.city_hash == proposed.city_hash
        entered(running, proposed.rollout_id)
        assert running.host.counters["activations"] == 0, "it began with it"


def test_what_a_rule_has_begun_to_see_is_kept_or_dropped_as_reported(tmp_path: Path) -> None:
    with system(tmp_path) as running:
        running.host.submit_events([position(t_s, speed_kmh=0) for t_s in range(0, 90, 10)])
        rollout = deploy(running, 100)
        assert (rollout.changes.memory_kept, rollout.changes.memory_dropped) == (1, 1)
        running.host.submit_events([position(t_s, speed_kmh=0) for t_s in range(90, 200, 10)])
        until(lambda: sum(running.store.counts().values()) == 1)
        [order] = running.store.list().orders
    alone = decide(build_city(FILES), [position(t_s, speed_kmh=0) for t_s in range(0, 200, 10)])
    assert (order.rule_id, order.detected_at) == ("stand", alone[0].detected_at), "it went on counting"


class Broken:
    """A switch that fails so many times."""

    def __init__(self, times: int, error: WorldError) -> None:
        self.left, self.error = times, error

    def __call__(self, city_hash: str, packed: bytes) -> None:  # noqa: ARG002
        if self.left:
            self.left -= 1
            raise self.error


@pytest.mark.parametrize(("retryable", "state"), [(True, "in_force"), (False, "withdrawn")])
def test_a_switch_that_fails(tmp_path: Path, retryable: bool, state: str) -> None:
    with system(tmp_path) as running:
        assert running.rollouts is not None
        running.rollouts.stop()
        desk = running.store.rollouts()
        error = WorldError(Text("断", "away"), retryable=retryable)
        proposed = desk.propose(faster(90), "x", actor=OPERATOR)
        desk.decide(proposed.rollout_id, approve=True, note="", actor=APPROVER)
        thread = RolloutThread(desk, Broken(3, error), look_s=0.01)
        thread.start()
        until(lambda: desk.get(proposed.rollout_id).state == state)
        thread.stop()
        thread.check()
