"""Writes the city folder of Hekou: settings, zones, tables, and a base map to draw under them."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import msgspec

from haulwatch.domain.text import Text
from haulwatch.synthetic.fleet import DEVICE_MODELS, TruckSpec, build_fleet
from haulwatch.synthetic.places import green_rings
from haulwatch.synthetic.plan import CityPlan, city_plan
from haulwatch.synthetic.plane import Point, degrees_of
from haulwatch.synthetic.terrain import river_line, river_ring

ROUTE_BUFFER_M = 50
SCALE_AREA_M = 45
CITY_YAML = """\
# 河口：虚构城市，供试用、调参和度量规则 / Hekou: a fictional city for trying out, tuning and measuring rules
id: hekou
name: {zh: 河口, en: Hekou}
timezone: Asia/Shanghai
datum: wgs84
law: [cn-2016-62, zj-2020]
lateness: 3s
gap: 2m
accuracy_m: 50
"""
SERVICE_CLOCKS = """\
# 演示用：几分钟内就能看到提醒和超时 / for the demo: reminders and an overdue order within minutes
service_clocks:
  file: {urgent: 2m, normal: 5m, low: 4h working}
  dispatch: {urgent: 2m, normal: 5m, low: 4h working}
  accept: {urgent: 2m, normal: 5m, low: 4h working}
  arrive: {urgent: 20m, normal: 40m, low: 1d working}
  handle: {urgent: 1h, normal: 2h, low: 2d working}
  verify: {urgent: 2h, normal: 1d working, low: 2d working}
