"""The devices' view of a chapter: what terminals, cameras, scales and the manifest office report of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random
from typing import Any

from haulwatch.synthetic.chapters import Chapter, Paper, Stand
from haulwatch.synthetic.fleet import TruckSpec
from haulwatch.synthetic.journeys import Journey
from haulwatch.synthetic.noise import Drift, NoiseLevel, bell
from haulwatch.synthetic.plan import CameraSpot, CityPlan, Scale
from haulwatch.synthetic.plane import Point, degrees_of

PERIODS_S = (10, 10, 10, 8, 12)
ENGINE_ON_S = 30
ENGINE_OFF_S = (45, 60, 60)
FULL_SHARE, EMPTY_SHARE = 0.5, 0.1
SURE = (0.83, 0.98)
UNSURE = (0.45, 0.77)
SURE_PLATE = (0.86, 0.99)
MISREAD_PLATE = (0.35, 0.58)
SEEN_SHARE = 0.94
WIM_CLIP = 1.8
"""Scales are calibrated: an error beyond this many spreads does not happen."""


@dataclass(frozen=True)
class Observation:
    """One record as a device makes it: `t` in seconds of the simulation, `fields` without ids and instants."""

    t: float
    source: str
    fields: dict[str, Any]
    about: str
    late_until: float | None = None


class Terminal:
    """The box on the truck, and everything else that observes this truck."""

    def __init__(self, truck: TruckSpec, plan: CityPlan, level: NoiseLevel, draw: Random) -> None:
        self.truck, self.plan, self.level, self.draw = truck, plan, level, draw
        self.source = f"jt808:{truck.terminal_id}"
        self._period = PERIODS_S[truck.index % len(PERIODS_S)]
        self._off_period = ENGINE_OFF_S[truck.index % len(ENGINE_OFF_S)]
        self._drift = Drift(draw, level.drift_m)
        self._mileage_m = float(20_000_000 + truck.index * 137_000)
        self._last_t = float("-inf")

    def observe(self, chapter: Chapter, others: Sequence[str]) -> list[Observation]:
        """Everything that is reported of a chapter in order of time; `others` are plates a camera may misread."""
        seen = [*self._positions(chapter)]
        for journey in chapter.journeys():
            seen.extend(self._passed(chapter, journey, others))
        for paper in chapter.papers:
            seen.append(Observation(paper.t, "manifest:hekou", _paper_fields(paper), self.truck.truck_id))
        cameras = {camera.camera_id: camera for camera in self.plan.cameras}
        for ghost in chapter.ghosts:
            fields = self._sighting(cameras[ghost.camera_id], "full", "closed", 42.0, "east", wrong=False)
            if not ghost.sure:
                fields["plate_confidence"] = round(self.draw.uniform(*MISREAD_PLATE), 2)
            seen.append(Observation(ghost.t, f"isapi:{ghost.camera_id}", fields, self.truck.truck_id))
        return sorted(seen, key=lambda observation: observation.t)

    # positions

    def _positions(self, chapter: Chapter) -> Iterator[Observation]:
        moves, starts = chapter.moves, [_begin(move) for move in chapter.moves]
        body, next_change = dict(chapter.body), 0
        driven_m, journey_done = 0.0, -1
        for t in self._report_times(chapter):
            while next_change < len(chapter.changes) and chapter.changes[next_change].t <= t:
                change = chapter.changes[next_change]
                body[change.what] = change.value
                next_change += 1
            index = max(bisect_right(starts, t) - 1, 0)
            while journey_done < index - 1:
                journey_done += 1
                driven_m += _metres(moves[journey_done])
            if _silent(chapter, t):
                continue
            here = moves[index]
            metres = here.metres_at(t)[0] if isinstance(here, Journey) else 0.0
            fields = self._fix(chapter, here, t)
            fields["mileage_km"] = round((self._mileage_m + driven_m + metres) / 1000, 1)
            fields.update(self._sensors(body))
            dark = next((span for span in chapter.out_of_coverage if t in span), None)
            yield Observation(t, self.source, fields, self.truck.truck_id, None if dark is None else dark.t1)
        self._mileage_m += sum(_metres(move) for move in moves)

    def _report_times(self, chapter: Chapter) -> list[float]:
        """Whole seconds: a regular beat that depends on how the truck moves, and at once when a sensor changes."""
        times: list[float] = []
        for move in chapter.moves:
            t1 = move.t1 if isinstance(move, Stand) else move.t_end
            period = self._period
            if isinstance(move, Stand):
                period = ENGINE_ON_S if move.engine else self._off_period
            t = max(self._last_t + period, ceil(_begin(move)))
            while t < t1:
                times.append(float(t))
                self._last_t = t
                t += period
        if self.truck.device_class == "full":
            events = {float(ceil(change.t) + 1) for change in chapter.changes if change.what in ("cover", "lift")}
            times = sorted({*times, *(t for t in events if t < chapter.t1)})
        return times

    def _fix(self, chapter: Chapter, here: Stand | Journey, t: float) -> dict[str, Any]:
        draw, level = self.draw, self.level
        if isinstance(here, Journey):
            metres, speed = here.metres_at(t)
            point, direction = here.place_at(metres)
            engine, extra = True, 0.0
        else:
            point, speed, direction, engine, extra = here.point, 0.0, 0.0, here.engine, here.jitter_m
        for spoof in chapter.spoofs:
            if t in spoof.span:
                point = (point[0] + spoof.offset[0], point[1] + spoof.offset[1])
        kmh = speed * 3.6
        if kmh > 4.0:
            kmh = max(kmh + bell(draw) * level.speed_noise_kmh, 0.0)
        east, north = self._drift.step(extra)
        accuracy = round(3.0 + abs(east) / 3 + abs(north) / 3 + extra / 4 + draw.random() * 2, 1)
        fields = _located(point, east, north, kmh, direction)
        fields |= {"accuracy_m": accuracy, "satellites": 14 - min(int(extra / 4), 6) - draw.randrange(4)}
        chance = draw.random()
        if chance < level.invalid_share:
            far = _located(point, bell(draw) * 300, bell(draw) * 300, kmh, direction)
            fields |= far | {"accuracy_m": None, "satellites": draw.randrange(4), "valid": False}
        elif chance < level.invalid_share + level.multipath_share:
            flagged = draw.random() < 0.8
            reach = 180.0 if flagged else 45.0
            far = _located(point, bell(draw) * reach, bell(draw) * reach, kmh, direction)
            fields |= far | {"accuracy_m": round(60 + draw.random() * 90, 1) if flagged else accuracy, "valid": True}
        else:
            fields["valid"] = True
        fields["ignition"] = engine
        return fields

    def _sensors(self, body: dict[Any, Any]) -> dict[str, Any]:
        device = self.truck.device_class
        if device == "basic":
            return {}
        actual = body["load_kg"] if body["sensor_kg"] is None else body["sensor_kg"]
        measured = max(float(actual) + bell(self.draw) * self.level.load_noise_kg, 0.0)
        mass = {"load_kg": float(round(measured / 20) * 20)}
        if device == "weight":
            return mass
        state = {"load": load_name(measured, self.truck), "cover": body["cover"], "lift": body["lift"]}
        return state | mass if self.truck.index % 2 else state

    # roadside

    def _passed(self, chapter: Chapter, journey: Journey, others: Sequence[str]) -> Iterator[Observation]:
        for metres, thing in journey.passes(self.plan):
            t = journey.time_at(metres)
            speed = journey.metres_at(t)[1] * 3.6
            body = chapter.body_at(t)
            if isinstance(thing, Scale):
                t_weighed = t + 12.0 if thing.mode == "static" else t
                fields = self._weighing(thing, float(body["load_kg"] or 0.0), speed)
                yield Observation(t_weighed, f"scale:{thing.station_id}", fields, self.truck.truck_id)
                continue
            wrong = any(t in span for span in chapter.misseen)
            if self.draw.random() > SEEN_SHARE and not wrong:
                continue
            load = load_name(float(body["load_kg"] or 0.0), self.truck)
            direction = _compass(journey.place_at(metres)[1])
            fields = self._sighting(thing, load, str(body["cover"]), speed, direction, wrong=wrong)
            about = self.truck.truck_id
            if self.draw.random() < self.level.misread_share and others:
                about = self.draw.choice(others)
                fields["plate_confidence"] = round(self.draw.uniform(*MISREAD_PLATE), 2)
            yield Observation(t, f"isapi:{thing.camera_id}", fields, about)

    def _sighting(
        self, camera: CameraSpot, load: str, cover: str, speed: float, direction: str, *, wrong: bool
    ) -> dict[str, Any]:
        """A camera errs in so many cases of a hundred, and mostly knows that it is not sure."""
        draw, error = self.draw, self.level.camera_error
        seen_cover, cover_sure = cover, _sureness(draw)
        if wrong or draw.random() < error:
            seen_cover = "closed" if cover == "open" else "open"
            sensed = wrong and self.truck.device_class == "full"
            cover_sure = round(draw.uniform(0.8, 0.93) if sensed else draw.uniform(*UNSURE), 2)
        seen_load, load_sure = load, _sureness(draw)
        if draw.random() < error:
            seen_load, load_sure = ("full" if load == "empty" else "empty"), round(draw.uniform(*UNSURE), 2)
        return {
            "kind": "sighting",
            "camera_id": camera.camera_id,
            "cover": seen_cover,
            "cover_confidence": cover_sure,
            "load": seen_load,
            "load_confidence": load_sure,
            "plate_confidence": round(draw.uniform(*SURE_PLATE), 2),
            "plate_color": "yellow",
            "vehicle_type": "slagTruck",
            "speed_kmh": round(speed, 1),
            "direction": direction,
        }

    def _weighing(self, scale: Scale, load_kg: float, speed: float) -> dict[str, Any]:
        error = self.level.wim_error if scale.mode == "wim" else self.level.static_error
        off = max(min(bell(self.draw), WIM_CLIP), -WIM_CLIP) * error
        step = 20 if scale.mode == "static" else 50
        return {
            "kind": "weighing",
            "station_id": scale.station_id,
            "gross_kg": float(round((self.truck.tare_kg + load_kg) * (1 + off) / step) * step),
            "axle_count": self.truck.chassis.axle_count,
            "speed_kmh": round(speed, 1) if scale.mode == "wim" else 0.0,
            "lane": 1 + self.draw.randrange(2),
            "plate_confidence": round(self.draw.uniform(*SURE_PLATE), 2),
        }


def load_name(load_kg: float, truck: TruckSpec) -> str:
    """A mass as the load sensor names it."""
    share = load_kg / truck.payload_kg
    return "full" if share >= FULL_SHARE else "empty" if share < EMPTY_SHARE else "half"


def _sureness(draw: Random) -> float:
    return round(draw.uniform(*SURE) if draw.random() < 0.9 else draw.uniform(0.6, 0.82), 2)


def _located(point: Point, east: float, north: float, kmh: float, direction: float) -> dict[str, Any]:
    lon, lat = degrees_of((point[0] + east, point[1] + north))
    return {"kind": "position", "lon": lon, "lat": lat, "speed_kmh": round(kmh, 1), "heading_deg": direction}


def _begin(move: Stand | Journey) -> float:
    return move.t0 if isinstance(move, Stand) else move.t_start


def _metres(move: Stand | Journey) -> float:
    return move.path.metres if isinstance(move, Journey) else 0.0


def _silent(chapter: Chapter, t: float) -> bool:
    return any(t in span for span in (*chapter.powered_off, *chapter.under_ground))


def _compass(direction: float) -> str:
    return ("north", "east", "south", "west")[int((direction + 45) % 360 // 90)]


def _paper_fields(paper: Paper) -> dict[str, Any]:
    fields = {
        "kind": "manifest",
        "manifest_id": paper.manifest_id,
        "status": paper.status,
        "origin_zone": paper.origin,
        "destination_zone": paper.destination,
    }
    return fields | {"quantity_t": paper.quantity_t} if paper.status == "issued" else fields
