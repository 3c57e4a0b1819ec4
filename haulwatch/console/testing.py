"""Public building blocks for tests of the console: ports that a test can steer, a small city, readable breaches."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from fastapi import FastAPI

from haulwatch.console.ports import CityPicture
from haulwatch.console.serving import console_server
from haulwatch.domain.breaches import Breach, Condition, Evidence, LawNote
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.live import Refused, SubmissionResult, TerminalAnswer, TruckPosition
from haulwatch.domain.registry import Camera, Squad, Station
from haulwatch.domain.text import Text

LON, LAT = 120.1, 30.86


class SteeredFeed:
    """A truck feed whose trucks a test moves with `put`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revision = 0
        self._trucks: dict[str, tuple[int, TruckPosition]] = {}

    def put(self, *trucks: TruckPosition) -> None:
        """These trucks are now as given."""
        with self._lock:
            self._revision += 1
            self._trucks.update((truck.truck_id, (self._revision, truck)) for truck in trucks)

    def snapshot(self) -> Sequence[TruckPosition]:
        """All trucks."""
        return self.changed_since(0)[1]

    def changed_since(self, revision: int) -> tuple[int, Sequence[TruckPosition]]:
        """The current revision, and the trucks that changed after `revision`."""
        with self._lock:
            return self._revision, [truck for changed, truck in self._trucks.values() if changed > revision]


class SteeredLine:
    """A driver line that gives the `answer`, or fails with the error, that it was told; it remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.answer: TerminalAnswer | Exception = TerminalAnswer(result="done")

    def online(self, truck_id: str) -> bool:
        """Every truck's terminal is connected but that of 浙E00000."""
        return truck_id != "浙E00000"

    def send_text(self, truck_id: str, words: str, *, urgent: bool = False) -> Future[TerminalAnswer]:
        """As `DriverLine` says."""
        self.asked.append((truck_id, words, urgent))
        return self._future()

    def ask_location(self, truck_id: str) -> Future[TerminalAnswer]:
        """As `DriverLine` says."""
        self.asked.append((truck_id,))
        return self._future()

    def _future(self) -> Future[TerminalAnswer]:
        future: Future[TerminalAnswer] = Future()
        if isinstance(self.answer, Exception):
            future.set_exception(self.answer)
        else:
            future.set_result(self.answer)
        return future


