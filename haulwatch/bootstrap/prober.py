"""Rules asked about an event that never happened, by the engine that decides and the witness that explains it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import timedelta

import msgspec

from haulwatch.bootstrap.workbench import CityWorkbench
from haulwatch.city import City, build_city
from haulwatch.domain.events import Event
from haulwatch.domain.probes import ProbeAnswer, ProbeBody, Probed, ProbeReason
from haulwatch.domain.rollouts import RolloutRefused
from haulwatch.domain.text import Text
from rules.model import Rule
from rules.parts import Part
from rules.standing import Explanation
from streams.explaining import explain

_YEARS = range(2000, 2200)


class RuleProber:
    """See `haulwatch.domain.probes.Prober`. One at a time: whoever decides on live events comes first."""

    def __init__(self, bench: CityWorkbench) -> None:
        self._bench = bench
        self._lock = threading.Lock()

    def probe(self, body: ProbeBody) -> ProbeAnswer:
        """What every rule says to the event. Raises AuthorError for a draft with errors, `RolloutRefused`."""
        if body.event.at.year not in _YEARS:
            raise RolloutRefused("bad-instant", Text("时间超出范围", "an instant out of range"))
        base, files = self._bench.laid(body.draft)
        drafted = None if body.draft.empty else build_city(files)
        events = list(_events(body))
        with self._lock:
            return ProbeAnswer(
                events=len(events),
                in_force=_asked(base, events),
                drafted=None if drafted is None else _asked(drafted, events),
            )


def _events(body: ProbeBody) -> Iterator[Event]:
    """The event again and again, received as it happens."""
    for number in range(body.repeat):
        at = body.event.at + timedelta(seconds=number * body.every_s)
        yield msgspec.structs.replace(body.event, at=at, received_at=at, event_id=f"probe-{number + 1}")


def _asked(city: City, events: Sequence[Event]) -> list[Probed]:
    return [_probed(city, rule, events) for rule in city.book.rules if rule.status != "deprecated"]


def _probed(city: City, rule: Rule, events: Sequence[Event]) -> Probed:
    found = explain(city, rule.rule_id, {"probe": events})
    return Probed(
        rule_id=rule.rule_id,
        title=rule.title,
        category=rule.category,
        status=rule.status,
        verdict="no_events" if found is None else found.verdict,
        fired_at=[] if found is None else found.fired_at,
        reasons=[] if found is None else list(_reasons(found)),
    )


def _reasons(found: Explanation) -> Iterator[ProbeReason]:
    for part in found.now.parts if found.last is None else found.last.parts:
        yield _reason(part)
        for one in () if part.condition is None else part.condition.leaves():
            yield ProbeReason(
                role="condition",
                result=one.result,
                text=one.text,
                observed=one.observed,
                operator=one.operator,
                threshold=one.threshold,
                unit=one.unit,
                unknown=list(one.unknown),
            )


def _reason(part: Part) -> ProbeReason:
    told = part.text if part.role in ("exception", "unless") else part.kind
    return ProbeReason(
        role=part.role,
        result=part.result,
        text=told,
        observed=part.observed,
        operator=part.operator,
        threshold=part.threshold,
        unit=part.unit,
        note=part.note,
    )
