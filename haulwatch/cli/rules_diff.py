"""`haulwatch rules diff OLD NEW`: which findings appear and which go when other rules take over, on recorded data."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import msgspec

from haulwatch.bootstrap.backtest import difference
from haulwatch.bootstrap.trials import trial_files
from haulwatch.cli.columns import table
from haulwatch.cli.progress import Progress
from haulwatch.cli.rules_backtest import run_told
from haulwatch.cli.trying import add_trying, expect_total, outcomes_named, recording_of
from haulwatch.dispatch.lifecycle import VERDICT_NAMES
from haulwatch.domain.text import Lang, Text
from haulwatch.domain.trials import Difference, RuleDiff, TrialFinding

UNJUDGED = Text("无结论", "no verdict")


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `diff`."""
    parser = actions.add_parser(
        "diff", help="两套规则在同样的数据上差在哪里 · which findings appear and which go with other rules"
    )
    what = "规则文件、文件夹或城市文件夹 · a book, a folder of books, or a city folder"
    parser.add_argument("old", type=Path, metavar="OLD", help=what)
    parser.add_argument("new", type=Path, metavar="NEW", help=what)
    add_trying(parser, rules=False)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints what changes; 0 whether anything does or not."""
    old, new = (trial_files(options.city, rules) for rules in (options.old, options.new))
    recording = recording_of(options)
    with outcomes_named(options) as outcomes, Progress("事件 / events") as progress:
        expect_total(progress, recording)
        found = difference(old, new, recording, outcomes, processes=options.processes, on_progress=progress.advance)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for line in told(found, options.lang):
            print(line)
    return 0


def told(found: Difference, lang: Lang) -> Iterator[str]:
    """The difference as a person reads it."""
    yield run_told(found.run, lang)
    yield ""
    changed = [rule for rule in found.rules if rule.appearing or rule.disappearing or _status_changed(rule)]
    if not changed:
        yield Text("线索完全相同", "the same findings").lang(lang)
        return
    heads = (
        Text("规则", "rule"),
        Text("状态", "status"),
        Text("不变", "same"),
        Text("新增", "new"),
        Text("消失", "gone"),
        Text("其中属实", "of these confirmed"),
        Text("误报", "false"),
    )
    yield from table([[head.lang(lang) for head in heads], *map(_row, changed)], left=2)
    for sign, findings in (("+", found.appearing), ("-", found.disappearing)):
        if findings:
            yield ""
        for finding in findings:
            yield _line(sign, finding, lang)


def _status_changed(rule: RuleDiff) -> bool:
    return rule.old_status != rule.new_status


def _row(rule: RuleDiff) -> list[str]:
    status = rule.new_status or "–"
    if _status_changed(rule):
        status = f"{rule.old_status or '–'} → {status}"
    gone = rule.disappearing_verdicts
    counts = (rule.same, rule.appearing, rule.disappearing, gone.confirmed, gone.false_alarm)
    return [rule.rule_id, status, *(f"{number:,}" for number in counts)]


def _line(sign: str, finding: TrialFinding, lang: Lang) -> str:
    verdict = UNJUDGED if finding.verdict is None else VERDICT_NAMES[finding.verdict]
    place = "" if finding.lon is None or finding.lat is None else f"  {finding.lon:.6f},{finding.lat:.6f}"
    order = f"  {finding.order_id}" if finding.order_id else ""
    return f"{sign} {finding.rule_id}  {finding.summary.lang(lang)}{place}  [{verdict.lang(lang)}]{order}"
