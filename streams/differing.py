"""Two books over the same data: which findings stay, which appear, which go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from haulwatch.city import City
from haulwatch.domain.outcomes import OutcomeIndex
from haulwatch.domain.trials import Difference, RuleDiff, TrialFinding, TrialRun
from rules.model import Rule
from streams.backtesting import counted, judged_finding
from streams.trial_notes import CityFindings


def difference_of(
    cities: tuple[City, City], found: Sequence[CityFindings], outcomes: OutcomeIndex, run: TrialRun
) -> Difference:
    """What changes from the first city's rules to the second's."""
    old, new = found[0].findings, found[1].findings
    stays_old, stays_new = matched(old, new)
    gone = [judged_finding(finding, outcomes) for finding in old if finding.breach_id not in stays_old]
    come = [judged_finding(finding, outcomes) for finding in new if finding.breach_id not in stays_new]
    same = Counter(finding.rule_id for finding in new if finding.breach_id in stays_new)
    before, after = (_rules_of(city) for city in cities)
    return Difference(
        old_book_hash=cities[0].book.book_hash,
        new_book_hash=cities[1].book.book_hash,
        run=run,
        rules=[
            _rule_diff(before.get(rule_id), after.get(rule_id), same[rule_id], _of(come, rule_id), _of(gone, rule_id))
            for rule_id in sorted(before.keys() | after.keys())
        ],
        appearing=come,
        disappearing=gone,
    )


def matched(old: Iterable[TrialFinding], new: Iterable[TrialFinding]) -> tuple[set[str], set[str]]:
    """The breach ids on either side of the findings that stay, each matched once.

    Same id, or, where the rule now begins with another event, same rule and truck and overlapping in time.
    """
    older, newer = {one.breach_id: one for one in old}, {one.breach_id: one for one in new}
    both = older.keys() & newer.keys()
    left = _by_truck(one for one in newer.values() if one.breach_id not in both)
    stays_old, stays_new = set(both), set(both)
    for finding in older.values():
        if finding.breach_id in both:
            continue
        candidates = left.get((finding.rule_id, finding.truck_id), [])
        twin = next((one for one in candidates if _overlap(one, finding)), None)
        if twin is not None:
            candidates.remove(twin)
            stays_old.add(finding.breach_id)
            stays_new.add(twin.breach_id)
    return stays_old, stays_new


def _by_truck(findings: Iterable[TrialFinding]) -> dict[tuple[str, str], list[TrialFinding]]:
    by_truck: dict[tuple[str, str], list[TrialFinding]] = {}
    for finding in findings:
        by_truck.setdefault((finding.rule_id, finding.truck_id), []).append(finding)
    return by_truck


def _overlap(one: TrialFinding, other: TrialFinding) -> bool:
    return one.started_at <= other.last_at and other.started_at <= one.last_at


def _rules_of(city: City) -> dict[str, Rule]:
    return {rule.rule_id: rule for rule in city.book.rules if rule.status != "deprecated"}


def _of(findings: Iterable[TrialFinding], rule_id: str) -> list[TrialFinding]:
    return [finding for finding in findings if finding.rule_id == rule_id]


def _rule_diff(
    old: Rule | None, new: Rule | None, same: int, come: list[TrialFinding], gone: list[TrialFinding]
) -> RuleDiff:
    rule = new or old
    assert rule is not None, "the rule is in one of the books"
    return RuleDiff(
        rule_id=rule.rule_id,
        title=rule.title,
        category=rule.category,
        old_status=None if old is None else old.status,
        new_status=None if new is None else new.status,
        same=same,
        appearing=len(come),
        disappearing=len(gone),
        appearing_verdicts=counted(come),
        disappearing_verdicts=counted(gone),
    )
