"""`haulwatch connectors`: what can be connected, and a file checked before it is put in force."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.registry import CONNECTORS
from haulwatch.cli.main import main

TRACCAR = "traccar:\n  http:\n    token: env:TRACCAR_TOKEN\n"


def test_every_connector_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["connectors", "list", "--json"]) == 0
    assert [one["name"] for one in json.loads(capsys.readouterr().out)] == list(CONNECTORS)
    assert main(["connectors", "list", "--lang", "en"]) == 0
    assert "docs/jt808.md" in capsys.readouterr().out


def test_a_sound_file(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACCAR_TOKEN", "a long enough token for anybody")
    path = tmp_path / "connectors.yaml"
    path.write_text(TRACCAR, encoding="utf-8")
    assert main(["connectors", "check", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sections"] == ["traccar"]


def test_a_secret_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACCAR_TOKEN", raising=False)
    path = tmp_path / "connectors.yaml"
    path.write_text(TRACCAR, encoding="utf-8")
    assert main(["connectors", "check", str(path)]) == 3
    assert "TRACCAR_TOKEN" in capsys.readouterr().err


def test_a_slip_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "connectors.yaml"
    path.write_text("tracar: {}\n", encoding="utf-8")
    assert main(["connectors", "check", str(path), "--lang", "en"]) == 2
    assert "connectors.yaml:1:1" in capsys.readouterr().err
