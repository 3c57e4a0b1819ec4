"""A small sound city that every test changes in one place."""

from __future__ import annotations

import json

import pytest

CITY_YAML = """\
id: hekou
name: {zh: 河口, en: Hekou}
timezone: Asia/Shanghai
datum: wgs84
law: [cn-2016-62, zj-2020]
lateness: 3s
gap: 2m
accuracy_m: 50
"""

RULE = """\
rules:
  - id: speeding
    title: {zh: 超速, en: Speeding}
    category: speed
    severity: minor
    status: active
    owner: 渣土科
    law: [cn-air-116]
    params:
      limit: {value: 80, min: 40, max: 120, label: {zh: 限速}}
    match: {on: position, where: speed_kmh > $limit}
    episode: {key: [truck_id], cooldown: 30m}
    work_order: {urgency: normal, departments: [交警]}
    runbook: {zh: 核对速度记录。}
    examples:
      - name: 超过限速
        truck: {axle_count: 4}
        events:
          - {t: 0s, on: position, speed_kmh: 95, lon: 120.1, lat: 30.86}
        until: 1m
        expect: [{at: 0s, category: speed}]
      - name: 没有超过
        truck: {axle_count: 4}
        events:
          - {t: 0s, on: position, speed_kmh: 60, lon: 120.1, lat: 30.86}
        until: 1m
        expect: []
"""


def square(lon: float, lat: float, **properties: object) -> dict[str, object]:
    """A square zone of 0.01 degrees with its south-west corner at (lon, lat)."""
    ring = [[lon, lat], [lon + 0.01, lat], [lon + 0.01, lat + 0.01], [lon, lat + 0.01], [lon, lat]]
    return {"type": "Feature", "properties": properties, "geometry": {"type": "Polygon", "coordinates": [ring]}}


def collection(*features: dict[str, object]) -> bytes:
    """The features as a GeoJSON file, one a line from line 2 on."""
    rows = ",\n".join(json.dumps(feature, ensure_ascii=False) for feature in features)
    return f'{{"type": "FeatureCollection", "features": [\n{rows}\n]}}\n'.encode()


ZONES = (
    square(120.10, 30.86, zone_id="S-001", name="东湖工地", kind="construction_site"),
    square(120.20, 30.86, zone_id="X-001", name="北山消纳场", kind="disposal_site"),
    square(120.15, 30.86, zone_id="R-001", name="环城路", kind="route"),
    square(120.10, 30.80, zone_id="D-1", name="城东区", kind="district"),
    square(120.10, 30.80, zone_id="T-11", name="东湖镇", kind="township", parent="D-1"),
)


def sound_city() -> dict[str, bytes]:
    """A city without a finding."""
    return {
        "city.yaml": CITY_YAML.encode(),
        "rules/speed.yaml": RULE.encode(),
        "geofences/zones.geojson": collection(*ZONES),
        "trucks.csv": (
            "truck_id,axle_count,body,registered_gross_kg,tare_kg,carrier_id,carrier_name,air_suspension,"
            "permit_from,permit_to,device_model,terminal_id\n"
            "浙E12345,4,rigid,31000,13000,C-1,顺达土方,true,2026-01-01,2026-12-31,standard,013800138000\n"
            "浙E54321,,,,,,,,,,,\n"
        ).encode(),
        "stations.csv": (
            "station_id,name,lon,lat,tolerance_pct,verified_until,mode\n"
            "W-1,东环地磅,120.105,30.865,2.5,2026-12-31,static\n"
        ).encode(),
        "cameras.csv": "camera_id,name,lon,lat,trust\ncam-01,东门,120.106,30.866,0.9\n".encode(),
        "permits.csv": (
            b"permit_id,origin_zone,destination_zone,route_zone,hours,valid_from,valid_to\n"
            b"P-1,S-001,X-001,R-001,22:00-05:00,2026-01-01,2026-12-31\n"
        ),
        "squads.csv": (
            "squad_id,name,district_zone,level,departments,hours,channel\n"
            "Q-1,城东中队,D-1,district,综合执法;住建,00:00-12:00;12:00-24:00,console\n"
        ).encode(),
        "calendar.yaml": (
            b'working_hours:\n  mon-fri: ["08:30-12:00"]\nholidays:\n  - 2026-10-01/2026-10-07\n'
            b"service_clocks:\n  file: {urgent: 10m, low: 1d working}\n"
        ),
    }


@pytest.fixture
def files() -> dict[str, bytes]:
    """The sound city; the test may change it."""
    return sound_city()
