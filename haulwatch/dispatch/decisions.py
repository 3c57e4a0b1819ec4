"""Whether a command may be carried out on an order as it is now, and why not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulwatch.dispatch.lifecycle import (
    DECISIONS,
    NOTE_IF_OTHER,
    ROLE_NAMES,
    STAGE_NAMES,
    commands_in,
    row_of,
)
from haulwatch.dispatch.records import storable
from haulwatch.domain.orders import (
    Actor,
    BadCommand,
    Conflict,
    Given,
    NotPermitted,
    Order,
    OrderError,
    Task,
    Transition,
)
from haulwatch.domain.text import Text

SECOND_PERSON = frozenset({"verify", "close", "rework"})
"""Not by who handled the order."""


def decide(order: Order, command: str, *, expected_version: int, actor: Actor, data: Mapping[str, Any]) -> Transition:
    """The row that carries out `command` on `order` as it is now.

    Raises `Conflict` (stale, illegal or pending), `NotPermitted` or `BadCommand`, in this order.
    """
    if order.version != expected_version:
        zh = f"工单 {order.order_id} 已是第 {order.version} 版，而非第 {expected_version} 版"
        en = f"order {order.order_id} is at version {order.version}, not {expected_version}"
        raise Conflict("stale", Text(zh, en), order)
    row = row_of(order.stage, command, order.held_stage)
    if row is None:
        name = STAGE_NAMES[order.stage]
        zh = f"工单 {order.order_id} 处于“{name.zh}”，不能执行 {command}"
        raise Conflict("illegal", Text(zh, f"order {order.order_id} is {name.en}: no {command} from there"), order)
    refused = refusal(order, row, actor)
    if refused is not None:
        raise refused
    problems = check_data(row, data) or _check_task(order, row, actor, data)
    if problems:
        raise BadCommand(problems)
    return row


def permitted(order: Order, actor: Actor | None) -> list[Transition]:
    """The rows that `actor` may carry out now; without one, those of the stage."""
    rows = [row for row in commands_in(order.stage) if row.command != "resume" or row.target == order.held_stage]
    if actor is None:
        return rows
    return [row for row in rows if refusal(order, row, actor) is None]


def refusal(order: Order, row: Transition, actor: Actor) -> OrderError | None:
    """Why `actor` may not carry out `row` now, whatever is given with it; None when nothing stands against it."""
    return _conflict(order, row) or _not_permitted(order, row, actor)


def _conflict(order: Order, row: Transition) -> Conflict | None:
    """What stands against `row`, whoever gives the command."""
    if row.command in DECISIONS:
        if order.pending is None:
            text = Text("没有待批准的申请", "no request waits for approval")
            return Conflict("illegal", text, order)
        return None
    # A request for more time holds nothing up, but a second request has to wait for what becomes of the first.
    if order.pending is not None and (order.pending.command != "extend" or row.approval):
        asked = row_of(order.stage, order.pending.command)
        label = asked.label if asked is not None else Text(order.pending.command, order.pending.command)
        zh = f"“{label.zh}”申请待批准，须先批准、不批准或撤回"
        return Conflict("pending", Text(zh, f"a request to {label.en} waits: it has to be decided on first"), order)
    open_tasks = [task.department for task in order.tasks if task.state == "open"]
    if row.command == "close" and open_tasks:
        zh, en = "、".join(open_tasks), ", ".join(open_tasks)
        return Conflict("illegal", Text(f"尚未答复：{zh}", f"not answered yet: {en}"), order)
    wanted = {"answer": "open", "rate": "answered"}.get(row.command)
    if wanted is not None and all(task.state != wanted for task in order.tasks):
        return Conflict("illegal", Text("没有可操作的部门任务", "no department's task waits for this"), order)
    return None


def _not_permitted(order: Order, row: Transition, actor: Actor) -> NotPermitted | None:
    acting = actor.roles & set(row.roles)
    if not acting:
        zh = "、".join(ROLE_NAMES[role].zh for role in row.roles)
        en = ", ".join(ROLE_NAMES[role].en for role in row.roles)
        return NotPermitted(Text(f"“{row.label.zh}”仅限：{zh}", f"“{row.label.en}” is for: {en}"), order)
    pending, me = order.pending, actor.actor_id
    if row.command in ("approve", "decline") and pending is not None and pending.by == me:
        return NotPermitted(
            Text("本人的申请须由另一人批准", "one's own request is decided on by another person"), order
        )
    if row.command == "withdraw" and pending is not None and pending.by != me:
        return NotPermitted(Text("只有申请人可以撤回", "only who asked may withdraw a request"), order)
    if row.command in SECOND_PERSON and order.handled_by == me:
        return NotPermitted(Text("处置人不得核查本单", "who handled an order does not verify it"), order)
    if row.command == "answer" and not any(_may_answer(task, actor) for task in order.tasks):
        return NotPermitted(Text("只有任务所属中队可以答复", "only the task's squad answers"), order)
    member = actor.squad_id is not None and actor.squad_id == order.squad_id
    if acting == {"squad"} and row.command not in ("answer", "withdraw") and not member:
        return NotPermitted(Text("工单不属于本中队", "the order is not your squad's"), order)
    return None


def _may_answer(task: Task, actor: Actor) -> bool:
    """Its squad answers a task; the desk answers for a department that has none."""
    if task.state != "open":
        return False
    if task.squad_id is None:
        return not actor.roles.isdisjoint(("dispatcher", "duty_officer"))
    return "squad" in actor.roles and actor.squad_id == task.squad_id


def _check_task(order: Order, row: Transition, actor: Actor, data: Mapping[str, Any]) -> dict[str, Text]:
    if row.command not in ("answer", "rate"):
        return {}
    task = next((task for task in order.tasks if task.department == data["department"]), None)
    if task is None:
        return {"department": Text("工单没有该部门的任务", "the order has no task of this department")}
    if row.command == "rate":
        known = task.state == "answered"
        return {} if known else {"department": Text("须已答复且未评价", "not answered, or rated already")}
    return {} if _may_answer(task, actor) else {"department": Text("已答复，或不属本中队", "answered, or not yours")}


def check_data(row: Transition, data: Mapping[str, Any]) -> dict[str, Text]:
    """What is wrong with the fields given for `row`, by field name; a free `note` is always welcome."""
    problems: dict[str, Text] = {}
    longest = {"note": NOTE_IF_OTHER.max_length} | {field.name: field.max_length for field in row.given}
    for name, value in data.items():
        if name not in longest:
            problems[name] = Text("此操作没有该项", "not a field of this command")
        elif not isinstance(value, str) or len(value) > longest[name] or not storable(value):
            limit = longest[name]
            problems[name] = Text(f"应为不超过 {limit} 字的文本", f"a text of at most {limit} characters")
    for field in row.given:
        needed = field.when is None or data.get(field.when[0]) == field.when[1]
        value = data.get(field.name)
        if field.name in problems or (value is None and not needed):
            continue
        wrong = _wrong(field, value)
        if wrong is not None:
            problems[field.name] = wrong
    return problems


def _wrong(field: Given, value: Any) -> Text | None:
    if not isinstance(value, str) or not value.strip():
        return Text("必填", "must be given")
    if field.choices and value not in {choice.code for choice in field.choices}:
        choices = ", ".join(choice.code for choice in field.choices)
        return Text(f"须为其一：{choices}", f"must be one of: {choices}")
    if field.between is not None:
        low, high = field.between
        if not (value.isascii() and value.isdigit() and low <= int(value) <= high):
            return Text(f"应为 {low} 至 {high} 的整数", f"a whole number from {low} to {high}")
    return None
