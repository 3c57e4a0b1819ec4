"""The benchmark's city and traffic: 1,000 zones, 50 rules, 5,000 trucks; from a seed, nothing read or downloaded.

Zones are what a large city has: sites, disposal places, permitted routes as buffered lines, townships that tile it.
Trucks drive on a grid of streets at city speeds and report every ten seconds, with load, cover and lift sensors and a
few metres of GPS noise.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

WEST, SOUTH, EAST, NORTH = 120.0, 30.7, 120.25, 30.9
STREET_DEG = 0.005
NOISE_DEG = 0.00003
START = datetime(2026, 5, 1, 0, 0, tzinfo=UTC)


def city_files(zones: int, rules: int, trucks: int, seed: int = 1) -> dict[str, bytes]:
    """A city folder with that many zones, rules and registered trucks."""
    rng = random.Random(seed)
    return {
        "city.yaml": b"id: bench\nname: {zh: bench, en: bench}\ntimezone: Asia/Shanghai\ndatum: wgs84\n"
        b"law: [cn-2016-62, zj-2020]\n",
        "geofences/zones.geojson": json.dumps(
            {"type": "FeatureCollection", "features": list(_zones(rng, zones))}
        ).encode(),
        "rules/bench.yaml": _rules(rules).encode(),
        "trucks.csv": (
            "truck_id,axle_count,body,registered_gross_kg,tare_kg\n"
            + "".join(f"{plate(n)},4,rigid,31000,13000\n" for n in range(trucks))
        ).encode(),
    }


def plate(n: int) -> str:
    """The number plate of truck n."""
    return f"浙Z{n:05d}"


def _zones(rng: random.Random, count: int) -> Iterator[dict[str, object]]:
    side = 8
    for n in range(side * side):
        x, y = n % side, n // side
        dx, dy = (EAST - WEST) / side, (NORTH - SOUTH) / side
        yield _feature(f"T{n}", "township", _box(WEST + x * dx, SOUTH + y * dy, dx, dy))
    kinds = ["construction_site"] * 6 + ["disposal_site"] * 2 + ["parking", "forbidden", "route", "route"]
    for n in range(count - side * side):
        kind = kinds[n % len(kinds)]
        lon, lat = rng.uniform(WEST, EAST), rng.uniform(SOUTH, NORTH)
        if kind == "route":
            points, heading = [[lon, lat]], rng.uniform(0, 2 * math.pi)
            for _ in range(12):
                heading += rng.uniform(-0.5, 0.5)
                lon, lat = lon + 0.005 * math.cos(heading), lat + 0.005 * math.sin(heading)
                points.append([lon, lat])
            yield _feature(f"R{n}", kind, {"type": "LineString", "coordinates": points})
        else:
            corners = sorted(rng.uniform(0, 2 * math.pi) for _ in range(9))
            ring = [[lon + 0.002 * math.cos(a), lat + 0.002 * math.sin(a)] for a in corners]
            yield _feature(f"Z{n}", kind, {"type": "Polygon", "coordinates": [[*ring, ring[0]]]})


def _box(lon: float, lat: float, dx: float, dy: float) -> dict[str, object]:
    ring = [[lon, lat], [lon + dx, lat], [lon + dx, lat + dy], [lon, lat + dy], [lon, lat]]
    return {"type": "Polygon", "coordinates": [ring]}


def _feature(zone_id: str, kind: str, geometry: dict[str, object]) -> dict[str, object]:
    return {
        "type": "Feature",
        "geometry": geometry,
        "properties": {"zone_id": zone_id, "name": zone_id, "kind": kind},
    }


_FORMS = (
    'while: truck.load == "full" and truck.cover == "open" and truck.moving and speed_kmh > {n}\n      for: 2m',
    'on: lift_raised\n      where: truck.load != "empty" and not zones.disposal_site and not zones.parking',
    'on: position\n      where: zones.forbidden and truck.load == "full" and speed_kmh > {n}',
    "on: weighing\n      where: over_ratio(gross_kg) > 0.{n:02d}",
    'while: truck.moving and trip.phase == "under_way" and not trip.on_route\n      for: 5m',
    "sequence:\n        - {{as: seen, on: sighting, where: 'cover == \"open\" and cover_confidence >= 0.{n:02d}'}}\n"
    "        - {{as: kept, absent: cover_change, where: 'cover == \"closed\"', for: 2m}}\n      within: 15m",
    'on: zone_enter\n      where: zone_kind == "forbidden" and truck.load == "full"',
    "count: 4\n      of: {{on: stop_start, where: 'zones.route'}}\n      within: 2h",
    'while: speed_kmh > 1{n:02d} and truck.load == "full"\n      for: 1m',
    'on: load_change\n      where: load == "empty" and load_before == "full" and blind_s < 60s'
    " and not zones.disposal_site",
)


def _rules(count: int) -> str:
    lines = ["rules:"]
    for n in range(count):
        form = _FORMS[n % len(_FORMS)].format(n=10 + n // len(_FORMS))
        lines.append(
            f"  - id: bench-{n}\n    title: {{zh: 规则{n}, en: Rule {n}}}\n    category: dumping\n    severity: minor\n"
            f"    status: active\n    owner: bench\n    match:\n      {form}\n"
            "    episode: {key: [truck_id], cooldown: 30m}\n"
            f"    examples:\n{_examples(n % len(_FORMS))}"
        )
    return "\n".join(lines) + "\n"


def _examples(_form: int) -> str:
    # One firing and one silent example are demanded of every rule; here they only have to be there.
    event = "{t: 0s, on: position, lon: 120.1, lat: 30.8}"
    return (
        f"      - {{name: a, events: [{event}], until: 1m, expect: [{{at: 0s, category: dumping}}]}}\n"
        f"      - {{name: b, events: [{event}], until: 1m, expect: []}}\n"
    )


def records(trucks: int, seconds: int, per_record: int = 100, seed: int = 2) -> Iterator[tuple[int, bytes]]:
    """Packed records `(events, bytes)` of the observations log, in order of arrival."""
    rng = random.Random(seed)
    fleet = [_Truck(rng, n) for n in range(trucks)]
    order = list(range(trucks))
    rng.shuffle(order)
    buffer: list[str] = []
    for tick in range(seconds):
        for place in order[tick % 10 :: 10]:
            buffer.append(fleet[place].report(tick))
            if len(buffer) == per_record:
                yield len(buffer), ("[" + ",".join(buffer) + "]").encode()
                buffer.clear()
    if buffer:
        yield len(buffer), ("[" + ",".join(buffer) + "]").encode()


class _Truck:
    """Drives along one street, turns into another at a crossing now and then, stops now and then."""

    def __init__(self, rng: random.Random, n: int) -> None:
        self.rng, self.n = rng, n
        self.along, self.across = rng.randrange(40), rng.uniform(0, 0.2)
        self.eastward, self.sign = rng.random() < 0.5, rng.choice((-1, 1))
        self.load = rng.choice(("empty", "full"))
        self.still = 0

    def place(self) -> tuple[float, float]:
        street = (self.along + 0.5) * STREET_DEG
        lon, lat = (self.across, street) if self.eastward else (street, self.across)
        return (
            WEST + lon + self.rng.gauss(0, NOISE_DEG),
            SOUTH + lat + self.rng.gauss(0, NOISE_DEG),
        )

    def drive(self, speed_kmh: float) -> None:
        before = self.across // STREET_DEG
        self.across += self.sign * speed_kmh / 3.6 * 10 / 111_000
        if not 0 < self.across < 0.2:
            self.across = min(max(self.across, 0.0), 0.2)
            self.sign = -self.sign
        elif self.across // STREET_DEG != before and self.rng.random() < 0.15:
            crossing = int(self.across / STREET_DEG)
            self.along, self.across = min(crossing, 39), (self.along + 0.5) * STREET_DEG
            self.eastward = not self.eastward

    def report(self, tick: int) -> str:
        rng = self.rng
        if self.still:
            self.still -= 1
            speed = 0.0
        else:
            speed = rng.uniform(15, 60)
            self.drive(speed)
            if rng.random() < 0.02:
                self.still = rng.randint(3, 30)
        lon, lat = self.place()
        heading = 90.0 if self.eastward else 0.0
        at = START + timedelta(seconds=tick, milliseconds=self.n % 1000)
        stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
        received = at + timedelta(milliseconds=400)
        received_stamp = received.strftime("%Y-%m-%dT%H:%M:%S.") + f"{received.microsecond // 1000:03d}Z"
        return (
            f'{{"kind":"position","event_id":"{self.n}-{tick}","truck_id":"{plate(self.n)}","at":"{stamp}",'
            f'"received_at":"{received_stamp}","source":"jt808:{13800000000 + self.n}","lon":{lon:.6f},'
            f'"lat":{lat:.6f},"speed_kmh":{speed:.1f},"heading_deg":{heading:.0f},'
            f'"satellites":14,"valid":true,"ignition":true,"load":"{self.load}","cover":"closed","lift":"lowered"}}'
        )
