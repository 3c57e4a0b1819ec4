"""The tables of the city in force, for a process that hears devices and is told of new cities."""

from __future__ import annotations

from collections.abc import Callable

from haulwatch.city import unpack_city
from haulwatch.city.tables import CAMERAS, STATIONS, TRUCKS, load_table
from haulwatch.domain.errors import WorldError
from haulwatch.domain.registry import Registry


class RegistryInForce:
    """Trucks, stations and cameras of the city that `active` gives, places in the datum of its folder.

    Nobody is registered before the first city. One that cannot be had now is asked for again by `check`.
    """

    def __init__(self, active: Callable[[], tuple[str, bytes] | None]) -> None:
        self._active = active
        self._registry = Registry()
        self._city_hash: str | None = None
        self._trouble: WorldError | None = None

    def __call__(self) -> Registry:
        """The tables now; the same object until another city is in force."""
        return self._registry

    def refresh(self, _city_hash: str = "") -> None:
        """Takes over the tables of the city in force."""
        try:
            active = self._active()
        except WorldError as error:
            self._trouble = error
            return
        self._trouble = None
        if active is not None and active[0] != self._city_hash:
            files = unpack_city(active[1])
            self._registry = Registry(
                trucks=load_table(TRUCKS, files.get(TRUCKS.file)).rows,
                stations=load_table(STATIONS, files.get(STATIONS.file)).rows,
                cameras=load_table(CAMERAS, files.get(CAMERAS.file)).rows,
            )
            self._city_hash = active[0]

    def check(self) -> None:
        """Raises WorldError while the tables of the city in force cannot be had."""
        if self._trouble is not None:
            self.refresh()
        if self._trouble is not None:
            raise self._trouble
