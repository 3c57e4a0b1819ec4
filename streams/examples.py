"""The inline examples of rules, run through the real processor: what `rules check` does beside reading the files."""

from __future__ import annotations

from collections.abc import Mapping

from haulwatch.domain.errors import AuthorError, Finding
from haulwatch.domain.text import Text
from rules.model import Example, Rule, RuleBook
from streams.coverage import ConditionWatch
from streams.scenes import Played, Scene, play, trouble, with_snippets

CODES = {
    "T001": Text("示例或测试无法运行", "an example or test that cannot be run"),
    "T002": Text("示例或测试的结果与期望不符", "an example or test with another result than expected"),
}


def run_examples(
    book: RuleBook, sources: Mapping[str, bytes] | None = None, watch: ConditionWatch | None = None
) -> list[Finding]:
    """A finding for each example that does not come out as its author says; empty when all do.

    Each example runs under its own rule alone, whatever the rule's status is. `sources` (file name → content) fills in
    the lines that the findings point at. Examples speak of the rule as its author wrote it, so give a book without
    local adjustments. `watch` notes which conditions were ever true.
    """
    told = [(rule, example) for rule in book.rules for example in rule.examples]
    findings = [finding for rule, example in told for finding in check_example(rule, example, watch)]
    return with_snippets(findings, sources or {})


def check_example(rule: Rule, example: Example, watch: ConditionWatch | None = None) -> list[Finding]:
    """What is wrong with one example."""
    try:
        played = play(scene_of(example), (rule,), watch)
    except AuthorError as error:
        return list(error.findings)
    found = [(played.offset_ms(breach.detected_at), str(breach.category)) for breach in played.opened()]
    expected = sorted((expected.at_ms, expected.category) for expected in example.expect)
    if sorted(found) == expected:
        return []
    zh = f"规则 {rule.rule_id} 的示例 “{example.name}” 不符：期望 {_told(expected, '无')}，结果 {_told(found, '无')}"
    en = f'{rule.rule_id}, example "{example.name}": expected {_told(expected, "none")}, found {_told(found, "none")}'
    return [trouble(example.place, zh, en, why_not(rule, played), code="T002")]


def scene_of(example: Example) -> Scene:
    """The scene that an example tells."""
    city = example.extras.get("city")
    return Scene(
        name=example.name,
        place=example.place,
        events=example.events,
        until_ms=example.until_ms,
        trucks=(example.truck,),
        zones=example.zones,
        tables=example.extras,
        settings=city if isinstance(city, dict) else {},
        start=example.start,
    )


def why_not(rule: Rule, played: Played) -> Text | None:
    """What kept the rule from firing, as far as it was counted: unknown values, `unless`, schedule, exceptions."""
    zh, en = [], []
    unknown = [
        name for (rule_id, name), _ in sorted(played.runtime.city.compiled.unknowns.items()) if rule_id == rule.rule_id
    ]
    if unknown:
        zh.append(f"取值未知：{'、'.join(unknown)}")
        en.append(f"unknown: {', '.join(unknown)}")
    counters = played.runtime.engine.counters
    for counter, name_zh, name_en in (
        (counters.held_back_unless, "因 unless 未报", "held back by unless"),
        (counters.held_back_schedule, "不在时段内", "outside the schedule"),
        (counters.held_back_exception, "因例外未报", "held back by an exception"),
    ):
        if counter[rule.rule_id]:
            zh.append(f"{name_zh} {counter[rule.rule_id]} 次")
            en.append(f"{name_en} ({counter[rule.rule_id]})")
    return Text("；".join(zh), "; ".join(en)) if zh else None


def _told(findings: list[tuple[int, str]], none: str) -> str:
    return ", ".join(f"{duration(at_ms)} {category}" for at_ms, category in findings) or none


def duration(ms: int) -> str:
    """Milliseconds as rules write them: `2m10s`."""
    hours, rest = divmod(ms, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    parts = (f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest / 1000:g}s" if rest else "")
    return "".join(parts) or "0s"
