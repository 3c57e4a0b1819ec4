"""Cities and order stores as every process puts them together."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from geofences.zones import feature_collection
from haulwatch.city import City, build_city, city_files
from haulwatch.console.ports import CityPicture
from haulwatch.dispatch.duty import CityPlan
from haulwatch.dispatch.store import OrderStore, open_store
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
    return city, files


def load_runtime(folder: Path) -> CityRuntime:
    """A city ready to decide, for offline work."""
    return CityRuntime(load_city(folder)[0])


def open_order_store(url: str, city: City | None = None) -> OrderStore:
    """The order store at a database URL; with a city, orders are routed and timed by it."""
    if city is None:
        return open_store(url)
    return open_store(url, timezone=city.timezone.key, plan=CityPlan(city))


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
        carriers={
            truck.truck_id: carrier
            for truck in city.registry.trucks.values()
            if (carrier := truck.carrier_name or truck.carrier_id)
        },
        centres={
            zone.zone_id: (zone.geometry.centroid.x, zone.geometry.centroid.y)
            for zone in city.zones
            if zone.kind in ("district", "township")
        },
        timezone=city.timezone,
        runbooks={rule.rule_id: rule.runbook for rule in city.book.rules if rule.runbook is not None},
    )


def _bounds(city: City) -> tuple[float, float, float, float]:
    boxes: list[Any] = [zone.geometry.bounds for zone in city.zones]
    if not boxes:
        return NO_BOUNDS
    west, south, east, north = zip(*boxes, strict=True)
    return (min(west), min(south), max(east), max(north))
