"""Driving: where on its way a truck is at any moment, with turns, traffic lights, jams and halts."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from math import sqrt
from random import Random

from haulwatch.synthetic.plan import CameraSpot, CityPlan, Scale
from haulwatch.synthetic.plane import Point, between, distance, heading
from haulwatch.synthetic.roads import FREE_SPEED_KMH, Path

ACCELERATION = 0.7
BRAKING = 0.9
"""m/s², a loaded tipper in town."""
TURN_MS = 4.2
"""m/s round a corner."""
LIGHT_CHANCE = 0.35


@dataclass(frozen=True)
class Halt:
    """The truck stands at `metres` along its way for `wait_s`."""

    metres: float
    wait_s: float


@dataclass(frozen=True)
class Phase:
    """From `t` on: at `s` metres with `v` m/s and acceleration `a` m/s², until the next phase."""

    t: float
    s: float
    v: float
    a: float


@dataclass
class Journey:
    """One drive: `t` in seconds of the simulation, `s` in metres along `path`."""

    path: Path
    phases: list[Phase]
    t_end: float
    sums: list[float] = field(default_factory=list)
    _starts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = [0.0, *accumulate(distance(a, b) for a, b in pairwise(self.path.line))]
        self._starts = [phase.t for phase in self.phases]

    @property
    def t_start(self) -> float:
        """When it sets off."""
        return self.phases[0].t

    def metres_at(self, t: float) -> tuple[float, float]:
        """Metres along the way and m/s at `t`."""
        if t >= self.t_end:
            return self.path.metres, 0.0
        phase = self.phases[max(bisect_right(self._starts, t) - 1, 0)]
        dt = max(t - phase.t, 0.0)
        return phase.s + phase.v * dt + phase.a * dt * dt / 2, max(phase.v + phase.a * dt, 0.0)

    def place_at(self, metres: float) -> tuple[Point, float]:
        """The point at `metres` and the heading there."""
        line, sums = self.path.line, self.sums
        index = min(max(bisect_right(sums, metres) - 1, 0), len(line) - 2)
        a, b = line[index], line[index + 1]
        step = sums[index + 1] - sums[index]
        share = 0.0 if step <= 0 else min(max((metres - sums[index]) / step, 0.0), 1.0)
        return between(a, b, share), heading(a, b)

    def time_at(self, metres: float) -> float:
        """When it first reaches `metres` (to about 10 ms)."""
        low, high = self.t_start, self.t_end
        while high - low > 0.01:
            middle = (low + high) / 2
            low, high = (middle, high) if self.metres_at(middle)[0] < metres else (low, middle)
        return round(high, 2)

    def passes(self, plan: CityPlan) -> Iterator[tuple[float, CameraSpot | Scale]]:
        """The cameras and scales on the way, in order, each with the metres at which it is passed."""
        for stretch, start in zip(self.path.stretches, self.path.starts, strict=True):
            things = plan.on_edge.get(stretch.edge.edge_id, ())
            found = [(m if stretch.forward else stretch.edge.metres - m, thing) for m, thing in things]
            for metres, thing in sorted(found, key=lambda entry: entry[0]):
                yield start + metres, thing

    def spans_of(self, road_class: str) -> list[tuple[float, float]]:
        """`(from, to)` in seconds for every stretch of this class."""
        return [
            (self.time_at(start), self.time_at(start + stretch.edge.metres))
            for stretch, start in zip(self.path.stretches, self.path.starts, strict=True)
            if stretch.edge.road_class == road_class
        ]


def drive(path: Path, t: float, draw: Random, *, haste: float = 1.0, halts: Sequence[Halt] = ()) -> Journey:
    """A drive along `path` from `t` on; `haste` scales speeds, `halts` are stops beside those at traffic lights."""
    halts = sorted((*halts, *_lights(path, draw)), key=lambda halt: halt.metres)
    marks = _speed_marks(path, draw, haste)
    phases: list[Phase] = []
    s = 0.0
    for halt in (*halts, Halt(path.metres, 0.0)):
        if halt.metres - s > 1.0:
            t = _leg(phases, marks, s, halt.metres, t)
            s = halt.metres
        if halt.wait_s > 0:
            phases.append(Phase(t, s, 0.0, 0.0))
            t += halt.wait_s
    return Journey(path, phases or [Phase(t, 0.0, 0.0, 0.0)], t)


def jam(metres: float, draw: Random, minutes: float) -> list[Halt]:
    """Stop and go for about `minutes` from `metres` on."""
    halts: list[Halt] = []
    left = minutes * 60
    while left > 0:
        wait = min(draw.uniform(25.0, 80.0), left)
        halts.append(Halt(metres, round(wait, 1)))
        metres += draw.uniform(18.0, 45.0)
        left -= wait + 12.0
    return halts


def _lights(path: Path, draw: Random) -> list[Halt]:
    """Red lights at crossings of main roads."""
    halts: list[Halt] = []
    main = ("arterial", "ring")
    for before, after, start in zip(path.stretches, path.stretches[1:], path.starts[1:], strict=False):
        at_crossing = before.edge.road_class in main and after.edge.road_class in main
        crossing = path.nodes[path.starts.index(start)]
        if at_crossing and "/" not in crossing and before.edge.metres > 60 and draw.random() < LIGHT_CHANCE:
            halts.append(Halt(start - 12.0, round(draw.uniform(8.0, 50.0), 1)))
    return halts


def _speed_marks(path: Path, draw: Random, haste: float) -> list[tuple[float, float, float]]:
    """`(from, to, m/s)` for each stretch, with slow corners between."""
    marks: list[tuple[float, float, float]] = []
    for stretch, start in zip(path.stretches, path.starts, strict=True):
        speed = FREE_SPEED_KMH[stretch.edge.road_class] / 3.6 * haste * draw.uniform(0.86, 1.06)
        end = start + stretch.edge.metres
        if marks and _corner(path, start):
            marks[-1] = (marks[-1][0], start - 6.0, marks[-1][2])
            marks.append((start - 6.0, start + 6.0, TURN_MS))
            start += 6.0
        marks.append((start, end, speed))
    return [mark for mark in marks if mark[1] > mark[0]]


def _corner(path: Path, metres: float) -> bool:
    """Whether the way turns by more than 40° there."""
    index = path.starts.index(metres)
    a = path.stretches[index - 1]
    b = path.stretches[index]
    into = a.edge.line[-2:] if a.forward else a.edge.line[1::-1]
    out = b.edge.line[:2] if b.forward else b.edge.line[:-3:-1]
    turn = abs(heading(into[0], into[1]) - heading(out[0], out[1]))
    return min(turn, 360.0 - turn) > 40.0


def _leg(phases: list[Phase], marks: Sequence[tuple[float, float, float]], s0: float, s1: float, t: float) -> float:
    """Drives from standstill at `s0` to standstill at `s1`; returns when it stands."""
    parts = [(max(a, s0), min(b, s1), v) for a, b, v in marks if min(b, s1) - max(a, s0) > 0.01]
    limits = [0.0, *(min(left[2], right[2]) for left, right in pairwise(parts)), 0.0]
    speeds = limits[:]
    for index, (a, b, _) in enumerate(parts):
        speeds[index + 1] = min(speeds[index + 1], sqrt(speeds[index] ** 2 + 2 * ACCELERATION * (b - a)))
    for index in range(len(parts) - 1, -1, -1):
        a, b, _ = parts[index]
        speeds[index] = min(speeds[index], sqrt(speeds[index + 1] ** 2 + 2 * BRAKING * (b - a)))
    for index, (a, b, top) in enumerate(parts):
        t = _part(phases, t, a, b, (speeds[index], top, speeds[index + 1]))
    return t


def _part(phases: list[Phase], t: float, a: float, b: float, speeds: tuple[float, float, float]) -> float:
    """Accelerate, cruise, brake over one part of uniform limit."""
    v0, top, v1 = speeds
    peak = sqrt(
        (2 * ACCELERATION * BRAKING * (b - a) + BRAKING * v0 * v0 + ACCELERATION * v1 * v1) / (ACCELERATION + BRAKING)
    )
    peak = max(min(peak, top), v0, v1)
    rise, fall = (peak * peak - v0 * v0) / (2 * ACCELERATION), (peak * peak - v1 * v1) / (2 * BRAKING)
    cruise = max(b - a - rise - fall, 0.0)
    for metres, speed, acceleration, seconds in (
        (a, v0, ACCELERATION, (peak - v0) / ACCELERATION),
        (a + rise, peak, 0.0, cruise / peak if peak > 0 else 0.0),
        (b - fall, peak, -BRAKING, (peak - v1) / BRAKING),
    ):
        if seconds > 1e-6:
            phases.append(Phase(t, metres, speed, acceleration))
            t += seconds
    return t
