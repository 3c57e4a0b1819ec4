"""CSV files of other systems: columns as a person says, bad rows with their line, slips in the map with their place."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files.csv_map import CsvMap, read_csv_map
from connectors.files.csv_rows import read_rows
from connectors.files.reading import read_events
from connectors.kafka_topics import create
from haulwatch.cli.main import main
from haulwatch.domain.errors import AuthorError, WorldError
from haulwatch.domain.events import Event, Manifest, Position, Weighing
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of
from haulwatch.wire import Rejected
from tests.connectors.kafka.log import logged

GPS: dict[str, Any] = {
    "kind": "position",
    "datum": "gcj02",
    "time": {"format": "%Y-%m-%d %H:%M:%S", "utc_offset_h": 8},
    "fields": {
        "truck_id": "车牌号",
        "at": "定位时间",
        "lon": "经度",
        "lat": "纬度",
        "speed_kmh": {"from": "速度", "unit": "m/s"},
        "cover": {"from": "篷布", "values": {"开": "open", "关": "closed"}},
    },
}
HEADER = "车牌号,定位时间,经度,纬度,速度,篷布\n"
ROW = "浙E·12345,2026-05-01 08:30:00,120.10444,30.85773,10,开\n"
AT = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)


def rows(data: bytes, **changes: Any) -> list[Event | Rejected]:
    return list(read_rows("trucks.csv", io.BytesIO(data), CsvMap.model_validate(GPS | changes)))


def position(data: bytes, **changes: Any) -> Position:
    [event] = rows(data, **changes)
    assert isinstance(event, Position)
    return event


def told(found: list[Event | Rejected]) -> list[tuple[int, str]]:
    return [(one.index, one.error.code) for one in found if isinstance(one, Rejected)]


def test_a_row_as_it_is_meant() -> None:
    event = position((HEADER + ROW).encode())
    assert (event.truck_id, event.at, event.source) == ("浙E12345", AT, "csv")
    assert (event.speed_kmh, event.cover, event.received_at) == (36.0, "open", None)
    assert event.lon == pytest.approx(120.1, abs=1e-3)
    assert event.lon != 120.10444


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        (b"\xef\xbb\xbf" + (HEADER + ROW).encode(), {}),
        ((HEADER + ROW).encode("gbk"), {"encoding": "gbk"}),
        ((HEADER + ROW).replace("\n", "\r\n").encode(), {}),
        ((HEADER + "\n" + ROW + " , , \n\n").encode(), {}),
        ((HEADER + ROW).replace(",", "\t").encode(), {"delimiter": "tab"}),
        ((HEADER + ROW).replace(",", ";").encode(), {"delimiter": ";"}),
        (("某某平台导出\n共 1 条\n" + HEADER + ROW).encode(), {"skip_lines": 2}),
        (ROW.encode(), {"columns": HEADER.strip().split(",")}),
        ((HEADER + ROW.replace("开", '"开"')).encode(), {}),
        ((HEADER + ROW.strip() + ",,\n").encode(), {}),
        ((HEADER.replace("速度", " 速度 ") + ROW.replace("10,", " 10 ,")).encode(), {}),
    ],
)
def test_however_it_is_written_it_is_the_same_event(data: bytes, changes: dict[str, Any]) -> None:
    assert position(data, **changes) == position((HEADER + ROW).encode())


def test_bad_rows_cost_themselves_and_say_their_line() -> None:
    lines = [
        HEADER.encode(),
        ROW.encode(),
        "浙E1,2026-05-01 08:30:00,120.1\n".encode(),
        ROW.replace("2026-05-01", "yesterday").encode(),
        ROW.replace("10", "fast").encode(),
        ROW.replace("10", "900").encode(),
        ROW.replace("浙E·12345", " ").encode(),
        b"\xff\xfe" + ROW.encode(),
        ROW.replace("2026-05-01 08:30:00", '"2026-05-01\n"').encode(),
        ROW.replace("30.85773", "120.1").replace("120.10444", "30.86").encode(),
        ROW.replace("08:30:00", "08:30:01").encode(),
    ]
    found = rows(b"".join(lines))
    assert [type(one) for one in (found[0], found[-1])] == [Position, Position]
    assert told(found) == [
        (3, "bad_row"),
        (4, "bad_time"),
        (5, "bad_value"),
        (6, "out_of_range"),
        (7, "no_truck"),
        (8, "bad_encoding"),
        (9, "bad_time"),
        (11, "lat_lon_swapped"),
    ]
    kept = found[1]
    assert isinstance(kept, Rejected)
    assert kept.raw == lines[2].rstrip()


@pytest.fixture
def large_cells() -> Iterator[None]:
    """As where other parts of the process read pictures out of CSV."""
    before = csv.field_size_limit(12 * 1024 * 1024)
    yield
    csv.field_size_limit(before)


@pytest.mark.usefixtures("large_cells")
def test_a_quote_that_is_never_closed_does_not_take_the_whole_file() -> None:
    data = HEADER + ROW.replace("开", '"开') + ROW * 5_000
    found = rows(data.encode())
    assert told(found)[0] == (2, "bad_row")
    assert sum(isinstance(one, Position) for one in found) > 2_000
    assert len(rows(data.encode(), quote="none")) == 5_001


def test_rows_of_several_kinds() -> None:
    map_ = {
        "kind": {"from": "类型", "values": {"定位": "position", "过磅": "weighing", "联单": "manifest"}},
        "time": {"format": "epoch_s"},
        "datum": "wgs84",
        "fields": {
            "truck_id": "车",
            "at": "时",
            "lon": "x",
            "lat": "y",
            "station_id": "站",
            "gross_kg": {"from": "吨", "unit": "t"},
            "manifest_id": "单",
            "status": {"value": "issued"},
        },
    }
    text = (
        "类型,车,时,x,y,站,吨,单\n定位,浙E1,1,120,30,,,\n过磅,浙E1,2,,,W1,45.5,\n联单,浙E1,3,,,,,M1\n其他,浙E1,4,,,,,\n"
    )
    found = rows(text.encode(), **map_)
    assert [type(one) for one in found] == [Position, Weighing, Manifest, Rejected]
    assert told(found) == [(5, "unknown_kind")]


def test_an_export_truck_by_truck_is_put_in_the_order_of_time() -> None:
    data = HEADER + "".join(
        ROW.replace("12345", truck).replace("08:30", f"08:3{minute}") for truck in ("1", "2") for minute in (1, 3, 2)
    )
    found = rows((data + "?\n").encode(), order="at")
    assert told(found[:1]) == [(8, "bad_row")]
    events = [one for one in found if isinstance(one, Position)]
    assert [event.at.minute for event in events] == [31, 31, 32, 32, 33, 33]
    assert [event.truck_id for event in events[:2]] == ["浙E1", "浙E2"]


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(AuthorError) as raised:
        rows((HEADER.replace("速度", "速度值") + ROW).encode())
    [finding] = raised.value.findings
    assert (finding.code, finding.file, finding.line) == ("N052", "trucks.csv", 1)
    assert "速度" in finding.text.zh
    assert finding.hint is not None


def test_files_are_told_apart_by_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    map_ = CsvMap.model_validate(GPS)
    data = (HEADER + ROW).encode()
    (tmp_path / "a.CSV").write_bytes(data)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(data))
    for name in ("a.CSV", "a.csv.gz"):
        assert len(list(read_events(str(tmp_path / name), map_))) == 1
    with pytest.raises(WorldError, match="--csv-map"):
        list(read_events(str(tmp_path / "a.CSV")))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert len(list(read_events("-", map_))) == 1


MAP = """
kind: {kind}
delimiter: {delimiter}
time: {{format: epoch_s}}
{more}
fields: {fields}
"""
GOOD = {
    "kind": "weighing",
    "delimiter": '","',
    "more": "",
    "fields": "{truck_id: a, at: b, station_id: {value: W1}, gross_kg: d}",
}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "weighting"}, "C015"),
        ({"kind": "{from: a}"}, "N053"),
        ({"kind": "{from: a, value: weighing}"}, "N053"),
        ({"kind": "{from: a, vals: {x: weighing}}"}, "C013"),
        ({"kind": "{from: a, values: {x: position, y: weighing}}"}, "N036"),
        ({"delimiter": "ab"}, "N050"),
        ({"more": "columns: [a, b, a]"}, "N051"),
        ({"more": "encoding: latin-1"}, "C015"),
        ({"more": "skip: 3"}, "C013"),
        ({"fields": "{at: b, station_id: c, gross_kg: d}"}, "N036"),
        ({"fields": "{truck_id: a, at: b, station_id: c, gross_kg: d, gross: e}"}, "N034"),
        ({"fields": "{truck_id: a, at: b, station_id: c, gross_kg: {from: d, unit: lb}}"}, "N033"),
    ],
)
def test_every_slip_in_a_map_is_told_with_its_place(tmp_path: Path, change: dict[str, str], code: str) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAP.format(**GOOD | change), encoding="utf-8")
    with pytest.raises(AuthorError) as raised:
        read_csv_map(path)
    assert code in {finding.code for finding in raised.value.findings}
    assert all(finding.line > 0 for finding in raised.value.findings)


def test_a_map_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "map.yaml"
    path.write_text(MAP.format(**GOOD | {"delimiter": "tab", "more": "order: at"}), encoding="utf-8")
    map_ = read_csv_map(path)
    assert (map_.delimiter, map_.order, map_.kinds) == ("\t", "at", ("weighing",))
    with pytest.raises(WorldError):
        read_csv_map(tmp_path / "none.yaml")


def test_a_replay_of_csv_ends_with_a_breach(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in city_files_of(tables={"trucks.csv": "truck_id,axle_count\n浙E1,4\n"}).items():
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).write_bytes(content)
    (tmp_path / "map.yaml").write_text(MAP.format(**GOOD), encoding="utf-8")
    (tmp_path / "scale.csv").write_text("a,b,d\n浙E1,1777595400,45000\n浙E1,1777595460,heavy\n", encoding="utf-8")
    command = ["replay", str(tmp_path / "scale.csv"), "--city", str(tmp_path / "city"), "--json"]
    assert main([*command, "--csv-map", str(tmp_path / "map.yaml"), "--dead-letters", str(tmp_path / "dead")]) == 0
    stats = json.loads(capsys.readouterr().out)
    assert (stats["events"], stats["dead_letters"]) == ({"weighing": 1}, {"bad_value": 1})
    assert stats["breaches"]["overweight.opened"] == 1
    [letter] = [json.loads(line) for line in (tmp_path / "dead").read_text(encoding="utf-8").splitlines()]
    assert (letter["line"], letter["code"]) == (3, "bad_value")
    assert main(command) == 3
    (tmp_path / "map.yaml").write_text(MAP.format(**GOOD | {"delimiter": "ab"}), encoding="utf-8")
    assert main([*command, "--csv-map", str(tmp_path / "map.yaml")]) == 2
    assert "map.yaml:3" in capsys.readouterr().err


@pytest.mark.kafka
def test_csv_into_a_cluster_s_log(cluster: ClusterSettings, tmp_path: Path) -> None:
    create(cluster, 2)
    (tmp_path / "map.yaml").write_text(MAP.format(**GOOD), encoding="utf-8")
    (tmp_path / "scale.csv").write_text("a,b,d\n浙E1,1777595400,45000\n浙E2,1777595460,9000\nx\n", encoding="utf-8")
    command = ["replay", str(tmp_path / "scale.csv"), "--csv-map", str(tmp_path / "map.yaml"), "--json"]
    assert main([*command, "--to-kafka", cluster.kafka, "--topic-prefix", cluster.topic_prefix]) == 0
    assert sorted(truck for _partition, truck, _event_id in logged(cluster)) == ["浙E1", "浙E2"]


@given(st.binary(max_size=300) | st.text(st.sampled_from(HEADER + ROW + '"\n'), max_size=300).map(str.encode))
def test_nothing_but_rejected_rows_ever(data: bytes) -> None:
    found = rows(HEADER.encode() + data)
    assert all(isinstance(one, Position | Rejected) for one in found)
    assert rows(HEADER.encode() + data, encoding="gbk", columns=["车牌号", "定位时间", "经度", "纬度", "速度", "篷布"])
