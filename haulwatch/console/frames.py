"""What goes over the live stream, encoded: order changes and truck positions as server-sent events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from fastapi.sse import format_sse_event

from haulwatch.domain.live import TruckPosition
from haulwatch.domain.orders import Change

TRUCK_COLUMNS = (
    "truck_id",
    "at_ms",
    "lon",
    "lat",
    "speed_kmh",
    "heading_deg",
    "load",
    "cover",
    "phase",
    "silent",
)


@dataclass(frozen=True)
class OrderFrame:
    """One order change as it goes over the wire; without a `change`, word that everything is to be loaded anew."""

    change_id: int
    data: bytes
    change: Change | None = None


@dataclass(frozen=True)
class TruckFrame:
    """What changed between two revisions of the truck feed, as it goes over the wire."""

    after: int
    revision: int
    data: bytes
    trucks: Sequence[TruckPosition] = ()
    full: bool = False


def order_frame(change: Change) -> OrderFrame:
    """A change as an `order` event whose id is the place to resume from."""
    data = format_sse_event(event="order", id=str(change.change_id), data_str=text_of(change))
    return OrderFrame(change.change_id, data, change)


def truck_frame(after: int, revision: int, trucks: Sequence[TruckPosition]) -> TruckFrame:
    """Changed trucks as a `trucks` event."""
    return TruckFrame(after, revision, truck_data(revision, trucks, full=False), trucks)


def truck_data(revision: int, trucks: Sequence[TruckPosition], full: bool) -> bytes:
    """Trucks as rows under `columns`; `full`: trucks that are not among them are gone."""
    body = {"revision": revision, "full": full, "columns": TRUCK_COLUMNS, "rows": [row_of(truck) for truck in trucks]}
    return format_sse_event(event="trucks", data_str=text_of(body))


def row_of(truck: TruckPosition) -> tuple[object, ...]:
    """A truck's values in the order of `TRUCK_COLUMNS`; a decimetre is enough for a map."""
    return (
        truck.truck_id,
        truck.at_ms,
        round(truck.lon, 6),
        round(truck.lat, 6),
        truck.speed_kmh,
        truck.heading_deg,
        truck.load,
        truck.cover,
        truck.phase,
        truck.silent,
    )


def reset_event(change_id: int) -> bytes:
    """Tells a browser that is too far behind to load its lists anew and go on from `change_id`."""
    return format_sse_event(event="reset", id=str(change_id), data_str=f'{{"change_id":{change_id}}}')


def text_of(value: Any) -> str:
    """JSON on one line."""
    return msgspec.json.encode(value).decode("utf-8")