"""
DEPARTMENTS = ("综合执法", "交警", "交通", "住建", "生态环境")


def write_city(folder: Path, seed: int, trucks: int, today: date) -> CityPlan:
    """Writes the folder of the city with its fleet; `today` is the local day around which permits are valid."""
    plan = city_plan()
    fleet = build_fleet(trucks, seed, plan.yards)
    (folder / "geofences").mkdir(parents=True, exist_ok=True)
    (folder / "basemap").mkdir(exist_ok=True)
    (folder / "city.yaml").write_text(CITY_YAML, encoding="utf-8")
    for name, features in _zones(plan).items():
        _write_features(folder / "geofences" / f"{name}.geojson", features)
    for name, features in _basemap(plan).items():
        _write_features(folder / "basemap" / f"{name}.geojson", features)
    _write_trucks(folder, fleet, today)
    _write_devices(folder, plan, today)
    _write_permits(folder, plan, today)
    _write_squads(folder, plan)
    (folder / "calendar.yaml").write_text(_calendar(today), encoding="utf-8")
    return plan


def _zones(plan: CityPlan) -> dict[str, list[dict[str, Any]]]:
    zones: dict[str, list[dict[str, Any]]] = {
        "sites": [],
        "protected": [],
        "districts": [],
        "routes": [],
        "weighing": [],
    }
    for place in plan.places.values():
        if place.zoned:
            zones["sites"].append(_polygon(place.ring, zone_id=place.place_id, name=_both(place.name), kind=place.kind))
    for area in plan.areas:
        properties: dict[str, Any] = {"zone_id": area.zone_id, "name": _both(area.name), "kind": area.kind}
        if area.parent:
            properties["parent"] = area.parent
        zones["protected" if area.kind == "forbidden" else "districts"].append(_polygon(area.ring, **properties))
    for licence in plan.licences:
        origin, destination = plan.places[licence.origin], plan.places[licence.destination]
        zones["routes"].append(
            _line(
                plan.route_of(licence).line,
                zone_id=licence.route_zone,
                name={
                    "zh": f"{origin.name.zh}至{destination.name.zh}",
                    "en": f"{origin.name.en} to {destination.name.en}",
                },
                kind="route",
                buffer_m=ROUTE_BUFFER_M,
            )
        )
    for scale in plan.scales:
        geometry = {"type": "Point", "coordinates": degrees_of(scale.point)}
        zone = {
            "zone_id": f"A-{scale.station_id}",
            "name": _both(scale.name),
            "kind": "weigh_area",
            "radius_m": SCALE_AREA_M,
        }
        zones["weighing"].append(_feature(geometry, zone))
    return zones


def _basemap(plan: CityPlan) -> dict[str, list[dict[str, Any]]]:
    """Lines and areas to draw, each with `class`, `name` and `name_en`."""
    roads = [
        _line(edge.line, **{"class": edge.road_class, **_names(edge.name)})
        for edge in plan.roads.edges.values()
        if edge.road_class not in ("access", "track")
    ]
    spurs = [
        _line(edge.line, **{"class": edge.road_class})
        for edge in plan.roads.edges.values()
        if edge.road_class in ("access", "track")
    ]
    river = Text("青河", "Qing River")
    green = [_polygon(ring, **{"class": "green", **_names(name)}) for name, ring in green_rings()]
    return {
        "roads": roads + spurs,
        "water": [_polygon(river_ring(), **{"class": "river", **_names(river)})],
        "green": green,
        "labels": _labels(plan, river),
    }


def _labels(plan: CityPlan, river: Text) -> list[dict[str, Any]]:
    line = river_line()
    labels: list[tuple[str, Text, Point]] = [("river", river, line[len(line) // 4]), ("river", river, line[-8])]
    labels += [(area.kind, area.name, _middle(area.ring)) for area in plan.areas]
    labels += [("park", name, _middle(ring)) for name, ring in green_rings()]
    named: dict[str, list[tuple[float, Text, Point]]] = {}
    for edge in plan.roads.edges.values():
        if edge.name is not None and edge.road_class in ("ring", "arterial", "tunnel"):
            named.setdefault(edge.name.zh, []).append((edge.metres, edge.name, edge.line[len(edge.line) // 2]))
    labels += [("road", text, point) for _, text, point in (max(group, key=_longest) for group in named.values())]
    return [
        _feature({"type": "Point", "coordinates": degrees_of(point)}, {"class": kind, **_names(name)})
        for kind, name, point in labels
    ]


def _longest(entry: tuple[float, Text, Point]) -> float:
    return entry[0]


def _middle(ring: Sequence[Point]) -> Point:
    return (sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring))


def _both(name: Text) -> dict[str, str]:
    return {"zh": name.zh, "en": name.en}


def _names(name: Text | None) -> dict[str, str]:
    return {} if name is None else {"name": name.zh, "name_en": name.en}


def _polygon(ring: Sequence[Point], **properties: Any) -> dict[str, Any]:
    """Counter-clockwise and closed, as RFC 7946 wants it."""
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
    points = list(ring) if area > 0 else list(reversed(ring))
    coordinates = [degrees_of(point) for point in [*points, points[0]]]
    return _feature({"type": "Polygon", "coordinates": [coordinates]}, properties)


def _line(line: Iterable[Point], **properties: Any) -> dict[str, Any]:
    return _feature({"type": "LineString", "coordinates": [degrees_of(point) for point in line]}, properties)


def _feature(geometry: dict[str, Any], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _write_features(path: Path, features: Sequence[dict[str, Any]]) -> None:
    """One feature a line, so that a person can compare two versions."""
    rows = b",\n".join(msgspec.json.encode(feature) for feature in features)
    path.write_bytes(b'{"type":"FeatureCollection","features":[\n' + rows + b"\n]}\n")


def _write_table(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(["" if cell is None else cell for cell in row] for row in rows)


def _write_trucks(folder: Path, fleet: Sequence[TruckSpec], today: date) -> None:
    _write_table(
        folder / "trucks.csv",
        "truck_id,axle_count,body,registered_gross_kg,tare_kg,carrier_id,carrier_name,air_suspension,"
        "permit_from,permit_to,device_model,terminal_id",
        (
            (
                truck.truck_id,
                truck.chassis.axle_count,
                truck.chassis.body,
                truck.limit_kg,
                truck.tare_kg,
                truck.carrier_id,
                truck.carrier_name.zh,
                "true" if truck.air_suspension else "false",
                today - timedelta(days=120),
                today + timedelta(days=245),
                DEVICE_MODELS[truck.device_class],
                truck.terminal_id,
            )
            for truck in fleet
        ),
    )


def _write_devices(folder: Path, plan: CityPlan, today: date) -> None:
    expired, valid = today - timedelta(days=40), today + timedelta(days=250)
    _write_table(
        folder / "stations.csv",
        "station_id,name,lon,lat,tolerance_pct,verified_until,mode",
        (
            (s.station_id, s.name.zh, *degrees_of(s.point), s.tolerance_pct, expired if s.expired else valid, s.mode)
            for s in plan.scales
        ),
    )
    _write_table(
        folder / "cameras.csv",
        "camera_id,name,lon,lat,trust",
        ((c.camera_id, c.name.zh, *degrees_of(c.point), c.trust) for c in plan.cameras),
    )


def _write_permits(folder: Path, plan: CityPlan, today: date) -> None:
    _write_table(
        folder / "permits.csv",
        "permit_id,origin_zone,destination_zone,route_zone,hours,valid_from,valid_to",
        (
            (
                licence.permit_id,
                licence.origin,
                licence.destination,
                licence.route_zone,
                ";".join(licence.hours),
                today - timedelta(days=90),
                today + timedelta(days=-15 if licence.expired else 90),
            )
            for licence in plan.licences
        ),
    )


def _write_squads(folder: Path, plan: CityPlan) -> None:
    rows: list[tuple[str, str, str | None, str, str, str, str]] = [
        ("Q-00", "市支队机动中队", None, "city", ";".join(DEPARTMENTS), "00:00-24:00", "console")
    ]
    for area in plan.areas:
        if area.kind == "district":
            number = area.zone_id[-1]
            rows.append(
                (
                    f"Q-{number}1",
                    f"{area.name.zh}渣土执法中队",
                    area.zone_id,
                    "district",
                    "综合执法;住建;生态环境",
                    "00:00-24:00",
                    "console",
                )
            )
            rows.append(
                (
                    f"Q-{number}2",
                    f"{area.name.zh}交警交通联合组",
                    area.zone_id,
                    "district",
                    "交警;交通",
                    "00:00-24:00",
                    "console",
                )
            )
        elif area.kind == "township":
            hours = "07:00-19:00" if area.zone_id.endswith("3") else "00:00-24:00"
            number = area.zone_id.removeprefix("DX-").replace("-", "")
            rows.append(
                (f"Q-T{number}", f"{area.name.zh}执法队", area.zone_id, "township", "综合执法", hours, "console")
            )
    _write_table(folder / "squads.csv", "squad_id,name,district_zone,level,departments,hours,channel", rows)


def _calendar(today: date) -> str:
    year = today.year
    return (
        'working_hours:\n  mon-fri: ["08:30-12:00", "13:30-17:30"]\n'
        f"holidays:\n  - {year}-01-01\n  - {year}-05-01/{year}-05-05\n  - {year}-10-01/{year}-10-07\n"
        "extra_working_days: []\n" + SERVICE_CLOCKS
    )
