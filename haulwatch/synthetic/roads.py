"""The road network: a graph whose edges are curves with a class, a name and things along them."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal

from haulwatch.domain.text import Text
from haulwatch.synthetic.plane import Point, along, length, project

RoadClass = Literal["ring", "arterial", "local", "access", "track", "tunnel"]
FREE_SPEED_KMH: dict[RoadClass, float] = {
    "ring": 62.0,
    "arterial": 50.0,
    "tunnel": 48.0,
    "local": 38.0,
    "access": 14.0,
    "track": 16.0,
}
"""What a loaded tipper drives where nothing stops it."""


@dataclass
class Edge:
    """A piece of road between two junctions, usable in both directions; `cost_s` is its time when free."""

    edge_id: int
    start: str
    end: str
    line: list[Point]
    road_class: RoadClass
    name: Text | None = None
    metres: float = 0.0
    cost_s: float = 0.0

    def __post_init__(self) -> None:
        self.metres = length(self.line)
        self.cost_s = self.metres / (FREE_SPEED_KMH[self.road_class] / 3.6)


@dataclass(frozen=True)
class Stretch:
    """An edge as driven: `forward` is from `edge.start` to `edge.end`."""

    edge: Edge
    forward: bool


@dataclass(frozen=True)
class Path:
    """A way through the network, with its polyline and where each stretch begins along it (metres)."""

    nodes: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    line: tuple[Point, ...]
    starts: tuple[float, ...]
    metres: float

    def longest_without(self, edge_ids: Collection[int]) -> float:
        """Metres of the longest piece of the way that uses none of these edges."""
        longest = run = 0.0
        for stretch in self.stretches:
            run = 0.0 if stretch.edge.edge_id in edge_ids else run + stretch.edge.metres
            longest = max(longest, run)
        return longest


@dataclass
class RoadNetwork:
    """Junctions by id, edges by id; shortest ways by driving time, remembered."""

    nodes: dict[str, Point] = field(default_factory=dict)
    edges: dict[int, Edge] = field(default_factory=dict)
    _ways: dict[str, list[tuple[str, Edge]]] = field(default_factory=dict)
    _paths: dict[tuple[str, str], Path] = field(default_factory=dict)
    _next_id: int = 0

    def add_node(self, node: str, point: Point) -> None:
        """Adds a junction."""
        self.nodes[node] = (round(point[0], 2), round(point[1], 2))

    def add_edge(
        self, start: str, end: str, road_class: RoadClass, *, inner: Iterable[Point] = (), name: Text | None = None
    ) -> Edge:
        """Adds a road from `start` to `end` through the `inner` points."""
        line = [self.nodes[start], *((round(x, 2), round(y, 2)) for x, y in inner), self.nodes[end]]
        edge = Edge(self._next_id, start, end, line, road_class, name)
        self._next_id += 1
        self.edges[edge.edge_id] = edge
        self._ways.setdefault(start, []).append((end, edge))
        self._ways.setdefault(end, []).append((start, edge))
        self._paths.clear()
        return edge

    def remove_edge(self, edge: Edge) -> None:
        """Takes a road away."""
        del self.edges[edge.edge_id]
        for node in (edge.start, edge.end):
            self._ways[node] = [way for way in self._ways[node] if way[1] is not edge]
        self._paths.clear()

    def degree(self, node: str) -> int:
        """How many roads meet at `node`."""
        return len(self._ways.get(node, ()))

    def split(self, edge: Edge, metres: float, node: str) -> str:
        """Puts a junction `node` on `edge`, `metres` from its start; returns the junction's id."""
        point, index = along(edge.line, metres)
        self.remove_edge(edge)
        self.add_node(node, point)
        self.add_edge(edge.start, node, edge.road_class, inner=edge.line[1 : index + 1], name=edge.name)
        self.add_edge(node, edge.end, edge.road_class, inner=edge.line[index + 1 : -1], name=edge.name)
        return node

    def nearest(self, point: Point, classes: Collection[RoadClass]) -> tuple[Edge, float, float]:
        """The nearest road of these classes: `(edge, metres along it, metres away)`."""
        found = ((edge, *project(edge.line, point)) for edge in self.edges.values() if edge.road_class in classes)
        return min(found, key=lambda hit: (hit[2], hit[0].edge_id))

    def keep_largest_part(self) -> None:
        """Drops whatever cannot be reached from most of the network, and dead ends."""
        ends = [node for node in self.nodes if self.degree(node) == 1]
        while ends:
            node = ends.pop()
            if self.degree(node) != 1:
                continue
            other, edge = self._ways[node][0]
            self.remove_edge(edge)
            if self.degree(other) == 1:
                ends.append(other)
        best: set[str] = set()
        for node in self.nodes:
            if node not in best and len(part := self._reach(node)) > len(best):
                best = part
        for edge in [edge for edge in self.edges.values() if edge.start not in best]:
            self.remove_edge(edge)
        for node in [node for node in self.nodes if node not in best]:
            del self.nodes[node]

    def _reach(self, node: str) -> set[str]:
        seen, queue = {node}, [node]
        while queue:
            for other, _ in self._ways.get(queue.pop(), ()):
                if other not in seen:
                    seen.add(other)
                    queue.append(other)
        return seen

    def path(self, start: str, *goals: str) -> Path:
        """The quickest way from `start` through all `goals` in order."""
        key = (start, goals[0])
        if key not in self._paths:
            self._paths[key] = _path(self._search(start, goals[0]), self.nodes[start])
        whole = self._paths[key]
        return whole if len(goals) == 1 else joined(whole, self.path(goals[0], *goals[1:]))

    def _search(self, start: str, goal: str) -> list[tuple[str, Edge]]:
        """Dijkstra: the roads from `start` to `goal`, each with the junction it leads to."""
        settled: dict[str, tuple[str, Edge] | None] = {}
        queue: list[tuple[float, str, tuple[str, Edge] | None]] = [(0.0, start, None)]
        while queue:
            cost, node, came = heapq.heappop(queue)
            if node in settled:
                continue
            settled[node] = came
            if node == goal:
                break
            for other, edge in self._ways[node]:
                if other not in settled:
                    heapq.heappush(queue, (cost + edge.cost_s + 6.0, other, (node, edge)))
        way: list[tuple[str, Edge]] = []
        node = goal
        while (step := settled[node]) is not None:
            way.append((node, step[1]))
            node = step[0]
        return way[::-1]


