"""The city in force as a console uses it: drawn, asked where an order goes, replaced while the console runs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from haulwatch.bootstrap.cities import NO_BOUNDS, city_picture
from haulwatch.city import City, build_city, unpack_city
from haulwatch.console.ports import CityPicture, GeoJson
from haulwatch.dispatch.duty import NO_PLAN, CityPlan, DutyPlan
from haulwatch.dispatch.routing import Route
from haulwatch.dispatch.service_terms import Terms
from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import HaulwatchError, WorldError
from haulwatch.domain.orders import Urgency
from haulwatch.domain.registry import Camera, Squad, Station
from haulwatch.domain.text import Text
from haulwatch.metrics import Sample

NO_CITY = CityPicture(
    name=Text("尚未部署城市", "no city deployed"),
    bounds=NO_BOUNDS,
    zones={"type": "FeatureCollection", "features": []},
)
NO_TIMEZONE = ZoneInfo("Asia/Shanghai")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class InForce:
    """What a console keeps of a city."""

    city_hash: str | None
    picture: CityPicture
    plan: DutyPlan
    timezone: ZoneInfo


class CityInForce:
    """A `CityView` and the `DutyPlan` of the city that `active` gives; `refresh` looks whether it is another one now.

    Before the first city it is empty. A city that this program cannot read leaves the one before in force here, and
    `check` says so.
    """

    def __init__(
        self, active: Callable[[], tuple[str, bytes] | None], on_timezone: Callable[[str], None] = lambda _name: None
    ) -> None:
        self._active = active
        self.on_timezone = on_timezone
        self._now = InForce(None, NO_CITY, NO_PLAN, NO_TIMEZONE)
        self._trouble: Text | None = None
        self._again = False
        self._refreshing = threading.Lock()

    def refresh(self) -> None:
        """Puts the active city in force here, if it is not yet; what stands against it is told by `check`."""
        with self._refreshing:
            try:
                active = self._active()
                if active is not None and active[0] != self._now.city_hash:
                    self._put_in_force(active[1])
                self._trouble, self._again = None, False
            except HaulwatchError as error:
                self._again = isinstance(error, WorldError) and error.retryable
                self._trouble = Text(
                    f"无法使用所部署的城市：{error.text.zh}", f"deployed city unusable: {error.text.en}"
                )
                log.error("the deployed city cannot be used", extra={"fields": {"error": str(error)}})

    def _put_in_force(self, packed: bytes) -> None:
        files = unpack_city(packed)
        self.show(build_city(files), files)

    def show(self, city: City, files: dict[str, bytes]) -> None:
        """Puts a city in force here that is at hand already."""
        self._now = InForce(city.city_hash, city_picture(city, files), CityPlan(city), city.timezone)
        self.on_timezone(city.timezone.key)
        log.info("city in force", extra={"fields": {"city": city.city_id, "city_hash": city.city_hash}})

    def check(self) -> None:
        """Raises WorldError while there is no city, or one that cannot be used; one that could not be read is read."""
        if self._again:
            self.refresh()
        if self._trouble is not None:
            raise WorldError(self._trouble)
        if self._now.city_hash is None:
            raise WorldError(
                Text(
                    "还没有部署城市：先运行 haulwatch city deploy",
                    "no city is deployed: run haulwatch city deploy first",
                )
            )

    def samples(self) -> list[Sample]:
        """Which city is in force here."""
        city_hash = self._now.city_hash
        if city_hash is None:
            return []
        return [Sample("city_in_force", "The city in force in this process", 1, (("city_hash", city_hash),))]

    def urgency_of(self, breach: Breach) -> Urgency:
        """How urgent a finding is under the city in force."""
        return self._now.plan.urgency_of(breach)

    def route(self, breach: Breach, at_ms: int) -> Route:
        """Where an order goes under the city in force."""
        return self._now.plan.route(breach, at_ms)

    def terms(self) -> Terms:
        """The service terms of orders that open now."""
        return self._now.plan.terms()

    @property
    def timezone(self) -> ZoneInfo:
        """The clock that people there read."""
        return self._now.timezone

    def today(self) -> date:
        """The day that people there write."""
        return datetime.now(self.timezone).date()

    @property
    def name(self) -> Text:
        """See `CityView`, as all that follow."""
        return self._now.picture.name

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        return self._now.picture.bounds

    @property
    def zones(self) -> GeoJson:
        return self._now.picture.zones

    @property
    def basemap(self) -> Mapping[str, GeoJson]:
        return self._now.picture.basemap

    @property
    def stations(self) -> Sequence[Station]:
        return self._now.picture.stations

    @property
    def cameras(self) -> Sequence[Camera]:
        return self._now.picture.cameras

    @property
    def squads(self) -> Sequence[Squad]:
        return self._now.picture.squads

    @property
    def carriers(self) -> Mapping[str, str]:
        return self._now.picture.carriers

    @property
    def runbooks(self) -> Mapping[str, Text]:
        return self._now.picture.runbooks

    @property
    def centres(self) -> Mapping[str, tuple[float, float]]:
        return self._now.picture.centres
