"""Python source for checked conditions: for each, code for "definitely true" and for "definitely false".

Source is made from the checked tree alone: attribute names come from the schema, author's texts and numbers only as
`repr` of a constant. Ordinary comparisons are plain inline Python; what costs more (limits, distances, local time) is
kept in a local that is filled when first needed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.registry import Truck
from rules.comparing import walk
from rules.explaining import NEGATED
from rules.nodes import Arithmetic, Call, Compare, Const, Junction, Membership, Name, Node, Not, Type

_REGISTRY = frozenset(Truck.__struct_fields__)
_SINCE = {"load": "load_ms", "cover": "cover_ms", "lift": "lift_ms", "gross_kg": "gross_ms", "speed_kmh": "fix_ms"}
LAZY_COST = 10


class Guard(NamedTuple):
    """What must hold for a value to be known, and its opposite; guards are asked in the order of `rank`."""

    known: str
    unknown: str
    rank: int = 0


class Value(NamedTuple):
    """A Python expression that is good once its guards hold."""

    guards: tuple[Guard, ...]
    body: str
    cost: int = 1
    lazy: bool = False


Known = frozenset[str]
NOTHING_KNOWN: Known = frozenset()


@dataclass
class Scribe:
    """Writes conditions for one generated function and remembers which locals it needs.

    The function's arguments are `e` (event of `kind`), `at` (ms), `s` (state), `t` (truck) and `caps` (captures).
    """

    kind: str | None
    city_id: str
    loads: dict[str, str] = field(default_factory=dict)
    lazies: dict[str, str] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)

    # conditions

    def true(self, node: Node, known: Known = NOTHING_KNOWN) -> str:
        """Code that is true exactly when `node` is definitely true."""
        if isinstance(node, Not):
            return self.false(node.item, known)
        node = _as_membership(node)
        if isinstance(node, Junction):
            return self._all(node.items, known, True) if node.op == "and" else self._any(node.items, known, True)
        return self._leaf(node, known, True)

    def false(self, node: Node, known: Known = NOTHING_KNOWN) -> str:
        """Code that is true exactly when `node` is definitely false."""
        if isinstance(node, Not):
            return self.true(node.item, known)
        node = _as_membership(node)
        if isinstance(node, Junction):
            return self._any(node.items, known, False) if node.op == "and" else self._all(node.items, known, False)
        return self._leaf(node, known, False)

    def unknown(self, node: Node, known: Known = NOTHING_KNOWN) -> str | None:
        """Code that tells, once `node` is not true, whether it is unknown; None when it never is."""
        node = _as_membership(node)
        if isinstance(node, Not) and not isinstance(_as_membership(node.item), (Junction, Not)):
            node = _as_membership(node.item)
        if isinstance(node, (Junction, Not)):
            if not self.can_be_unknown(node):
                return None
            return f"not ({self.false(node, known)})"
        guards = [g for g in self.guards(node) if g.known not in known]
        return " or ".join(g.unknown for g in guards) or None

    def can_be_unknown(self, node: Node) -> bool:
        """Whether any value in `node` can be unknown."""
        if isinstance(node, Not):
            return self.can_be_unknown(node.item)
        if isinstance(node, Junction):
            return any(self.can_be_unknown(item) for item in node.items)
        return bool(self.guards(node))

    def implied(self, node: Node) -> Known:
        """The guards that are sure to hold once `node` is true."""
        node = _as_membership(node)
        if isinstance(node, Not) and not isinstance(_as_membership(node.item), (Junction, Not)):
            node = _as_membership(node.item)
        if isinstance(node, Junction) and node.op == "and":
            return frozenset().union(*(self.implied(item) for item in node.items))
        if isinstance(node, (Junction, Not)):
            return NOTHING_KNOWN
        return frozenset(g.known for g in self.guards(node))

    def cost(self, node: Node) -> int:
        """Roughly how much work it is to decide `node`."""
        if isinstance(node, Not):
            return self.cost(node.item)
        if isinstance(node, Junction):
            return sum(self.cost(item) for item in node.items)
        return sum(self.value(part).cost for part in _operands(node))

    def _all(self, items: Iterable[Node], known: Known, want: bool) -> str:
        parts = []
        for item in sorted(items, key=self.cost):
            parts.append(self.true(item, known) if want else self.false(item, known))
            if want or not isinstance(item, (Junction, Not)):
                known = known | (self.implied(item) if want else frozenset(g.known for g in self.guards(item)))
        return "(" + " and ".join(parts) + ")"

    def _any(self, items: Iterable[Node], known: Known, want: bool) -> str:
        parts = [self.true(item, known) if want else self.false(item, known) for item in sorted(items, key=self.cost)]
        return "(" + " or ".join(parts) + ")"

    def guards(self, node: Node) -> tuple[Guard, ...]:
        """What must hold for a leaf to be known."""
        found = dict.fromkeys(g for part in _operands(node) for g in self.value(part).guards)
        return tuple(sorted(found, key=lambda guard: guard.rank))

    def names(self, node: Node) -> dict[str, str]:
        """For each name and function in `node` that can be unknown: its text, and code that tells whether it is.

        What costs much counts as known while nobody has needed it.
        """
        found: dict[str, str] = {}
        for part in walk(node):
            if isinstance(part, Name) and part.type.kind in ("point", "instant"):
                continue
            if isinstance(part, Call):
                value = self._limit() if part.function == "over_ratio" else self.value(part)
                found["limit_kg()" if part.function == "over_ratio" else part.text] = f"{value.body} is None"
            elif isinstance(part, Name):
                value = self.value(part)
                if value.lazy:
                    found[part.text] = f"{value.body} is None"
                elif value.guards:
                    found[part.text] = value.guards[0].unknown
            elif isinstance(part, Arithmetic) and part.op == "/" and _may_be_zero(part.right):
                right = self.value(part.right)
                found[part.text] = " and ".join([*(g.known for g in right.guards), f"{right.body} == 0"])
        return found

    def _leaf(self, node: Node, known: Known, want: bool) -> str:
        body, sure = self._body(node, want)
        if sure:
            return body
        parts = [g.known for g in self.guards(node) if g.known not in known]
        return "(" + " and ".join([*parts, body]) + ")" if parts else body

    def _body(self, node: Node, want: bool) -> tuple[str, bool]:
        """The comparison itself, and whether it can only come out true when everything in it is known."""
        if isinstance(node, Compare):
            op = node.op if want else NEGATED[node.op]
            left, right = self.value(node.left), self.value(node.right)
            simple = isinstance(node.left, (Name, Const)) and isinstance(node.right, (Name, Const))
            one_sided = isinstance(node.left, Const) or isinstance(node.right, Const)
            sure = op == "==" and simple and one_sided and not left.lazy and not right.lazy
            return f"{left.body} {op} {right.body}", sure
        if isinstance(node, Membership):
            item, container = self.value(node.item), self.value(node.container)
            positive = want != node.negated
            sure = positive and isinstance(node.container, Const) and not item.lazy
            return f"{item.body} {'in' if positive else 'not in'} {container.body}", sure
        value = self.value(node)
        return (value.body, not value.lazy) if want else (f"not {value.body}", False)

    # values

    def value(self, node: Node) -> Value:
        """Code for the value of `node`."""
        if isinstance(node, Const):
            return Value((), repr(node.value), 0)
        if isinstance(node, Name):
            return self._name(node)
        if isinstance(node, Arithmetic):
            return self._arithmetic(node)
        if isinstance(node, Call):
            return self._call(node)
        raise TypeError(type(node).__name__)

    def _arithmetic(self, node: Arithmetic) -> Value:
        left, right = self.value(node.left), self.value(node.right)
        guards = left.guards + right.guards
        if node.op == "/" and _may_be_zero(node.right):
            guards += (Guard(f"{right.body} != 0", f"{right.body} == 0", 2),)
        return Value(
            guards, f"({left.body} {node.op} {right.body})", left.cost + right.cost + 1, left.lazy or right.lazy
        )

    def _name(self, name: Name) -> Value:
        scope, attribute = name.scope, name.attribute
        if scope == "city":
            return Value((), repr(self.city_id), 0)
        if scope == "event":
            return self._loaded(name, f"e_{attribute}", f"e.{attribute}")
        if scope == "truck":
            return self._truck(name)
        if scope == "trip":
            return self._trip(name)
        if scope == "zones":
            local = self._load(f"zones_{attribute}", f"None if {self._view()} is None else view.{attribute}")
            return Value((Guard("view is not None", "view is None"),), local)
        if scope == "step":
            capture = self._capture(name.step or "")
            local = f"{capture}_{attribute}"
            return self._loaded(name, local, f"None if {capture} is None else {capture}.event.{attribute}")
        post = self._load("post", f"_{scope}s.get(e.{scope}_id)")
        if attribute == "verified":
            return self._lazy("verified", f"_verified({post}, at)")
        return self._loaded(name, f"post_{attribute}", f"None if {post} is None else {post}.{attribute}")

    def _truck(self, name: Name) -> Value:
        if name.attribute == "permitted":
            return self._lazy("permitted", "_permitted(t, at)")
        owner = "t" if name.attribute in _REGISTRY else "s"
        return self._loaded(name, f"truck_{name.attribute}", f"{owner}.{name.attribute}")

    def _trip(self, name: Name) -> Value:
        attribute = name.attribute
        if attribute == "phase":
            return self._loaded(name, "trip_phase", "s.phase")
        trip = self._load("trip", "s.trip")
        if attribute == "in_hours":
            return self._lazy("in_hours", f"None if {trip} is None else _in_hours({trip}.permit_id, at)")
        if attribute == "on_route":
            unknown = f"{trip} is None or {trip}.route_zone is None or {self._view()} is None"
            # Cheap enough to be asked early, though not for every position.
            route = f"None if {unknown} else {trip}.route_zone in view.route"
            return self._lazy("on_route", route)._replace(cost=LAZY_COST - 1)
        return self._loaded(name, f"trip_{attribute}", f"None if {trip} is None else {trip}.{attribute}")

    def _view(self) -> str:
        zones = self._load("zones", "s.zones")
        return self._load("view", f"{zones}.view if {zones}.known else None")

    def _call(self, call: Call) -> Value:
        if call.function == "limit_kg":
            return self._limit()
        if call.function == "over_ratio":
            mass, limit = self.value(call.arguments[0]), self._limit()
            guards = (*mass.guards, *limit.guards, Guard(f"{limit.body} != 0", f"{limit.body} == 0", 2))
            return Value(guards, f"(({mass.body} - {limit.body}) / {limit.body})", mass.cost + limit.cost, True)
        names = [a for a in call.arguments if isinstance(a, Name)]
        if call.function == "age":
            return self._age(names[0])
        places = [self._point(name) for name in names]
        local = "apart_" + "_".join("".join(c if c.isalnum() else "_" for c in place) for place in places)
        return self._lazy(local, f"_distance_m({', '.join(places)})")

    def _limit(self) -> Value:
        axles = "t.axle_count"
        if self.kind == "weighing":
            axles = "t.axle_count if t.axle_count is not None else e.axle_count"
        return self._lazy("limit_kg", f"_limit_kg(t, {axles}, at)")

    def _age(self, name: Name) -> Value:
        if name.scope == "step":
            capture = self._capture(name.step or "")
            return self._lazy(f"age_{capture}", f"None if {capture} is None else (at - {capture}.at_ms) / 1000")
        if name.scope == "trip":
            trip = self._load("trip", "s.trip")
            return self._lazy("age_trip", f"None if {trip} is None else (at - {trip}.started_ms) / 1000")
        since = f"s.{_SINCE[name.attribute]}"
        return self._lazy(f"age_{name.attribute}", f"None if {since} == {NEVER_MS} else (at - {since}) / 1000")

    def _point(self, name: Name) -> str:
        if name.scope == "step":
            capture = self._capture(name.step or "")
            return f"None if {capture} is None else _place_of({capture}.event)"
        if name.scope == "truck":
            return f"None if s.fix_ms == {NEVER_MS} else (s.lon, s.lat)"
        return "_place_of(e)"

    # locals

    def _capture(self, alias: str) -> str:
        local = self.steps.setdefault(alias, f"c{len(self.steps)}")
        return self._load(local, f"_capture(caps, {alias!r})")

    def _load(self, local: str, code: str) -> str:
        self.loads.setdefault(local, code)
        return local

    def _loaded(self, name: Name, local: str, code: str) -> Value:
        self._load(local, code)
        kind = name.type
        if kind.kind == "enum" and name.scope in ("event", "step") and kind.nullable:
            guard = Guard(
                f"({local} is not None and {local} != 'unknown')", f"({local} is None or {local} == 'unknown')"
            )
            return Value((guard,), local)
        if not kind.nullable:
            return Value((), local)
        return Value((Guard(f"{local} is not None", f"{local} is None"),), local)

    def _lazy(self, local: str, code: str) -> Value:
        local = f"z_{local}"
        self.lazies.setdefault(local, code)
        filled = f"({local} if {local} is not _unset else ({local} := {code}))"
        return Value((Guard(f"{filled} is not None", f"{filled} is None", 1),), local, LAZY_COST, True)

    def prelude(self) -> list[str]:
        """The lines that fill the locals; to be asked for after everything has been written."""
        lines = [f"{local} = {code}" for local, code in self.loads.items()]
        return lines + ([" = ".join(self.lazies) + " = _unset"] if self.lazies else [])


def _as_membership(node: Node) -> Node:
    """`x == "a" or x == "b"` as `x in ("a", "b")`: one look-up instead of two comparisons."""
    if not (isinstance(node, Junction) and node.op == "or"):
        return node
    first = node.items[0]
    values: list[str] = []
    for item in node.items:
        same = isinstance(item, Compare) and isinstance(first, Compare) and item.left == first.left and item.op == "=="
        if not same or not isinstance(item, Compare) or not isinstance(item.left, Name):
            return node
        if not isinstance(item.right, Const) or not isinstance(item.right.value, str):
            return node
        values.append(item.right.value)
    assert isinstance(first, Compare)
    return Membership(first.left, Const(tuple(values), Type("list", nullable=False), ""), False, node.text)


def _may_be_zero(divisor: Node) -> bool:
    """Whether a division needs a guard; a `$param` may well be set to 0."""
    return not isinstance(divisor, Const) or divisor.value == 0


def _operands(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Compare):
        return (node.left, node.right)
    return (node.item, node.container) if isinstance(node, Membership) else (node,)
