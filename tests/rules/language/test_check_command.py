"""`haulwatch rules check`: what it prints, in which language, and its exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haulwatch.cli.main import main

BROKEN = """\
rules:
  - id: speeding
    title: 超速
    category: speed
    severity: minor
    status: active
    owner: 渣土科
    law: [x-1]
    match: {on: position, where: sped_kmh > 60}
    episode: {cooldown: 10m}
    runbook: 提醒
    examples:
      - {name: 快, events: [{t: 0s, on: position, speed_kmh: 90}], expect: [{at: 0s}]}
      - {name: 慢, events: [{t: 0s, on: position, speed_kmh: 20}], expect: []}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "local").mkdir()
    (tmp_path / "a.yaml").write_text(BROKEN, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("rules: []\n", encoding="utf-8")
    (tmp_path / "a.test.yaml").write_text("tests: []\n", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("no rules here", encoding="utf-8")
    return tmp_path


def test_the_shipped_books_have_no_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check"]) == 0
    assert " 0 errors, " in capsys.readouterr().out.splitlines()[-1]


def test_a_folder_is_searched_and_every_finding_is_shown_with_a_caret(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "check", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert f'{folder.as_posix()}/a.yaml:9:34  error[E012] 未知字段 "sped_kmh"（position 事件）' in shown
    assert "^^^^^^^^" in shown
    assert "是否想写 speed_kmh ？" in shown
    assert shown.splitlines()[-1] == "2 files, 1 error, 0 warnings"


def test_an_example_that_comes_out_otherwise_is_an_error_at_its_place(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = BROKEN.replace("sped_kmh", "speed_kmh").replace("speed_kmh: 20", "speed_kmh: 70")
    (folder / "a.yaml").write_text(wrong, encoding="utf-8")
    assert main(["rules", "check", str(folder / "a.yaml")]) == 1
    shown = capsys.readouterr().out
    assert f"{folder.as_posix()}/a.yaml:14:9  error[T002]" in shown
    assert "慢" in shown


def test_english_is_printed_on_request(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--lang", "en", str(folder / "a.yaml")]) == 1
    shown = capsys.readouterr().out
    assert 'unknown field "sped_kmh" (position event)' in shown
    assert "did you mean speed_kmh?" in shown


def test_json_carries_the_same_findings(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "check", "--json", str(folder)]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["files"], result["errors"], result["warnings"]) == (2, 1, 0)
    [finding] = result["findings"]
    assert (finding["code"], finding["line"], finding["column"], finding["width"]) == ("E012", 9, 34, 8)
    assert set(finding["text"]) == {"zh", "en"}


def test_a_path_that_is_not_there_is_bad_input_and_one_message(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "check", str(folder / "gone.yaml")]) == 2
    assert "gone.yaml" in capsys.readouterr().err


def test_local_adjustments_alone_are_laid_over_the_shipped_books(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    local = folder / "local" / "x.yaml"
    local.write_text("rules:\n  - {id: no-such-rule, override: replace, status: draft}\n", encoding="utf-8")
    assert main(["rules", "check", str(local)]) == 1
    shown = capsys.readouterr().out
    assert 'E024] 没有规则 "no-such-rule"' in shown
    assert shown.splitlines()[-1] == "1 file, 1 error, 0 warnings"
