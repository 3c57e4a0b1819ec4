"""The last word before a rule fires: exceptions, schedule, `unless`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Literal
from zoneinfo import ZoneInfo

from haulwatch.domain.instants import to_datetime
from haulwatch.domain.trucks import Capture
from rules.compiling import CompiledBook
from rules.matching.moments import Counters, Moment
from rules.model import Rule, RuleException

Keeper = Literal["schedule", "exception", "unless"]
"""What keeps a satisfied rule from firing."""
OnJudged = Callable[[int, Moment, Sequence[Capture], Keeper | None], None]


class Gate:
    """Says whether a satisfied rule may fire at a moment, and counts what it holds back.

    `on_judged` hears of every such moment: rule index, moment, records, and what keeps it back (None: it fires).
    """

    def __init__(
        self, compiled: CompiledBook, timezone: ZoneInfo, counters: Counters, on_judged: OnJudged | None = None
    ) -> None:
        self._compiled = compiled
        self._timezone = timezone
        self._held_back = {
            "schedule": counters.held_back_schedule,
            "exception": counters.held_back_exception,
            "unless": counters.held_back_unless,
        }
        self._on_judged = on_judged

    def opens(self, index: int, moment: Moment, captures: Sequence[Capture]) -> bool:
        """Whether rule `index` fires: spared by no exception, inside its schedule, `unless` definitely false."""
        keeper = self._keeper(index, moment, captures)
        if keeper is not None:
            self._held_back[keeper][self._compiled.rules[index].rule_id] += 1
        if self._on_judged is not None:
            self._on_judged(index, moment, captures, keeper)
        return keeper is None

    def _keeper(self, index: int, moment: Moment, captures: Sequence[Capture]) -> Keeper | None:
        rule = self._compiled.rules[index]
        if rule.exceptions or rule.schedule:
            local = to_datetime(moment.at_ms).astimezone(self._timezone)
            minute = local.hour * 60 + local.minute
            if rule.schedule and not any(hours.contains(minute) for hours in rule.schedule):
                return "schedule"
            if sparing(rule, local.date(), moment, captures) is not None:
                return "exception"
        if rule.unless is None or self._unless_is_false(index, moment, captures):
            return None
        return "unless"

    def _unless_is_false(self, index: int, moment: Moment, captures: Sequence[Capture]) -> bool:
        value = self._compiled.test(index, "unless", moment.event, moment.at_ms, moment.state, moment.truck, captures)
        return value is False


def sparing(rule: Rule, today: date, moment: Moment, captures: Sequence[Capture]) -> RuleException | None:
    """The first exception of the rule that is in force on the local day and spares this truck."""
    in_force = (exception for exception in rule.exceptions if today <= exception.expires)
    return next((exception for exception in in_force if _spares(exception, moment, captures)), None)


def _spares(exception: RuleException, moment: Moment, captures: Sequence[Capture]) -> bool:
    """Truck or carrier by the registry; zone when the truck is in it now or a record of the finding speaks of it."""
    if moment.truck.truck_id in exception.truck_ids or moment.truck.carrier_id in exception.carrier_ids:
        return True
    if not exception.zone_ids:
        return False
    inside = exception.zone_ids.intersection(moment.state.zones.view.ids)
    events = (moment.event, *(capture.event for capture in captures))
    return bool(inside) or any(getattr(event, "zone_id", None) in exception.zone_ids for event in events)
