"""The guide shows the life cycle that is in force."""

from __future__ import annotations

from pathlib import Path

from haulwatch.dispatch.diagram import ANYWHERE, BEGIN, END, markdown, mermaid, refreshed
from haulwatch.dispatch.lifecycle import TRANSITIONS

GUIDE = Path(__file__).parents[2] / "docs" / "orders.md"


def test_the_guide_is_current() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert refreshed(guide) == guide, "run: python -m haulwatch.dispatch.diagram docs/orders.md"


def test_the_diagram_has_every_move() -> None:
    lines = mermaid().splitlines()
    for row in TRANSITIONS:
        if row.source != row.target:
            moves = [line for line in lines if f"--> {row.target}: {row.label.zh} {row.command}" in line]
            assert row.command in ANYWHERE or any(line.startswith(f"    {row.source} -->") for line in moves)
            assert moves
            assert all(line.endswith(" ✓") == row.approval for line in moves)


def test_the_table_has_every_command_of_every_stage() -> None:
    lines = markdown().splitlines()
    for row in TRANSITIONS:
        assert any(f"`{row.source}`" in line.split("|")[1] and f"`{row.command}`" in line for line in lines)


def test_what_stands_around_the_diagram_stays() -> None:
    made = refreshed(f"before\n{BEGIN}what was here\n{END}after\n")
    assert made.startswith(f"before\n{BEGIN}")
    assert made.endswith(f"{END}after\n")
    assert "what was here" not in made
    assert refreshed(made) == made
