"""Random findings and random commands, legal, illegal, stale and repeated, against a model of a few lines."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from haulwatch.dispatch.lifecycle import FINAL, TRANSITIONS
from haulwatch.dispatch.store import open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import COMMANDS, ROLES, VERDICTS, Actor, BadCommand, Conflict, Transition
from tests.dispatch.conftest import examples

ACTOR = Actor("local", frozenset(ROLES))
FIELDS = {
    "squad_id": st.just("S-1"),
    "reason": st.just("理由"),
    "outcome": st.just("已处置"),
    "reason_code": st.sampled_from(["wrong_plate", "other"]),
    "note": st.just("说明"),
    "verdict": st.sampled_from(VERDICTS),
}
COMPLETE = dict.fromkeys(FIELDS, "x") | {"reason_code": "wrong_plate", "verdict": "confirmed"}
TARGETS: dict[tuple[str, str], Transition] = {(row.source, row.command): row for row in TRANSITIONS}


def test_whatever_is_sent_the_store_agrees_with_the_model(
    breach: Callable[..., Breach], url: str, another_url: Callable[[], str]
) -> None:
    class Desk(RuleBasedStateMachine):
        """The model: the stage and version of every order, the commands carried out, the answers by key."""

        def __init__(self) -> None:
            super().__init__()
            self.store = open_store(another_url())
            self.stages: dict[str, str] = {}
            self.versions: dict[str, int] = {}
            self.done: dict[str, list[str]] = {}
            self.answers: dict[str, tuple[str, str, int, dict[str, str], object]] = {}

        def teardown(self) -> None:
            self.store.close()

        def _opened(self, ids: tuple[str, ...]) -> None:
            for order_id in ids:
                assert order_id not in self.stages
                self.stages[order_id], self.versions[order_id], self.done[order_id] = "new", 1, []

        @initialize()
        def one_order(self) -> None:
            self._opened(self.store.intake([breach("b0")]).opened)

        @rule(
            number=st.integers(0, 5),
            phase=st.sampled_from(["opened", "updated", "ended"]),
            count=st.integers(1, 3),
            camera=st.booleans(),
            late=st.booleans(),
        )
        def a_finding(self, number: int, phase: str, count: int, camera: bool, late: bool) -> None:
            truck, rule_id = f"浙E{number % 2}", "camera" if camera else "sensor"
            finding = breach(f"b{number}", phase, count, number, truck_id=truck, rule_id=rule_id, late=late)
            self._opened(self.store.intake([finding]).opened)

        @rule(
            which=st.integers(0, 9),
            command=st.sampled_from(COMMANDS),
            behind=st.sampled_from([0, 0, 0, 0, 1]),
            given=st.fixed_dictionaries({}, optional=FIELDS),
            fit=st.booleans(),
            key=st.sampled_from([None, "k1", "k2"]),
        )
        def a_command(
            self, which: int, command: str, behind: int, given: dict[str, str], fit: bool, key: str | None
        ) -> None:
            ids = sorted(self.stages)
            order_id = ids[which % len(ids)]
            stage, version = self.stages[order_id], self.versions[order_id]
            if fit:  # otherwise hardly anything would ever get far
                legal = [row for row in TRANSITIONS if row.source == stage and row.command != "void"]
                command = legal[which % len(legal)].command if legal else command
                row = TARGETS.get((stage, command))
                named = {field.name for field in row.given} if row is not None else set()
                given = {name: given.get(name, COMPLETE[name]) for name in named} | {"note": "说明"}
            request = (order_id, command, version - behind, given)
            try:
                order = self.store.command(
                    order_id, command, expected_version=version - behind, actor=ACTOR, data=given, idempotency_key=key
                )
            except BadCommand:
                return
            except Conflict as conflict:
                order, refused = conflict.order, True
            else:
                refused = False
            if refused:
                assert (order.stage, order.version) == (stage, version)
                return
            slot = f"{key} {order_id}"
            if key is not None and slot in self.answers:
                assert (*request, order) == self.answers[slot]
                return
            if key is not None:
                self.answers[slot] = (*request, order)
            row = TARGETS[stage, command]
            assert behind == 0
            assert (order.stage, order.version) == (row.target, version + 1)
            assert order.stage != "closed" or order.verdict in VERDICTS
            self.stages[order_id], self.versions[order_id] = order.stage, order.version
            self.done[order_id].append(command)

        @invariant()
        def the_store_agrees(self) -> None:
            orders = self.store.list(limit=500).orders
            assert {order.order_id: order.stage for order in orders} == self.stages
            assert {order.order_id: order.version for order in orders} == self.versions

        @invariant()
        def nothing_is_lost(self) -> None:
            assert self.store.verify().problem is None
            changes = self.store.changes_since(0)
            assert [change.change_id for change in changes] == list(range(1, len(changes) + 1))
            assert len(changes) == self.store.last_change_id()
            for order_id, commands in self.done.items():
                kinds = [change.kind for change in changes if change.order.order_id == order_id]
                assert [kind for kind in kinds if kind not in ("opened", "finding")] == commands
                actions = [entry.action for entry in self.store.get(order_id).audit if entry.actor == "local"]
                assert actions == commands

        @invariant()
        def what_is_over_stays_over(self) -> None:
            for order_id, commands in self.done.items():
                if self.stages[order_id] in FINAL:
                    assert self.store.get(order_id).commands == []
                    assert commands[-1] in ("close", "reject", "void")

    run_state_machine_as_test(
        Desk, settings=settings(max_examples=examples(url, 25), stateful_step_count=25, deadline=None)
    )
