"""A rule book ready to run: generated code for matching, the plain reading of trees for explanations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

from haulwatch.domain.breaches import Condition
from haulwatch.domain.registry import Truck
from haulwatch.domain.trucks import Applied, Capture, TruckState
from rules.explaining import reasons, truth, unknown_names
from rules.facts import Facts, World, distance_m, kind_of
from rules.generating import Scribe
from rules.model import RuleBook
from rules.nodes import Node
from rules.places import ExpressionPlace, Slot, Trigger, places_of, slot_of, triggers_of
from rules.scanning import ScanWriter
from rules.schema import BASE_KINDS

__all__ = ["CompiledBook", "Scan"]

Scan = Callable[[Applied, int, TruckState, Truck], list[int] | None]
Test = Callable[[Applied | None, int, TruckState, Truck, Sequence[Capture]], bool | None]


class CompiledBook:
    """The rules of a book that run (active and shadow), in the order of the book.

    `scan[kind](event, at_ms, state, truck)` gives the indexes into `triggers` that are definitely true, ascending, or
    None when there are none; a kind that is absent means nothing to do.
    """

    def __init__(self, book: RuleBook, world: World) -> None:
        self.book = book
        self.rules = tuple(rule for rule in book.rules if rule.status in ("active", "shadow"))
        self._world = world
        self._places = {
            (i, slot): place for i, rule in enumerate(self.rules) for slot, place in places_of(rule).items()
        }
        self._slots: dict[frozenset[tuple[int, str]], int] = {}
        self._late: Counter[tuple[str, str]] = Counter()
        self._counts: list[int] = []
        self._names: dict[str, Any] = {
            "_unset": object(),
            "_stations": world.registry.stations,
            "_cameras": world.registry.cameras,
            "_permitted": world.permitted,
            "_in_hours": world.in_hours,
            "_verified": world.verified,
            "_limit_kg": world.law.limit_kg,
            "_place_of": world.place_of,
            "_distance_m": distance_m,
            "_capture": _capture,
            "__builtins__": {"len": len},
        }
        self.triggers: tuple[Trigger, ...] = tuple(t for i, rule in enumerate(self.rules) for t in triggers_of(i, rule))
        self.scan: dict[str, Scan] = self._compile_scans()
        self._tests: dict[tuple[int, Slot], Test] = {}

    @property
    def unknowns(self) -> dict[tuple[str, str], int]:
        """Evaluations that came out unknown, by rule id and the name that was unknown."""
        found = Counter(self._late)
        for pairs, slot in self._slots.items():
            for trigger, name in pairs if self._counts[slot] else ():
                found[self.rules[self.triggers[trigger].rule_index].rule_id, name] += self._counts[slot]
        return dict(found)

    def test(
        self,
        rule_index: int,
        slot: Slot,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> bool | None:
        """The value of one expression: true, false, or None for unknown.

        Without a condition every event fits (true); an absent `unless` or `until` is false.
        """
        key = (rule_index, slot)
        place = self._places[key]
        if place.tree is None:
            return slot not in ("unless", "until")
        found = self._judge(key, place.tree, event, at_ms, state, truck, captures)
        if found is None:
            self._note_unknown(key, place.tree, event, at_ms, state, truck, captures)
        return found

    def explain(
        self,
        rule_index: int,
        slot: Slot | Trigger,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> list[Condition]:
        """The comparisons that make the expression definitely true, with observed values; empty when it is not."""
        place = self._places[rule_index, slot_of(slot) if isinstance(slot, Trigger) else slot]
        if place.tree is None:
            return []
        return reasons(place.tree, self._facts(place, event, at_ms, state, truck, captures))

    def facts(
        self,
        rule_index: int,
        slot: Slot,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> Facts:
        """What the names of one expression mean at this moment."""
        return self._facts(self._places[rule_index, slot], event, at_ms, state, truck, captures)

    def tree(self, rule_index: int, slot: Slot) -> Node | None:
        """The checked tree of one expression; None when the rule does not have it."""
        place = self._places.get((rule_index, slot))
        return place.tree if place is not None else None

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
        """The value of the expression at `key`."""
        place = self._places[key]
        if place.reads_event and (event is None or kind_of(event) != place.kind):
            return truth(tree, self._facts(place, event, at_ms, state, truck, captures))
        function = self._tests.get(key)
        if function is None:
            function = self._tests[key] = self._compile_test(place)
        return function(event, at_ms, state, truck, captures)

    def _note_unknown(
        self,
        key: tuple[int, Slot],
        tree: Node,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> None:
        facts = self._facts(self._places[key], event, at_ms, state, truck, captures)
        rule_id = self.rules[key[0]].rule_id
        self._late.update((rule_id, name) for name in unknown_names(tree, facts))

    # compiling

    def _facts(
        self,
        place: ExpressionPlace,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> Facts:
        kind = place.kind
        if event is not None and not place.names_event:
            # Only bare names tie an expression to a kind of event; the record looked at is evidence all the same.
            kind = kind_of(event)
        return Facts(self._world, kind, event, at_ms, state, truck, captures)

    def _wanted(self) -> dict[str, list[tuple[int, Node | None]]]:
        """By kind of event: the triggers to look at, as indexes into `triggers`, and their conditions."""
        wanted: dict[str, list[tuple[int, Node | None]]] = {}
        for index, trigger in enumerate(self.triggers):
            place = self._places[trigger.rule_index, slot_of(trigger)]
            kinds: Sequence[str] = [place.kind] if place.kind is not None else []
            if trigger.role == "while" and not place.names_event:
                # No position ever sees a silent truck: what names `truck.silent` is looked at on that event too.
                kinds = (*BASE_KINDS, "silence") if place.names_silent else BASE_KINDS
            for kind in kinds:
                wanted.setdefault(kind, []).append((index, place.tree))
        return wanted

    def _compile_scans(self) -> dict[str, Scan]:
        sources = {}
        for kind, triggers in self._wanted().items():
            sources[kind] = ScanWriter(Scribe(kind, self._world.city_id), self._slots).write(triggers)
        self._names["counts"] = self._counts = [0] * len(self._slots)
        return {kind: cast(Scan, self._define("scan", source, kind)) for kind, source in sources.items()}

    def _compile_test(self, place: ExpressionPlace) -> Test:
        assert place.tree is not None
        scribe = Scribe(place.kind, self._world.city_id)
        ends = [
            f"if {scribe.true(place.tree)}:",
            "    return True",
            f"if {scribe.false(place.tree)}:",
            "    return False",
        ]
        lines = [
            "def test(e, at, s, t, caps):",
            *("    " + line for line in [*scribe.prelude(), *ends]),
            "    return None",
        ]
        return cast(Test, self._define("test", "\n".join(lines) + "\n", str(place.kind)))

    def _define(self, name: str, source: str, kind: str) -> object:
        """Runs generated source, which defines one function, over the names it may use."""
        space: dict[str, object] = {}
        exec(compile(source, f"<rules: {name} {kind}>", "exec"), self._names, space)
        return space[name]


def _capture(captures: Sequence[Capture], alias: str) -> Capture | None:
    return next((c for c in captures if c.alias == alias), None)
