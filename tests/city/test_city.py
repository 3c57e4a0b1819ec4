"""A sound city: what it holds, its hash, its pack, and the order in which nothing matters."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulwatch.city import build_city, check_city, city_files, pack_city, unpack_city
from haulwatch.city.tables import TRUCKS, load_table
from haulwatch.domain.errors import WorldError
from haulwatch.domain.registry import Hours
from haulwatch.domain.service import Limit

Files = dict[str, bytes]


def test_it_holds_what_the_files_say(files: Files) -> None:
    city = build_city(files)
    assert (city.city_id, city.name.en, city.timezone.key, city.datum) == ("hekou", "Hekou", "Asia/Shanghai", "wgs84")
    assert (city.lateness_ms, city.gap_ms, city.accuracy_m, city.rules_engine) == (3_000, 120_000, 50.0, "native")
    assert [pack.id for pack in city.law.packs] == ["cn-2016-62", "zj-2020"]
    assert [zone.zone_id for zone in city.zones] == ["S-001", "X-001", "R-001", "D-1", "T-11"]
    assert [rule.rule_id for rule in city.book.rules] == ["speeding"]
    assert city.warnings == ()
    truck = city.registry.trucks["浙E12345"]
    assert (truck.axle_count, truck.body, truck.registered_gross_kg) == (4, "rigid", 31_000.0)
    assert (truck.air_suspension, truck.permit_to) == (True, date(2026, 12, 31))
    assert city.registry.trucks["浙E54321"].axle_count is None
    assert city.registry.permits["P-1"].hours == (Hours(22 * 60, 5 * 60),)
    assert city.registry.squads["Q-1"].departments == ("综合执法", "住建")
    assert city.registry.squads["Q-1"].hours == (Hours(0, 720), Hours(720, 1440))


def test_only_settings_and_zones_must_be_there(files: Files) -> None:
    bare = {name: files[name] for name in ("city.yaml", "geofences/zones.geojson")}
    bare["city.yaml"] = b"id: a\nname: A\ntimezone: UTC\ndatum: wgs84\nlaw: []\n"
    city = build_city(bare)
    assert (city.lateness_ms, city.gap_ms, city.accuracy_m) == (3_000, 120_000, 50.0)
    assert city.registry.trucks == {}
    assert city.book.rules, "without a rules/ folder the shipped books are in force"
    assert city.calendar.hours_on(date(2026, 5, 4)) == (Hours(510, 720), Hours(810, 1050))


def test_overlays_alone_tune_the_shipped_books(files: Files) -> None:
    del files["rules/speed.yaml"]
    shipped = build_city(files)
    files["rules/local/empty.yaml"] = b""
    assert [rule.rule_id for rule in build_city(files).book.rules] == [rule.rule_id for rule in shipped.book.rules]


def test_tests_of_rules_are_not_rules(files: Files) -> None:
    before = build_city(files)
    files["rules/speed.test.yaml"] = b"tests: []\n"
    assert build_city(files).city_hash == before.city_hash
    assert "rules/speed.test.yaml" in unpack_city(pack_city(files))


def test_only_the_needed_columns_must_be_there(files: Files) -> None:
    files["trucks.csv"] = "axle_count,truck_id\n4,浙E1\n".encode()
    files["cameras.csv"] = b"camera_id\ncam-1\n"
    files["permits.csv"] = b"permit_id,hours\nP,\n"
    registry = build_city(files).registry
    assert (registry.trucks["浙E1"].axle_count, registry.cameras["cam-1"].trust) == (4, None)
    assert registry.permits["P"].hours == ()


def test_what_excel_writes_is_read(files: Files) -> None:
    files["trucks.csv"] = (
        "\ufefftruck_id,axle_count,permit_from,air_suspension,carrier_name,,\r\n"
        '浙E1 ,4.0,2026/5/1,是," 顺达,土方 ",,\r\n'
        ",,,,,,\r\n"
        "浙E2,3,,FALSE,,,\r\n\r\n"
    ).encode()
    assert check_city(files) == []
    trucks = build_city(files).registry.trucks
    assert list(trucks) == ["浙E1", "浙E2"]
    first = trucks["浙E1"]
    assert (first.axle_count, first.permit_from, first.carrier_name) == (4, date(2026, 5, 1), "顺达,土方")
    assert (first.air_suspension, trucks["浙E2"].air_suspension) == (True, False)


def test_places_are_shifted_from_the_datum_of_the_folder(files: Files) -> None:
    files["city.yaml"] = files["city.yaml"].replace(b"wgs84", b"gcj02")
    city = build_city(files)
    station, camera = city.registry.stations["W-1"], city.registry.cameras["cam-01"]
    assert station.lon is not None
    assert station.lat is not None
    assert 0.003 < 120.105 - station.lon < 0.006, "about 450 m in Huzhou"
    assert 0.001 < station.lat - 30.865 + 0.005 < 0.01
    assert (camera.lon, camera.lat) != (120.106, 30.866)
    assert "S-001" in city.index.at(station.lon, station.lat, 0).ids, "shifted together with its zone"


def test_the_calendar_knows_holidays_and_extra_days(files: Files) -> None:
    files["calendar.yaml"] = (
        b'working_hours: {mon-thu: ["08:30-12:00", "13:30-17:30"], friday: "08:30-12:00"}\n'
        b"holidays: [2026-10-01/2026-10-07]\nextra_working_days: [2026-10-10]\n"
    )
    calendar = build_city(files).calendar
    morning, afternoon = Hours(510, 720), Hours(810, 1050)
    assert calendar.hours_on(date(2026, 9, 30)) == (morning, afternoon)
    assert calendar.hours_on(date(2026, 10, 1)) == calendar.hours_on(date(2026, 10, 7)) == ()
    assert calendar.hours_on(date(2026, 10, 9)) == (morning,)
    assert calendar.hours_on(date(2026, 10, 10)) == (morning, afternoon), "a Saturday that is worked"
    assert calendar.hours_on(date(2026, 10, 11)) == ()


def test_the_hash_is_that_of_the_content(files: Files) -> None:
    expected = build_city(files).city_hash
    shuffled = list(files.items())
    random.Random(7).shuffle(shuffled)
    windows = {name: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n") for name, data in shuffled}
    assert build_city(dict(shuffled)).city_hash == expected
    assert build_city(windows).city_hash == expected
    assert build_city(files | {"basemap/roads.geojson": b"{}"}).city_hash == expected


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("city.yaml", "lateness: 3s", "lateness: 4s"),
        ("city.yaml", "[cn-2016-62, zj-2020]", "[cn-2016-62]"),
        ("rules/speed.yaml", "value: 80", "value: 81"),
        ("geofences/zones.geojson", "北山消纳场", "南山消纳场"),
        ("trucks.csv", ",31000,", ",31001,"),
        ("calendar.yaml", "12:00", "12:30"),
    ],
)
def test_the_hash_changes_with_whatever_decides(files: Files, file: str, old: str, new: str) -> None:
    before = build_city(files).city_hash
    files[file] = files[file].decode().replace(old, new, 1).encode()
    assert build_city(files).city_hash != before


def test_a_pack_gives_back_what_belongs(files: Files) -> None:
    packed = pack_city(files | {"notes.txt": b"x", "trucks.xlsx": b"y"})
    assert {name: data for name, data in unpack_city(packed).items() if not name.startswith("shipped:")} == files
    assert pack_city(dict(reversed(files.items()))) == packed
    assert pack_city(unpack_city(packed)) == packed
    assert build_city(unpack_city(packed)).city_hash == build_city(files).city_hash


def test_a_packed_city_keeps_the_books_it_was_packed_with(files: Files) -> None:
    del files["rules/speed.yaml"]
    packed = unpack_city(pack_city(files))
    before = build_city(packed)
    assert build_city(files).city_hash == before.city_hash
    # As if it had been packed under a program whose books and laws were others.
    name = next(name for name in packed if name.startswith("shipped:rules/"))
    packed[name] += b"\n# another edition\n"
    older = build_city(packed)
    assert older.city_hash != before.city_hash
    assert [rule.rule_id for rule in older.book.rules] == [rule.rule_id for rule in before.book.rules]
    assert pack_city(packed) == pack_city(unpack_city(pack_city(packed)))


@given(st.binary(max_size=200))
def test_a_damaged_pack_is_an_error_of_the_world(data: bytes) -> None:
    with pytest.raises(WorldError):
        unpack_city(data)


@given(
    st.lists(
        st.sampled_from(["truck_id", "axle_count", ",", "\n", '"', "4", "浙E1", "，", " ", "\r", "\0", "é", "-1"]),
        max_size=40,
    ),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_whatever_a_table_holds_it_is_rows_or_findings(parts: list[str], encoding: str) -> None:
    table = load_table(TRUCKS, "".join(parts).encode(encoding))
    assert all(finding.file == "trucks.csv" and finding.render("zh") for finding in table.findings)
    assert all(key and row.truck_id == key for key, row in table.rows.items())


def test_a_folder_gives_what_belongs_and_what_seems_to(files: Files, tmp_path: Path) -> None:
    extra = {
        "truck.csv": b"x",
        "notes.md": b"x",
        ".git/city.yaml": b"x",
        "rules/speed.yml": b"x",
        "old/trucks.csv": b"x",
    }
    for name, data in (files | extra).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    found = city_files(tmp_path)
    assert set(found) == {*files, "truck.csv", "rules/speed.yml"}
    assert [(f.file, f.code, f.severity) for f in check_city(found)] == [
        ("rules/speed.yml", "C003", "warning"),
        ("truck.csv", "C003", "warning"),
    ]
    with pytest.raises(WorldError):
        city_files(tmp_path / "nowhere")


def test_limits_are_as_written_and_a_working_day_is_as_long_as_the_city_has_it(files: Files) -> None:
    assert build_city(files).limits == {"file": {"urgent": Limit(10), "low": Limit(210, working=True)}}
    files["calendar.yaml"] = b"service_clocks: {verify: {low: 2d1h30m working, normal: 1d}}\n"
    assert build_city(files).limits == {"verify": {"low": Limit(2 * 450 + 90, working=True), "normal": Limit(1440)}}
    del files["calendar.yaml"]
    assert build_city(files).limits == {}
