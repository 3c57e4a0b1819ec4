"""What a city says about an order when it opens: how urgent it is, where it goes, and how long its steps may take."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from haulwatch.city import City
from haulwatch.dispatch.routing import Area, Route, Router
from haulwatch.dispatch.service_terms import SHIPPED_TERMS, Terms, terms_of
from haulwatch.domain.breaches import Breach, Severity
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.orders import Urgency


class DutyPlan(Protocol):
    """Asked about each finding that opens an order (how urgent also about those that join). Never raises."""

    def urgency_of(self, breach: Breach) -> Urgency:
        """How urgent the finding is."""
        ...

    def route(self, breach: Breach, at_ms: int) -> Route:
        """Where an order that opens at `at_ms` (wall clock) with this finding goes."""
        ...

    def terms(self) -> Terms:
        """The service terms of orders that open now."""
        ...


def urgency_by_severity(breach: Breach) -> Urgency:
    """How urgent a finding is when nobody says otherwise."""
    by_severity: dict[Severity, Urgency] = {"info": "low", "minor": "normal", "major": "urgent", "critical": "urgent"}
    return by_severity[breach.severity]


class NoPlan:
    """Where there is no city: urgency by severity, shipped limits, and nobody is on duty."""

    def urgency_of(self, breach: Breach) -> Urgency:
        """See `DutyPlan`, as all that follow."""
        return urgency_by_severity(breach)

    def route(self, breach: Breach, at_ms: int) -> Route:  # noqa: ARG002  # the same answer for everybody
        return Route()

    def terms(self) -> Terms:
        return SHIPPED_TERMS


NO_PLAN: DutyPlan = NoPlan()


class CityPlan:
    """The plan of one city: its rules' work orders, its districts and squads, its calendar."""

    def __init__(self, city: City) -> None:
        self._policies = {rule.rule_id: rule.work_order for rule in city.book.rules}
        self._timezone = city.timezone
        self._terms = terms_of(city.limits, city.calendar, city.timezone.key)
        self._router = Router(areas_of(city), city.registry.squads.values(), lambda lon, lat: _zones_at(city, lon, lat))

    def urgency_of(self, breach: Breach) -> Urgency:
        """As urgent as its rule's `work_order` says; late findings never are."""
        policy = self._policies.get(breach.rule_id)
        return "low" if breach.late else "normal" if policy is None else policy.urgency

    def route(self, breach: Breach, at_ms: int) -> Route:
        """See `DutyPlan`."""
        place = None if breach.lon is None or breach.lat is None else (breach.lon, breach.lat)
        return self.route_place(breach.zone_ids, place, breach.rule_id, at_ms)

    def route_place(
        self, zone_ids: list[str], place: tuple[float, float] | None, rule_id: str | None, at_ms: int
    ) -> Route:
        """The route of whatever `rule_id` finds there; a rule that the city does not have names no departments."""
        policy = None if rule_id is None else self._policies.get(rule_id)
        departments = () if policy is None else policy.departments
        return self._router.route(zone_ids, place, departments, self.local(at_ms))

    def local(self, at_ms: int) -> datetime:
        """The instant on the city's clock."""
        return to_datetime(at_ms).astimezone(self._timezone)

    def terms(self) -> Terms:
        """See `DutyPlan`."""
        return self._terms


def areas_of(city: City) -> list[Area]:
    """The city's districts and townships."""
    return [
        Area(zone_id=zone.zone_id, kind=zone.kind, name=zone.name, parent=zone.parent)
        for zone in city.zones
        if zone.kind in ("district", "township")
    ]


def _zones_at(city: City, lon: float, lat: float) -> list[str]:
    """The districts and townships that hold the place: these hold it at any time of the day."""
    return [area.zone_id for area in areas_of(city) if city.index.covers(area.zone_id, lon, lat)]
