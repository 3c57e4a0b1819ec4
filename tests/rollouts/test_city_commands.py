"""`haulwatch city deploy --by|approve|history|rollback` beside a running system."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from haulwatch.cli.main import main
from tests.logins import PASSWORD
from tests.rollouts.conftest import CITY_HASH, faster
from tests.rollouts.test_in_force import system

Command = Callable[..., str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in faster(90).items():
        (tmp_path / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "city" / name).write_bytes(data)
    return tmp_path / "city"


@pytest.fixture
def city(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    monkeypatch.setenv("HAULWATCH_PASSWORD", PASSWORD)

    def run(*arguments: str | Path, code: int = 0) -> str:
        words = [str(argument) for argument in arguments]
        assert main(["city", *words, "--data", str(tmp_path / "data"), "--lang", "en"]) == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    return run


def test_two_people_and_a_running_system(tmp_path: Path, folder: Path, city: Command) -> None:
    with system(tmp_path / "data") as running:
        people = running.store.people()
        people.add("op", roles=["operator"], password=PASSWORD)
        people.add("ap", roles=["rule_approver"], password=PASSWORD)
        told = city("deploy", folder, "--by", "op", "--note", "fewer false alarms")
        assert "fast: params.limit 80 → 90（its state is dropped）" in told
        assert "1 rules keep their state, 1 lose it" in told
        assert "needs the role rule approver" in city("approve", "2", "--by", "op", code=3)
        assert "in force" in city("approve", "2", "--by", "ap")
        assert running.host.city.city_hash != CITY_HASH
        back = json.loads(city("rollback", "--by", "op", "--note", "too lax", "--json"))
        assert (back["state"], back["city_hash"]) == ("in_force", CITY_HASH)
        history = json.loads(city("history", "--json"))["rollouts"]
        assert [(one["rollout_id"], one["state"]) for one in history] == [
            (3, "in_force"),
            (2, "replaced"),
            (1, "replaced"),
        ]
        [head, newest, *_] = city("history").splitlines()
        assert head.split()[:3] == ["number", "state", "kind"]
        assert newest.split()[:3] == ["3", "in", "force"]


def test_who_is_not_who_it_says(tmp_path: Path, folder: Path, city: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no order store" in city("history", code=3)
    with system(tmp_path / "data") as running:
        running.store.people().add("op", roles=["operator"], password=PASSWORD)
        one_time = running.store.people().add("new", roles=["operator"])
        monkeypatch.setenv("HAULWATCH_PASSWORD", "wrong")
        assert "wrong name or password" in city("rollback", "--by", "op", "--note", "x", code=3)
        monkeypatch.setenv("HAULWATCH_PASSWORD", one_time)
        assert "change the password first" in city("deploy", folder, "--by", "new", "--note", "x", code=3)
        assert len(running.store.rollouts().list()) == 1


def test_a_proposal_needs_to_know_where(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["city", "deploy", str(folder), "--by", "op", "--note", "x", "--lang", "en"]) == 3
    assert "--data or --database" in capsys.readouterr().err
