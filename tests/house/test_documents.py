"""The documents name only what exists: commands, paths, decisions in a row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from haulwatch.cli.main import VERBS
from rules.loading import load_books

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
TOP_FOLDERS = ("haulwatch", "connectors", "streams", "rules", "geofences", "tests", "docs", "bench", "scripts")
CITY_PATH = re.compile(r"rules/local|rules/[\w-]+\.yaml|geofences/[\w-]+\.geojson")
"""Paths inside a city folder, which has a `rules/` and a `geofences/` of its own."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_it_names_only_commands_that_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|[`$] ?)(?:\.venv/bin/)?haulwatch ([a-z][a-z0-9-]*)", text, re.MULTILINE))
    assert named <= set(VERBS)
    verbs = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)", text)) <= verbs


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_it_names_only_paths_that_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    named = re.findall(rf"(?<![\w./-])((?:{'|'.join(TOP_FOLDERS)})/[\w./-]*\w/?)", text)
    ours = {path for path in named if not CITY_PATH.match(path)}
    linked = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text)
    missing = [path for path in sorted(ours) if not (ROOT / path).exists()]
    missing += [path for path in linked if not (document.parent / path).exists()]
    assert missing == []


def test_decisions_are_numbered_once_and_say_what_was_decided() -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert records
    numbers = [path.name[:4] for path in records]
    assert all(re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", path.name) for path in records)
    assert len(set(numbers)) == len(numbers)
    for path in records:
        assert path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]} "), path.name


def test_the_changelog_says_what_is_not_released_and_dates_what_is() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", changelog, re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading) for heading in headings[1:])
    assert re.search(r"^- ", changelog, re.MULTILINE)


def test_every_finding_of_the_city_is_in_its_guide() -> None:
    guide = (ROOT / "docs/city.md").read_text(encoding="utf-8")
    sources = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "haulwatch/city").glob("*.py"))
    used = set(re.findall(r'"(C\d{3})"', sources))
    listed = set(re.findall(r"^\| (C\d{3}) \|", guide, re.MULTILINE))
    assert used == listed


def test_the_rule_of_the_readme_is_a_rule() -> None:
    blocks = re.findall(r"```yaml\n(rules:.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        book, findings = load_books([("README.md", block.encode())], today=None)
        assert book is not None, [finding.render("en") for finding in findings]
