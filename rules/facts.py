"""What the names of expressions mean for one truck at one moment; shared by the compiled code and by explanations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from haulwatch.domain.events import Sighting, Weighing
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.registry import Camera, Registry, Station, Truck
from haulwatch.domain.trucks import Applied, Capture, TruckState
from rules.nodes import Call, Name

Point = tuple[float, float]
"""Longitude and latitude, WGS-84 degrees."""

_EARTH_M = 6_371_008.8
"""Mean radius of the Earth in metres (IUGG)."""
_SLICE_MS = 900_000
"""All changes of UTC offset in force today fall on a quarter of an hour."""
_OF_REGISTRY = frozenset(Truck.__struct_fields__)


class Law(Protocol):
    """The legal limits in force in a city; see `rules.law`."""

    def limit_kg(self, truck: Truck, axle_count: int | None, at_ms: int) -> float | None:
        """Legal gross mass limit in kg, or None when it cannot be told."""
        ...


def distance_m(a: Point | None, b: Point | None) -> float | None:
    """Great-circle distance in metres (haversine); None when a place is unknown."""
    if a is None or b is None:
        return None
    lat_a, lat_b = math.radians(a[1]), math.radians(b[1])
    half_lat = math.sin((lat_b - lat_a) / 2)
    half_lon = math.sin(math.radians(b[0] - a[0]) / 2)
    share = half_lat * half_lat + math.cos(lat_a) * math.cos(lat_b) * half_lon * half_lon
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, share)))


class World:
    """The city as expressions see it: registry, law, local time."""

    def __init__(self, registry: Registry, law: Law, timezone: ZoneInfo, city_id: str) -> None:
        self.registry = registry
        self.law = law
        self.city_id = city_id
        self._timezone = timezone
        self._offsets: dict[int, int] = {}
        self._permitted: dict[tuple[date | None, date | None, int], bool | None] = {}
        self._in_hours: dict[tuple[str | None, int], bool | None] = {}

    def offset_ms(self, at_ms: int) -> int:
        """UTC offset of the city's local time at `at_ms`."""
        piece = at_ms // _SLICE_MS
        offset = self._offsets.get(piece)
        if offset is None:
            _keep_small(self._offsets)
            local = datetime.fromtimestamp(piece * _SLICE_MS // 1000, UTC).astimezone(self._timezone)
            offset = self._offsets[piece] = round((local.utcoffset() or timedelta()).total_seconds() * 1000)
        return offset

    def minute(self, at_ms: int) -> int:
        """Minute of the local day, 0 to 1439."""
        return (at_ms + self.offset_ms(at_ms)) // 60_000 % 1440

    def today(self, at_ms: int) -> date:
        """The local date."""
        return date.fromordinal(719_163 + (at_ms + self.offset_ms(at_ms)) // 86_400_000)

    def permitted(self, truck: Truck, at_ms: int) -> bool | None:
        """Whether the local date is within the truck's permit; None when it has no dates at all."""
        key = (truck.permit_from, truck.permit_to, at_ms // _SLICE_MS)
        try:
            return self._permitted[key]
        except KeyError:
            _keep_small(self._permitted)
            found = self._permitted[key] = _within(truck.permit_from, truck.permit_to, self.today(at_ms))
            return found

    def in_hours(self, permit_id: str | None, at_ms: int) -> bool | None:
        """Whether the local time is within the permit's hours; None without permit or hours."""
        key = (permit_id, at_ms // 60_000)
        try:
            return self._in_hours[key]
        except KeyError:
            _keep_small(self._in_hours)
            found = self._in_hours[key] = self._hours_of(permit_id, at_ms)
            return found

    def _hours_of(self, permit_id: str | None, at_ms: int) -> bool | None:
        permit = self.registry.permits.get(permit_id) if permit_id is not None else None
        if permit is None or not permit.hours:
            return None
        minute = self.minute(at_ms)
        return any(hours.contains(minute) for hours in permit.hours)

    def verified(self, station: Station | None, at_ms: int) -> bool | None:
        """Whether the station's verification is in force on the local date; None when no date is known."""
        if station is None or station.verified_until is None:
            return None
        return self.today(at_ms) <= station.verified_until

    def place_of(self, event: Applied) -> Point | None:
        """Where an event happened: its own coordinates, or those of its station or camera."""
        if isinstance(event, Weighing):
            return place(self.registry.stations.get(event.station_id))
        if isinstance(event, Sighting):
            return place(self.registry.cameras.get(event.camera_id))
        lon, lat = getattr(event, "lon", None), getattr(event, "lat", None)
        return (lon, lat) if lon is not None and lat is not None else None


def _keep_small(memory: dict[Any, Any]) -> None:
    """What is remembered can always be found out again: a long replay must not fill the memory."""
    if len(memory) > 100_000:
        memory.clear()


def _within(first: date | None, last: date | None, today: date) -> bool | None:
    if first is None and last is None:
        return None
    return (first is None or first <= today) and (last is None or today <= last)


def place(post: Station | Camera | None) -> Point | None:
    """Where a station or camera stands, if that is known."""
    if post is None or post.lon is None or post.lat is None:
        return None
    return (post.lon, post.lat)


def kind_of(event: Applied) -> str:
    """The kind that rules name in `on:`."""
    return str(event.__struct_config__.tag)


class Facts:
    """One truck at one moment; `event` is the record that is looked at, or None at a deadline.

    Bare names are known only on an event of `kind`, the one that the expression was written for.
    """

    def __init__(
        self,
        world: World,
        kind: str | None,
        event: Applied | None,
        at_ms: int,
        state: TruckState,
        truck: Truck,
        captures: Sequence[Capture],
    ) -> None:
        self.world = world
        self.event = event if event is not None and kind_of(event) == kind else None
        self.at_ms = at_ms
        self.state = state
        self.truck = truck
        self.captures = captures

    def capture(self, alias: str | None) -> Capture | None:
        """The record of an earlier step."""
        return next((c for c in self.captures if c.alias == alias), None)

    def name(self, name: Name) -> Any:
        """The value of a name; None is unknown."""
        value = _SCOPES[name.scope](self, name)
        return None if value == "unknown" and name.type.kind == "enum" else value

    def call(self, call: Call, argument: Callable[[Any], Any]) -> float | None:
        """The value of a function; `argument` gives the values of its arguments."""
        if call.function == "limit_kg":
            return self.limit_kg()
        if call.function == "over_ratio":
            mass, limit = argument(call.arguments[0]), self.limit_kg()
            return None if mass is None or not limit else float((mass - limit) / limit)
        names = [a for a in call.arguments if isinstance(a, Name)]
        if call.function == "age":
            since = self._since_ms(names[0])
            return None if since is None or since == NEVER_MS else (self.at_ms - since) / 1000
        return distance_m(self._point(names[0]), self._point(names[1]))

    def limit_kg(self) -> float | None:
        """The legal limit; the axles that the event saw count when the registry knows none."""
        axles = self.truck.axle_count
        if axles is None and isinstance(self.event, Weighing):
            axles = self.event.axle_count
        return self.world.law.limit_kg(self.truck, axles, self.at_ms)

    def _since_ms(self, name: Name) -> int | None:
        state = self.state
        if name.scope == "step":
            capture = self.capture(name.step)
            return capture.at_ms if capture is not None else None
        if name.scope == "trip":
            return state.trip.started_ms if state.trip is not None else None
        of = {"load": state.load_ms, "cover": state.cover_ms, "lift": state.lift_ms, "gross_kg": state.gross_ms}
        return of.get(name.attribute, state.fix_ms)

    def _point(self, name: Name) -> Point | None:
        if name.scope == "step":
            capture = self.capture(name.step)
            return self.world.place_of(capture.event) if capture is not None else None
        if name.scope == "truck":
            return (self.state.lon, self.state.lat) if self.state.fix_ms != NEVER_MS else None
        return self.world.place_of(self.event) if self.event is not None else None

    def _of_event(self, name: Name) -> Any:
        return getattr(self.event, name.attribute) if self.event is not None else None

    def _of_step(self, name: Name) -> Any:
        capture = self.capture(name.step)
        return getattr(capture.event, name.attribute, None) if capture is not None else None

    def _of_truck(self, name: Name) -> Any:
        if name.attribute == "permitted":
            return self.world.permitted(self.truck, self.at_ms)
        return getattr(self.truck if name.attribute in _OF_REGISTRY else self.state, name.attribute)

    def _of_trip(self, name: Name) -> Any:
        trip = self.state.trip
        if name.attribute == "phase":
            return self.state.phase
        if trip is None:
            return None
        if name.attribute == "in_hours":
            return self.world.in_hours(trip.permit_id, self.at_ms)
        if name.attribute == "on_route":
            zones = self.state.zones
            return trip.route_zone in zones.view.route if trip.route_zone is not None and zones.known else None
        return getattr(trip, name.attribute)

    def _of_zones(self, name: Name) -> Any:
        zones = self.state.zones
        return getattr(zones.view, name.attribute) if zones.known else None

    def _of_station(self, name: Name) -> Any:
        if not isinstance(self.event, Weighing):
            return None
        station = self.world.registry.stations.get(self.event.station_id)
        if name.attribute == "verified":
            return self.world.verified(station, self.at_ms)
        return getattr(station, name.attribute) if station is not None else None

    def _of_camera(self, name: Name) -> Any:
        if not isinstance(self.event, Sighting):
            return None
        camera = self.world.registry.cameras.get(self.event.camera_id)
        return getattr(camera, name.attribute) if camera is not None else None

    def _of_city(self, _name: Name) -> Any:
        return self.world.city_id


_SCOPES: dict[str, Callable[[Facts, Name], Any]] = {
    "event": Facts._of_event,
    "step": Facts._of_step,
    "truck": Facts._of_truck,
    "trip": Facts._of_trip,
    "zones": Facts._of_zones,
    "station": Facts._of_station,
    "camera": Facts._of_camera,
    "city": Facts._of_city,
}
