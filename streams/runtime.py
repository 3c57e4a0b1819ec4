"""A city made ready to decide: index, engine and tables as the pipeline needs them. Built once per activation."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from geofences.tracking import Tracker
from haulwatch.city import City
from haulwatch.domain.registry import Truck
from haulwatch.domain.text import Text
from haulwatch.domain.trips import PermitTable
from rules.engine import Engine
from rules.model import Rule

STRANGERS_KEPT = 10_000


class CityRuntime:
    """Everything of one city that a partition's processor reads; immutable but for caches and counters."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.city_hash = city.city_hash
        self.lateness_ms = city.lateness_ms
        self.gap_ms = city.gap_ms
        self.accuracy_m = city.accuracy_m
        self.timezone = city.timezone
        self.registry = city.registry
        self.law = city.law
        self.tracker = Tracker(city.index, max_gap_ms=city.gap_ms)
        self.engine = Engine(city.compiled, city.timezone)
        self.permits = PermitTable(list(city.registry.permits.values()), self.local_date)
        self.zone_names: dict[str, Text] = {zone.zone_id: zone.name for zone in city.zones}
        self._rules = {rule.rule_id: rule for rule in city.compiled.rules}
        self._registered = city.registry.trucks
        self._strangers: dict[str, Truck] = {}

    def truck(self, truck_id: str) -> Truck:
        """The registered truck, or one of which nothing but the plate is known."""
        truck = self._registered.get(truck_id)
        if truck is None:
            truck = self._strangers.get(truck_id)
        if truck is None:
            if len(self._strangers) >= STRANGERS_KEPT:
                self._strangers.clear()  # misread plates have no end
            truck = self._strangers[truck_id] = Truck(truck_id=truck_id)
        return truck

    def rule(self, rule_id: str) -> Rule | None:
        """The rule in force with this id."""
        return self._rules.get(rule_id)

    def camera_trust(self, camera_id: str) -> float | None:
        """How far a camera's word is believed (0-1); None when the table does not say."""
        camera = self.registry.cameras.get(camera_id)
        return None if camera is None else camera.trust

    def tolerance_pct(self, station_id: str) -> float:
        """The station's weighing tolerance in percent; 0 where the table does not say."""
        station = self.registry.stations.get(station_id)
        return 0.0 if station is None or station.tolerance_pct is None else station.tolerance_pct

    def local_date(self, at_ms: int) -> date:
        """The city's calendar day of an instant."""
        return local_time(at_ms, self.timezone).date()


def local_time(at_ms: int, timezone: ZoneInfo) -> datetime:
    """The city's wall clock at an instant."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(timezone)
