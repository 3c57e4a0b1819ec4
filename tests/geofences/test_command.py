"""`haulwatch zones`: what it prints and its exit codes, on real files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geofences.datum import convert
from haulwatch.cli.main import main

NIGHT = {
    "zone_id": "N-1",
    "kind": "forbidden",
    "name": {"zh": "夜间禁区", "en": "Night zone"},
    "hours": ["22:00-05:00"],
}
SITE = {"zone_id": "S-1", "kind": "construction_site", "name": "工地"}
SQUARE = [[120.0, 30.0], [120.01, 30.0], [120.01, 30.01], [120.0, 30.01], [120.0, 30.0]]


def square(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Polygon", "coordinates": [SQUARE]},
        "bbox": [120, 30, 120.01, 30.01],
    }


def write(file: Path, *features: Any) -> str:
    file.write_text(json.dumps({"type": "FeatureCollection", "features": features}, indent=1), encoding="utf-8")
    return str(file)


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """A city folder with two zones."""
    (tmp_path / "geofences").mkdir()
    (tmp_path / "city.yaml").write_text(
        "id: c\nname: 城\ntimezone: Asia/Shanghai\ndatum: gcj02\nlaw: [cn-2016-62]\n", encoding="utf-8"
    )
    write(tmp_path / "geofences" / "a.geojson", square(SITE), square(NIGHT))
    return tmp_path


def test_check_of_good_files_says_how_many(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zones", "check", str(city), "--lang", "en"]) == 0
    assert capsys.readouterr().out == "1 files, 2 zones, 0 errors, 0 warnings\n"


def test_check_finds_the_errors_of_all_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = write(tmp_path / "a.geojson", square(SITE | {"kind": "constructionsite"}))
    second = write(tmp_path / "b.geojson", square(SITE), square(NIGHT | {"hours": ["22-5"]}))
    assert main(["zones", "check", first, second]) == 1
    out = capsys.readouterr().out
    assert f"{first}:8:5 (feature 0)  error[Z012]" in out
    assert "是否想写 construction_site" in out
    assert f"{second}" in out
    assert "(feature 1)  error[Z014]" in out
    assert out.endswith("2 个文件，1 个围栏，3 处错误，0 处警告\n")


def test_check_in_json(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(city / "geofences" / "b.geojson", square(SITE))
    assert main(["zones", "check", str(city), "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["files"], result["errors"], result["datum"]) == (2, 1, "gcj02")
    assert (result["findings"][0]["code"], result["findings"][0]["place"]) == ("Z013", "feature 0")


@pytest.mark.parametrize("arguments", [["check", "gone.geojson"], ["check", "."], ["at", "0", "0", "--city", "gone"]])
def test_files_that_are_not_there_are_bad_input(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["zones", *arguments]) == 2
    assert "Z008" in capsys.readouterr().err


def test_at_names_the_zones_of_the_place(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lon, lat = convert(120.005, 30.005, "gcj02", "wgs84")
    arguments = ["zones", "at", str(lon), str(lat), "--city", str(city), "--lang", "en"]
    assert main([*arguments, "--at", "2026-05-01T12:00"]) == 0
    assert capsys.readouterr().out == "N-1  forbidden  Night zone  (not in force then)\nS-1  construction_site  工地\n"
    assert main([*arguments, "--at", "2026-05-01T15:00Z", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [(zone["zone_id"], zone["in_force"]) for zone in result["zones"]] == [("N-1", True), ("S-1", True)]
    assert result["at"] == "2026-05-01T15:00:00.000Z"


def test_at_takes_a_place_from_a_shifted_map(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # 300 m inside the square as drawn; read as WGS-84 it lies outside of it.
    edge = ["zones", "at", "120.003", "30.0005", "--city", str(city), "--at", "2026-05-01T12:00"]
    assert main([*edge, "--point-datum", "gcj02"]) == 0
    assert "S-1" in capsys.readouterr().out
    assert main(["zones", "at", "121", "31", "--city", str(city)]) == 0
    assert capsys.readouterr().out == "不在任何围栏内\n"


def test_at_refuses_a_place_out_of_range_and_broken_files(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["zones", "at", "30", "120", "--city", str(city)]) == 2
    write(city / "geofences" / "b.geojson", square(SITE))
    assert main(["zones", "at", "120", "30", "--city", str(city)]) == 2
    assert "Z013" in capsys.readouterr().err


def test_convert_moves_positions_and_leaves_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    point = {
        "type": "Feature",
        "properties": {"zone_id": "W-1", "coordinates": [1, 2], "名": "称重"},
        "geometry": {"type": "Point", "coordinates": [120.2, 30.2, 7.5]},
    }
    file = write(tmp_path / "a.geojson", square(SITE), point)
    assert main(["zones", "convert", "--from", "gcj02", "--to", "wgs84", file]) == 0
    out = capsys.readouterr().out
    result = json.loads(out)
    moved = result["features"][0]["geometry"]["coordinates"][0]
    assert moved[1] == pytest.approx(convert(120.01, 30.0, "gcj02", "wgs84"), abs=1e-9)
    assert moved[0] == moved[-1]
    assert "bbox" not in result["features"][0]
    assert result["features"][1]["properties"] == point["properties"]
    assert result["features"][1]["geometry"]["coordinates"][2] == 7.5
    assert "称重" in out
    assert out.count("\n") == 4


def test_convert_there_and_back_is_the_same_to_a_millimetre(tmp_path: Path) -> None:
    file, there, back = write(tmp_path / "a.geojson", square(SITE)), tmp_path / "b.geojson", tmp_path / "c.geojson"
    assert main(["zones", "convert", "--from", "wgs84", "--to", "bd09", file, "--out", str(there)]) == 0
    assert main(["zones", "convert", "--from", "bd09", "--to", "wgs84", str(there), "--out", str(back)]) == 0
    ring = json.loads(back.read_text(encoding="utf-8"))["features"][0]["geometry"]["coordinates"][0]
    assert ring == [pytest.approx(position, abs=1e-8) for position in SQUARE]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"type": "Point", "coordinates": [120]}', "Z021"),
        ('{"type": "Point", "coordinates": ["x", 30]}', "Z021"),
        ('{"type": "Point", "coordinates": [30, 120]}', "Z021"),
        ('{"type": "Point", "coordinates": 5}', "Z021"),
        ("[]", "Z003"),
        ("{", "Z002"),
        ('{"type": "Point", "coordinates": [NaN, 30]}', "Z002"),
        ('{"type": "Point", "coordinates": [0, 0], "crs": "EPSG:3857"}', "Z005"),
    ],
)
def test_convert_refuses_what_it_cannot_read(
    text: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.geojson"
    file.write_text(text, encoding="utf-8")
    assert main(["zones", "convert", "--from", "gcj02", str(file)]) == 2
    assert code in capsys.readouterr().err


def test_convert_says_when_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "a.geojson", square(SITE))
    assert main(["zones", "convert", "--from", "gcj02", file, "--out", str(tmp_path / "gone" / "b.geojson")]) == 3
    assert "gone" in capsys.readouterr().err
