"""An explanation as text: the tree with PASS/FAIL/UNKNOWN, what was seen against what is asked, what is waited for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from haulwatch.domain.text import Lang, Text
from rules.judging import Judged
from rules.model import CountMatch, OnMatch, Rule, WhileMatch
from rules.parts import Part
from rules.standing import Explanation

MARKS = {"PASS": "✔", "FAIL": "✘", "UNKNOWN": "?", "WAIT": "…", "NOT_REACHED": "·"}
VERDICTS = {
    "fired": Text("已触发", "FIRED"),
    "held_back": Text("条件都满足，但被挡下", "everything matched, but it was held back"),
    "waiting": Text("正在等待", "waiting"),
    "not_met": Text("没有触发：条件不满足", "did not fire: a condition is not met"),
    "no_events": Text("没有触发：没有可判断的事件", "did not fire: there was nothing to look at"),
}
ROLES = {
    "held": Text("持续", "has held for"),
    "count": Text("次数", "count"),
    "within": Text("时间窗", "within"),
    "schedule": Text("时段", "schedule"),
    "exception": Text("豁免", "exceptions"),
    "unless": Text("除外条件 unless 不成立", "unless is false"),
    "until": Text("结束条件 until", "until"),
}
WORDS = {
    "actual": Text("实际", "actual"),
    "unknown": Text("未知", "unknown"),
}


def told(rule: Rule, found: Explanation, timezone: ZoneInfo, lang: Lang) -> Iterator[str]:
    """The explanation, a line at a time; instants in the city's local time."""
    yield f"{rule.rule_id}  {rule.title.lang(lang)}  [{rule.status}]  {_form(rule, lang)}"
    verdict = VERDICTS[found.verdict].lang(lang)
    yield Text(f"车辆 {found.truck_id} · {verdict}", f"truck {found.truck_id} · {verdict}").lang(lang)
    if found.last is not None:
        yield from _fired(found, timezone, lang)
    if found.last is not None and not found.now.open:
        return
    yield ""
    at = _clock(found.now.at, timezone)
    yield Text(f"截至 {at}：", f"as of {at}:").lang(lang)
    for part in found.now.parts:
        yield from _part(part, timezone, lang)
    for opened in found.now.open:
        until = Text("，等待下一次定位", ", until it ends").lang(lang) if opened.until is None else ""
        if opened.until is not None:
            deadline = _clock(opened.until, timezone)
            until = Text(f"，最迟到 {deadline}", f", until {deadline} at the latest").lang(lang)
        since = _clock(opened.since, timezone)
        waits = Text(f"等待 {opened.waits_for}", f"waits for {opened.waits_for}").lang(lang)
        yield Text(f"  → 自 {since} 起未完：", f"  → open since {since}: ").lang(lang) + waits + until


def _form(rule: Rule, lang: Lang) -> str:
    match = rule.match
    if isinstance(match, OnMatch):
        return f"on: {match.kind}"
    if isinstance(match, WhileMatch):
        return f"while … for {_seconds(match.for_ms / 1000)}"
    within = _seconds(match.within_ms / 1000)
    if isinstance(match, CountMatch):
        return f"count {match.count} × {match.kind} within {within}"
    return Text(
        f"依次 {len(match.steps)} 步，within {within}", f"sequence of {len(match.steps)}, within {within}"
    ).lang(lang)


def _fired(found: Explanation, timezone: ZoneInfo, lang: Lang) -> Iterator[str]:
    last = found.last
    assert last is not None  # asked for when it fired
    at, began, times = _clock(last.detected_at, timezone), _clock(last.started_at, timezone), len(found.fired_at)
    zh = f"共触发 {times} 次，最近一次 {at}（行为始于 {began}）"
    en = f"fired {times} times, last at {at} (conduct began {began})"
    if last.late:
        zh, en = zh + "，由迟到的数据发现", en + ", found in late data"
    yield ""
    yield Text(zh, en).lang(lang)
    for part in last.parts:
        yield from _part(part, timezone, lang)


def _part(part: Part, timezone: ZoneInfo, lang: Lang) -> Iterator[str]:
    note = "" if part.note is None else f"  ({part.note.lang(lang)})"
    yield (
        f"  {MARKS[part.result]} {part.result:<11} {_title(part, lang)}{_numbers(part, lang)}"
        + (f"  {_when(part, timezone, lang)}" if part.at or part.until else "")
        + note
    )
    if part.condition is not None:
        yield from _tree(part.condition, "      ", lang)


def _title(part: Part, lang: Lang) -> str:
    if part.role == "absent":
        text = f"absent {part.kind}" + (f" where {part.text}" if part.text else "")
        return f"{part.name}: {text}"
    if part.role == "event":
        return f"{part.name}: {part.kind}" if part.name != part.kind else part.name
    text = f" {part.text}" if part.text and part.role in ("exception", "unless") else ""
    return ROLES[part.role].lang(lang) + text


def _numbers(part: Part, lang: Lang) -> str:
    if part.threshold is None:
        return ""
    seen = "" if part.observed is None else f"  {WORDS['actual'].lang(lang)} {_value(part.observed, part.unit)}"
    return f"{seen}  {part.operator} {_value(part.threshold, part.unit)}"


def _when(part: Part, timezone: ZoneInfo, lang: Lang) -> str:
    parts = []
    if part.at is not None:
        parts.append(f"{_clock(part.at, timezone)} {part.event_id}")
    if part.until is not None and part.result == "WAIT":
        deadline = _clock(part.until, timezone)
        parts.append(Text(f"等到 {deadline}", f"waits until {deadline}").lang(lang))
    return " · ".join(parts)


def _tree(node: Judged, indent: str, lang: Lang) -> Iterator[str]:
    head = f"{indent}{MARKS[node.result]} {node.result:<7} "
    if node.op is not None:
        yield head + node.op
        for item in node.items:
            yield from _tree(item, indent + "  ", lang)
        return
    if node.result == "UNKNOWN":
        names = ", ".join(node.unknown)
        yield f"{head}{node.text}    {WORDS['unknown'].lang(lang)}: {names}"
        return
    seen = _value(node.observed, node.unit)
    asked = "" if node.param is None else f"  (${node.param} = {_value(node.threshold, node.unit)})"
    yield f"{head}{node.text}    {WORDS['actual'].lang(lang)} {seen}{asked}"


def _value(value: object, unit: str | None) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if unit == "s" and isinstance(value, (int, float)):
        return _seconds(float(value))
    shown = f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    return shown if unit in (None, "count", "ratio") else f"{shown} {unit}"


def _seconds(seconds: float) -> str:
    """A duration as rule files write it: `1h30m`, `2m10s`, `0s`."""
    rest_ms, parts = round(seconds * 1000), []
    for unit, length_ms in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        number, rest_ms = divmod(rest_ms, length_ms)
        if number:
            parts.append(f"{number}{unit}")
    return "".join(parts) or "0s"


def _clock(instant: str | None, timezone: ZoneInfo) -> str:
    if instant is None:
        return "—"
    return datetime.fromisoformat(instant).astimezone(timezone).strftime("%Y-%m-%d %H:%M:%S")
