"""The environment: our names are ours alone, and every package is pinned by hash from nowhere in particular."""

from __future__ import annotations

import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOP_LEVEL = ("haulwatch", "connectors", "streams", "rules", "geofences")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_no_other_distribution_owns_a_top_level_name(name: str) -> None:
    owners = {
        distribution.metadata["Name"]
        for distribution in distributions()
        for file in distribution.files or ()
        if file.parts[0] in (name, f"{name}.py")
    }
    assert owners <= {"haulwatch"}


def test_the_packages_of_the_wheel_are_the_top_level_names() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    [packages] = re.findall(r"\[tool\.hatch\.build\.targets\.wheel\]\npackages = \[(.*?)\]", project)
    assert set(re.findall(r'"(\w+)"', packages)) == set(TOP_LEVEL)
    assert all((ROOT / name / "__init__.py").is_file() for name in TOP_LEVEL)


def test_the_lock_names_no_host() -> None:
    assert re.findall(r"(?:https?://\S+|--(?:extra-)?index-url|--find-links|--trusted-host| @ )", LOCK) == []


def test_every_locked_package_has_a_version_and_hashes() -> None:
    entries = re.split(r"\n(?=\S)", LOCK.strip())
    assert len(entries) > 40
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9.-]*==\S+( ; [^\\]+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry[:80]


def test_every_dependency_is_locked_and_has_its_reason() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    reasons = (ROOT / "docs/decisions/0006-dependencies.md").read_text(encoding="utf-8")
    declared = {name.lower() for name in re.findall(r'^    "([A-Za-z0-9-]+)(?:[>=<].*)?",$', project, re.MULTILINE)}
    assert {"msgspec", "pytest"} <= declared
    locked = set(re.findall(r"^([a-z0-9.-]+)==", LOCK, re.MULTILINE))
    assert declared - locked == set()
    assert [name for name in sorted(declared) if f"`{name}`" not in reasons] == []
