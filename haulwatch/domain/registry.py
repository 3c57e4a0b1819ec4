"""The city's tables: trucks, weigh stations, cameras, permits, squads. Plain values; loaded by `haulwatch.city`."""

from __future__ import annotations

import re
from datetime import date
from typing import Literal

from msgspec import Struct

MINUTES_A_DAY = 24 * 60


class Truck(Struct, frozen=True, kw_only=True):
    """A registered truck. Everything but the plate may be unknown; unknown never fires."""

    truck_id: str
    axle_count: int | None = None
    body: Literal["rigid", "articulated"] | None = None
    registered_gross_kg: float | None = None
    tare_kg: float | None = None
    carrier_id: str | None = None
    carrier_name: str | None = None
    air_suspension: bool | None = None
    permit_from: date | None = None
    permit_to: date | None = None
    device_model: str | None = None
    terminal_id: str | None = None


class Station(Struct, frozen=True, kw_only=True):
    """A weigh station; `tolerance_pct` is subtracted before judging; an expired verification only warns."""

    station_id: str
    name: str | None = None
    lon: float | None = None
    lat: float | None = None
    tolerance_pct: float | None = None
    verified_until: date | None = None
    mode: Literal["static", "wim"] | None = None


class Camera(Struct, frozen=True, kw_only=True):
    """A camera; `trust` (0-1) weighs its word when the load and cover state are fused."""

    camera_id: str
    name: str | None = None
    lon: float | None = None
    lat: float | None = None
    trust: float | None = None


class Hours(Struct, frozen=True):
    """Local clock hours `[from, to)` in minutes after midnight; `to <= from` runs over midnight."""

    from_min: int
    to_min: int

    def contains(self, minute: int) -> bool:
        """Whether `minute` (0-1439, local time) is inside."""
        if self.from_min < self.to_min:
            return self.from_min <= minute < self.to_min
        return minute >= self.from_min or minute < self.to_min

    @classmethod
    def parse(cls, text: str) -> Hours:
        """`"22:00-05:00"` as hours, else ValueError; equal ends are an error too: a whole day is `00:00-24:00`."""
        written = re.fullmatch(r"(\d{1,2}):([0-5]\d)-(\d{1,2}):([0-5]\d)", text.strip(), re.ASCII)
        if written is None:
            raise ValueError(text)
        from_min = int(written[1]) * 60 + int(written[2])
        to_min = int(written[3]) * 60 + int(written[4])
        if from_min >= MINUTES_A_DAY or to_min > MINUTES_A_DAY or from_min == to_min:
            raise ValueError(text)
        return cls(from_min, to_min)


class Permit(Struct, frozen=True, kw_only=True):
    """Which site may haul where, on which route, at which hours, between which days (inclusive)."""

    permit_id: str
    origin_zone: str | None = None
    destination_zone: str | None = None
    route_zone: str | None = None
    hours: tuple[Hours, ...] = ()
    valid_from: date | None = None
    valid_to: date | None = None


class Squad(Struct, frozen=True, kw_only=True):
    """A field squad and where, when and for which departments it is on duty."""

    squad_id: str
    name: str | None = None
    district_zone: str | None = None
    level: Literal["city", "district", "township"] | None = None
    departments: tuple[str, ...] = ()
    hours: tuple[Hours, ...] = ()
    channel: str | None = None

    def on_duty_at(self, minute: int) -> bool:
        """Whether it works at `minute` (0-1439) of the local day; one without hours is there around the clock."""
        return not self.hours or any(hours.contains(minute) for hours in self.hours)


class Registry(Struct, frozen=True, kw_only=True):
    """All tables by their ids."""

    trucks: dict[str, Truck] = {}
    stations: dict[str, Station] = {}
    cameras: dict[str, Camera] = {}
    permits: dict[str, Permit] = {}
    squads: dict[str, Squad] = {}
