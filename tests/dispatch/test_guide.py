"""The guide shows the life cycle that is in force."""

from __future__ import annotations

from pathlib import Path

from haulwatch.dispatch.diagram import BEGIN, END, mermaid, refreshed
from haulwatch.dispatch.lifecycle import TRANSITIONS

GUIDE = Path(__file__).parents[2] / "docs" / "orders.md"


def test_the_guide_is_current() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert refreshed(guide) == guide, "run: python -m haulwatch.dispatch.diagram docs/orders.md"


def test_the_diagram_has_every_transition() -> None:
    lines = mermaid().splitlines()
    for row in TRANSITIONS:
        assert f"    {row.source} --> {row.target}: {row.label.zh} {row.command}" in lines


def test_what_stands_around_the_diagram_stays() -> None:
    made = refreshed(f"before\n{BEGIN}old\n{END}after\n")
    assert made.startswith(f"before\n{BEGIN}")
    assert made.endswith(f"{END}after\n")
    assert "old" not in made
    assert refreshed(made) == made
