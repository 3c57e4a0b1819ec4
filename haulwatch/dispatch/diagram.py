"""The life cycle as the guide shows it, made from the table: `python -m haulwatch.dispatch.diagram docs/orders.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from haulwatch.dispatch.lifecycle import FINAL, ROLE_NAMES, STAGE_NAMES, TRANSITIONS
from haulwatch.domain.orders import Command, Given, Stage, Transition
from haulwatch.domain.text import Text

BEGIN = "<!-- life cycle: made by haulwatch.dispatch.diagram -->\n"
END = "<!-- end of life cycle -->\n"


ANYWHERE: dict[Command, Text] = {
    "void": Text("处置之前", "before it is handled"),
    "merge": Text("处置之前", "before it is handled"),
    "transfer": Text("立案之后", "once it is filed"),
}
"""Commands that lead away from so many stages that the picture shows them once; the table has them all."""


def mermaid() -> str:
    """The moves of the table as a Mermaid state diagram, ending with a newline."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{name.zh} {name.en}" as {stage}' for stage, name in STAGE_NAMES.items()]
    places = dict.fromkeys(ANYWHERE.values())
    lines += [f'    state "{place.zh} {place.en}" as {_place(place)}' for place in places]
    lines.append("    [*] --> new")
    moves = [row for row in TRANSITIONS if row.source != row.target or row.command == "dispatch"]
    lines += dict.fromkeys(_move(row) for row in moves)
    lines += [f"    {stage} --> [*]" for stage in STAGE_NAMES if stage in FINAL]
    return "\n".join(lines) + "\n"


def _move(row: Transition) -> str:
    source = _place(ANYWHERE[row.command]) if row.command in ANYWHERE else row.source
    approval = " ✓" if row.approval else ""
    return f"    {source} --> {row.target}: {row.label.zh} {row.command}{approval}"


def _place(place: Text) -> str:
    return place.en.replace(" ", "_")


def markdown() -> str:
    """The table as a Markdown table, ending with a newline: a line for rows that differ in their stage alone."""
    titles = ("阶段 stage", "命令 command", "到 to", "谁 who", "必须给出 must be given", "须批准 needs approval")
    lines = [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]
    alike: dict[tuple[object, ...], list[Transition]] = {}
    for row in TRANSITIONS:
        target = None if row.target == row.source or row.command == "resume" else row.target
        alike.setdefault((row.command, row.label, target, row.roles, row.given, row.approval), []).append(row)
    lines += [_line(rows) for rows in alike.values()]
    return "\n".join(lines) + "\n"


def _line(rows: list[Transition]) -> str:
    row = rows[0]
    if row.command == "resume":
        target = "挂账前的阶段 where it was put on hold"
    else:
        target = _stage(row.target) if row.target != row.source else "不变 stays"
    sources = "、".join(dict.fromkeys(_stage(one.source) for one in rows))
    who = "、".join(f"{ROLE_NAMES[role].zh} {role}" for role in row.roles)
    given = "；".join(_given(field) for field in row.given)
    approval = "是 yes" if row.approval else ""
    return f"| {sources} | {row.label.zh} `{row.command}` | {target} | {who} | {given} | {approval} |"


def _stage(stage: Stage) -> str:
    return f"{STAGE_NAMES[stage].zh} `{stage}`"


def _given(field: Given) -> str:
    told = f"{field.label.zh} `{field.name}`"
    if field.choices:
        told += "（" + " / ".join(f"{choice.label.zh} {choice.code}" for choice in field.choices) + "）"
    if field.between is not None:
        told += f"（{field.between[0]}–{field.between[1]}）"
    return told if field.when is None else f"{told}，若 `{field.when[0]}` 为 `{field.when[1]}`"


def refreshed(guide: str) -> str:
    """The guide's text with the part between the marks made anew."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```mermaid\n{mermaid()}```\n\n{markdown()}\n{END}{after}"


if __name__ == "__main__":
    guide = Path(sys.argv[1])
    guide.write_text(refreshed(guide.read_text(encoding="utf-8")), encoding="utf-8")
