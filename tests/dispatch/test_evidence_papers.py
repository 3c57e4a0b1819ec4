"""What a pack shows: papers, map, track; and packs on the command line."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import Image

from haulwatch.bootstrap.city_history import FirstKnown, FolderCity, LogCities
from haulwatch.city import build_city, pack_city
from haulwatch.cli.main import main
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.evidence.map_view import view_of
from haulwatch.dispatch.evidence.tracks import BREAK_MS, stretches
from haulwatch.dispatch.evidence.words import WORDS
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.orders import Actor
from streams.local_log import LOG_FILE, LocalLog
from tests.dispatch.a_case import PICTURE, Album, Case, new_case
from tests.dispatch.conftest import a_breach

GPX = "{http://www.topografix.com/GPX/1/1}"
I18N = Path(__file__).parents[2] / "haulwatch" / "console" / "static" / "i18n"


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
def case(store: OrderStore, anyone: Actor) -> Case:
    return new_case(store, anyone)


@pytest.fixture
def files(case: Case) -> dict[str, bytes]:
    out = io.BytesIO()
    case.store.packs(case.history(), Album(PICTURE)).export(case.order_id, out, actor=Actor("李四"))
    with zipfile.ZipFile(out) as pack:
        return {name: pack.read(name) for name in pack.namelist()}


def test_the_papers_are_pdf_with_fonts_of_their_own(files: dict[str, bytes]) -> None:
    for name in ("order.pdf", "order.en.pdf"):
        assert files[name].startswith(b"%PDF-")
        assert len(re.findall(rb"/Type /Page\n", files[name])) >= 2
        assert files[name].count(b"/FontFile2") == 3, "two Latin ones and the Chinese one, embedded"
        assert b"/Helvetica" not in files[name]


def test_the_map_shows_track_place_and_zones(files: dict[str, bytes]) -> None:
    picture = Image.open(io.BytesIO(files["map.png"]))
    assert picture.size == (1280, 860)
    colours = dict.fromkeys(colour for _, colour in picture.convert("RGB").getcolors(1 << 20) or ())
    assert {(20, 82, 190), (204, 24, 40)} <= colours.keys()


def test_the_track_is_gpx_as_its_schema_has_it(files: dict[str, bytes]) -> None:
    root = ElementTree.fromstring(files["track.gpx"])
    assert (root.tag, root.get("version"), root.get("creator")) == (f"{GPX}gpx", "1.1", "haulwatch")
    assert [child.tag.removeprefix(GPX) for child in root] == ["metadata", "wpt", "trk"], "the schema's order"
    points = root.findall(f"{GPX}trk/{GPX}trkseg/{GPX}trkpt")
    times = [point.findtext(f"{GPX}time") or "" for point in points]
    assert times == sorted(times)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at) for at in times)
    assert all(-90 <= float(point.attrib["lat"]) <= 90 and -180 <= float(point.attrib["lon"]) < 180 for point in points)
    assert [child.tag for child in points[0]] == [f"{GPX}time"], "no elevations are made up"
    lines = [one for one in json.loads(files["track.geojson"])["features"] if one["properties"]["role"] == "track"]
    assert sum(len(line["geometry"]["coordinates"]) for line in lines) == len(points)


def test_nothing_is_drawn_where_nobody_saw_the_truck() -> None:
    track = [(at, 120.0, 30.0, None) for at in (0, 1000, 1000 + BREAK_MS + 1, 1000 + BREAK_MS + 2)]
    assert [len(part) for part in stretches(track)] == [2, 2]


@pytest.mark.parametrize("width_deg", [0.0, 0.001, 0.05, 2.0])
def test_a_scale_bar_is_round_and_fits(width_deg: float) -> None:
    view = view_of([(120.0, 30.0), (120.0 + width_deg, 30.0)], 1280, 800)
    assert view is not None
    length_m, length_px = view.scale_bar()
    assert str(length_m).strip("0") in ("1", "2", "5")
    assert 1280 / 5 / 2.6 < length_px <= 1280 / 5


def test_papers_and_console_use_the_same_words() -> None:
    zh, en = (json.loads((I18N / f"{lang}.json").read_text("utf-8")) for lang in ("zh", "en"))
    assert {key: (zh.get(key), en.get(key)) for key in WORDS} == {
        key: (word.zh, word.en) for key, word in WORDS.items()
    }


def test_an_order_without_track_and_place_has_papers_and_no_map(case: Case, anyone: Actor) -> None:
    (order_id,) = case.store.intake([a_breach("bare", truck_id="浙E0", lon=None, lat=None, track=[])]).opened
    out = io.BytesIO()
    case.store.packs().export(order_id, out, actor=anyone)
    with zipfile.ZipFile(out) as pack:
        assert "map.png" not in pack.namelist()
        assert {"order.pdf", "order.en.pdf", "track.gpx"} <= set(pack.namelist())


def test_the_embedded_log_keeps_every_city(case: Case, tmp_path: Path) -> None:
    city_hash = build_city(case.city).city_hash
    path = tmp_path / "log" / LOG_FILE
    assert LogCities(path).files(city_hash) is None
    log = LocalLog(path)
    log.begin()
    log.save_city(city_hash, pack_city(case.city))
    log.save_city("another", pack_city(case.city | {"city.yaml": b"id: x"}))
    log.commit()
    log.close()
    kept = FirstKnown(LogCities(path)).files(city_hash)
    assert kept is not None
    assert build_city(kept).city_hash == city_hash
    assert LogCities(path).files("nobody's") is None


def test_export_and_check_on_the_command_line(
    case: Case, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "city"
    for name, data in case.city.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    assert FolderCity(folder).files("x" * 64) is None
    pack = tmp_path / "pack.zip"
    export = ["orders", "export", "--database", url, "--city", str(folder), "--out", str(pack), "--actor", "李四"]
    assert main([*export, case.order_id, "--json"]) == 0
    receipt = json.loads(capsys.readouterr().out)
    assert case.store.pack_exported(case.order_id, receipt["sha256"])
    check = ["orders", "verify-pack", str(pack)]
    assert main([*check, "--sha256", receipt["sha256"]]) == 0
    assert main([*check, "--sha256", "0" * 64]) == 1
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    assert main(check) == 1
    assert "[changed]" in capsys.readouterr().out
    assert main([*export, "HW-20260501-0099"]) == 1
    assert [path.name for path in tmp_path.glob("pack.zip*")] == ["pack.zip"], "no half a pack is left"
    assert main(["orders", "verify-pack", str(folder)]) == 2
