"""A rule book whose conditions durable-rules judges: the second engine, in the only module that knows the library.

What a condition means at one instant is asked of a session that lives for this one judgement. Everything that takes
time (sequences, absences, holds, counts, deadlines) stays with the matchers of `rules.matching`: durable-rules has no
event time. Its C module is used as it is, for `durable.engine.Host` starts threads and timers of its own.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Sequence

import durable_rules_engine

from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, Capture, TruckState
from rules.compiling import CompiledBook, Scan
from rules.explaining import value
from rules.facts import Facts
from rules.judgements import FALSE, TRUE, UNKNOWN, Judgement, judgement_of
from rules.nodes import Node
from rules.places import Slot, slot_of

_NUMBERS = itertools.count()
"""Names of rulesets and sessions, never used twice in a process."""
_MEANING = ((f'{{"{TRUE}"', True), (f'{{"{FALSE}"', False), (f'{{"{UNKNOWN}"', None))


class Judge:
    """One condition as a ruleset of durable-rules."""

    def __init__(self, judgement: Judgement) -> None:
        self._judgement = judgement
        name = f"condition-{next(_NUMBERS)}"
        self._ruleset = durable_rules_engine.create_ruleset(name, judgement.ruleset())
        weakref.finalize(self, durable_rules_engine.delete_ruleset, self._ruleset)

    def judge(self, facts: Facts) -> bool | None:
        """True, false or (None) unknown, in a session of its own."""
        sid = str(next(_NUMBERS))
        observed = [value(node, facts) for node in self._judgement.observed]
        _, place = durable_rules_engine.assert_fact(self._ruleset, self._judgement.fact(sid, observed))
        _, fired = durable_rules_engine.start_action_for_state(self._ruleset, place)
        durable_rules_engine.delete_state(self._ruleset, sid)
        return next(found for name, found in _MEANING if fired.startswith(name))


class DurableBook(CompiledBook):
    """A compiled book that asks durable-rules. InexpressibleError when it cannot express one of the conditions."""

    def _compile_scans(self) -> dict[str, Scan]:
        trees = [place.tree for place in self._places.values() if place.tree is not None]
        self._judges = {tree: _judge_of(tree) for tree in dict.fromkeys(trees)}
        return {kind: self._scan(triggers) for kind, triggers in self._wanted().items()}

    @property
    def conditions(self) -> int:
        """How many rulesets of durable-rules it holds."""
        return sum(isinstance(judge, Judge) for judge in self._judges.values())

    def _scan(self, wanted: Sequence[tuple[int, Node | None]]) -> Scan:
        asked = [(index, (self.triggers[index].rule_index, slot_of(self.triggers[index]))) for index, _ in wanted]

        def scan(event: Applied, at_ms: int, state: TruckState, truck: Truck) -> list[int] | None:
            hits = [i for i, (rule, slot) in asked if self.test(rule, slot, event, at_ms, state, truck, ())]
            return hits or None

        return scan

    def _judge(
        self,
        key: tuple[int, Slot],
        tree: Node,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> bool | None:
        judge = self._judges[tree]
        if isinstance(judge, bool):
            return judge
        return judge.judge(self._facts(self._places[key], event, at_ms, state, truck, captures))


def _judge_of(tree: Node) -> Judge | bool:
    judgement = judgement_of(tree)
    if isinstance(judgement.when_true, bool) and isinstance(judgement.when_false, bool):
        return judgement.when_true
    return Judge(judgement)
