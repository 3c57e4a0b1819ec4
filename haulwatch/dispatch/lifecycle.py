"""The life cycle of an order as one table; the database enforces it and the diagram of the guide is made from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from haulwatch.domain.orders import (
    FINAL_STAGES,
    VERDICTS,
    Choice,
    Command,
    Given,
    Rating,
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
    "rework": Text("返工", "rework"),
    "on_hold": Text("挂账", "on hold"),
    "closed": Text("结案", "closed"),
    "rejected": Text("不予立案", "rejected"),
    "void": Text("作废", "void"),
    "merged": Text("并案", "merged"),
    "transferred": Text("移送", "transferred"),
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
    "wall": Text("大屏", "wall"),
    "device": Text("设备", "device"),
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

FINAL = FINAL_STAGES
"""No command leaves these."""

OPEN: tuple[Stage, ...] = (
    "new",
    "filed",
    "dispatched",
    "returned",
    "accepted",
    "on_site",
    "rework",
    "handled",
    "verifying",
    "on_hold",
)
"""Something may still happen in these; in the order in which an order usually passes through them."""

COLLECTING: frozenset[Stage] = frozenset({"new", "filed", "dispatched", "returned", "accepted", "on_site"})
"""While in these, other rules' findings of the same conduct join; once it is handled, what follows is new conduct."""

DECISIONS: frozenset[Command] = frozenset({"approve", "decline", "withdraw"})
"""What may become of a request."""

LONGEST_EXTENSION_MIN = 30 * 24 * 60
RATING_NAMES: dict[Rating, Text] = {
    "good": Text("满意", "good"),
    "acceptable": Text("基本满意", "acceptable"),
    "poor": Text("不满意", "poor"),
}

_REASONS = tuple(Choice(code, name) for code, name in REASON_NAMES.items())
_SQUAD = Given("squad_id", Text("中队", "squad"), max_length=128)
_REASON = Given("reason", Text("理由", "reason"))
_REASON_CODE = Given("reason_code", Text("原因", "reason"), choices=_REASONS)
NOTE_IF_OTHER = Given("note", Text("说明", "note"), when=("reason_code", "other"))
_OUTCOME = Given("outcome", Text("处置情况", "what was done"))
_VERDICT = Given(
    "verdict", Text("核查结论", "verdict"), choices=tuple(Choice(code, VERDICT_NAMES[code]) for code in VERDICTS)
)
_WHY_FALSE = Given("reason_code", Text("误报原因", "why false"), choices=_REASONS, when=("verdict", "false_alarm"))
_MINUTES = Given("minutes", Text("分钟数", "minutes"), max_length=8, between=(1, LONGEST_EXTENSION_MIN))
_INTO = Given("into", Text("并入工单", "order to merge into"), max_length=32)
_TO = Given("to", Text("移送单位", "handed to"), max_length=128)
_EVIDENCE = Given("evidence_sha256", Text("证据包 SHA-256", "SHA-256 of the evidence pack"), max_length=64)
_DEPARTMENT = Given("department", Text("部门", "department"), max_length=128)
_ANSWER = Given("answer", Text("答复", "answer"))
_RATING = Given(
    "rating",
    Text("评价", "rating"),
    choices=tuple(Choice(code, RATING_NAMES[code]) for code in get_args(Rating)),
)

DESK: tuple[Role, ...] = ("dispatcher", "duty_officer")
CHECKERS: tuple[Role, ...] = ("verifier", "duty_officer")
SQUAD: tuple[Role, ...] = ("squad",)
OFFICER: tuple[Role, ...] = ("duty_officer",)
WITH_SQUAD: frozenset[Stage] = frozenset({"dispatched", "accepted", "on_site", "rework"})
"""A squad has the order and works on it."""


def _moves(
    command: Command,
    label: Text,
    sources: Iterable[Stage],
    target: Stage | None,
    roles: tuple[Role, ...],
    *given: Given,
    approval: bool = False,
) -> tuple[Transition, ...]:
    """A row for each of `sources`; `target` None: the stage stays."""
    return tuple(Transition(source, command, target or source, roles, label, given, approval) for source in sources)


