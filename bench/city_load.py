"""How long a city of 5,000 trucks and 1,000 zones takes to check, hash and pack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TypeVar

from haulwatch.city import build_city, pack_city, unpack_city

T = TypeVar("T")
TRUCKS = 5_000
ZONES = 1_000
RING_POINTS = 24


def city_files() -> dict[str, bytes]:
    """The city as files: irregular zones on a grid, all columns of every truck, the shipped rules."""
    rows = [
        f"浙E{n:05d},4,rigid,31000,13000,C-{n % 80},第{n % 80}运输公司,true,2026-01-01,2026-12-31,standard,{n:012d}"
        for n in range(TRUCKS)
    ]
    header = (
        "truck_id,axle_count,body,registered_gross_kg,tare_kg,carrier_id,carrier_name,air_suspension,"
        "permit_from,permit_to,device_model,terminal_id"
    )
    return {
        "city.yaml": b"id: big\nname: Big\ntimezone: Asia/Shanghai\ndatum: wgs84\nlaw: [cn-2016-62]\n",
        "trucks.csv": "\n".join([header, *rows]).encode(),
        "geofences/zones.geojson": json.dumps(
            {"type": "FeatureCollection", "features": [_zone(number) for number in range(ZONES)]}
        ).encode(),
    }


def _zone(number: int) -> dict[str, object]:
    lon, lat = 120.0 + number % 40 * 0.012, 30.6 + number // 40 * 0.012
    ring = []
    for step in range(RING_POINTS):
        share = step / RING_POINTS * 4
        side, along = int(share), share - int(share)
        corner = ((along, 0.0), (1.0, along), (1.0 - along, 1.0), (0.0, 1.0 - along))[side]
        ring.append([round(lon + corner[0] * 0.01, 6), round(lat + corner[1] * 0.01, 6)])
    kind = "construction_site" if number % 2 else "disposal_site"
    properties = {"zone_id": f"Z-{number:04d}", "name": f"围栏 {number}", "kind": kind}
    geometry = {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def main() -> None:
    """Prints seconds and sizes."""
    files = city_files()
    city = _timed("build", lambda: build_city(files))
    packed = _timed("pack", lambda: pack_city(files))
    _timed("unpack", lambda: unpack_city(packed))
    size = sum(len(data) for data in files.values())
    print(f"{len(city.registry.trucks):,} trucks, {len(city.zones):,} zones; {size:,} bytes, packed {len(packed):,}")


def _timed(name: str, run: Callable[[], T]) -> T:
    begin = time.perf_counter()
    result = run()
    print(f"{name}: {time.perf_counter() - begin:.3f} s")
    return result


if __name__ == "__main__":
    main()
