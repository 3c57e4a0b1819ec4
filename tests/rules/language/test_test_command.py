"""`haulwatch rules test`: what is played, what is told of failures, the reports, and the exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from haulwatch.city.files import decides
from haulwatch.cli.main import main
from haulwatch.cli.rule_files import shipped_books, shipped_tests

RULES = """\
rules:
  - id: speeding
    title: {zh: 超速, en: Speeding}
    category: speed
    severity: minor
    status: active
    owner: 渣土科
    law: [x-1]
    params:
      limit_kmh: {value: 60, min: 30, max: 100}
    match: {on: position, where: speed_kmh > $limit_kmh and not ignition == false}
    episode: {cooldown: 10m}
    runbook: 提醒
    examples:
      - {name: 快, events: [{t: 0s, on: position, speed_kmh: 90, ignition: true}], expect: [{at: 0s}]}
      - {name: 慢, events: [{t: 0s, on: position, speed_kmh: 20}], expect: []}
"""
TESTS = """\
tests:
  - name: 报了三遍
    rules: [speeding]
    restart_at: [1s]
    events: [{t: 0s, arrive: 2s, on: position, speed_kmh: 70, ignition: true, duplicates: 2}]
    expect: [{at: 0s, rule: speeding, occurrences: 1}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.yaml").write_text(RULES, encoding="utf-8")
    (tmp_path / "a.test.yaml").write_text(TESTS, encoding="utf-8")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_everything_shipped_passes_and_every_rule_has_both_kinds_of_cases(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "test", "--json", "--coverage"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["failed"] == 0
    assert found["tests"] >= 2 * len(shipped_tests())
    assert all(rule["positive"] and rule["negative"] for rule in found["coverage"]["rules"])


def test_every_shipped_book_has_stream_tests_which_decide_nothing() -> None:
    books = {name.removesuffix(".yaml") for name, _ in shipped_books()}
    assert books == {name.removesuffix(".test.yaml") for name, _ in shipped_tests()}
    assert not any(decides(name) for name, _ in shipped_tests())


@pytest.mark.parametrize("paths", [["."], ["a.yaml", "a.test.yaml"], ["a.test.yaml"]])
def test_a_folder_its_files_or_its_tests_alone_mean_the_same(
    folder: Path, paths: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "test", *(str(folder / path) for path in paths)]) == 0
    assert capsys.readouterr().out == "规则 1 条 · 示例 2 个 · 测试 1 个 · 未通过 0 个\n"


def test_a_failure_is_told_at_its_place_with_what_was_found_instead(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / "a.test.yaml", "at: 0s, rule", "at: 5s, rule")
    change(folder / "a.yaml", "speed_kmh: 90, ignition: true", "speed_kmh: 90")
    assert main(["rules", "test", "--lang", "en", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert f"{folder.as_posix()}/a.yaml:15:9  error[T002] " in shown
    assert f"{folder.as_posix()}/a.test.yaml:2:5  error[T002] " in shown
    assert "missing {at: 5s, rule: speeding, occurrences: 1}, unexpected {at: 0s, rule: speeding" in shown
    assert 'speeding, example "快": expected 0s speed, found none' in shown
    assert "= unknown: ignition" in shown
    assert shown.splitlines()[-1] == "rules: 1, examples: 2, stream tests: 1, failed: 2"


def test_stream_tests_see_local_adjustments_and_examples_do_not(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "local").mkdir()
    local = "rules:\n  - {id: speeding, override: replace, params: {limit_kmh: 95}}\n"
    (folder / "local" / "x.yaml").write_text(local, encoding="utf-8")
    assert main(["rules", "test", "--lang", "en", str(folder)]) == 1
    shown = capsys.readouterr().out
    assert "unexpected none" in shown
    assert shown.splitlines()[-1].endswith("failed: 1")


def test_broken_files_are_told_together_as_by_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(folder / "a.yaml", "where: speed_kmh", "where: sped_kmh")
    change(folder / "a.test.yaml", "restart_at: [1s]", "restart_at: [1]")
    report = folder / "report.xml"
    assert main(["rules", "test", str(folder), "--junit", str(report)]) == 2
    told = capsys.readouterr().err
    assert 'a.yaml:11:34  error[E012] 未知字段 "sped_kmh"' in told
    assert "a.test.yaml:4:18  error[E016]" in told
    assert [suite.get("errors") for suite in ElementTree.parse(report).getroot()] == ["1", "1"]
    assert main(["rules", "test", "--json", str(folder)]) == 2
    assert {finding["code"] for finding in json.loads(capsys.readouterr().out)["findings"]} == {"E012", "E016"}


@pytest.mark.parametrize("name", ["gone.yaml", "gone.test.yaml", "empty"])
def test_what_is_not_there_is_bad_input(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "empty").mkdir()
    assert main(["rules", "test", str(folder / name)]) == 2
    assert name in capsys.readouterr().err


def test_coverage_names_rules_without_cases_and_conditions_that_were_never_true(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(folder / "a.yaml", ", ignition: true", "")
    change(folder / "a.yaml", "expect: [{at: 0s}]", "expect: []")
    change(folder / "a.test.yaml", ", ignition: true", "")
    change(folder / "a.test.yaml", "expect: [{at: 0s, rule: speeding, occurrences: 1}]", "expect: []")
    assert main(["rules", "test", "--coverage", str(folder), "--lang", "en"]) == 2
    assert "E021" in capsys.readouterr().err
    (folder / "a.yaml").write_text(RULES, encoding="utf-8")
    change(folder / "a.yaml", "where: speed_kmh", "where: (lift == 'raised' or speed_kmh")
    change(folder / "a.yaml", "== false}", "== false)}")
    assert main(["rules", "test", "--coverage", str(folder), "--lang", "en"]) == 0
    shown = capsys.readouterr().out
    assert "speeding  positive  1  negative  2" in shown
    assert "conditions that were never true (1):" in shown
    assert f"{folder.as_posix()}/a.yaml:11:34  speeding: lift == 'raised'" in shown


def test_junit_is_xml_that_names_every_case_and_its_failure(folder: Path) -> None:
    change(folder / "a.test.yaml", "name: 报了三遍", r'name: "a <b> & \x07"')
    change(folder / "a.test.yaml", "at: 0s, rule", "at: 5s, rule")
    report = folder / "report.xml"
    assert main(["rules", "test", str(folder), "--junit", str(report)]) == 1
    root = ElementTree.parse(report).getroot()
    assert (root.tag, root.get("tests"), root.get("failures"), root.get("errors")) == ("testsuites", "3", "1", "0")
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert set(cases) == {("speeding", "快"), ("speeding", "慢"), ("a", "a <b> & �")}
    failure = cases["a", "a <b> & �"].find("failure")
    assert failure is not None
    assert failure.get("type") == "T002"
    assert "a.test.yaml:2:5" in (failure.text or "")
    assert cases["speeding", "快"].find("failure") is None


def test_a_report_that_cannot_be_written_is_a_matter_of_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "test", str(folder), "--junit", str(folder / "no" / "report.xml")]) == 3
    assert "report.xml" in capsys.readouterr().err
