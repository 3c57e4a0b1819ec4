"""The sources: files stay short, layers hold, nothing leaves the shared vocabulary."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 400
PACKAGES = ("haulwatch", "connectors", "streams", "rules", "geofences")
SOURCES = sorted(path for folder in (*PACKAGES, "tests", "bench", "scripts") for path in (ROOT / folder).rglob("*.py"))
HEAD_LINES = 12


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_a_long_file_says_why_in_its_head() -> None:
    """`Long because …` in the docstring at the top."""
    silent = []
    for path in SOURCES:
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > LONGEST and "Long because" not in "\n".join(lines[:HEAD_LINES]):
            silent.append(f"{_name(path)} ({len(lines)} lines)")
    assert silent == []


def test_every_module_says_what_it_is_for() -> None:
    mute = [
        _name(path)
        for path in SOURCES
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert mute == []


def test_no_room_for_odds_and_ends() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
    assert [_name(path) for path in SOURCES if vague & {path.stem, *path.relative_to(ROOT).parts}] == []


def test_test_folders_are_not_packages() -> None:
    assert [_name(path) for path in (ROOT / "tests").rglob("__init__.py")] == []


@pytest.mark.slow
def test_the_layers_hold() -> None:
    """In a commit `make check` says the same."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
