"""From findings to figures: what each rule found, how that was judged, and the values around its thresholds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from haulwatch.city import City
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import FINAL_STAGES
from haulwatch.domain.outcomes import OutcomeIndex
from haulwatch.domain.trials import Backtest, Bin, Compared, Histogram, RuleTrial, TrialFinding, TrialRun, Verdicts
from rules.model import Param, Rule
from streams.trial_notes import CityFindings
from streams.trials import Tried

BINS = 20
"""About how many bins a histogram has; they are round numbers wide, so it may be a few more or less."""
_CLOSE = 0.95
"""The share of the values that the bins spread over; the rest is in the outermost one."""
_HAIR = 1e-9
"""Relative to a bin: what arithmetic may be off by."""


def backtest_of(city: City, found: CityFindings, outcomes: OutcomeIndex, run: TrialRun) -> Backtest:
    """The figures of every rule of the city, also of those that found nothing."""
    judged = [judged_finding(finding, outcomes) for finding in found.findings]
    by_rule: dict[str, list[TrialFinding]] = {}
    for finding in judged:
        by_rule.setdefault(finding.rule_id, []).append(finding)
    rules = [
        rule_trial(rule, by_rule.get(rule.rule_id, []), found.unknown.get(rule.rule_id, {}))
        for rule in city.book.rules
        if rule.status != "deprecated"
    ]
    return Backtest(city_hash=city.city_hash, book_hash=city.book.book_hash, run=run, rules=rules, findings=judged)


def trial_run(tried: Tried, processes: int, seconds: float) -> TrialRun:
    """What the data was."""
    return TrialRun(
        events=sum(tried.kinds.values()),
        kinds=tried.kinds,
        dead_letters=tried.dead_letters,
        trucks=tried.trucks,
        from_at=rfc3339(tried.first_ms) if tried.kinds else None,
        to_at=rfc3339(tried.last_ms) if tried.kinds else None,
        processes=processes,
        seconds=round(seconds, 3),
    )


def judged_finding(finding: TrialFinding, outcomes: OutcomeIndex) -> TrialFinding:
    """The finding with the order that it led to, if it is known."""
    known = outcomes.of(finding.breach_id, finding.rule_id, finding.truck_id, finding.started_at, finding.last_at)
    if known is None:
        return finding
    outcome, matched_by = known
    return msgspec.structs.replace(
        finding,
        order_id=outcome.order_id,
        stage=outcome.stage,
        verdict=outcome.verdict,
        reason_code=outcome.reason_code,
        matched_by=matched_by,
    )


def rule_trial(rule: Rule, findings: Sequence[TrialFinding], unknown: dict[str, int]) -> RuleTrial:
    """The figures of one rule."""
    trucks = Counter(finding.truck_id for finding in findings)
    verdicts = counted(findings)
    return RuleTrial(
        rule_id=rule.rule_id,
        rule_hash=rule.rule_hash,
        title=rule.title,
        category=rule.category,
        severity=rule.severity,
        status=rule.status,
        findings=len(findings),
        occurrences=sum(finding.occurrences for finding in findings),
        trucks=len(trucks),
        verdicts=verdicts,
        precision=verdicts.precision,
        by_day=dict(sorted(Counter(finding.day for finding in findings).items())),
        by_truck=dict(sorted(trucks.items(), key=lambda one: (-one[1], one[0]))),
        histograms=histograms(rule, findings),
        unknown_names=unknown,
    )


def counted(findings: Iterable[TrialFinding]) -> Verdicts:
    """How findings were judged."""
    return Verdicts(**Counter(_judgement(finding) for finding in findings))


def _judgement(finding: TrialFinding) -> str:
    if finding.order_id is None:
        return "unknown"
    if finding.verdict is not None:
        return finding.verdict
    return "other" if finding.stage in FINAL_STAGES else "open"


# values around a threshold


def histograms(rule: Rule, findings: Sequence[TrialFinding]) -> list[Histogram]:
    """For each param of the rule that something was compared with: the values that were observed."""
    values: dict[str, list[tuple[Compared, TrialFinding]]] = {}
    for finding in findings:
        for compared in finding.compared:
            values.setdefault(compared.param, []).append((compared, finding))
    return [_histogram(rule.params[name], values[name]) for name in rule.params if name in values]


def _histogram(param: Param, values: Sequence[tuple[Compared, TrialFinding]]) -> Histogram:
    first = values[0][0]
    upward = first.operator in (">", ">=")
    distances = sorted(abs(compared.observed - first.threshold) for compared, _ in values)
    width = _round_width(distances[math.ceil(_CLOSE * len(distances)) - 1] / BINS)
    within: dict[int, Counter[str]] = {}
    for compared, finding in values:
        step = (compared.observed - first.threshold) / width
        number = math.floor(step + _HAIR) if upward else math.ceil(step - _HAIR) - 1
        number = max(-BINS - 1, min(number, BINS))
        kind = finding.verdict if finding.verdict in ("confirmed", "false_alarm") else "other"
        within.setdefault(number, Counter())[kind] += 1
    lowest, highest = min((*within, 0 if upward else -1)), max((*within, 0 if upward else -1))
    return Histogram(
        param=param.name,
        label=param.label,
        operator=first.operator,
        unit=first.unit,
        threshold=first.threshold,
        minimum=param.minimum,
        maximum=param.maximum,
        bins=[
            Bin(
                low=None if number < -BINS else _edge(first.threshold, number, width),
                high=None if number >= BINS else _edge(first.threshold, number + 1, width),
                **within.get(number, Counter()),
            )
            for number in range(lowest, highest + 1)
        ],
    )


def _edge(threshold: float, number: int, width: float) -> float:
    return round(threshold + number * width, 9)


def _round_width(least: float) -> float:
    """The next of … 0.1, 0.2, 0.5, 1, 2, 5 …"""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * (1 - _HAIR))
