"""Figures over many orders: what a wall screen shows and who is found again and again. No order is named in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.orders import Stage


class KindCount(Struct, frozen=True, kw_only=True):
    """How many of today's orders are of a category and severity."""

    category: Category
    severity: Severity
    orders: int


class HeatCell(Struct, frozen=True):
    """A cell of the coarse grid by its centre (WGS-84 degrees), and how many orders lie in it."""

    lon: float
    lat: float
    orders: int


class WallFigures(Struct, frozen=True, kw_only=True):
    """A city's orders in figures that name nobody.

    `stages` counts orders by the stage in which they are, final ones only of today; `by_hour` today's orders by the
    local hour in which they opened; `heat` those of the last `heat_days` by cells `heat_cell_deg` wide.
    """

    day: str
    stages: dict[Stage, int]
    opened_today: int
    closed_today: int
    kinds: list[KindCount]
    by_hour: list[int]
    overdue: int
    supervised_yellow: int
    supervised_red: int
    pending: int
    unassigned: int
    heat: list[HeatCell]
    heat_cell_deg: float
    heat_days: int


class OffenceGroup(Struct, frozen=True, kw_only=True):
    """Orders that stand (not rejected, void, merged, nor a false alarm) of one truck, by the zones they were found in.

    `confirmed` of them were closed as such, `open` are not decided yet.
    """

    truck_id: str
    zone_ids: list[str]
    category: Category
    orders: int
    confirmed: int
    open: int
    last_at: str


class OrderStatistics(Protocol):
    """Questions about many orders at once; `areas` limits the answer to administrative zones, () does not."""

    def wall(self, areas: Sequence[str] = ()) -> WallFigures: ...

    def offences(self, since: str, areas: Sequence[str] = ()) -> Sequence[OffenceGroup]: ...

    def open_by_squad(self) -> Mapping[str, int]:
        """How many orders that are not over each squad has, dispatched to it or with a task of it, by squad id."""
        ...
