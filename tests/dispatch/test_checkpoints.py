"""Heads of the audit that are kept elsewhere: what they find that the database cannot know of itself."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from haulwatch.cli.main import main
from haulwatch.dispatch.audit import Checkpoint
from haulwatch.dispatch.checkpoints import CheckpointKeeper, append_checkpoint, read_checkpoints
from haulwatch.dispatch.ledger import entry_hash
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import Elsewhere, WorldError
from tests.dispatch.conftest import run_sql


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints.txt"


def rewrite_from(url: str, seq: int) -> None:
    """What somebody does who knows how: another actor at `seq`, every later hash and the head made to fit."""
    for (name,) in run_sql(url, "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit'"):
        run_sql(url, f"DROP TRIGGER {name}")
    run_sql(url, "UPDATE audit SET actor = 'nobody' WHERE seq = :seq", seq=seq)
    prev = str(run_sql(url, "SELECT prev_hash FROM audit WHERE seq = :seq", seq=seq)[0][0])
    rows = run_sql(
        url, "SELECT seq, at, actor, action, order_id, detail FROM audit WHERE seq >= :s ORDER BY seq", s=seq
    )
    for number, at, actor, action, order_id, detail in rows:
        hashed = entry_hash(prev, number, at, actor, action, order_id, json.loads(str(detail)))  # type: ignore[arg-type]
        update = "UPDATE audit SET prev_hash = :p, hash = :h WHERE seq = :s"
        run_sql(url, update, p=prev, h=hashed, s=number)
        prev = hashed
    run_sql(url, "UPDATE ledger SET audit_hash = :h", h=prev)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_chain_rewritten_from_end_to_end_is_found_at_the_first_kept_head(
    store: OrderStore, url: str, breach: Callable[..., Breach], file: Path
) -> None:
    for number in range(6):
        store.intake([breach(f"b{number}", truck_id=f"浙E{number}")])
        append_checkpoint(file, store.head())
    assert store.verify(*read_checkpoints(file)).problem is None
    rewrite_from(url, 3)
    assert store.verify().problem is None, "the database alone cannot know"
    problem = store.verify(*read_checkpoints(file)).problem
    assert problem is not None
    assert (problem.kind, problem.seq) == ("changed", 3)


def test_a_cut_chain_is_found_by_a_head_behind_its_end(store: OrderStore, breach: Callable[..., Breach]) -> None:
    store.intake([breach()])
    problem = store.verify(store.head(), Checkpoint(9, "0" * 64)).problem
    assert problem is not None
    assert (problem.kind, problem.seq) == ("cut", 2)


def test_the_command_line_keeps_and_checks(
    store: OrderStore, url: str, breach: Callable[..., Breach], file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.intake([breach()])
    assert main(["orders", "audit", "checkpoint", "--database", url, "--out", str(file)]) == 0
    printed = capsys.readouterr().out.strip()
    assert printed == f"1:{store.head().hash}"
    assert file.read_text("utf-8").split()[1] == printed
    verify = ["orders", "audit", "verify", "--database", url, "--checkpoints"]
    assert main([*verify, str(file)]) == 0
    assert "1 个校验点" in capsys.readouterr().out
    with file.open("a", encoding="utf-8") as more:
        more.write(f"1:{'0' * 64}\n")
    assert main([*verify, str(file)]) == 1
    file.write_text("nonsense here now\n", encoding="utf-8")
    assert main([*verify, str(file)]) == 3
    assert "1" in capsys.readouterr().err


def test_the_keeper_keeps_each_head_once_and_goes_on_after_a_restart(
    store: OrderStore, breach: Callable[..., Breach], file: Path
) -> None:
    for number in range(2):
        keeper = CheckpointKeeper(file, store.head)
        store.intake([breach(f"b{number}", truck_id=f"浙E{number}")])
        keeper.start()
        keeper.stop()
        keeper.keep()
        keeper.check()
    assert [checkpoint.seq for checkpoint in read_checkpoints(file)] == [1, 2]


def test_the_keeper_works_by_itself(store: OrderStore, breach: Callable[..., Breach], file: Path) -> None:
    store.intake([breach()])
    asked = threading.Event()

    def head() -> Checkpoint:
        asked.set()
        return store.head()

    keeper = CheckpointKeeper(file, head, minutes=0.001)
    keeper.start()
    assert asked.wait(10)
    keeper.stop()
    assert read_checkpoints(file) == [store.head()]


def test_trouble_is_told_and_the_system_goes_on(
    store: OrderStore, breach: Callable[..., Breach], tmp_path: Path, file: Path
) -> None:
    store.intake([breach()])
    nowhere = CheckpointKeeper(tmp_path / "not" / "there", store.head)
    nowhere.start()
    nowhere.stop()
    with pytest.raises(Elsewhere):
        nowhere.check()
    append_checkpoint(file, Checkpoint(5, "a" * 64))
    shorter = CheckpointKeeper(file, store.head)
    shorter.start()
    shorter.stop()
    with pytest.raises(Elsewhere, match="cut"):
        shorter.check()
    file.write_text("no list\n", encoding="utf-8")
    with pytest.raises(WorldError):
        CheckpointKeeper(file, store.head).start()
