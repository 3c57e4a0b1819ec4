"""The findings of one city in a trial of its rules, kept up to date as their episodes go on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec import Struct

from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import to_ms
from haulwatch.domain.trials import TrialFinding
from rules.thresholds import Thresholds
from streams.coverage import Condition
from streams.runtime import CityRuntime, local_time

_FINDING_ORDER = ("detected_at", "truck_id", "rule_id", "breach_id")


class CityFindings(Struct, kw_only=True):
    """What one city's rules found. `unknown` counts evaluations by rule and by the name that was unknown."""

    findings: list[TrialFinding] = []
    unknown: dict[str, dict[str, int]] = {}
    never_true: list[Condition] | None = None


class TrialNotes:
    """The findings of one city, brought up to date as their episodes go on."""

    def __init__(self, runtime: CityRuntime) -> None:
        self._runtime = runtime
        self._thresholds = {rule.rule_id: Thresholds(rule) for rule in runtime.city.compiled.rules}
        self._findings: dict[str, TrialFinding] = {}

    def take(self, breach: Breach) -> None:
        """Notes one phase of a finding."""
        known = self._findings.get(breach.breach_id)
        last_at = max(breach.ended_at or breach.detected_at, known.last_at if known is not None else "")
        if known is None:
            self._findings[breach.breach_id] = self._new(breach, last_at)
        else:
            self._findings[breach.breach_id] = msgspec.structs.replace(
                known, occurrences=max(known.occurrences, breach.occurrences), last_at=last_at
            )

    def _new(self, breach: Breach, last_at: str) -> TrialFinding:
        at_ms = to_ms(datetime.fromisoformat(breach.detected_at))
        thresholds = self._thresholds[breach.rule_id]
        return TrialFinding(
            breach_id=breach.breach_id,
            rule_id=breach.rule_id,
            truck_id=breach.truck_id,
            started_at=breach.started_at,
            detected_at=breach.detected_at,
            last_at=last_at,
            day=local_time(at_ms, self._runtime.timezone).date().isoformat(),
            occurrences=breach.occurrences,
            late=breach.late,
            lon=breach.lon,
            lat=breach.lat,
            summary=breach.summary,
            compared=thresholds.compared(breach.conditions),
        )

    def found(self) -> CityFindings:
        """All of them in order of time, and what could not be decided."""
        unknown: dict[str, dict[str, int]] = {}
        for (rule_id, name), count in sorted(self._runtime.city.compiled.unknowns.items()):
            unknown.setdefault(rule_id, {})[name] = count
        return CityFindings(findings=in_order(self._findings.values()), unknown=unknown)


def in_order(findings: Iterable[TrialFinding]) -> list[TrialFinding]:
    """By time, then by truck and rule."""
    return sorted(findings, key=lambda finding: tuple(getattr(finding, name) for name in _FINDING_ORDER))
