"""The last word before a rule fires: exceptions, schedule, `unless`."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from haulwatch.domain.instants import to_datetime
from haulwatch.domain.trucks import Capture
from rules.compiling import CompiledBook
from rules.matching.moments import Counters, Moment
from rules.model import Rule, RuleException


class Gate:
    """Says whether a satisfied rule may fire at a moment, and counts what it holds back."""

    def __init__(self, compiled: CompiledBook, timezone: ZoneInfo, counters: Counters) -> None:
        self._compiled = compiled
        self._timezone = timezone
        self._counters = counters

    def opens(self, index: int, moment: Moment, captures: Sequence[Capture]) -> bool:
        """Whether rule `index` fires: spared by no exception, inside its schedule, `unless` definitely false."""
        rule = self._compiled.rules[index]
        if rule.exceptions or rule.schedule:
            local = to_datetime(moment.at_ms).astimezone(self._timezone)
            minute = local.hour * 60 + local.minute
            if rule.schedule and not any(hours.contains(minute) for hours in rule.schedule):
                self._counters.held_back_schedule[rule.rule_id] += 1
                return False
            in_force = [exception for exception in rule.exceptions if local.date() <= exception.expires]
            if any(_spares(exception, moment, captures) for exception in in_force):
                self._counters.held_back_exception[rule.rule_id] += 1
                return False
        return rule.unless is None or self._unless_is_false(rule, index, moment, captures)

    def _unless_is_false(self, rule: Rule, index: int, moment: Moment, captures: Sequence[Capture]) -> bool:
        value = self._compiled.test(index, "unless", moment.event, moment.at_ms, moment.state, moment.truck, captures)
        if value is not False:
            self._counters.held_back_unless[rule.rule_id] += 1
        return value is False


def _spares(exception: RuleException, moment: Moment, captures: Sequence[Capture]) -> bool:
    """Truck or carrier by the registry; zone when the truck is in it now or a record of the finding speaks of it."""
    if moment.truck.truck_id in exception.truck_ids or moment.truck.carrier_id in exception.carrier_ids:
        return True
    if not exception.zone_ids:
        return False
    inside = exception.zone_ids.intersection(moment.state.zones.view.ids)
    events = (moment.event, *(capture.event for capture in captures))
    return bool(inside) or any(getattr(event, "zone_id", None) in exception.zone_ids for event in events)
