"""`haulwatch orders …` as people and scripts call it: output, exit codes, and no traceback whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from haulwatch.cli.main import main
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.orders import Actor
from tests.dispatch.conftest import run_sql

ID = "HW-20260501-0001"


@pytest.fixture
def there(store: OrderStore, url: str, tmp_path: Path, breach: Callable[..., Breach], anyone: Actor) -> list[str]:
    """The options that name the store."""
    store.intake([breach(), breach("b2", truck_id="浙E2", late=True, category="overweight")])
    store.command(ID, "file", expected_version=1, actor=anyone, data={"note": "看过视频"})
    return ["--data", str(tmp_path)] if url.startswith("sqlite") else ["--database", url]


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["orders", *arguments]) == code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    return printed.out if code == 0 else printed.out + printed.err


def test_a_list_in_chinese_lines_up(capsys: pytest.CaptureFixture[str], there: list[str]) -> None:
    heading, late, filed = said(capsys, "list", *there).splitlines()
    assert heading.split() == ["工单", "阶段", "程度", "类别", "车辆", "发现时间", "次数", "事由"]
    assert late.split()[:5] == ["HW-20260501-0002", "待研判", "major", "overweight", "浙E2"]
    assert late.endswith("未密闭运输（迟到）")
    assert filed.split()[1] == "已立案"


def test_a_list_for_a_program(capsys: pytest.CaptureFixture[str], there: list[str], url: str) -> None:
    first = json.loads(said(capsys, "list", *there, "--json", "--limit", "1"))
    assert [order["order_id"] for order in first["orders"]] == ["HW-20260501-0002"]
    cursor = first["next_cursor"]
    rest = json.loads(said(capsys, "list", "--database", url, "--json", "--cursor", cursor))
    assert [(order["order_id"], order["version"]) for order in rest["orders"]] == [(ID, 2)]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--stage", "new", "--stage", "filed"], 2),
        (["--stage", "closed"], 0),
        (["--category", "overweight"], 1),
        (["--severity", "minor"], 0),
        (["--truck", "浙E2"], 1),
        (["--late"], 1),
        (["--no-late", "--since", "2026-05-01T00:00:00Z"], 1),
    ],
)
def test_a_list_is_filtered(capsys: pytest.CaptureFixture[str], there: list[str], options: list[str], ids: int) -> None:
    assert len(json.loads(said(capsys, "list", *there, "--json", *options))["orders"]) == ids


def test_one_order_with_its_history(capsys: pytest.CaptureFixture[str], there: list[str]) -> None:
    shown = said(capsys, "show", ID, *there, "--lang", "en")
    assert shown.startswith(f"{ID}  Uncovered load  [filed]")
    assert "note=看过视频" in shown
    assert "may follow: dispatch (dispatch), " in shown
    detail = json.loads(said(capsys, "show", ID, *there, "--json"))
    assert detail["breach"]["breach_id"] == "b1"
    assert [entry["action"] for entry in detail["audit"]] == ["opened", "file"]


def test_an_unknown_order(capsys: pytest.CaptureFixture[str], there: list[str]) -> None:
    assert "没有工单 HW-1" in said(capsys, "show", "HW-1", *there, code=1)


def test_a_whole_audit(capsys: pytest.CaptureFixture[str], there: list[str]) -> None:
    whole, head = said(capsys, "audit", "verify", *there).splitlines()
    assert whole == "审计完整：3 条"
    checkpoint = head.split()[1]
    report = json.loads(said(capsys, "audit", "verify", *there, "--json", "--checkpoint", checkpoint))
    assert (report["entries"], report["problem"]) == (3, None)


def test_a_broken_audit_names_its_first_broken_entry(
    capsys: pytest.CaptureFixture[str], there: list[str], url: str
) -> None:
    of_table = "" if url.startswith("sqlite") else " ON audit"
    run_sql(url, f"DROP TRIGGER audit_append_only{of_table}", "UPDATE audit SET actor = 'zhang' WHERE seq = 2")
    assert said(capsys, "audit", "verify", *there, "--lang", "en", code=1).startswith("[changed] audit entry 2:")
    report = json.loads(said(capsys, "audit", "verify", *there, "--json", code=1))
    assert (report["problem"]["kind"], report["problem"]["seq"]) == ("changed", 2)


@pytest.mark.parametrize(
    "where",
    [
        ["--data", "{tmp}/nowhere"],
        ["--database", "sqlite:///{tmp}/nowhere.sqlite"],
        ["--database", "sqlite://"],
        ["--database", "oracle"],
        ["--database", "mysql://nowhere/x"],
        ["--database", "postgresql://127.0.0.1:port/x"],
        ["--database", "postgresql://127.0.0.1:1/x"],
    ],
)
def test_no_store_there(capsys: pytest.CaptureFixture[str], tmp_path: Path, where: list[str]) -> None:
    message = said(capsys, "list", *(part.format(tmp=tmp_path) for part in where), code=3)
    assert message.startswith("haulwatch: ")
    assert len(message.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [], "a reader creates nothing"


def test_a_database_without_a_store(capsys: pytest.CaptureFixture[str], postgres_database: str) -> None:
    assert "没有工单库" in said(capsys, "list", "--database", postgres_database, code=3)
    assert run_sql(postgres_database, "SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []


@pytest.mark.parametrize("options", [["--since", "yesterday"], ["--cursor", "x"]])
def test_a_question_that_makes_no_sense(
    capsys: pytest.CaptureFixture[str], there: list[str], options: list[str]
) -> None:
    assert len(said(capsys, "list", *there, *options, code=3).splitlines()) == 1


@pytest.mark.parametrize("arguments", [[], ["list"], ["audit"], ["list", "--data", "a", "--database", "b"]])
def test_a_wrong_call_shows_the_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(["orders", *arguments])
    assert "usage: haulwatch orders" in capsys.readouterr().err


def test_a_table_with_the_plates_hidden(capsys: pytest.CaptureFixture[str], there: list[str]) -> None:
    assert "浙E12345" in said(capsys, "list", "--csv", *there)
    hidden = said(capsys, "list", "--csv", "--masked", *there)
    assert "浙E12345" not in hidden
    assert "浙E·1**45" in hidden