def _path(way: list[tuple[str, Edge]], first: Point) -> Path:
    nodes: list[str] = []
    stretches: list[Stretch] = []
    line: list[Point] = [first]
    starts: list[float] = []
    metres = 0.0
    for node, edge in way:
        forward = edge.end == node
        nodes.append(node)
        stretches.append(Stretch(edge, forward))
        starts.append(metres)
        line.extend((edge.line if forward else edge.line[::-1])[1:])
        metres += edge.metres
    origin = _other(stretches[0]) if stretches else ""
    return Path((origin, *nodes), tuple(stretches), tuple(line), tuple(starts), metres)


def _other(stretch: Stretch) -> str:
    return stretch.edge.start if stretch.forward else stretch.edge.end


def joined(first: Path, second: Path) -> Path:
    """One way after the other."""
    return Path(
        first.nodes + second.nodes[1:],
        first.stretches + second.stretches,
        first.line + second.line[1:],
        first.starts + tuple(start + first.metres for start in second.starts),
        first.metres + second.metres,
    )


def reversed_path(path: Path) -> Path:
    """The same way back."""
    stretches = tuple(Stretch(step.edge, not step.forward) for step in reversed(path.stretches))
    starts: list[float] = []
    metres = 0.0
    for step in stretches:
        starts.append(metres)
        metres += step.edge.metres
    return Path(path.nodes[::-1], stretches, path.line[::-1], tuple(starts), path.metres)
