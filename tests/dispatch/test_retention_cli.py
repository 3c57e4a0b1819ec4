"""`haulwatch retention …`: what is printed, what is deleted, and where a file is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from haulwatch.bootstrap.retention import read_retention
from haulwatch.cli.main import main
from haulwatch.dispatch.retention.keep import KeepDays, RetentionFile
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import AuthorError
from tests.dispatch.conftest import run_sql

ANSWER = """\
hour: 2
keep_days:
  shadow_findings: 30
  photos_closed: never
"""


@pytest.fixture
def there(store: OrderStore, url: str, tmp_path: Path, breach: Callable[..., Breach]) -> list[str]:
    """The options that name a store with a shadow finding of long ago."""
    store.intake([breach("s1", status="shadow"), breach("s2", status="shadow"), breach()])
    run_sql(url, "UPDATE occurrences SET recorded_at = '2020-01-01T00:00:00.000Z' WHERE breach_id = 's1'")
    return ["--data", str(tmp_path)] if url.startswith("sqlite") else ["--database", url]


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["retention", *arguments]) == code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return printed.out if code == 0 else printed.err


def test_show_and_a_dry_run_change_nothing(capsys: pytest.CaptureFixture[str], there: list[str], url: str) -> None:
    for arguments in (["show"], ["run", "--dry-run"]):
        lines = said(capsys, *arguments, *there).splitlines()
        (row,) = [line.split() for line in lines if line.startswith("shadow_findings")]
        assert (row[0], row[1], row[3], row[4]) == ("shadow_findings", "180", "1", "1")
        assert lines[-1] == "到期 1；每晚 3:00 后自动删除"
    assert run_sql(url, "SELECT count(*) FROM occurrences WHERE order_id IS NULL") == [(2,)]


def test_run_deletes_in_somebodys_name(capsys: pytest.CaptureFixture[str], there: list[str], url: str) -> None:
    printed = json.loads(said(capsys, "run", "--actor", "王芳", "--json", *there))
    assert (printed["deleted"], printed["complete"], printed["files_waiting"]) == (True, True, 0)
    found = {one["name"]: one for one in printed["classes"]}
    assert (found["shadow_findings"]["due"], found["shadow_findings"]["held"]) == (1, 1)
    assert set(found) == set(KeepDays.model_fields)
    assert run_sql(url, "SELECT actor, action FROM audit ORDER BY seq DESC LIMIT 1") == [("王芳", "retention_deleted")]
    assert main(["orders", "audit", "verify", *there]) == 0
    assert said(capsys, "run", "--lang", "en", *there).splitlines()[-1] == "0 deleted"


def test_the_file_is_what_counts(capsys: pytest.CaptureFixture[str], there: list[str], tmp_path: Path) -> None:
    path = tmp_path / "retention.yaml"
    path.write_text("keep_days: {shadow_findings: never}\n")
    assert "0 deleted" in said(capsys, "run", "--retention", str(path), "--lang", "en", *there)


def test_terms(tmp_path: Path) -> None:
    path = tmp_path / "retention.yaml"
    path.write_text(ANSWER)
    assert read_retention(path) == RetentionFile(
        hour=2, keep_days=KeepDays.model_validate({"shadow_findings": 30, "photos_closed": "never"})
    )
    assert read_retention(path).keep_days.photos_closed is None
    assert read_retention(None) == RetentionFile()


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("keep_days:\n  photos: 5\n", 2, None),
        ("keep_days:\n  session: 5\n", 2, "sessions"),
        ("keep_days:\n  sessions: 0\n", 2, None),
        ("keep_days:\n  sessions: 0.5\n", 2, None),
        ("keep_days:\n  sessions: forever\n", 2, None),
        ("keep_days:\n  sessions: 99999\n", 2, None),
        ("hour: 24\n", 1, None),
        ("hours: 2\n", 1, "hour"),
    ],
)
def test_what_is_wrong_is_located(tmp_path: Path, text: str, line: int, hint: str | None) -> None:
    path = tmp_path / "retention.yaml"
    path.write_text(text)
    with pytest.raises(AuthorError) as raised:
        read_retention(path)
    (finding,) = raised.value.findings
    assert finding.line == line
    assert hint is None or (finding.hint is not None and hint in finding.hint.en)


def test_a_wrong_file_is_exit_code_2(capsys: pytest.CaptureFixture[str], there: list[str], tmp_path: Path) -> None:
    path = tmp_path / "retention.yaml"
    path.write_text("keep_days: {sessions: soon}\n")
    assert "K001" in said(capsys, "show", "--retention", str(path), *there, code=2)