_HOLDABLE: tuple[Stage, ...] = ("filed", "dispatched", "returned", "accepted", "on_site", "rework")
_BEFORE_HANDLED: tuple[Stage, ...] = ("new", *_HOLDABLE, "on_hold")
_BEYOND_NEW = OPEN[1:]
_BY_STAGE: dict[Stage, tuple[Role, ...]] = {
    **dict.fromkeys(WITH_SQUAD, (*DESK, "squad")),
    **dict.fromkeys(("handled", "verifying"), ("dispatcher", *CHECKERS)),
}
"""Who does the work in a stage, and so may ask for more time or a pause; elsewhere the desk."""

TRANSITIONS: tuple[Transition, ...] = (
    *_moves("file", Text("立案", "file"), ["new"], "filed", DESK),
    *_moves(
        "reject",
        Text("不予立案", "reject"),
        ["new"],
        "rejected",
        DESK,
        _REASON_CODE,
        NOTE_IF_OTHER,
        approval=True,
    ),
    *_moves("dispatch", Text("派遣", "dispatch"), ["filed", "returned"], "dispatched", DESK, _SQUAD),
    *_moves(
        "dispatch",
        Text("改派", "re-assign"),
        ["dispatched", "accepted", "on_site", "rework"],
        "dispatched",
        DESK,
        _SQUAD,
    ),
    *_moves("accept", Text("接单", "accept"), ["dispatched"], "accepted", SQUAD),
    *_moves("return", Text("回退", "return"), ["dispatched", "accepted", "rework"], "returned", SQUAD, _REASON),
    *_moves("arrive", Text("到场", "arrive"), ["accepted", "rework"], "on_site", SQUAD),
    *_moves("handle", Text("处置", "handle"), ["on_site", "rework"], "handled", SQUAD, _OUTCOME),
    *_moves("verify", Text("核查", "verify"), ["handled"], "verifying", CHECKERS),
    *_moves("close", Text("结案", "close"), ["verifying"], "closed", CHECKERS, _VERDICT, _WHY_FALSE, NOTE_IF_OTHER),
    *_moves("rework", Text("返工", "rework"), ["verifying"], "rework", CHECKERS, _REASON),
    *(
        row
        for stage in _HOLDABLE
        for row in _moves(
            "hold", Text("挂账", "hold"), [stage], "on_hold", _BY_STAGE.get(stage, DESK), _REASON, approval=True
        )
    ),
    *(row for stage in _HOLDABLE for row in _moves("resume", Text("恢复", "resume"), ["on_hold"], stage, DESK)),
    *(
        row
        for stage in OPEN
        if stage != "on_hold"
        for row in _moves(
            "extend",
            Text("延期", "extend"),
            [stage],
            None,
            _BY_STAGE.get(stage, DESK),
            _MINUTES,
            _REASON,
            approval=True,
        )
    ),
    *_moves("merge", Text("并案", "merge"), _BEFORE_HANDLED, "merged", DESK, _INTO),
    *_moves("transfer", Text("移送", "transfer"), _BEYOND_NEW, "transferred", OFFICER, _TO, _REASON, _EVIDENCE),
    *_moves("void", Text("作废", "void"), _BEFORE_HANDLED, "void", DESK, _REASON, approval=True),
    *_moves("approve", Text("批准", "approve"), OPEN, None, OFFICER),
    *_moves("decline", Text("不批准", "decline"), OPEN, None, OFFICER, _REASON),
    *_moves("withdraw", Text("撤回申请", "withdraw"), OPEN, None, (*DESK, "verifier", "squad")),
    *_moves("answer", Text("答复", "answer"), _BEYOND_NEW, None, (*DESK, "squad"), _DEPARTMENT, _ANSWER),
    *_moves("rate", Text("评价", "rate"), _BEYOND_NEW, None, DESK, _DEPARTMENT, _RATING),
)


def commands_in(stage: Stage) -> list[Transition]:
    """What may follow in `stage`, in the order of the table."""
    return [row for row in TRANSITIONS if row.source == stage]


_ROWS = {
    (row.source, row.command, row.target if row.command == "resume" else None): row for row in reversed(TRANSITIONS)
}


def row_of(stage: Stage, command: str, held_stage: Stage | None = None) -> Transition | None:
    """The row of `command` in `stage` (of an order that was put on hold in `held_stage`), None where there is none."""
    return _ROWS.get((stage, command, held_stage if command == "resume" else None))  # type: ignore[arg-type]
