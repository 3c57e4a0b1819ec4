"""How rules have done: findings on record beside what people said to them, and a trial on recorded data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from statistics import median

from haulwatch.city import City
from haulwatch.domain.orders import FINAL_STAGES
from haulwatch.domain.outcomes import RuleOutcome
from haulwatch.domain.trials import NeverTrue, Remark, RuleScore, Verdicts
from rules.model import Rule
from streams.coverage import Condition
from streams.trial_notes import CityFindings

NOISY_PRECISION = 0.5
NOISY_JUDGED = 5
"""With fewer verdicts than this nothing is said of a rule."""


def scores(city: City, outcomes: Iterable[RuleOutcome], found: CityFindings | None) -> list[RuleScore]:
    """A score for each rule of the city, then for each that left the book but is on record."""
    by_rule: dict[str, list[RuleOutcome]] = {}
    for outcome in outcomes:
        by_rule.setdefault(outcome.rule_id, []).append(outcome)
    rules = [rule for rule in city.book.rules if rule.status != "deprecated"]
    gone = sorted(by_rule.keys() - {rule.rule_id for rule in rules})
    return [
        *(_score(rule.rule_id, rule, by_rule.get(rule.rule_id, []), found) for rule in rules),
        *(_score(rule_id, None, by_rule[rule_id], None) for rule_id in gone),
    ]


def _score(rule_id: str, rule: Rule | None, outcomes: Sequence[RuleOutcome], found: CityFindings | None) -> RuleScore:
    verdicts = Verdicts(**Counter(_judgement(outcome) for outcome in outcomes if not outcome.shadow))
    findings = None if found is None else sum(finding.rule_id == rule_id for finding in found.findings)
    return RuleScore(
        rule_id=rule_id,
        title=None if rule is None else rule.title,
        category=None if rule is None else rule.category,
        status=None if rule is None else rule.status,
        owner=None if rule is None else rule.owner,
        reported=len(outcomes),
        in_shadow=sum(outcome.shadow for outcome in outcomes),
        verdicts=verdicts,
        precision=verdicts.precision,
        order_delay_s=_median(_delay_s(one.detected_at, one.opened_at) for one in outcomes if one.opened_it),
        detection_delay_s=_median(_delay_s(one.started_at, one.detected_at) for one in outcomes if one.opened_it),
        found=findings,
        never_true=None if found is None else _never_true(rule_id, found.never_true or []),
        unknown_names=None if found is None else found.unknown.get(rule_id, {}),
        remarks=_remarks(rule, len(outcomes), findings, verdicts),
    )


def _judgement(outcome: RuleOutcome) -> str:
    if outcome.verdict is not None:
        return outcome.verdict
    return "other" if outcome.stage in FINAL_STAGES else "open"


def _delay_s(since: str | None, until: str | None) -> float | None:
    if since is None or until is None:
        return None
    return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds()


def _median(delays: Iterable[float | None]) -> float | None:
    known = [delay for delay in delays if delay is not None]
    return round(median(known), 3) if known else None


def _never_true(rule_id: str, conditions: Iterable[Condition]) -> list[NeverTrue]:
    return [
        NeverTrue(condition=one.shown, file=one.file, line=one.line, column=one.column)
        for one in conditions
        if one.rule_id == rule_id
    ]


def _remarks(rule: Rule | None, reported: int, found: int | None, verdicts: Verdicts) -> list[Remark]:
    remarks: list[Remark] = []
    if rule is not None and not reported and not found:
        remarks.append("silent")
    precision, judged = verdicts.precision, verdicts.confirmed + verdicts.false_alarm
    if precision is not None and judged >= NOISY_JUDGED and precision < NOISY_PRECISION:
        remarks.append("noisy")
    return remarks
