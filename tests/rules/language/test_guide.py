"""The author's guide names everything that the language has."""

from __future__ import annotations

import re
from pathlib import Path

from rules.findings import CODES
from rules.loading import load_books
from rules.schema import EVENT_FIELDS, FUNCTIONS, SCOPES
from streams.examples import CODES as STORY_CODES
from streams.stream_tests import run_stream_tests

GUIDE = (Path(__file__).parents[3] / "docs" / "rules.md").read_text(encoding="utf-8")


def test_every_code_is_listed_with_its_meaning() -> None:
    for code, text in {**CODES, **STORY_CODES}.items():
        assert f"| `{code}` | {text.zh} · {text.en} |" in GUIDE


def test_every_name_and_function_is_listed() -> None:
    rows = {row.split("|")[1].strip(): row for row in GUIDE.splitlines() if row.startswith("| `")}
    for kind, fields in EVENT_FIELDS.items():
        assert all(
            f"`{name}`" in rows[f"`{kind}`"]
            for name in fields
            if name not in ("truck_id", "source", "resent", "lon", "lat")
        )
    for scope, fields in SCOPES.items():
        assert all(f"`{name}`" in rows[f"`{scope}.…`"] for name in fields)
    assert all(f"`{name}(" in GUIDE for name in FUNCTIONS)


def test_the_rule_and_the_stories_of_the_guide_load() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    whole = _rule(blocks)
    adjustments = [(f"rules/local/{i}.yaml", b.encode()) for i, b in enumerate(blocks) if "override:" in b]
    assert len(adjustments) == 2
    book, findings = load_books([("rules/guide.yaml", whole.encode()), *adjustments], today=None)
    assert [f.render() for f in findings if f.severity == "error"] == []
    assert book is not None
    assert book.rules[0].params["grace"].value == 180.0


def test_the_stream_test_of_the_guide_is_true_of_its_rule() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    tests = next(block for block in blocks if block.startswith("tests:"))
    book, _ = load_books([("rules/guide.yaml", _rule(blocks).encode())], today=None)
    assert book is not None
    [outcome] = run_stream_tests(book, [("rules/guide.test.yaml", tests.encode())])
    assert outcome.findings == ()


def _rule(blocks: list[str]) -> str:
    """The rule that the guide shows, with the examples that it shows."""
    rule = next(block for block in blocks if "examples: […]" in block)
    stories = next(block for block in blocks if block.startswith("examples:"))
    return re.sub(r"    examples: \[…\].*\n", "".join(f"    {line}\n" for line in stories.splitlines()), rule)