class SteeredIntake:
    """An intake that keeps bodies, takes everything that has an `event_id`, and fails on demand (`fail_with`)."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.seen: set[str] = set()
        self.fail_with: Exception | None = None

    def submit(self, body: bytes, content_type: str) -> SubmissionResult:
        """Takes the events of one body."""
        if self.fail_with is not None:
            raise self.fail_with
        self.bodies.append(body)
        events = split(body, content_type)
        good = [event["event_id"] for event in events if "event_id" in event]
        new = set(good) - self.seen
        self.seen |= new
        text = Text("缺少 event_id", "event_id is missing")
        bad = [
            Refused(index=index, code="missing_field", text=text, line=index + 1 if "ndjson" in content_type else None)
            for index, event in enumerate(events)
            if "event_id" not in event
        ]
        return SubmissionResult(accepted=len(new), duplicates=len(good) - len(new), errors=bad)


def split(body: bytes, content_type: str) -> list[dict[str, Any]]:
    """The objects in a body: one, an array, or one a line."""
    if "ndjson" in content_type:
        return [msgspec.json.decode(line) for line in body.splitlines() if line.strip()]
    decoded = msgspec.json.decode(body)
    return decoded if isinstance(decoded, list) else [decoded]


def small_city() -> CityPicture:
    """Two roads, a river, a site, a disposal site and a district around `LON`, `LAT`."""
    return CityPicture(
        name=Text("河口", "Hekou"),
        bounds=(LON - 0.03, LAT - 0.02, LON + 0.03, LAT + 0.02),
        zones=collection(
            square("D-1", "district", "云溪区", "Yunxi District", LON, LAT, 0.028),
            square("S-001", "construction_site", "云栖花园工地", "Yunqi Garden site", LON - 0.012, LAT + 0.006, 0.002),
            square("X-01", "disposal_site", "西塘消纳场", "Xitang disposal site", LON + 0.014, LAT - 0.006, 0.003),
        ),
        basemap={
            "water": collection(square("river", "river", "青河", "Qing River", LON, LAT - 0.016, 0.003)),
            "roads": collection(
                line("ring", [(LON - 0.03, LAT), (LON + 0.03, LAT)]),
                line("local", [(LON, LAT - 0.02), (LON, LAT + 0.02)]),
            ),
        },
        stations=[Station(station_id="W-1", name="云溪治超站", lon=LON + 0.004, lat=LAT)],
        cameras=[Camera(camera_id="cam-07", name="环城路卡口", lon=LON - 0.004, lat=LAT)],
        squads=[Squad(squad_id="Q-1", name="云溪中队"), Squad(squad_id="Q-2", name="机动中队")],
        carriers={"浙E12345": "顺达运输", "浙E99999": "顺达运输"},
        runbooks={
            "overweight-wim": Text("引导至治超站复称，要求卸载。", "Lead it to the station, weigh again, unload.")
        },
    )


def collection(*features: dict[str, Any]) -> dict[str, Any]:
    """A FeatureCollection."""
    return {"type": "FeatureCollection", "features": list(features)}


def square(zone_id: str, kind: str, zh: str, en: str, lon: float, lat: float, half: float) -> dict[str, Any]:
    """A square zone around a point."""
    west, east, south, north = lon - half, lon + half, lat - half, lat + half
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    properties = {"zone_id": zone_id, "kind": kind, "name": {"zh": zh, "en": en}}
    return {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}


def line(road_class: str, points: Iterable[tuple[float, float]]) -> dict[str, Any]:
    """A road."""
    geometry = {"type": "LineString", "coordinates": [list(point) for point in points]}
    return {"type": "Feature", "geometry": geometry, "properties": {"class": road_class}}


def truck(truck_id: str, at_ms: int, lon: float = LON, lat: float = LAT, **more: Any) -> TruckPosition:
    """A truck on the road."""
    return TruckPosition(truck_id=truck_id, at_ms=at_ms, lon=lon, lat=lat, **{"speed_kmh": 36.0, **more})


def overweight(breach_id: str, at_ms: int, truck_id: str = "浙E12345", **changes: Any) -> Breach:
    """A truck of four axles weighed at 40,000 kg against 31,000, with its track of the last ten minutes."""
    at = rfc3339(at_ms)
    payload = {"kind": "weighing", "source": "scale:W-1", "station_id": "W-1", "gross_kg": 40_000, "axle_count": 4}
    track = [
        (at_ms - 600_000 + i * 15_000, LON - 0.012 + i * 0.0004, LAT + 0.0002 * (i % 3), 30.0 + i % 9)
        for i in range(41)
    ]
    fields: dict[str, Any] = {
        "breach_id": breach_id,
        "phase": "opened",
        "rule_id": "overweight-wim",
        "rule_hash": "5f0c2d" * 10,
        "city_hash": "a41b9e" * 10,
        "category": "overweight",
        "severity": "major",
        "status": "active",
        "truck_id": truck_id,
        "started_at": at,
        "detected_at": at,
        "ended_at": at,
        "occurrences": 1,
        "late": False,
        "lon": LON + 0.004,
        "lat": LAT,
        "zone_ids": ["D-1"],
        "title": Text("超限超载", "Overweight"),
        "summary": Text("四轴车称重 40,000 kg，限值 31,000 kg。", "Four axles, weighed at 40,000 kg, limit 31,000 kg."),
        "conditions": [
            Condition("gross_kg > limit_kg()", "gross_kg", 40_000, ">", 31_000, "kg", f"{breach_id}-w"),
            Condition("station.verified", "station.verified", True, "==", True, None, f"{breach_id}-w"),
        ],
        "evidence": [Evidence(f"{breach_id}-w", "weighing", "weighed", at, payload)],
        "track": track,
        "law": LawNote(["《公路安全保护条例》第六十六条"], suggestion()),
    }
    return Breach(**{**fields, **changes})


def suggestion() -> dict[str, Any]:
    """A law pack's word on that truck, in the shape of `rules.law`."""
    return {
        "limit_kg": 31_000,
        "text": {"zh": "限值 31,000 kg，称重 40,000 kg，超限 9,000 kg（29 %）", "en": "9,000 kg over (29 %)"},
        "packs": [
            {
                "title": {"zh": "浙江省公路条例", "en": "Zhejiang highway regulation"},
                "article": {"zh": "第五十三条", "en": "art. 53"},
                "edition": "2020-05-15",
                "applies": True,
                "text": {"zh": "建议罚款 840 元", "en": "suggested fine 840 yuan"},
                "steps": [{"zh": "2,800 kg × 300 元/吨 = 840 元", "en": "2,800 kg at 300 yuan/t = 840 yuan"}],
                "open_questions": [],
            }
        ],
        "to_check": [{"id": "air-suspension", "zh": "空气悬架未登记", "en": "Air suspension is not on record"}],
    }


@contextlib.contextmanager
def served(app: FastAPI, port: int = 0) -> Iterator[str]:
    """The app on a real port of this machine (0: any free one) for as long as the block runs; yields its address."""
    listener = socket.create_server(("127.0.0.1", port))
    server = console_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
