"""Whose weight it was: the one truck that the lane's cameras saw around a crossing, else nobody's.

A weight under a wrong plate accuses somebody; so two plates, or none, make no event but a dead letter that keeps
everything. Pure: what was seen is an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from connectors.mapped_events import mapped_event, source_name
from connectors.plate_board import SeenPlate
from connectors.weighbridge.crossing import Crossed, Unsettled
from connectors.weighbridge.settings import Indicator, PlateWindow
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import rfc3339, to_datetime
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter

MAX_NAMED = 10
"""Plates of a dead letter."""


def window_of(crossed: Crossed, plates: PlateWindow) -> tuple[int, int]:
    """From when to when (camera's time, ms) a sighting is one of this crossing."""
    first = crossed.to_ms if plates.around == "departure" else crossed.from_ms
    last = crossed.from_ms if plates.around == "arrival" else crossed.to_ms
    return first - round(plates.before_s * 1000), last + round(plates.after_s * 1000)


class Joined(Struct, frozen=True):
    """The last weighing that found its truck: sightings of this truck up to `until_ms` belong to it alone."""

    truck_id: str
    from_ms: int
    until_ms: int


class Joiner:
    """Of one scale. `registered` says whether a truck is in trucks.csv."""

    def __init__(self, plates: PlateWindow, registered: Callable[[str], bool]) -> None:
        self._plates, self._registered = plates, registered
        self._last: Joined | None = None

    def join(self, crossed: Crossed, seen: Sequence[SeenPlate]) -> SeenPlate:
        """The surest sighting of the one truck. Raises DeviceError: no_plate, ambiguous_plate."""
        counting = [one for one in seen if self._counts(one, crossed)]
        trucks = sorted({one.truck_id for one in counting})
        if not trucks:
            text = Text("称重前后没有相机看到车牌", "no camera saw a plate around the weighing")
            raise DeviceError("no_plate", text)
        if len(trucks) > 1:
            listed = ", ".join(trucks[:MAX_NAMED])
            text = Text(f"称重前后有不止一个车牌：{listed}", f"several plates around the weighing: {listed}")
            raise DeviceError("ambiguous_plate", text)
        best = max(counting, key=lambda one: (one.confidence or 0.0, len(one.images), one.at_ms))
        self._last = Joined(best.truck_id, crossed.from_ms, window_of(crossed, self._plates)[1])
        return best

    def _counts(self, one: SeenPlate, crossed: Crossed) -> bool:
        if one.confidence is not None and one.confidence < self._plates.min_confidence:
            return False
        last = self._last
        another = last is not None and last.from_ms != crossed.from_ms
        if last is not None and another and one.truck_id == last.truck_id and one.at_ms <= last.until_ms:
            return False  # seen at the weighing before: that says nothing of who came after it
        return not self._plates.registered or self._registered(one.truck_id)


def weighing(name: str, indicator: Indicator, crossed: Crossed, seen: SeenPlate, received_at: datetime) -> Event:
    """The event; its id is that of the device, the instant and the content. Raises DeviceError."""
    fields = {
        "at": to_datetime(crossed.at_ms),
        "station_id": indicator.station_id,
        "gross_kg": crossed.kg,
        "lane": indicator.lane,
        "plate_confidence": seen.confidence,
        "images": msgspec.to_builtins(seen.images) or None,
    }
    said = {key: value for key, value in fields.items() if value is not None}
    source = source_name(indicator.protocol, name)
    return mapped_event("weighing", said, truck_id=seen.truck_id, source=source, received_at=received_at)


def letter(
    name: str, indicator: Indicator, told: Crossed | Unsettled, error: DeviceError, seen: Sequence[SeenPlate] = ()
) -> DeadLetter:
    """What could not be an event, with the frames as they came and what was seen."""
    raw = {
        "station_id": indicator.station_id,
        "lane": indicator.lane,
        "gross_kg": told.kg if isinstance(told, Crossed) else None,
        "highest_kg": told.highest_kg if isinstance(told, Unsettled) else None,
        "at": rfc3339(told.at_ms if isinstance(told, Crossed) else told.to_ms),
        "from": rfc3339(told.from_ms),
        "to": rfc3339(told.to_ms),
        "plates": [
            {
                "truck_id": one.truck_id,
                "camera_id": one.camera_id,
                "at": rfc3339(one.at_ms),
                "confidence": one.confidence,
            }
            for one in seen[:MAX_NAMED]
        ],
        "frames": [frame.hex() for frame in told.frames],
    }
    return DeadLetter(
        reason=str(error),
        code=error.code,
        source=source_name(indicator.protocol, name),
        raw=msgspec.json.encode(raw).decode(),
    )


def unsettled_error(unsettled: Unsettled) -> DeviceError:
    """Why a crossing has no weight: what the indicator said instead of one, or that nothing stood still."""
    highest = f"{unsettled.highest_kg:,.0f} kg"
    if unsettled.trouble is not None:
        text = Text(f"仪表报 {unsettled.trouble}，最高 {highest}", f"it says {unsettled.trouble}; at most {highest}")
        return DeviceError(unsettled.trouble, text)
    text = Text(f"过磅没有停稳，最高 {highest}", f"the scale never stood still; at most {highest}")
    return DeviceError("never_stable", text)
