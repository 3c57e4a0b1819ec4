"""`haulwatch rules scorecard`: how each rule has done, by what people said to its findings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import msgspec

from haulwatch.bootstrap.backtest import scorecard
from haulwatch.bootstrap.recordings import Recording
from haulwatch.bootstrap.trials import trial_files
from haulwatch.cli.arguments import instant_ms
from haulwatch.cli.columns import table
from haulwatch.cli.progress import Progress
from haulwatch.cli.rules_backtest import percent, run_told
from haulwatch.cli.trying import add_trying, expect_total, outcomes_named, recording_of
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Lang, Text
from haulwatch.domain.trials import Remark, RuleScore, Scorecard

REMARKS: dict[Remark, Text] = {"silent": Text("从未触发", "silent"), "noisy": Text("误报过多", "noisy")}
GONE = Text("已移除", "removed")


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `scorecard`."""
    parser = actions.add_parser("scorecard", help="每条规则的成绩单 · how each rule has done")
    add_trying(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the score card."""
    files = trial_files(options.city, options.rules)
    recording: Recording | None = recording_of(options) if options.events else None
    with outcomes_named(options) as outcomes, Progress("事件 / events") as progress:
        if outcomes is None:
            raise WorldError(
                Text("用 --data 或 --database 指定工单库", "say with --data or --database where the orders are")
            )
        if recording is not None:
            expect_total(progress, recording)
        found = scorecard(
            files,
            outcomes,
            recording,
            since_ms=instant_ms(options.since) if options.since else None,
            before_ms=instant_ms(options.before) if options.before else None,
            processes=options.processes,
            on_progress=progress.advance,
        )
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for line in told(found, options.lang):
            print(line)
    return 0


def told(found: Scorecard, lang: Lang) -> Iterator[str]:
    """The score card as a person reads it."""
    if found.run is not None:
        yield run_told(found.run, lang)
        yield ""
    heads = (
        Text("规则", "rule"),
        Text("状态", "status"),
        Text("上报", "reported"),
        Text("影子", "shadow"),
        Text("属实", "confirmed"),
        Text("误报", "false"),
        Text("准确率", "precision"),
        Text("发现用时", "to find"),
        Text("成单用时", "to order"),
        Text("回测", "backtest"),
        Text("备注", "remarks"),
    )
    rows = [_row(rule, lang) for rule in found.rules]
    yield from table([[head.lang(lang) for head in heads], *rows], left=2)
    for rule in found.rules:
        if rule.never_true or rule.unknown_names:
            yield ""
            yield from _details(rule, lang)


def _row(rule: RuleScore, lang: Lang) -> list[str]:
    judged = rule.verdicts
    counts = (rule.reported, rule.in_shadow, judged.confirmed, judged.false_alarm)
    return [
        rule.rule_id,
        rule.status or GONE.lang(lang),
        *(f"{number:,}" for number in counts),
        percent(rule.precision),
        _seconds(rule.detection_delay_s, lang),
        _seconds(rule.order_delay_s, lang),
        "–" if rule.found is None else f"{rule.found:,}",
        " ".join(REMARKS[remark].lang(lang) for remark in rule.remarks),
    ]


def _seconds(seconds: float | None, lang: Lang) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return Text(f"{seconds:.0f} 秒", f"{seconds:.0f} s").lang(lang)
    return Text(f"{seconds / 60:.0f} 分", f"{seconds / 60:.0f} min").lang(lang)


def _details(rule: RuleScore, lang: Lang) -> Iterator[str]:
    yield rule.rule_id if rule.title is None else f"{rule.rule_id}  {rule.title.lang(lang)}"
    for one in rule.never_true or ():
        what = Text("从未成立", "never true").lang(lang)
        yield f"  {what}: {one.condition}  ({one.file}:{one.line}:{one.column})"
    for name, count in (rule.unknown_names or {}).items():
        yield Text(f"  {name} 未知 {count:,} 次", f"  {name} was unknown {count:,} times").lang(lang)
