"""The plan of Hekou: roads, places, cameras, weigh stations and what may be hauled where. The same for every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from random import Random
from typing import Literal

from haulwatch.domain.text import Text
from haulwatch.synthetic.places import Area, Place, build_areas, build_protected, build_sites
from haulwatch.synthetic.plane import Point, along, distance, project, shifted
from haulwatch.synthetic.roads import Edge, Path, RoadNetwork
from haulwatch.synthetic.terrain import bent, street_network, to_river


@dataclass(frozen=True)
class CameraSpot:
    """A camera over a road."""

    camera_id: str
    name: Text
    point: Point
    trust: float
    at_gate: bool = False


@dataclass(frozen=True)
class Scale:
    """A weigh station: `static` ones stand before a disposal site's gate, `wim` ones lie in the road."""

    station_id: str
    name: Text
    point: Point
    mode: Literal["static", "wim"]
    tolerance_pct: float
    expired: bool


@dataclass(frozen=True)
class Licence:
    """A haulage permit: from where to where, on which way, at which local hours."""

    permit_id: str
    origin: str
    destination: str
    hours: tuple[str, ...]
    expired: bool = False

    @property
    def route_zone(self) -> str:
        """The id of the route's zone."""
        return f"R-{self.origin.replace('-', '')}-{self.destination.replace('-', '')}"


@dataclass
class CityPlan:
    """Everything that stands still."""

    roads: RoadNetwork
    places: dict[str, Place]
    areas: list[Area]
    cameras: list[CameraSpot]
    scales: list[Scale]
    licences: list[Licence]
    on_edge: dict[int, list[tuple[float, CameraSpot | Scale]]] = field(default_factory=dict)

    def of_kind(self, kind: str) -> list[Place]:
        """The places of one kind, in the order of their ids."""
        return [place for place in self.places.values() if place.kind == kind]

    @property
    def yards(self) -> list[str]:
        """Where trucks are based."""
        return [place.place_id for place in self.of_kind("parking")]

    @cached_property
    def bypasses(self) -> dict[str, tuple[str, ...]]:
        """Permit → junctions on service roads that leave its route for a minute or two."""
        found: dict[str, tuple[str, ...]] = {}
        for licence in self.licences:
            on_way = set(self.route_of(licence).nodes)
            middles = (node for node in self.roads.nodes if node.endswith("/service"))
            ends = {node: node.removesuffix("service") for node in middles}
            found[licence.permit_id] = tuple(n for n, e in ends.items() if f"{e}in" in on_way and f"{e}out" in on_way)
        return found

    def detour(self, licence: Licence, draw: Random) -> str:
        """A junction that leads far off a permit's route for many minutes, without driving any road twice."""
        usual = {stretch.edge.edge_id for stretch in self.route_of(licence).stretches}
        start, goal = self.places[licence.origin].spot, self.places[licence.destination].spot
        nodes = [node for node in self.roads.nodes if "/" not in node]
        draw.shuffle(nodes)
        for node in nodes:
            path = self.roads.path(start, node, goal)
            edges = [stretch.edge.edge_id for stretch in path.stretches]
            if len(set(edges)) == len(edges) and DETOUR_M[0] <= path.longest_without(usual) <= DETOUR_M[1]:
                return node
        raise ValueError(f"no detour for {licence.permit_id}")

    def route_of(self, licence: Licence) -> Path:
        """The way that a permit prescribes, from the site's middle to the disposal site's."""
        return self.roads.path(self.places[licence.origin].spot, self.places[licence.destination].spot)


