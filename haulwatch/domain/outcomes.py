"""What became of what rules found: findings that were filed, the orders they led to, and the verdicts on these."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from haulwatch.domain.orders import Stage, Verdict

MatchedBy = Literal["breach", "conduct"]


class RuleOutcome(Struct, frozen=True, kw_only=True):
    """One finding that was filed, and its order as it is now (none for a rule in shadow).

    `detected_at` and `recorded_at` are of the finding, null where it is out of its time of keeping; `started_at` and
    `last_at` are when the order's conduct began and was last seen; `opened_at` is when the order opened, and
    `opened_it` says that it was this finding that opened it.
    """

    breach_id: str
    rule_id: str
    shadow: bool
    detected_at: str | None
    recorded_at: str | None
    order_id: str | None = None
    truck_id: str | None = None
    stage: Stage | None = None
    verdict: Verdict | None = None
    reason_code: str | None = None
    started_at: str | None = None
    last_at: str | None = None
    opened_at: str | None = None
    opened_it: bool = False


class OutcomeReader(Protocol):
    """Where verdicts are kept."""

    def outcomes(self, since: str | None = None, before: str | None = None) -> Sequence[RuleOutcome]:
        """The findings filed that were detected in this time (RFC 3339 UTC with milliseconds; None: no limit)."""
        ...


class OutcomeIndex:
    """Finds what became of a finding: by its id, or, where a changed rule gave it another, by truck and time."""

    def __init__(self, outcomes: Iterable[RuleOutcome]) -> None:
        self._by_breach: dict[str, RuleOutcome] = {}
        self._by_truck: dict[tuple[str, str], list[RuleOutcome]] = {}
        for outcome in outcomes:
            self._by_breach[outcome.breach_id] = outcome
            if outcome.truck_id is not None:
                self._by_truck.setdefault((outcome.rule_id, outcome.truck_id), []).append(outcome)

    def of(
        self, breach_id: str, rule_id: str, truck_id: str, started_at: str, last_at: str
    ) -> tuple[RuleOutcome, MatchedBy] | None:
        """What became of the finding, and how it was recognised; None when nothing of the kind was filed.

        By truck and time: a finding of the same rule, whose order's conduct overlaps with `started_at` to `last_at`.
        """
        same = self._by_breach.get(breach_id)
        if same is not None:
            return same, "breach"
        for outcome in self._by_truck.get((rule_id, truck_id), ()):
            begun, seen = outcome.started_at, outcome.last_at
            if begun is not None and seen is not None and begun <= last_at and started_at <= seen:
                return outcome, "conduct"
        return None
