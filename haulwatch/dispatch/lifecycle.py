"""The life cycle of an order as one table; the database enforces it and the diagram of the guide is made from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haulwatch.dispatch.records import storable
from haulwatch.domain.orders import (
    VERDICTS,
    Actor,
    BadCommand,
    Choice,
    Conflict,
    Given,
    NotPermitted,
    Order,
    Role,
    Stage,
    Transition,
    Verdict,
)
from haulwatch.domain.text import Text

STAGE_NAMES: dict[Stage, Text] = {
    "new": Text("待研判", "new"),
    "filed": Text("已立案", "filed"),
    "dispatched": Text("已派遣", "dispatched"),
    "returned": Text("已回退", "returned"),
    "accepted": Text("已接单", "accepted"),
    "on_site": Text("到场", "on site"),
    "handled": Text("已处置", "handled"),
    "verifying": Text("待核查", "verifying"),
    "closed": Text("结案", "closed"),
    "rejected": Text("不予立案", "rejected"),
    "void": Text("作废", "void"),
}

ROLE_NAMES: dict[Role, Text] = {
    "dispatcher": Text("派遣员", "dispatcher"),
    "duty_officer": Text("值班长", "duty officer"),
    "verifier": Text("核查员", "verifier"),
    "squad": Text("队员", "squad member"),
    "operator": Text("规则管理员", "operator"),
    "rule_approver": Text("规则审核员", "rule approver"),
    "auditor": Text("审计员", "auditor"),
    "administrator": Text("管理员", "administrator"),
}

VERDICT_NAMES: dict[Verdict, Text] = {
    "confirmed": Text("属实", "confirmed"),
    "false_alarm": Text("误报", "false alarm"),
    "not_found": Text("未发现", "not found"),
    "handed_over": Text("已移交", "handed over"),
}

REASON_NAMES: dict[str, Text] = {
    "device_fault": Text("设备故障或漂移", "device fault or drift"),
    "misrecognised": Text("图像识别错误", "misrecognised picture"),
    "wrong_plate": Text("车牌识别错误", "wrong plate"),
    "permitted": Text("已获许可", "permitted"),
    "rule_unsuitable": Text("规则不适用", "rule does not fit"),
    "duplicate": Text("重复", "duplicate"),
    "no_evidence": Text("证据不足", "not enough evidence"),
    "other": Text("其他", "other"),
}

FINAL: frozenset[Stage] = frozenset({"closed", "rejected", "void"})
"""No command leaves these."""

COLLECTING: frozenset[Stage] = frozenset({"new", "filed", "dispatched", "returned", "accepted", "on_site"})
"""While in these, other rules' findings of the same conduct join; once it is handled, what follows is new conduct."""

_REASONS = tuple(Choice(code, name) for code, name in REASON_NAMES.items())
_SQUAD = Given("squad_id", Text("中队", "squad"), max_length=128)
_REASON = Given("reason", Text("理由", "reason"))
_REASON_CODE = Given("reason_code", Text("原因", "reason"), choices=_REASONS)
_NOTE_IF_OTHER = Given("note", Text("说明", "note"), when=("reason_code", "other"))
_OUTCOME = Given("outcome", Text("处置情况", "what was done"))
_VERDICT = Given(
    "verdict", Text("核查结论", "verdict"), choices=tuple(Choice(code, VERDICT_NAMES[code]) for code in VERDICTS)
)
_WHY_FALSE = Given("reason_code", Text("误报原因", "why false"), choices=_REASONS, when=("verdict", "false_alarm"))

_FILE = Text("立案", "file")
_REJECT = Text("不予立案", "reject")
_DISPATCH = Text("派遣", "dispatch")
_RETURN = Text("回退", "return")
_VOID = Text("作废", "void")

TRANSITIONS: tuple[Transition, ...] = (
    Transition("new", "file", "filed", ("dispatcher", "duty_officer"), _FILE),
    Transition("new", "reject", "rejected", ("dispatcher", "duty_officer"), _REJECT, (_REASON_CODE, _NOTE_IF_OTHER)),
    Transition("filed", "dispatch", "dispatched", ("dispatcher", "duty_officer"), _DISPATCH, (_SQUAD,)),
    Transition("dispatched", "accept", "accepted", ("squad",), Text("接单", "accept")),
    Transition("dispatched", "return", "returned", ("squad",), _RETURN, (_REASON,)),
    Transition("returned", "dispatch", "dispatched", ("dispatcher", "duty_officer"), _DISPATCH, (_SQUAD,)),
    Transition("accepted", "return", "returned", ("squad",), _RETURN, (_REASON,)),
    Transition("accepted", "arrive", "on_site", ("squad",), Text("到场", "arrive")),
    Transition("on_site", "handle", "handled", ("squad",), Text("处置", "handle"), (_OUTCOME,)),
    Transition("handled", "verify", "verifying", ("verifier", "duty_officer"), Text("核查", "verify")),
    Transition(
        "verifying",
        "close",
        "closed",
        ("verifier", "duty_officer"),
        Text("结案", "close"),
        (_VERDICT, _WHY_FALSE, _NOTE_IF_OTHER),
    ),
    Transition("verifying", "rework", "dispatched", ("verifier", "duty_officer"), Text("返工", "rework"), (_REASON,)),
    *(
        Transition(stage, "void", "void", ("duty_officer",), _VOID, (_REASON,))
        for stage in ("new", "filed", "dispatched", "returned", "accepted", "on_site")
    ),
)


def commands_in(stage: Stage) -> list[Transition]:
    """What may follow in `stage`, in the order of the table."""
    return [row for row in TRANSITIONS if row.source == stage]


def decide(order: Order, command: str, *, expected_version: int, actor: Actor, data: Mapping[str, Any]) -> Transition:
    """The row that carries out `command` on `order` as it is now.

    Raises `Conflict` (stale or illegal), `NotPermitted` or `BadCommand`, in this order.
    """
    if order.version != expected_version:
        zh = f"工单 {order.order_id} 已是第 {order.version} 版，而非第 {expected_version} 版"
        en = f"order {order.order_id} is at version {order.version}, not {expected_version}"
        raise Conflict("stale", Text(zh, en), order)
    row = next((row for row in commands_in(order.stage) if row.command == command), None)
    if row is None:
        name = STAGE_NAMES[order.stage]
        zh = f"工单 {order.order_id} 处于“{name.zh}”，不能执行 {command}"
        raise Conflict("illegal", Text(zh, f"order {order.order_id} is {name.en}: no {command} from there"), order)
    if actor.roles.isdisjoint(row.roles):
        zh = "、".join(ROLE_NAMES[role].zh for role in row.roles)
        en = ", ".join(ROLE_NAMES[role].en for role in row.roles)
        raise NotPermitted(Text(f"“{row.label.zh}”仅限：{zh}", f"“{row.label.en}” is for: {en}"), order)
    problems = check_data(row, data)
    if problems:
        raise BadCommand(problems)
    return row


def check_data(row: Transition, data: Mapping[str, Any]) -> dict[str, Text]:
    """What is wrong with the fields given for `row`, by field name; a free `note` is always welcome."""
    problems: dict[str, Text] = {}
    longest = {"note": _NOTE_IF_OTHER.max_length} | {field.name: field.max_length for field in row.given}
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
        if not isinstance(value, str) or not value.strip():
            problems[field.name] = Text("必填", "must be given")
        elif field.choices and value not in {choice.code for choice in field.choices}:
            choices = ", ".join(choice.code for choice in field.choices)
            problems[field.name] = Text(f"须为其一：{choices}", f"must be one of: {choices}")
    return problems
