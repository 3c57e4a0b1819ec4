"""A city of one district with a rule of its own: whoever is weighed above 40 t makes an order at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from haulwatch.testing import city_files_of

PLATE = "浙E12345"
HEAVY_KG = 45_000
OWN_RULE = """
rules:
  - id: heavy-at-the-gate
    title: {zh: 门前超重, en: Heavy at the gate}
    category: overweight
    severity: major
    status: active
    owner: test
    params: {limit: {value: 40000, min: 20000, max: 60000, label: {zh: 限重}}}
    match: {on: weighing, where: gross_kg > $limit}
    episode: {key: [truck_id], cooldown: 10m}
    examples:
      - {name: heavy, until: 1m, expect: [{at: 0s, category: overweight}], events: [
          {t: 0s, on: weighing, station_id: W1, gross_kg: 45000}]}
      - {name: light, until: 1m, expect: [], events: [{t: 0s, on: weighing, station_id: W1, gross_kg: 31000}]}
"""
STATIONS = "station_id,name,lon,lat,tolerance_pct,verified_until,mode\nW1,门,120.1,30.86,1,,static\n"


def write_village(folder: Path) -> Path:
    """Writes the city's files into `folder`, and returns it."""
    for name, content in city_files_of(OWN_RULE, tables={"stations.csv": STATIONS}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def weighing(event_id: str, gross_kg: object = HEAVY_KG, **more: Any) -> dict[str, Any]:
    """A weighing of this moment, as a client sends it: without `received_at`."""
    return {
        "kind": "weighing",
        "event_id": event_id,
        "truck_id": PLATE,
        "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "station_id": "W1",
        "gross_kg": gross_kg,
        **more,
    }
