"""Near a line or not: where a way leaves a permitted route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from haulwatch.synthetic.plane import Point, distance

CELL_M = 200.0
GRAIN_M = 8.0


class Corridor:
    """Everything within `reach_m` of a polyline (to about a metre)."""

    def __init__(self, line: Sequence[Point], reach_m: float) -> None:
        self._reach_m = reach_m
        self._cells: dict[tuple[int, int], list[Point]] = {}
        for a, b in pairwise(line):
            count = int(distance(a, b) / GRAIN_M) + 1
            for index in range(count + 1):
                share = index / count
                point = (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
                self._cells.setdefault(_cell(point), []).append(point)

    def __contains__(self, point: Point) -> bool:
        column, row = _cell(point)
        for dx in (-1, 0, 1):
            for dy in (-1, 0, 1):
                for other in self._cells.get((column + dx, row + dy), ()):
                    if distance(point, other) <= self._reach_m:
                        return True
        return False

    def ways_off(self, marked: Iterable[tuple[float, Point]]) -> Iterator[tuple[float, float]]:
        """`(from, to)` marks of each run of points outside; marks are metres or seconds."""
        since: float | None = None
        mark = 0.0
        for mark, point in marked:
            if point in self:
                if since is not None:
                    yield since, mark
                since = None
            elif since is None:
                since = mark
        if since is not None:
            yield since, mark


def _cell(point: Point) -> tuple[int, int]:
    return int(point[0] // CELL_M), int(point[1] // CELL_M)
