"""How well findings meet the truth: per category precision, recall, duplicates, false findings and delay.

The rule of a hit is the contract's (docs/contracts.md, truth): same truck, same category, `detected_at` in
`[from, to + 120 s]`. A second opened finding of one truth is a duplicate; one that hits no truth is false. A finding
of a truth that nothing could have seen is neither asked for nor false.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import get_args

from msgspec import Struct

from haulwatch.domain.breaches import Breach, Category
from haulwatch.domain.instants import to_ms
from haulwatch.domain.text import Lang, Text
from haulwatch.synthetic.truths import Truth, read_truths

__all__ = ["CategoryScore", "FalseFinding", "Score", "read_truths", "score"]

GRACE_MS = 120_000
CATEGORIES: tuple[Category, ...] = get_args(Category)


class FalseFinding(Struct, frozen=True):
    """A finding that meets no truth; `detected_at` is RFC 3339."""

    breach_id: str
    rule_id: str
    truck_id: str
    detected_at: str


class CategoryScore(Struct, frozen=True, kw_only=True):
    """One category; shares are None where there is nothing to divide by. `missed` names observable truths not found.

    `found` counts opened findings, `hits` observable truths that were found, delays run from a truth's `from` to the
    first finding of it.
    """

    category: str
    truths: int
    unobservable: int
    found: int
    hits: int
    duplicates: int
    false: int
    precision: float | None
    recall: float | None
    delay_median_s: float | None
    delay_p95_s: float | None
    missed: list[str]
    false_findings: list[FalseFinding]


class Score(Struct, frozen=True):
    """All categories that have truths or findings, and their total (category `all`)."""

    categories: list[CategoryScore]
    total: CategoryScore

    def table(self, lang: Lang = "zh") -> str:
        """The score as a readable table, a line a category."""
        rows = [[cell.lang(lang) for cell in _HEADER]]
        rows += [_cells(row, lang) for row in (*self.categories, self.total)]
        widths = [max(_width(row[column]) for row in rows) for column in range(len(_HEADER))]
        return "\n".join(_aligned(row, widths) for row in rows)


class _Tally:
    """The counting of one category."""

    def __init__(self) -> None:
        self.found = 0
        self.duplicates = 0
        self.false: list[FalseFinding] = []
        self.first_hit_ms: dict[str, int] = {}


def score(breaches: Iterable[Breach], truths: Iterable[Truth]) -> Score:
    """Compares opened findings of active rules with the truths."""
    known = sorted(truths, key=lambda truth: (_ms(truth.from_at), truth.truth_id))
    by_conduct: dict[tuple[str, str], list[Truth]] = {}
    for truth in known:
        by_conduct.setdefault((truth.truck_id, truth.category), []).append(truth)
    tallies: dict[str, _Tally] = {}
    opened = [breach for breach in breaches if breach.phase == "opened" and breach.status == "active"]
    for breach in sorted(opened, key=lambda found: (_ms(found.detected_at), found.breach_id)):
        tally = tallies.setdefault(breach.category, _Tally())
        _count(tally, breach, by_conduct.get((breach.truck_id, breach.category), ()))
    names = [name for name in CATEGORIES if name in tallies or any(truth.category == name for truth in known)]
    rows = [_category(name, [t for t in known if t.category == name], tallies.get(name, _Tally())) for name in names]
    whole = _Tally()
    for tally in tallies.values():
        whole.found += tally.found
        whole.duplicates += tally.duplicates
        whole.false += tally.false
        whole.first_hit_ms |= tally.first_hit_ms
    return Score(rows, _category("all", known, whole))


def _count(tally: _Tally, breach: Breach, candidates: Sequence[Truth]) -> None:
    """Counts one opened finding: a truth not found yet is preferred to one found before."""
    tally.found += 1
    at_ms = _ms(breach.detected_at)
    hit = [truth for truth in candidates if _ms(truth.from_at) <= at_ms <= _ms(truth.to_at) + GRACE_MS]
    fresh = [truth for truth in hit if truth.truth_id not in tally.first_hit_ms]
    if fresh:
        tally.first_hit_ms[fresh[0].truth_id] = at_ms
    elif hit:
        tally.duplicates += 1
    else:
        tally.false.append(FalseFinding(breach.breach_id, breach.rule_id, breach.truck_id, breach.detected_at))


def _category(name: str, truths: Sequence[Truth], tally: _Tally) -> CategoryScore:
    observable = [truth for truth in truths if truth.observable]
    hit = [truth for truth in observable if truth.truth_id in tally.first_hit_ms]
    delays = sorted((tally.first_hit_ms[truth.truth_id] - _ms(truth.from_at)) / 1000 for truth in hit)
    return CategoryScore(
        category=name,
        truths=len(observable),
        unobservable=len(truths) - len(observable),
        found=tally.found,
        hits=len(hit),
        duplicates=tally.duplicates,
        false=len(tally.false),
        precision=(tally.found - len(tally.false)) / tally.found if tally.found else None,
        recall=len(hit) / len(observable) if observable else None,
        delay_median_s=_quantile(delays, 0.5),
        delay_p95_s=_quantile(delays, 0.95),
        missed=[truth.truth_id for truth in observable if truth.truth_id not in tally.first_hit_ms],
        false_findings=tally.false,
    )


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    """Nearest rank: the smallest value that at least `share` of all do not exceed."""
    if not ordered:
        return None
    rank = -int(-share * len(ordered) // 1)
    return ordered[max(rank - 1, 0)]


def _ms(instant: str) -> int:
    return to_ms(datetime.fromisoformat(instant))


_HEADER = (
    Text("类别", "category"),
    Text("应发现", "truths"),
    Text("不可见", "unseen"),
    Text("已开案", "found"),
    Text("命中", "hits"),
    Text("重复", "twice"),
    Text("误报", "false"),
    Text("查准率", "precision"),
    Text("查全率", "recall"),
    Text("时延中位", "delay p50"),
    Text("时延95%", "delay p95"),
)
_CATEGORY_NAMES = {
    "uncovered": "未密闭",
    "dumping": "乱倾倒",
    "overweight": "超限",
    "route": "偏航",
    "time": "时段",
    "permit": "无证",
    "tamper": "屏蔽",
    "manifest": "联单",
    "speed": "超速",
    "all": "合计",
}


def _cells(row: CategoryScore, lang: Lang) -> list[str]:
    name = _CATEGORY_NAMES[row.category] if lang == "zh" else row.category
    counts = (row.truths, row.unobservable, row.found, row.hits, row.duplicates, row.false)
    shares = ("-" if share is None else f"{share:.3f}" for share in (row.precision, row.recall))
    delays = ("-" if delay is None else f"{delay:.0f} s" for delay in (row.delay_median_s, row.delay_p95_s))
    return [name, *map(str, counts), *shares, *delays]


def _width(cell: str) -> int:
    """Terminal cells: a full-width character takes two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in cell)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first = row[0] + " " * (widths[0] - _width(row[0]))
    rest = (" " * (width - _width(cell)) + cell for cell, width in zip(row[1:], widths[1:], strict=True))
    return "  ".join((first, *rest))
