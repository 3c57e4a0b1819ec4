"""`haulwatch city`: what is printed, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haulwatch.cli.main import main


@pytest.fixture
def folder(files: dict[str, bytes], tmp_path: Path) -> Path:
    """The sound city on disk."""
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_a_sound_city_is_told_and_is_success(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["city", "check", str(folder)]) == 0
    assert capsys.readouterr().out == "9 个文件，0 处错误，0 处警告\n"


def test_an_error_is_shown_in_its_line_and_is_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = folder / "city.yaml"
    settings.write_text(settings.read_text("utf-8").replace("lateness: 3s", "lateness: 3"), "utf-8")
    assert main(["city", "check", str(folder), "--lang", "en"]) == 1
    assert capsys.readouterr().out == (
        "city.yaml:6:11  error[C016] Duration “3” has no unit\n"
        "   6 | lateness: 3\n"
        "     |           ^\n"
        "     = Write 3s (seconds) or 3m (minutes)\n\n"
        "9 files, 1 errors, 0 warnings\n"
    )
    assert main(["city", "show", str(folder)]) == 2
    assert "error" in capsys.readouterr().err


def test_a_warning_is_no_failure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "truck.csv").write_bytes(b"truck_id,axle_count\n")
    assert main(["city", "check", str(folder), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["files"], result["errors"], result["warnings"]) == (10, 0, 1)
    assert result["findings"][0]["hint"] == {"zh": "是否想写 trucks.csv ？", "en": "Did you mean trucks.csv?"}


def test_show_counts(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["city", "show", str(folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["counts"] == {
        "trucks": 2,
        "stations": 1,
        "cameras": 1,
        "permits": 1,
        "squads": 1,
        "zones": 5,
        "rules": 1,
    }
    assert len(shown["city_hash"]) == 64
    assert main(["city", "show", str(folder)]) == 0
    assert shown["city_hash"] in capsys.readouterr().out


def test_a_missing_folder_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["city", "check", str(tmp_path / "nowhere")]) == 3
    assert capsys.readouterr().err.count("\n") == 1
