"""`haulwatch rules backtest`: what rules find in recorded data, and how such findings were judged."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import msgspec

from haulwatch.bootstrap.backtest import backtest
from haulwatch.bootstrap.trials import trial_files
from haulwatch.cli.columns import table
from haulwatch.cli.progress import Progress
from haulwatch.cli.trying import add_trying, expect_total, outcomes_named, recording_of
from haulwatch.domain.text import Lang, Text
from haulwatch.domain.trials import Backtest, Bin, Histogram, RuleTrial, TrialRun

TRUCKS_SHOWN = 5
BAR = 40


def add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the action `backtest`."""
    parser = actions.add_parser(
        "backtest", help="规则在历史数据中会发现什么、准不准 · what rules find in recorded data, and how right they are"
    )
    add_trying(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints what every rule found."""
    files = trial_files(options.city, options.rules)
    recording = recording_of(options)
    with outcomes_named(options) as outcomes, Progress("事件 / events") as progress:
        expect_total(progress, recording)
        found = backtest(files, recording, outcomes, processes=options.processes, on_progress=progress.advance)
    if options.json:
        print(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        for line in told(found, options.lang):
            print(line)
    return 0


def told(found: Backtest, lang: Lang) -> Iterator[str]:
    """The figures as a person reads them."""
    yield run_told(found.run, lang)
    yield ""
    heads = (
        Text("规则", "rule"),
        Text("状态", "status"),
        Text("线索", "findings"),
        Text("车辆", "trucks"),
        Text("属实", "confirmed"),
        Text("误报", "false"),
        Text("其他", "other"),
        Text("准确率", "precision"),
    )
    yield from table([[head.lang(lang) for head in heads], *map(_row, found.rules)], left=2)
    for rule in found.rules:
        if rule.findings:
            yield ""
            yield from _details(rule, lang)


def run_told(run: TrialRun, lang: Lang) -> str:
    """One line about the data."""
    bad, rate = sum(run.dead_letters.values()), run.events / run.seconds if run.seconds else 0
    span = f"{run.from_at} – {run.to_at}" if run.events else ""
    return Text(
        f"事件 {run.events:,} · 车辆 {run.trucks:,} · 坏记录 {bad:,} · {span}\n"
        f"{run.seconds:.1f} 秒 · {rate:,.0f} 条/秒 · {run.processes} 个进程",
        f"events {run.events:,} · trucks {run.trucks:,} · dead letters {bad:,} · {span}\n"
        f"{run.seconds:.1f} s · {rate:,.0f} events/s · processes: {run.processes}",
    ).lang(lang)


def _row(rule: RuleTrial) -> list[str]:
    judged = rule.verdicts
    other = judged.not_found + judged.handed_over + judged.open + judged.other
    counts = (rule.findings, rule.trucks, judged.confirmed, judged.false_alarm, other)
    return [rule.rule_id, rule.status, *(f"{number:,}" for number in counts), percent(rule.precision)]


def percent(share: float | None) -> str:
    """A share in percent, or a dash where there is none."""
    return "–" if share is None else f"{share:.0%}"


def _details(rule: RuleTrial, lang: Lang) -> Iterator[str]:
    yield f"{rule.rule_id}  {rule.title.lang(lang)}"
    yield f"  {Text('按日', 'by day').lang(lang)}: " + " · ".join(f"{day} {n}" for day, n in rule.by_day.items())
    trucks = list(rule.by_truck.items())
    more = f" · … {len(trucks) - TRUCKS_SHOWN}" if len(trucks) > TRUCKS_SHOWN else ""
    shown = " · ".join(f"{plate} {n}" for plate, n in trucks[:TRUCKS_SHOWN])
    yield f"  {Text('按车', 'by truck').lang(lang)}: {shown}{more}"
    for name, count in rule.unknown_names.items():
        yield Text(f"  {name} 未知 {count:,} 次", f"  {name} was unknown {count:,} times").lang(lang)
    for histogram in rule.histograms:
        yield from _drawn(histogram, lang)


def _drawn(histogram: Histogram, lang: Lang) -> Iterator[str]:
    unit = f" {histogram.unit}" if histogram.unit else ""
    name, limit = f"${histogram.param}", f"{histogram.operator} {histogram.threshold:g}{unit}"
    what = Text(
        f"{name}：阈值 {limit}，实际值（# 属实 x 误报 · 其他）",
        f"{name}: threshold {limit}, observed (# confirmed x false · other)",
    )
    yield f"  {what.lang(lang)}"
    most = max(sum(_counts(one)) for one in histogram.bins)
    for one in histogram.bins:
        bar = "".join(mark * round(n / most * BAR) for mark, n in zip("#x·", _counts(one), strict=True))
        low = "" if one.low is None else f"{one.low:g}"
        high = "" if one.high is None else f"{one.high:g}"
        yield f"    {low:>10} – {high:<10} {sum(_counts(one)):>6,}  {bar}".rstrip()


def _counts(one: Bin) -> tuple[int, int, int]:
    return one.confirmed, one.false_alarm, one.other
