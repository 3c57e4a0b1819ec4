"""What a command makes of an order. Pure: which may be carried out is decided in `decisions`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from msgspec.structs import replace

from haulwatch.dispatch.lifecycle import row_of
from haulwatch.domain.orders import Actor, Order, Pending, Rating, Task, Transition

KEPT = ("squad_id", "verdict", "reason_code")
"""Fields of commands that are columns of the order."""


def effects_of(before: Order, row: Transition, actor: Actor, data: Mapping[str, str], at: str) -> dict[str, Any]:
    """What `row`, carried out by `actor` with `data` at `at`, changes of `before`, apart from version and change."""
    if row.approval:
        return {"pending": Pending(command=row.command, data=dict(data), by=actor.actor_id, at=at)}
    if row.command == "approve":
        asked = before.pending
        assert asked is not None, "approved what nobody asked for"
        asked_row = row_of(before.stage, asked.command)
        assert asked_row is not None, f"{asked.command} was asked for in a stage that does not know it"
        return {"pending": None, **_carried_out(before, asked_row, actor, asked.data, at)}
    if row.command in ("decline", "withdraw"):
        return {"pending": None}
    return _carried_out(before, row, actor, data, at)


def _carried_out(before: Order, row: Transition, actor: Actor, data: Mapping[str, str], at: str) -> dict[str, Any]:
    changed: dict[str, Any] = {name: data[name] for name in KEPT if name in data}
    # Another squad is a new beginning, even where the stage is called the same.
    if row.target != row.source or row.command == "dispatch":
        changed |= {"stage": row.target, "stage_at": at, "pending": None}
    match row.command:
        case "dispatch":
            changed["duty_desk"] = False
        case "return":
            changed["squad_id"] = None
        case "handle":
            changed["handled_by"] = actor.actor_id
        case "rework":
            changed["reworks"] = before.reworks + 1
        case "hold":
            changed["held_stage"] = before.stage
        case "extend":
            changed["extensions"] = before.extensions + 1
        case "merge":
            changed["merged_into"] = data["into"]
        case "transfer":
            changed["transferred_to"] = data["to"]
        case "answer" | "rate":
            changed["tasks"] = [_task(task, row, actor, data, at) for task in before.tasks]
        case _:
            pass
    if before.held_stage is not None and changed.get("stage", "on_hold") != "on_hold":
        changed["held_stage"] = None
    return changed


def _task(task: Task, row: Transition, actor: Actor, data: Mapping[str, str], at: str) -> Task:
    if task.department != data["department"]:
        return task
    if row.command == "answer":
        return replace(task, state="answered", answer=data["answer"], answered_by=actor.actor_id, answered_at=at)
    rating = cast(Rating, data["rating"])
    return replace(task, state="rated", rating=rating, rated_by=actor.actor_id, rated_at=at)
