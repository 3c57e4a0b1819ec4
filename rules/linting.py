"""Lints: what is permitted but probably not meant. Each is a small function over one read rule or file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta

from haulwatch.domain.text import Text
from rules.comparing import outcome, walk
from rules.findings import Report, Spot
from rules.model import CountMatch, OnMatch, Rule, SequenceMatch, WhileMatch
from rules.nodes import Compare, Expression
from rules.rule_reader import ReadRule
from rules.sheets import Sheet

Warning_ = tuple[Spot, str, Text, Text | None]
Lint = Callable[[ReadRule, Rule, date | None], Iterator[Warning_]]


def lint(sheets: Sequence[Sheet], today: date | None, report: Report) -> None:
    """Runs every lint over every rule that could be read."""
    for sheet in sheets:
        found = list(unused_names(sheet))
        for read in sheet.rules:
            if read.rule is not None:
                found += [warning for check in LINTS for warning in check(read, read.rule, today)]
        for spot, code, text, hint in found:
            report.warning(spot, code, text.zh, text.en, hint)
    for spot, code, text, hint in same_match(sheets):
        report.warning(spot, code, text.zh, text.en, hint)


def unused_names(sheet: Sheet) -> Iterator[Warning_]:
    """W103: a list or condition that nothing uses."""
    for name in [*sheet.names.lists, *sheet.names.conditions]:
        named = sheet.names.lists.get(name) or sheet.names.conditions[name]
        if not named.used:
            yield sheet.spots[name], "W103", Text(f"{name} 没有被用到", f"{name} is not used"), None


def unused_params(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W102: a param that the rule does not use."""
    for name in rule.params:
        if name not in read.used_params:
            yield (
                read.spots[f"params.{name}"],
                "W102",
                Text(f"参数 {name} 没有被用到", f"param {name} is not used"),
                None,
            )


def open_params(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W101: a number or duration without a range is a slip of the finger away from anything."""
    for name, param in rule.params.items():
        if param.unit in ("number", "duration") and (param.minimum is None or param.maximum is None):
            text = Text(f"参数 {name} 没有完整的 min/max", f"param {name} has no min or no max")
            yield read.spots[f"params.{name}"], "W101", text, None


def always_true(_read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W104: a comparison that the field's range decides."""
    for expression in expressions_of(rule):
        for node in walk(expression.tree):
            if isinstance(node, Compare) and outcome(node) == "always":
                spot = Spot(expression.file, expression.line, expression.column, 1)
                yield spot, "W104", Text(f"{node.text} 永远成立", f"{node.text} always holds"), None


def no_law(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W105: what is the basis?"""
    if not rule.law:
        yield read.spots["id"], "W105", Text("规则没有法律依据 law", "rule without law reference"), None


def no_runbook(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W106: what is a squad to do?"""
    if rule.runbook is None and rule.status == "active":
        yield read.spots["id"], "W106", Text("规则没有处置说明 runbook", "rule without runbook"), None


def no_english(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W107: English readers see Chinese."""
    if rule.title.en == rule.title.zh:
        yield read.spots.get("title", read.spots["id"]), "W107", Text("标题没有英文 en", "title without English"), None


def every_position(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W108: one finding for each fix."""
    if isinstance(rule.match, OnMatch) and rule.match.kind == "position" and rule.episode.cooldown_ms == 0:
        hint = Text("加上 episode: {cooldown: 30m}", "add episode: {cooldown: 30m}")
        yield read.spots["match"], "W108", Text("每个定位点都会命中", "fires on every position"), hint


def expires_soon(read: ReadRule, rule: Rule, today: date | None) -> Iterator[Warning_]:
    """W109, W110: exceptions that end within two weeks, or last more than a year."""
    for exception in rule.exceptions if today is not None else ():
        assert today is not None
        spot = read.spots.get("exceptions", read.spots["id"])
        if today <= exception.expires < today + timedelta(days=14):
            text = Text(f"例外将于 {exception.expires} 到期", f"exception expires on {exception.expires}")
            yield spot, "W109", text, None
        if exception.expires > today + timedelta(days=366):
            text = Text(f"例外到 {exception.expires}，超过一年", f"exception until {exception.expires}, over a year")
            yield spot, "W110", text, None


def no_evidence(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W111: which records does a reviewer need?"""
    if isinstance(rule.match, SequenceMatch) and not rule.work_order.evidence:
        spot = read.spots.get("work_order", read.spots["id"])
        yield spot, "W111", Text("没有列出证据步骤 evidence", "no evidence steps"), None


def urgent_info(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W112: urgent and informational contradict each other."""
    if rule.severity == "info" and rule.work_order.urgency == "urgent":
        yield read.spots["work_order"], "W112", Text("info 级别却要求紧急", "urgent order of severity info"), None


def empty_story(read: ReadRule, rule: Rule, _today: date | None) -> Iterator[Warning_]:
    """W113, W114: examples that prove nothing, or cannot be told apart."""
    names = [example.name for example in rule.examples]
    for example in rule.examples:
        if not example.events and not example.expect:
            yield (
                read.spots["examples"],
                "W113",
                Text(f"反例 {example.name} 没有事件", f"no events in {example.name}"),
                None,
            )
    for name in sorted({n for n in names if names.count(n) > 1}):
        yield read.spots["examples"], "W114", Text(f"示例重名：{name}", f"two examples named {name}"), None


def same_match(sheets: Sequence[Sheet]) -> Iterator[Warning_]:
    """W115: a copied rule that was not changed."""
    first: dict[str, Rule] = {}
    for sheet in sheets:
        for read in sheet.rules:
            if read.rule is None:
                continue
            known = first.setdefault(read.rule.match_hash, read.rule)
            if known is not read.rule and known.unless == read.rule.unless and known.schedule == read.rule.schedule:
                text = Text(f"与 {known.rule_id} 的匹配条件相同", f"same match as {known.rule_id}")
                yield read.spots["id"], "W115", text, None


def expressions_of(rule: Rule) -> list[Expression]:
    """Every expression of a rule."""
    match = rule.match
    found: list[Expression | None] = [rule.unless]
    if isinstance(match, WhileMatch):
        found += [match.condition, match.until]
    elif isinstance(match, (OnMatch, CountMatch)):
        found.append(match.where)
    else:
        found += [step.where for step in match.steps]
    return [expression for expression in found if expression is not None]


LINTS: tuple[Lint, ...] = (
    open_params,
    unused_params,
    always_true,
    no_law,
    no_runbook,
    no_english,
    every_position,
    expires_soon,
    no_evidence,
    urgent_info,
    empty_story,
)