ROUTE_REACH_M = 50.0
"""How far from its line a permitted route reaches (contract: routes, `buffer_m`)."""
DETOUR_M = (6_500.0, 11_500.0)
SERVICE_ROAD_M = 115.0
ALL_DAY = ("00:00-24:00",)
DAY = ("08:30-16:30",)
NIGHT = ("19:00-05:00",)
SPLIT = ("09:00-11:30", "13:00-16:30", "20:00-05:00")
LICENCES = (
    Licence("XK-001", "S-001", "D-02", ALL_DAY),
    Licence("XK-002", "S-002", "D-01", ALL_DAY),
    Licence("XK-003", "S-003", "D-07", ALL_DAY),
    Licence("XK-004", "S-004", "D-03", DAY),
    Licence("XK-005", "S-005", "D-02", ALL_DAY),
    Licence("XK-006", "S-006", "D-06", NIGHT),
    Licence("XK-007", "S-007", "D-07", ALL_DAY),
    Licence("XK-008", "S-008", "D-05", ALL_DAY),
    Licence("XK-009", "S-009", "D-04", SPLIT),
    Licence("XK-010", "S-010", "D-02", ALL_DAY),
    Licence("XK-011", "S-011", "D-05", DAY),
    Licence("XK-012", "S-012", "D-03", ALL_DAY),
    Licence("XK-014", "S-014", "D-04", ALL_DAY),
    Licence("XK-013", "S-013", "D-05", ALL_DAY, expired=True),
)
"""Site S-013 has only an expired permit."""

# id, name, street column and row near which it hangs, trust
CAMERAS: tuple[tuple[str, str, str, float, float, float], ...] = (
    ("cam-01", "云溪大道青河桥", "Yunxi Avenue Bridge", -7.0, -1.0, 0.9),
    ("cam-02", "环城西路青河桥", "West Ring Bridge", -5.0, -1.1, 0.9),
    ("cam-03", "青河大道桥北", "Qinghe Avenue, north bank", -2.0, 0.5, 0.85),
    ("cam-04", "青河大道江南路口", "Qinghe Avenue at Jiangnan", -2.0, -2.4, 0.85),
    ("cam-05", "望潮大道桥南", "Wangchao Avenue, south bank", 3.0, -0.3, 0.9),
    ("cam-06", "环城东路青河桥", "East Ring Bridge", 5.0, 0.3, 0.9),
    ("cam-07", "环城北路西段", "North Ring, west", -3.5, 5.0, 0.9),
    ("cam-08", "环城北路东段", "North Ring, east", 2.5, 5.0, 0.9),
    ("cam-09", "环城南路西段", "South Ring, west", -1.5, -4.0, 0.85),
    ("cam-10", "环城南路东段", "South Ring, east", 2.5, -4.0, 0.85),
    ("cam-11", "环城西路北段", "West Ring, north", -5.0, 2.6, 0.9),
    ("cam-12", "环城东路南段", "East Ring, south", 5.0, -2.6, 0.85),
    ("cam-13", "人民大道西段", "Renmin Avenue, west", -3.5, 2.0, 0.8),
    ("cam-14", "人民大道东段", "Renmin Avenue, east", 1.5, 2.0, 0.8),
    ("cam-15", "江北大道中段", "Jiangbei Avenue", 0.6, 4.0, 0.8),
    ("cam-16", "江南大道东段", "Jiangnan Avenue, east", 3.5, -2.0, 0.8),
    ("cam-17", "滨海大道北段", "Binhai Avenue, north", 7.0, 2.5, 0.85),
    ("cam-18", "滨海大道南段", "Binhai Avenue, south", 7.0, -3.5, 0.85),
    ("cam-19", "南屿大道", "Nanyu Avenue", -0.6, -6.0, 0.8),
    ("cam-20", "云溪大道北段", "Yunxi Avenue, north", -7.0, 3.5, 0.8),
)
GATE_CAMERAS = ("S-001", "S-002", "S-004", "S-008", "S-011", "D-01", "D-02", "D-03", "D-05", "D-06")
# id, name, mode, street column and row (wim) or disposal site (static), tolerance, verification expired
WIM = (
    ("W-01", "环城北路动态称重点", "North Ring WIM", -1.3, 5.0, 5.0, False),
    ("W-02", "环城东路动态称重点", "East Ring WIM", 5.0, 2.6, 5.0, False),
    ("W-03", "环城南路动态称重点", "South Ring WIM", -3.3, -4.0, 5.0, False),
    ("W-04", "南屿大道动态称重点", "Nanyu Avenue WIM", 2.5, -6.0, 8.0, True),
)
STATIC = (
    ("W-05", "北岭消纳场地磅", "Beiling scale", "D-02", 2.0, False),
    ("W-06", "东渚消纳场地磅", "Dongzhu scale", "D-06", 2.0, False),
    ("W-07", "西塘消纳场地磅", "Xitang scale", "D-01", 3.0, True),
)
SCALE_BEFORE_GATE_M = 30.0


