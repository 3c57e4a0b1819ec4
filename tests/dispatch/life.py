"""The life cycle once more, written down by hand and apart from the program's own table: what a command must lead to.

Long because it is one definition, and whoever doubts it reads all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from haulwatch.domain.orders import Actor

ROLES = {"D": "dispatcher", "O": "duty_officer", "V": "verifier", "S": "squad"}
# command, > or ? (somebody else has to approve), the stage it leads to (none: it stays), who may
STAGES = """
new         file>filed:DO reject?rejected:DO extend?:DO merge>merged:DO void?void:DO
filed       dispatch>dispatched:DO hold?on_hold:DO extend?:DO merge>merged:DO void?void:DO
returned    dispatch>dispatched:DO hold?on_hold:DO extend?:DO merge>merged:DO void?void:DO
dispatched  dispatch>dispatched:DO accept>accepted:S return>returned:S hold?on_hold:DOS extend?:DOS merge>merged:DO void?void:DO
accepted    dispatch>dispatched:DO arrive>on_site:S return>returned:S hold?on_hold:DOS extend?:DOS merge>merged:DO void?void:DO
on_site     dispatch>dispatched:DO handle>handled:S hold?on_hold:DOS extend?:DOS merge>merged:DO void?void:DO
rework      dispatch>dispatched:DO arrive>on_site:S handle>handled:S return>returned:S hold?on_hold:DOS extend?:DOS merge>merged:DO void?void:DO
handled     verify>verifying:OV extend?:DOV
verifying   close>closed:OV rework>rework:OV extend?:DOV
on_hold     resume>HELD:DO merge>merged:DO void?void:DO
"""  # noqa: E501  # a row is a stage
EVERYWHERE = "approve>:O decline>:O withdraw>:DOVS"
BEYOND_NEW = "transfer>transferred:O answer>:DOS rate>:DO"
OVER = ("closed", "rejected", "void", "merged", "transferred")
ASKED_OF_A_SECOND_PERSON = ("reject", "hold", "void", "extend")
NEEDS = {
    "dispatch": {"squad_id"},
    "return": {"reason"},
    "handle": {"outcome"},
    "reject": {"reason_code"},
    "close": {"verdict"},
    "rework": {"reason"},
    "hold": {"reason"},
    "extend": {"minutes", "reason"},
    "merge": {"into"},
    "transfer": {"to", "reason", "evidence_sha256"},
    "void": {"reason"},
    "decline": {"reason"},
    "answer": {"department", "answer"},
    "rate": {"department", "rating"},
}


class Row(NamedTuple):
    """One entry of the table."""

    target: str | None
    asks: bool
    roles: frozenset[str]


def _row(text: str) -> tuple[str, Row]:
    what, _, who = text.partition(":")
    command, mark, target = what.partition("?" if "?" in what else ">")
    return command, Row(target or None, mark == "?", frozenset(ROLES[letter] for letter in who))


TABLE: dict[str, dict[str, Row]] = {
    stage: dict(map(_row, [*rows, *EVERYWHERE.split(), *(() if stage == "new" else BEYOND_NEW.split())]))
    for stage, *rows in map(str.split, STAGES.strip().splitlines())
}


@dataclass
class Request:
    """What somebody has asked for."""

    command: str
    by: str
    data: dict[str, str]


@dataclass
class Life:
    """An order as it must be. `tasks`: squad and state by department."""

    order_id: str
    areas: tuple[str, ...]
    tasks: dict[str, tuple[str | None, str]]
    stage: str = "new"
    version: int = 1
    squad: str | None = None
    held: str | None = None
    handled_by: str | None = None
    pending: Request | None = None
    reworks: int = 0
    extensions: int = 0
    packs: set[str] = field(default_factory=set)
    history: list[tuple[str, str]] = field(default_factory=list)
    """Who did what; nothing else may be on record, and each once."""


Lives = dict[str, Life]


def sees(actor: Actor, life: Life) -> bool:
    """Whether the order exists for the actor."""
    if actor.jurisdiction and not set(actor.jurisdiction) & set(life.areas):
        return False
    if actor.roles == {"squad"}:
        return actor.squad_id in (life.squad, *(squad for squad, _ in life.tasks.values()))
    return bool(actor.roles)


def outcome(lives: Lives, order_id: str, command: str, version: int, actor: Actor, data: dict[str, str]) -> str:
    """`ok`, or why not: unknown, stale, illegal, pending, not_permitted, bad; the first that applies."""
    life = lives.get(order_id)
    if life is None or not sees(actor, life):
        return "unknown"
    if version != life.version:
        return "stale"
    row = TABLE.get(life.stage, {}).get(command)
    if row is None:
        return "illegal"
    return (
        _in_the_way(life, command, row)
        or _forbidden(life, command, row, actor)
        or _fit(lives, life, command, actor, data)
    )


def _in_the_way(life: Life, command: str, row: Row) -> str:
    states = [state for _, state in life.tasks.values()]
    if command in ("approve", "decline", "withdraw"):
        return "" if life.pending else "illegal"
    if life.pending and (row.asks or life.pending.command != "extend"):
        return "pending"
    wanted = {"answer": "open", "rate": "answered"}.get(command)
    unanswered = command == "close" and "open" in states
    return "illegal" if unanswered or (wanted and wanted not in states) else ""


def _forbidden(life: Life, command: str, row: Row, actor: Actor) -> str:
    acting, me = actor.roles & row.roles, actor.actor_id
    asked_by = life.pending.by if life.pending else None
    wrong = (
        not acting
        or (command in ("approve", "decline") and asked_by == me)
        or (command == "withdraw" and asked_by != me)
        or (command in ("verify", "close", "rework") and life.handled_by == me)
        or (command == "answer" and not any(_answers(actor, task) for task in life.tasks.values()))
        or (acting == {"squad"} and command not in ("answer", "withdraw") and actor.squad_id != life.squad)
    )
    return "not_permitted" if wrong else ""


def _answers(actor: Actor, task: tuple[str | None, str]) -> bool:
    squad, state = task
    if squad is None:
        return state == "open" and bool(actor.roles & {"dispatcher", "duty_officer"})
    return state == "open" and "squad" in actor.roles and actor.squad_id == squad


def _fit(lives: Lives, life: Life, command: str, actor: Actor, data: dict[str, str]) -> str:
    if data.keys() - {"note"} != NEEDS.get(command, set()):
        return "bad"
    if command == "merge":
        into = lives.get(data["into"])
        good = into is not None and sees(actor, into) and into is not life and into.stage not in OVER
        return "ok" if good else "bad"
    if command == "transfer":
        return "ok" if data["evidence_sha256"] in life.packs else "bad"
    if command in ("answer", "rate"):
        task = life.tasks.get(data["department"])
        if task is None or not (_answers(actor, task) if command == "answer" else task[1] == "answered"):
            return "bad"
    return "ok"


def live_on(life: Life, command: str, actor: Actor, data: dict[str, str]) -> None:
    """What the command makes of the order."""
    row = TABLE[life.stage][command]
    life.version += 1
    life.history.append((actor.actor_id, command))
    if row.asks:
        life.pending = Request(command, actor.actor_id, data)
        return
    asked, life.pending = life.pending, (None if command in ("approve", "decline", "withdraw") else life.pending)
    if command == "approve":
        assert asked is not None
        _carry_out(life, asked.command, TABLE[life.stage][asked.command], actor, asked.data)
    else:
        _carry_out(life, command, row, actor, data)


def _carry_out(life: Life, command: str, row: Row, actor: Actor, data: dict[str, str]) -> None:
    before = life.stage
    life.stage = (life.held or "") if row.target == "HELD" else (row.target or before)
    if life.stage != before or command == "dispatch":
        life.pending = None
    life.held = before if command == "hold" else life.held if life.stage == "on_hold" else None
    life.reworks += command == "rework"
    life.extensions += command == "extend"
    if command in ("dispatch", "return"):
        life.squad = data.get("squad_id")
    if command == "handle":
        life.handled_by = actor.actor_id
    if command in ("answer", "rate"):
        squad, _ = life.tasks[data["department"]]
        life.tasks[data["department"]] = (squad, "answered" if command == "answer" else "rated")
