"""A Parquet row is the event that its JSON is, however the columns hold it, and is rejected with the same words."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.files.reading import read_events
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.testing import START
from haulwatch.wire import Rejected, decode_event

KINDS: list[dict[str, Any]] = [
    {"kind": "position", "lon": 120.1, "lat": 30.86, "speed_kmh": 40.0, "satellites": 9, "alarms": ["sos"]},
    {"kind": "position", "lon": 120.1, "lat": 30.86, "load": "full", "resent": True},
    {"kind": "position", "lon": 0.0, "lat": 0.0},
    {"kind": "position", "lon": 30.86, "lat": 120.1},
    {"kind": "position", "lon": float("nan"), "lat": 30.86},
    {"kind": "position", "lon": 120.1, "lat": 30.86, "speed_kmh": float("nan")},
    {"kind": "position", "lon": 120.1, "lat": 30.86, "speed_kmh": 900.0},
    {"kind": "position", "lat": 30.86},
    {"kind": "weighing", "station_id": "W-1", "gross_kg": 36000.0, "images": [{"uri": "a.jpg", "sha256": None}]},
    {"kind": "weighing", "station_id": "", "gross_kg": 36000.0},
    {"kind": "sighting", "camera_id": "C-1", "cover": "ajar"},
    {"kind": "flight"},
    {"event": '{"kind":"tick","at":"2026-05-01T02:00:00Z"}'},
    {"event": "{"},
]


def rows(rng: Random, instants: str) -> list[dict[str, Any]]:
    found = []
    for n in range(60):
        at = START + timedelta(seconds=n)
        fields = {"event_id": f"e{n}", "truck_id": rng.choice(("浙E1", "浙E2", None)), "at": at, "received_at": at}
        if rng.random() < 0.1:
            fields["at"] += timedelta(minutes=9)
        if instants == "text":
            fields |= {name: fields[name].isoformat() for name in ("at", "received_at")}
        found.append(fields | rng.choice(KINDS))
    return found


def as_json(number: int, row: dict[str, Any]) -> Event | tuple[int, str]:
    """What the definition says of a row."""
    whole = row.get("event")
    raw = whole.encode() if whole else msgspec.json.encode({k: v for k, v in row.items() if v is not None})
    try:
        return decode_event(raw)
    except DeviceError as error:
        return number, error.code


@pytest.mark.parametrize("instants", ["text", "UTC", "Asia/Shanghai"])
@pytest.mark.parametrize("seed", range(4))
def test_a_row_is_what_its_json_is(seed: int, instants: str, tmp_path: Path) -> None:
    table = pa.Table.from_pylist(_filled(rows(Random(seed), instants)))
    if instants == "Asia/Shanghai":
        for name in ("at", "received_at"):
            there = table[name].cast(pa.timestamp("ms", instants))
            table = table.set_column(table.schema.get_field_index(name), name, there)
    pq.write_table(table, tmp_path / "e.parquet", row_group_size=17)
    read = list(read_events(str(tmp_path / "e.parquet")))
    found = [(r.index, r.error.code) if isinstance(r, Rejected) else r for r in read]
    assert found == [as_json(number, row) for number, row in enumerate(table.to_pylist(), 1)]
    assert {type(one) for one in found} >= {tuple}, "some of them are bad"


def test_rows_that_hold_their_event_whole(tmp_path: Path) -> None:
    lines = [row["event"] for row in KINDS if "event" in row] * 3
    for column in (pa.array(lines), pa.array([line.encode() for line in lines])):
        pq.write_table(pa.table({"event": column, "lon": [1.0] * len(lines)}), tmp_path / "e.parquet")
        read = list(read_events(str(tmp_path / "e.parquet")))
        assert [isinstance(record, Rejected) for record in read] == [False, True] * 3
        assert [record.index for record in read if isinstance(record, Rejected)] == [2, 4, 6]


def _filled(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every row with every column, as a table has it."""
    names = list(dict.fromkeys(name for row in found for name in row))
    assert all(isinstance(row["at"], datetime | str) for row in found)
    return [{name: row.get(name) for name in names} for row in found]