@cache
def city_plan() -> CityPlan:
    """The one plan of Hekou (built once in a process)."""
    roads = street_network()
    protected, tracks = build_protected(roads)
    sites = build_sites(roads)
    _add_service_roads(roads, [place.ring for place in sites])
    cameras = [
        CameraSpot(camera_id, Text(zh, en), _on_street(roads, column, row), trust)
        for camera_id, zh, en, column, row, trust in CAMERAS
    ]
    places = {place.place_id: place for place in (*sites, *tracks)}
    cameras += [_gate_camera(roads, places[place_id]) for place_id in GATE_CAMERAS]
    scales = [
        Scale(station_id, Text(zh, en), _on_street(roads, column, row), "wim", tolerance, expired)
        for station_id, zh, en, column, row, tolerance, expired in WIM
    ]
    scales += [
        Scale(station_id, Text(zh, en), _before_gate(roads, places[site]), "static", tolerance, expired)
        for station_id, zh, en, site, tolerance, expired in STATIC
    ]
    plan = CityPlan(roads, places, [*build_areas(), *protected], cameras, scales, list(LICENCES))
    things: list[CameraSpot | Scale] = [*cameras, *scales]
    for thing in things:
        edge, metres, _ = roads.nearest(thing.point, ("local", "arterial", "ring", "access"))
        plan.on_edge.setdefault(edge.edge_id, []).append((metres, thing))
    return plan


def _add_service_roads(roads: RoadNetwork, rings: Sequence[Sequence[Point]]) -> None:
    """Beside long stretches of main roads a narrow road runs along for most of a block, where there is room."""
    long = [edge for edge in roads.edges.values() if edge.road_class in ("ring", "arterial") and edge.metres > 1_250]
    for number, edge in enumerate(long[::2]):
        steps = [along(edge.line, edge.metres * share / 10)[0] for share in range(3, 8)]
        for side in (SERVICE_ROAD_M, -SERVICE_ROAD_M):
            beside = shifted(steps, side)
            clear = all(distance(point, corner) > 200.0 for point in beside for ring in rings for corner in ring)
            if clear and all(abs(to_river(point)) > 250.0 for point in beside):
                _add_service_road(roads, edge, beside, f"V-{number}")
                break


def _add_service_road(roads: RoadNetwork, edge: Edge, beside: Sequence[Point], name: str) -> None:
    start, end = edge.metres * 0.22, edge.metres * 0.78
    far = along(edge.line, end)[0]
    near = roads.split(edge, start, f"{name}/in")
    rest = next(e for e in roads.edges.values() if e.start == near and e.end == edge.end)
    out = roads.split(rest, project(rest.line, far)[0], f"{name}/out")
    roads.add_node(f"{name}/service", beside[2])
    roads.add_edge(near, f"{name}/service", "local", inner=beside[:2])
    roads.add_edge(f"{name}/service", out, "local", inner=beside[3:])


def _on_street(roads: RoadNetwork, column: float, row: float) -> Point:
    """The nearest point on a street, kept clear of the junctions."""
    edge, metres, _ = roads.nearest(bent(column, row), ("arterial", "ring"))
    point, _ = along(edge.line, min(max(metres, 60.0), edge.metres - 60.0))
    return (round(point[0], 1), round(point[1], 1))


def _gate_camera(roads: RoadNetwork, place: Place) -> CameraSpot:
    turn, gate = roads.nodes[place.turn_off], roads.nodes[place.gate]
    share = 1 - 12.0 / distance(turn, gate)
    point = (round(turn[0] + (gate[0] - turn[0]) * share, 1), round(turn[1] + (gate[1] - turn[1]) * share, 1))
    name = Text(f"{place.name.zh}大门", f"{place.name.en} gate")
    return CameraSpot(f"cam-{place.place_id.replace('-', '').lower()}", name, point, 0.9, at_gate=True)


def _before_gate(roads: RoadNetwork, place: Place) -> Point:
    turn, gate = roads.nodes[place.turn_off], roads.nodes[place.gate]
    share = 1 - SCALE_BEFORE_GATE_M / distance(turn, gate)
    return (round(turn[0] + (gate[0] - turn[0]) * share, 1), round(turn[1] + (gate[1] - turn[1]) * share, 1))
