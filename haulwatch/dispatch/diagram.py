"""The life cycle as the guide shows it, made from the table: `python -m haulwatch.dispatch.diagram docs/orders.md`."""

from __future__ import annotations

import sys
from pathlib import Path

from haulwatch.dispatch.lifecycle import FINAL, ROLE_NAMES, STAGE_NAMES, TRANSITIONS
from haulwatch.domain.orders import Given, Stage, Transition

BEGIN = "<!-- life cycle: made by haulwatch.dispatch.diagram -->\n"
END = "<!-- end of life cycle -->\n"


def mermaid() -> str:
    """The table as a Mermaid state diagram, ending with a newline."""
    lines = ["stateDiagram-v2"]
    lines += [f'    state "{name.zh} {name.en}" as {stage}' for stage, name in STAGE_NAMES.items()]
    lines.append("    [*] --> new")
    lines += [f"    {row.source} --> {row.target}: {row.label.zh} {row.command}" for row in TRANSITIONS]
    lines += [f"    {stage} --> [*]" for stage in STAGE_NAMES if stage in FINAL]
    return "\n".join(lines) + "\n"


def markdown() -> str:
    """The table as a Markdown table, ending with a newline."""
    lines = ["| 阶段 stage | 命令 command | 到 to | 谁 who | 必须给出 must be given |", "|---|---|---|---|---|"]
    lines += [_line(row) for row in TRANSITIONS]
    return "\n".join(lines) + "\n"


def _line(row: Transition) -> str:
    who = "、".join(f"{ROLE_NAMES[role].zh} {role}" for role in row.roles)
    given = "；".join(_given(field) for field in row.given)
    return f"| {_stage(row.source)} | {row.label.zh} `{row.command}` | {_stage(row.target)} | {who} | {given} |"


def _stage(stage: Stage) -> str:
    return f"{STAGE_NAMES[stage].zh} `{stage}`"


def _given(field: Given) -> str:
    told = f"{field.label.zh} `{field.name}`"
    if field.choices:
        told += "（" + " / ".join(f"{choice.label.zh} {choice.code}" for choice in field.choices) + "）"
    return told if field.when is None else f"{told}，若 `{field.when[0]}` 为 `{field.when[1]}`"


def refreshed(guide: str) -> str:
    """The guide's text with the part between the marks made anew."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```mermaid\n{mermaid()}```\n\n{markdown()}\n{END}{after}"


if __name__ == "__main__":
    guide = Path(sys.argv[1])
    guide.write_text(refreshed(guide.read_text(encoding="utf-8")), encoding="utf-8")
