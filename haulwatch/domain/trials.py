"""What rules find in recorded data, for those who tune them: findings, figures of each rule, values around a threshold.

All of it is data: made by `haulwatch.bootstrap.backtest`, printed by commands, drawn by the operator's page.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.orders import Stage, Verdict
from haulwatch.domain.outcomes import MatchedBy
from haulwatch.domain.text import Text


class Compared(Struct, frozen=True):
    """A value that was compared with a param: `observed operator threshold`, in `unit`."""

    param: str
    observed: float
    operator: str
    threshold: float
    unit: str | None = None


class TrialFinding(Struct, frozen=True, kw_only=True):
    """One finding of a trial. `day` is the city's calendar day of `detected_at`.

    `compared` has for each param the value closest to its threshold: move the param past it and this finding goes.
    `order_id` and what follows are of the order that such a finding led to, if any did.
    """

    breach_id: str
    rule_id: str
    truck_id: str
    started_at: str
    detected_at: str
    last_at: str
    day: str
    occurrences: int
    late: bool
    lon: float | None
    lat: float | None
    summary: Text
    compared: list[Compared]
    order_id: str | None = None
    stage: Stage | None = None
    verdict: Verdict | None = None
    reason_code: str | None = None
    matched_by: MatchedBy | None = None


class Verdicts(Struct, frozen=True, kw_only=True):
    """How findings were judged. `open`: the order is not over; `other`: rejected, void, merged or transferred without a
    verdict; `unknown`: no order is known."""

    confirmed: int = 0
    false_alarm: int = 0
    not_found: int = 0
    handed_over: int = 0
    open: int = 0
    other: int = 0
    unknown: int = 0

    @property
    def precision(self) -> float | None:
        """The share of confirmed ones among those that were found right or wrong; None when nobody has judged any."""
        judged = self.confirmed + self.false_alarm
        return self.confirmed / judged if judged else None


class Bin(Struct, frozen=True, kw_only=True):
    """Findings whose value lies between `low` and `high` (`high` None: and beyond), by verdict."""

    low: float | None
    high: float | None
    confirmed: int = 0
    false_alarm: int = 0
    other: int = 0


class Histogram(Struct, frozen=True, kw_only=True):
    """Observed values around the threshold of a param; an edge of the bins lies on it.

    With `>` and `>=` a bin holds its lower edge, with `<` and `<=` its upper one, as the comparison does.
    """

    param: str
    label: Text | None
    operator: str
    unit: str | None
    threshold: float
    minimum: float | None
    maximum: float | None
    bins: list[Bin]


class RuleTrial(Struct, frozen=True, kw_only=True):
    """What one rule found, by day and by truck; `unknown_names` says how often what it needs was not known."""

    rule_id: str
    rule_hash: str
    title: Text
    category: Category
    severity: Severity
    status: str
    findings: int
    occurrences: int
    trucks: int
    verdicts: Verdicts
    precision: float | None
    by_day: dict[str, int]
    by_truck: dict[str, int]
    histograms: list[Histogram]
    unknown_names: dict[str, int]


class TrialRun(Struct, frozen=True, kw_only=True):
    """The data of a trial: observations by kind, bad records by code, first and last instant; how long it took."""

    events: int
    kinds: dict[str, int]
    dead_letters: dict[str, int]
    trucks: int
    from_at: str | None
    to_at: str | None
    processes: int
    seconds: float


class Backtest(Struct, frozen=True, kw_only=True):
    """What the rules of one city find in recorded data."""

    city_hash: str
    book_hash: str
    run: TrialRun
    rules: list[RuleTrial]
    findings: list[TrialFinding]


class RuleDiff(Struct, frozen=True, kw_only=True):
    """One rule in two books: how many findings stay, appear and go, and how those that change were judged.

    A status is None where a book does not have the rule.
    """

    rule_id: str
    title: Text
    category: Category
    old_status: str | None
    new_status: str | None
    same: int
    appearing: int
    disappearing: int
    appearing_verdicts: Verdicts
    disappearing_verdicts: Verdicts


class Difference(Struct, frozen=True, kw_only=True):
    """What changes in recorded data when one book takes the place of another; rules alike in every finding included."""

    old_book_hash: str
    new_book_hash: str
    run: TrialRun
    rules: list[RuleDiff]
    appearing: list[TrialFinding]
    disappearing: list[TrialFinding]


class NeverTrue(Struct, frozen=True, kw_only=True):
    """A condition that no event made true, and where it stands."""

    condition: str
    file: str
    line: int
    column: int


Remark = Literal["silent", "noisy"]


class RuleScore(Struct, frozen=True, kw_only=True):
    """How one rule has done: what it reported, and what people said to that.

    `reported` counts findings filed, of which `in_shadow` made no order. Delays are medians: from the event time at
    which the rule was satisfied to the order (`order_delay_s`), and from the beginning of the conduct to that time
    (`detection_delay_s`). `found`, `never_true` and `unknown_names` are of a trial on recorded data, null without one.
    """

    rule_id: str
    title: Text | None
    category: Category | None
    status: str | None
    owner: str | None
    reported: int
    in_shadow: int
    verdicts: Verdicts
    precision: float | None
    order_delay_s: float | None
    detection_delay_s: float | None
    found: int | None
    never_true: list[NeverTrue] | None
    unknown_names: dict[str, int] | None
    remarks: list[Remark]


class Scorecard(Struct, frozen=True, kw_only=True):
    """How the rules of a book have done between two instants (None: since ever, until now).

    Rules that left the book but have findings on record are there with neither title nor status.
    """

    book_hash: str
    since: str | None
    before: str | None
    run: TrialRun | None
    rules: list[RuleScore]
