"""The JSON Schemas for editors: every shipped file fits, and what is built wrongly does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from haulwatch.cli.main import main
from haulwatch.cli.rule_files import shipped_books, shipped_tests
from rules.findings import Report
from rules.json_schema import Document, json_schema
from rules.reading import is_plain, merged
from rules.yaml_source import compose
from tests.rules.language.test_broken_files import CASES, GOOD, broken
from tests.rules.language.test_test_command import TESTS

BUILT_WRONG = {"E010", "E011", "E013", "E014", "E015", "E016", "E019", "E020", "E027"}
"""Mistakes in how a file is built: an editor can tell them all but for those below."""
OVERLAY = """\
rules:
  - id: uncovered-on-road
    override: replace
    status: shadow
    params: {grace: 3m, min_confidence: {value: 0.9}}
  - id: uncovered-on-road
    override: append
    exceptions: [{truck_id: [浙E12345], reason: 防汛抢险, approved_by: 王某, expires: 2026-12-31}]
lists: {night_sites: {override: append, items: [S-009]}}
"""


def as_json(node: Node) -> Any:
    """The document as an editor sees it: YAML 1.2, in which `on` and `2026-12-31` are texts."""
    if isinstance(node, MappingNode):
        return {key.value: as_json(value) for key, value in merged(node)}
    if isinstance(node, SequenceNode):
        return [as_json(item) for item in node.value]
    plain = isinstance(node, ScalarNode) and is_plain(node)
    if plain and node.value in ("", "~", "null"):
        return None
    if plain and node.value in ("true", "false"):
        return node.value == "true"
    try:
        return (float(node.value) if "." in node.value else int(node.value)) if plain else node.value
    except ValueError:
        return node.value


def errors_of(document: Document, data: bytes) -> list[str] | None:
    """What an editor would say; None where the file is no YAML."""
    _, root = compose("a.yaml", data, Report())
    if root is None:
        return None
    validator = jsonschema_rs.Draft202012Validator(json_schema(document))
    return [f"{error.instance_path}: {error.message}" for error in validator.iter_errors(as_json(root))]


@pytest.mark.parametrize("document", ["book", "overlay", "test"])
def test_a_schema_is_a_schema(document: Document) -> None:
    jsonschema_rs.meta.validate(json_schema(document))


@pytest.mark.parametrize(("name", "data"), shipped_books(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_shipped_book_fits(name: str, data: bytes) -> None:
    assert errors_of("book", data) == [], name


@pytest.mark.parametrize(("name", "data"), shipped_tests(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_shipped_stream_test_fits(name: str, data: bytes) -> None:
    assert errors_of("test", data) == [], name


def test_what_is_good_elsewhere_fits_here() -> None:
    assert errors_of("book", GOOD.encode()) == []
    assert errors_of("overlay", OVERLAY.encode()) == []
    assert errors_of("test", TESTS.encode()) == []


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [(code, old, new) for code, old, new, _ in CASES if code in BUILT_WRONG],
    ids=lambda value: str(value)[:40],
)
def test_a_file_that_is_built_wrongly_does_not_fit(code: str, old: str, new: str) -> None:
    if code == "E016" and "and " in old:
        pytest.skip("inside an expression")
    assert errors_of("book", broken(old, new)[0]) != [], (code, new)


@pytest.mark.parametrize(
    ("document", "good", "old", "new"),
    [
        ("overlay", OVERLAY, "override: replace\n", "\n"),
        ("overlay", OVERLAY, "override: append\n", "override: append\n    status: active\n"),
        ("overlay", OVERLAY, "status: shadow", "severity: minor"),
        ("overlay", OVERLAY, "{override: append, items: [S-009]}", "[S-009]"),
        ("overlay", OVERLAY, "reason: 防汛抢险, ", ""),
        ("test", TESTS, "arrive: 2s", "arrives: 2s"),
        ("test", TESTS, "duplicates: 2", "duplicates: -1"),
        ("test", TESTS, "occurrences: 1", "occurences: 1"),
        ("test", TESTS, "restart_at: [1s]", "restart_at: 1s"),
        ("test", TESTS, "tests:", "test:"),
    ],
)
def test_adjustments_and_tests_that_are_built_wrongly_do_not_fit(
    document: Document, good: str, old: str, new: str
) -> None:
    assert good.count(old) == 1
    assert errors_of(document, good.replace(old, new).encode())


def test_the_command_prints_one_and_writes_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", "schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema("book")
    assert main(["rules", "schema", "--out", str(tmp_path / "schemas")]) == 0
    written = [Path(line) for line in capsys.readouterr().out.split()]
    assert [json.loads(path.read_text(encoding="utf-8"))["title"] for path in written] == [
        json_schema(document)["title"] for document in ("book", "overlay", "test")
    ]
    (tmp_path / "file").write_text("")
    assert main(["rules", "schema", "--out", str(tmp_path / "file" / "x")]) == 3
