"""Cities and order stores as every process puts them together."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from geofences.zones import feature_collection
from haulwatch.city import City, build_city, city_files
from haulwatch.console.ports import CityPicture
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import Urgency
from haulwatch.domain.text import Text
from streams.runtime import CityRuntime

NO_BOUNDS = (73.0, 18.0, 135.0, 54.0)
"""What a map shows where nothing says where the city is: China."""
BASEMAP_LAYERS = ("water", "green", "roads", "labels")


def load_city(folder: Path) -> tuple[City, dict[str, bytes]]:
    """The city of a folder and its files.

    Raises AuthorError with every finding; WorldError without a folder, or where it asks for an engine that is not here.
    """
    files = city_files(folder)
    city = build_city(files, today=datetime.now(UTC).date())
    if city.rules_engine != "native":
        raise WorldError(
            Text(
                f"city.yaml 要求规则引擎 {city.rules_engine}，本版本只有 native",
                f"city.yaml asks for the rule engine {city.rules_engine}; this version has only native",
            )
        )
    return city, files


def load_runtime(folder: Path) -> CityRuntime:
    """A city ready to decide, for offline work."""
    return CityRuntime(load_city(folder)[0])


def open_order_store(url: str, city: City | None = None) -> OrderStore:
    """The order store at a database URL; with a city, orders take their urgency from its rules and its time zone."""
    if city is None:
        return open_store(url)
    return open_store(url, timezone=city.timezone.key, urgency_of=urgency_by_rule(city))


def urgency_by_rule(city: City) -> Callable[[Breach], Urgency]:
    """A finding is as urgent as its rule's `work_order` says; late findings never are."""
    policies: dict[str, Urgency] = {rule.rule_id: rule.work_order.urgency for rule in city.book.rules}
    return lambda breach: "low" if breach.late else policies.get(breach.rule_id, "normal")


def city_picture(city: City, files: dict[str, bytes]) -> CityPicture:
    """The city as the console draws it. Base map layers are drawn as they are; they decide nothing."""
    basemap = {
        name: msgspec.json.decode(files[f"basemap/{name}.geojson"])
        for name in BASEMAP_LAYERS
        if f"basemap/{name}.geojson" in files
    }
    return CityPicture(
        name=city.name,
        bounds=_bounds(city),
        zones=feature_collection(city.zones),
        basemap=basemap,
        stations=list(city.registry.stations.values()),
        cameras=list(city.registry.cameras.values()),
        squads=list(city.registry.squads.values()),
        runbooks={rule.rule_id: rule.runbook for rule in city.book.rules if rule.runbook is not None},
    )


def _bounds(city: City) -> tuple[float, float, float, float]:
    boxes: list[Any] = [zone.geometry.bounds for zone in city.zones]
    if not boxes:
        return NO_BOUNDS
    west, south, east, north = zip(*boxes, strict=True)
    return (min(west), min(south), max(east), max(north))
