"""Which truck of the city in force somebody means: by its plate as people write it, or by its terminal."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from haulwatch.city.cells import bare_plate
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.registry import Registry
from haulwatch.domain.text import Text


class _Known(Struct):
    registry: Registry
    by_plate: dict[str, str]
    by_terminal: dict[str, str]


class TruckFinder:
    """Asks the registry with every truck, and orders its trucks anew with every city. For many threads."""

    def __init__(self, registry: Callable[[], Registry]) -> None:
        self._registry = registry
        self._made: _Known | None = None

    def of_plate(self, written: str) -> str:
        """The truck's id as it is registered, else the bare plate: strangers are weighed and seen, too."""
        plate = bare_plate(written)
        return self._known().by_plate.get(plate, plate)

    def registered(self, written: str) -> str:
        """The id of a registered truck with this plate. Raises DeviceError `unknown_device`; WorldError as below."""
        truck_id = self._some().by_plate.get(bare_plate(written))
        if truck_id is None:
            raise _unknown(written)
        return truck_id

    def of_terminal(self, terminal_id: str) -> str:
        """The id of the truck with this `terminal_id` in trucks.csv; leading zeros of numbers do not matter.

        Raises DeviceError `unknown_device`; WorldError while no city with trucks is in force, for then a terminal that
        nobody knows says nothing of the terminal.
        """
        truck_id = self._some().by_terminal.get(terminal_key(terminal_id))
        if truck_id is None:
            raise _unknown(terminal_id)
        return truck_id

    def _some(self) -> _Known:
        known = self._known()
        if not known.by_plate:
            raise WorldError(Text("还没有登记任何车辆", "no trucks are registered yet"), retryable=True)
        return known

    def _known(self) -> _Known:
        registry = self._registry()
        made = self._made
        if made is None or made.registry is not registry:
            trucks = registry.trucks.values()
            made = self._made = _Known(
                registry,
                {bare_plate(truck.truck_id): truck.truck_id for truck in trucks},
                {terminal_key(truck.terminal_id): truck.truck_id for truck in trucks if truck.terminal_id is not None},
            )
        return made


def terminal_key(terminal_id: str) -> str:
    """One form for all ways in which a terminal's id is written."""
    written = terminal_id.strip()
    if written.isascii() and written.isdigit():
        return written.lstrip("0")
    return written.upper()


def _unknown(name: str) -> DeviceError:
    shown = name[:64]
    return DeviceError("unknown_device", Text(f"trucks.csv 中没有 “{shown}”", f"“{shown}” is not in trucks.csv"))
