"""`haulwatch orders route-test` as people type it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from haulwatch.cli.main import main
from haulwatch.domain.breaches import Breach
from haulwatch.testing import city_files_of, position, square
from haulwatch.wire import encode_event
from tests.dispatch.conftest import a_breach

ZONES = [square("D1", "district", 120.1, 30.86, 0.2), square("T1", "township", 120.1, 30.86, 0.05, parent="D1")]
SQUADS = (
    "squad_id,name,district_zone,level,departments,hours\n"
    "QT,镇队,T1,township,综合执法;生态环境,07:00-19:00\nQD,区队,D1,district,综合执法;生态环境,06:00-23:00\n"
)
RULE = "dumping-lift-raised"
NOON, LATE, NIGHT = (f"2026-05-01T{hour}:00:00+08:00" for hour in ("12", "20", "02"))


@pytest.fixture
def city(tmp_path: Path) -> Path:
    for name, data in city_files_of(zones=ZONES, tables={"squads.csv": SQUADS}).items():
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).write_bytes(data)
    return tmp_path / "city"


def run(capsys: pytest.CaptureFixture[str], city: Path, *words: str) -> tuple[int, str, str]:
    code = main(["orders", "route-test", "--city", str(city), *words])
    said = capsys.readouterr()
    return code, said.out, said.err


def routes(capsys: pytest.CaptureFixture[str], city: Path, *words: str) -> list[dict[str, Any]]:
    _code, out, _err = run(capsys, city, "--json", *words)
    found: list[dict[str, Any]] = json.loads(out)
    return found


PLACE = ("--lon", "120.1", "--lat", "30.86", "--rule", RULE)


@pytest.mark.parametrize(("at", "squad", "code"), [(NOON, "QT", 0), (LATE, "QD", 0), (NIGHT, None, 1)])
def test_a_place(capsys: pytest.CaptureFixture[str], city: Path, at: str, squad: str | None, code: int) -> None:
    found, out, _err = run(capsys, city, *PLACE, "--at", at, "--json")
    (one,) = json.loads(out)
    assert (one["route"]["squad_id"], one["route"]["duty_desk"], found) == (squad, squad is None, code)
    assert one["route"]["jurisdictions"] == ["T1", "D1"]
    assert [task["department"] for task in one["route"]["tasks"]] == ["综合执法", "生态环境"]


def test_it_can_be_read_in_both_languages(capsys: pytest.CaptureFixture[str], city: Path) -> None:
    assert "转D1值班台" in run(capsys, city, *PLACE, "--at", NIGHT)[1]
    assert "to the duty desk of D1" in run(capsys, city, *PLACE, "--at", NIGHT, "--lang", "en")[1]


def test_a_file_of_findings_and_events(capsys: pytest.CaptureFixture[str], city: Path, tmp_path: Path) -> None:
    breach: Breach = a_breach(rule_id=RULE, zone_ids=["D1"])
    file = tmp_path / "mixed.ndjson"
    file.write_bytes(msgspec.json.encode(breach) + b"\n" + encode_event(position(0)) + b"\n")
    first, second = routes(capsys, city, str(file))
    assert (first["name"], first["rule_id"], first["route"]["jurisdictions"]) == ("b1", RULE, ["D1"])
    assert (second["rule_id"], second["route"]["jurisdictions"]) == (None, ["T1", "D1"])
    file.write_bytes(msgspec.json.format(msgspec.json.encode([breach])))
    assert routes(capsys, city, str(file), "--at", NIGHT)[0]["route"]["duty_desk"] is True


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ((), 2, "--lon"),
        (("--lon", "120"), 2, "--lon"),
        (("--lon", "120", "--lat", "95"), 2, "out of range"),
        (("--lon", "120", "--lat", "30", "--rule", "dumping-lift-raisd"), 2, RULE),
        (("no-such-file",), 3, "no-such-file"),
    ],
)
def test_what_is_wrong_is_said(
    capsys: pytest.CaptureFixture[str], city: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    found, out, err = run(capsys, city, *words, "--lang", "en")
    assert (found, out) == (code, "")
    assert says in err


def test_a_file_of_something_else(capsys: pytest.CaptureFixture[str], city: Path, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}")
    assert run(capsys, city, str(file))[0] == 2
