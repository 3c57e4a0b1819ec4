"""An expression's value by its written definition: walk the tree, three values. Shares no code with `rules`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from haulwatch.domain.events import Sighting, Weighing
from haulwatch.domain.registry import Registry, Truck
from haulwatch.domain.trucks import TruckState
from rules import nodes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOT_YET = -(2**62)


@dataclass
class World:
    """What expressions can see beside the truck; `kg_per_axle` stands for the law."""

    registry: Registry = field(default_factory=Registry)
    tz: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Shanghai"))
    city_id: str = "testville"
    kg_per_axle: float = 10.0


@dataclass
class Sight:
    """All that one evaluation can look at; `earlier` maps step names to (event, instant in ms)."""

    world: World
    event: Any
    at_ms: int
    state: TruckState
    truck: Truck
    earlier: dict[str, tuple[Any, int]] = field(default_factory=dict)

    def local(self) -> datetime:
        return (EPOCH + timedelta(milliseconds=self.at_ms)).astimezone(self.world.tz)

    def local_day(self) -> date:
        return self.local().date()


def value(node: Any, sight: Sight) -> Any:
    """The value of a node; None is unknown."""
    if isinstance(node, nodes.Const):
        return node.value
    if isinstance(node, nodes.Name):
        return named(node, sight)
    if isinstance(node, nodes.Not):
        inner = truth(node.item, sight)
        return None if inner is None else not inner
    if isinstance(node, nodes.Junction):
        found = [truth(item, sight) for item in node.items]
        deciding = node.op == "or"
        if deciding in found:
            return deciding
        return None if None in found else not deciding
    if isinstance(node, nodes.Compare):
        return compared(node, value(node.left, sight), value(node.right, sight))
    if isinstance(node, nodes.Membership):
        item, container = value(node.item, sight), value(node.container, sight)
        if item is None or container is None:
            return None
        return (item in list(container)) != node.negated
    if isinstance(node, nodes.Arithmetic):
        return computed(node.op, value(node.left, sight), value(node.right, sight))
    assert isinstance(node, nodes.Call)
    return called(node, sight)


def truth(node: Any, sight: Sight) -> bool | None:
    """True, false or None; a list is true when anything is in it."""
    found = value(node, sight)
    return bool(found) if isinstance(found, (tuple, list)) else found


def compared(node: nodes.Compare, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    answers = {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
    }
    return bool(answers[node.op]())


def computed(op: str, left: Any, right: Any) -> float | None:
    if left is None or right is None or (op == "/" and right == 0):
        return None
    if op == "+":
        return left + right
    if op == "-":
        return left - right
    return left * right if op == "*" else left / right


def called(node: nodes.Call, sight: Sight) -> Any:
    if node.function == "age":
        return age(node.arguments[0], sight)
    if node.function == "distance_m":
        return distance(*(place(argument, sight) for argument in node.arguments))
    axles = sight.truck.axle_count
    if axles is None and isinstance(sight.event, Weighing):
        axles = sight.event.axle_count
    limit = None if axles is None else sight.world.kg_per_axle * axles
    if node.function == "limit_kg":
        return limit
    assert node.function == "over_ratio"
    mass = value(node.arguments[0], sight)
    return None if mass is None or limit is None else (mass - limit) / limit


def named(node: nodes.Name, sight: Sight) -> Any:
    """The value behind a name; an enum's "unknown" is None."""
    found = looked_up(node, sight)
    return None if node.type.kind == "enum" and found == "unknown" else found


def looked_up(node: nodes.Name, sight: Sight) -> Any:
    attribute, state, tables = node.attribute, sight.state, sight.world.registry
    if node.scope == "event":
        return getattr(sight.event, attribute, None)
    if node.scope == "step":
        event, _ = sight.earlier.get(node.step or "", (None, None))
        return getattr(event, attribute, None)
    if node.scope == "zones":
        return getattr(state.zones.view, attribute) if state.zones.known else None
    if node.scope == "truck":
        return of_truck(attribute, sight)
    if node.scope == "trip":
        return of_trip(attribute, sight)
    if node.scope == "city":
        return sight.world.city_id
    if node.scope == "camera":
        camera = tables.cameras.get(getattr(sight.event, "camera_id", ""))
        return getattr(camera, attribute, None)
    assert node.scope == "station"
    station = tables.stations.get(getattr(sight.event, "station_id", ""))
    if attribute == "verified":
        until = getattr(station, "verified_until", None)
        return None if until is None else sight.local_day() <= until
    return getattr(station, attribute, None)


def of_truck(attribute: str, sight: Sight) -> Any:
    if attribute == "permitted":
        start, end = sight.truck.permit_from, sight.truck.permit_to
        if start is None and end is None:
            return None
        today = sight.local_day()
        return (start is None or start <= today) and (end is None or today <= end)
    where = sight.truck if hasattr(sight.truck, attribute) else sight.state
    return getattr(where, attribute)


