"""What `GET /api/v1/orders/{id}/nearest` answers."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

MeasuredFrom = Literal["position", "inside", "centre"]


class NearSquad(Struct, frozen=True, kw_only=True):
    """A squad that could go. `distance_m` is null for one whose place nobody knows.

    `measured_from` says what the distance is: `position` from where the squad last said it is; `inside` 0, for its zone
    holds the place; `centre` from the centre of its zone, as squads have no position of their own. `competent`: it is
    of a department that takes part in the order, or the order names none.
    """

    squad_id: str
    name: str | None
    level: str | None
    zone_id: str | None
    departments: tuple[str, ...]
    on_duty: bool
    competent: bool
    distance_m: int | None
    measured_from: MeasuredFrom | None
    open_orders: int


class NearestAnswer(Struct, frozen=True):
    """Squads at the instant `at`: on duty and competent first, then by distance and by open orders."""

    at: str
    squads: list[NearSquad]
