"""One truck at work: each verb moves its clock on and writes what happened into the current chapter."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from haulwatch.synthetic.chapters import Body, Change, Chapter, LookAlike, Paper, Span, Stand
from haulwatch.synthetic.fleet import TruckSpec
from haulwatch.synthetic.journeys import Halt, Journey, drive
from haulwatch.synthetic.plan import CityPlan, Licence, Scale
from haulwatch.synthetic.roads import Path

SCOOP_KG = 1_300.0
SCALE_HALT_S = 25.0


class Driver:
    """The truck's now: `t` in seconds of the simulation, the junction it stands at, and its body's state."""

    def __init__(self, truck: TruckSpec, plan: CityPlan, draw: Random, t: float) -> None:
        self.truck, self.plan, self.draw = truck, plan, draw
        self.t = t
        self.node = plan.places[truck.home].spot
        self.body: dict[Body, float | str | None] = {
            "load_kg": 0.0,
            "cover": "closed",
            "lift": "lowered",
            "sensor_kg": None,
        }
        self.chapter = Chapter(t, dict(self.body))
        self.trips = 0

    def new_chapter(self) -> Chapter:
        """Closes the current chapter and returns it; the next one begins now."""
        done = self.chapter
        done.t1 = self.t
        done.changes.sort(key=lambda change: change.t)
        self.body = done.body_at(self.t)
        self.chapter = Chapter(self.t, dict(self.body))
        return done

    def change(self, t: float, what: Body, value: float | str | None) -> None:
        """Changes the body at `t`."""
        self.chapter.changes.append(Change(round(t, 1), what, value))

    def head_for(self, node: str) -> None:
        """Drives to `node` unless it is there."""
        if node != self.node:
            self.go(node)

    def go(self, *nodes: str, haste: float = 1.0, halts: Sequence[Halt] = ()) -> Journey:
        """Drives through `nodes`, stopping on static scales."""
        path = self.plan.roads.path(self.node, *nodes)
        return self.follow(path, haste=haste, halts=halts)

    def follow(self, path: Path, *, haste: float = 1.0, halts: Sequence[Halt] = ()) -> Journey:
        """Drives along a way that begins here."""
        stops = [*halts, *_scale_stops(path, self.plan)]
        journey = drive(path, self.t, self.draw, haste=haste, halts=stops)
        self.chapter.moves.append(journey)
        for t0, t1 in journey.spans_of("tunnel"):
            self.chapter.under_ground.append(Span(t0 + 3.0, t1 - 1.0))
        self.t, self.node = journey.t_end, path.nodes[-1]
        return journey

    def stand(self, seconds: float, *, engine: bool = True, jitter_m: float = 0.0) -> Span:
        """Stands for a while."""
        point = self.plan.roads.nodes[self.node]
        t0, self.t = self.t, self.t + seconds
        self.chapter.moves.append(Stand(t0, self.t, point, engine, jitter_m))
        return Span(t0, self.t)

    def load_up(self, load_kg: float, *, close: bool) -> Span:
        """Is loaded by an excavator for 10-15 minutes; `close` draws the cover before setting off."""
        draw = self.draw
        scoops = max(int(load_kg / SCOOP_KG), 4)
        begin = self.t + draw.uniform(40.0, 120.0)
        self.change(begin - 20.0, "cover", "open")
        step = draw.uniform(560.0, 800.0) / scoops
        for number in range(1, scoops + 1):
            self.change(begin + number * step, "load_kg", round(load_kg * number / scoops))
        end = begin + scoops * step
        if close:
            self.change(end + draw.uniform(20.0, 40.0), "cover", "closed")
        return self.stand(end + draw.uniform(60.0, 150.0) - self.t)

    def tip(self, *, left_kg: float = 0.0, lift: bool = True, close: bool = True, seconds: float = 300.0) -> Span:
        """Unloads: opens, raises the body, the load slides out, lowers it again."""
        draw = self.draw
        begin = self.t + seconds * 0.3
        self.change(begin - 25.0, "cover", "open")
        if lift:
            self.change(begin, "lift", "raised")
        loaded = float(self.chapter.body_at(begin)["load_kg"] or 0.0)
        for number in range(1, 5):
            self.change(begin + 12.0 * number, "load_kg", round(loaded + (left_kg - loaded) * number / 4))
        down = begin + draw.uniform(75.0, 110.0)
        if lift:
            self.change(down, "lift", "lowered")
        if close:
            self.change(down + 20.0, "cover", "closed")
        return self.stand(max(seconds, down + 40.0 - self.t))

    def issue(self, licence: Licence, at: float) -> str:
        """Issues the manifest of a trip; returns its id."""
        tonnes = round(float(self.chapter.body_at(at)["load_kg"] or 0.0) / 1000, 1)
        manifest_id = f"LD-{self.truck.terminal_id[-5:]}-{int(at) + 100_000}"
        self.chapter.papers.append(Paper(at, "issued", manifest_id, licence.origin, licence.destination, tonnes))
        return manifest_id

    def complete(self, manifest_id: str, licence: Licence, at: float) -> None:
        """The disposal site confirms the manifest."""
        self.chapter.papers.append(Paper(at, "completed", manifest_id, licence.origin, licence.destination, 0.0))

    def rest(self, seconds: float) -> Span:
        """Parks with the engine off."""
        return self.stand(seconds, engine=False)

    def innocent(self, kind: str, span: Span, note: str) -> None:
        """Notes a look-alike."""
        self.chapter.look_alikes.append(LookAlike(kind, span, note))


def _scale_stops(path: Path, plan: CityPlan) -> list[Halt]:
    """Static scales are driven onto and stood upon."""
    stops: list[Halt] = []
    for stretch, start in zip(path.stretches, path.starts, strict=True):
        for metres, thing in plan.on_edge.get(stretch.edge.edge_id, ()):
            if isinstance(thing, Scale) and thing.mode == "static":
                there = metres if stretch.forward else stretch.edge.metres - metres
                stops.append(Halt(start + there, SCALE_HALT_S))
    return stops