def of_trip(attribute: str, sight: Sight) -> Any:
    state, trip = sight.state, sight.state.trip
    if attribute == "phase":
        return state.phase
    if trip is None:
        return None
    if attribute == "on_route":
        if trip.route_zone is None or not state.zones.known:
            return None
        return trip.route_zone in state.zones.view.route
    if attribute == "in_hours":
        permit = sight.world.registry.permits.get(trip.permit_id or "")
        if permit is None or not permit.hours:
            return None
        minute = sight.local().hour * 60 + sight.local().minute
        return any(in_hours(h.from_min, h.to_min, minute) for h in permit.hours)
    return getattr(trip, attribute)


def in_hours(start: int, end: int, minute: int) -> bool:
    """Local clock hours, to the minute; an end that is not after the start is on the next day."""
    return start <= minute < end if start < end else not end <= minute < start


SINCE = {"load": "load_ms", "cover": "cover_ms", "lift": "lift_ms", "gross_kg": "gross_ms", "speed_kmh": "fix_ms"}


def age(argument: Any, sight: Sight) -> float | None:
    """Seconds since something was last known, a trip began or a step was taken."""
    since: int | None = None
    if argument.scope == "truck":
        since = getattr(sight.state, SINCE[argument.attribute])
    elif argument.scope == "trip" and sight.state.trip is not None:
        since = sight.state.trip.started_ms
    elif argument.scope == "step":
        since = sight.earlier.get(argument.step, (None, None))[1]
    return None if since is None or since == NOT_YET else (sight.at_ms - since) / 1000


def place(argument: Any, sight: Sight) -> tuple[float, float] | None:
    if argument.scope == "truck":
        return (sight.state.lon, sight.state.lat) if sight.state.fix_ms != NOT_YET else None
    event = sight.event
    if argument.scope == "step":
        event, _ = sight.earlier.get(argument.step, (None, None))
    tables = sight.world.registry
    if isinstance(event, Weighing):
        event = tables.stations.get(event.station_id)
    elif isinstance(event, Sighting):
        event = tables.cameras.get(event.camera_id)
    lon, lat = getattr(event, "lon", None), getattr(event, "lat", None)
    return None if lon is None or lat is None else (lon, lat)


def distance(a: tuple[float, float] | None, b: tuple[float, float] | None) -> float | None:
    """Great-circle distance in metres on a sphere of 6,371,008.8 m."""
    if a is None or b is None:
        return None
    (lon_a, lat_a), (lon_b, lat_b) = a, b
    p, q = math.radians(lat_a), math.radians(lat_b)
    h = math.sin((q - p) / 2) ** 2 + math.cos(p) * math.cos(q) * math.sin(math.radians(lon_b - lon_a) / 2) ** 2
    return 2 * 6_371_008.8 * math.asin(math.sqrt(h))


def below(node: Any) -> list[Any]:
    """The node and all nodes under it."""
    found = [node]
    for part in ("item", "left", "right", "container"):
        if hasattr(node, part):
            found += below(getattr(node, part))
    for part in ("items", "arguments"):
        for inner in getattr(node, part, ()):
            found += below(inner)
    return found


def names_in(node: Any) -> set[tuple[str, str]]:
    """(scope, attribute) of every name in the tree."""
    return {(n.scope, n.attribute) for n in below(node) if isinstance(n, nodes.Name)}


OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
Witness = tuple[Any, ...]
"""(text, name, observed, operator, threshold, unit, event_id)."""


def witnesses(node: Any, sight: Sight, wanted: bool = True) -> list[Witness]:
    """The comparisons that make the condition come out as `wanted`, each as it held."""
    if truth(node, sight) is not wanted:
        return []
    if isinstance(node, nodes.Not):
        return witnesses(node.item, sight, not wanted)
    if isinstance(node, nodes.Junction):
        return [found for item in node.items for found in witnesses(item, sight, wanted)]
    text = node.text if wanted else f"not ({node.text})"
    if isinstance(node, nodes.Compare):
        left, op, right = node.left, str(node.op), node.right
        if isinstance(left, nodes.Const):
            left, op, right = right, MIRRORED[op], left
        unit = left.type.unit or right.type.unit
        return [
            (
                text,
                left.text,
                shown(left, sight),
                op if wanted else OPPOSITE[op],
                shown(right, sight),
                unit,
                record(left, sight),
            )
        ]
    if isinstance(node, nodes.Membership):
        inside = wanted != node.negated
        source = node.container if isinstance(node.item, nodes.Const) else node.item
        op = "in" if inside else "not in"
        return [
            (
                text,
                node.item.text,
                shown(node.item, sight),
                op,
                shown(node.container, sight),
                None,
                record(source, sight),
            )
        ]
    seen = shown(node, sight)
    if isinstance(seen, list):
        return [(text, node.text, seen, "any" if wanted else "none", None, None, record(node, sight))]
    return [(text, node.text, seen, "==", wanted, None, record(node, sight))]


def shown(node: Any, sight: Sight) -> Any:
    found = value(node, sight)
    if isinstance(found, (tuple, list)):
        return list(found)
    return round(found, 6) if isinstance(found, float) else found


def record(node: Any, sight: Sight) -> str | None:
    """The record on which a value was seen."""
    if isinstance(node, nodes.Name) and node.scope == "step":
        event, _ = sight.earlier.get(node.step or "", (None, None))
        return getattr(event, "event_id", None)
    return sight.event.event_id if sight.event is not None else sight.state.fix_event_id or None
