"""The last known state of every truck, for maps: made from the processor's state at most once a second."""

from __future__ import annotations

import time
from collections.abc import Mapping

from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.truck_board import TruckBoard
from haulwatch.domain.trucks import TruckState


class LiveTrucks(TruckBoard):
    """Written by the host's thread, read by any other."""

    def __init__(self) -> None:
        super().__init__()
        self._updated_at = 0.0

    def update_at_most_every_second(self, trucks: Mapping[str, TruckState]) -> None:
        """Takes the new state if the last is a second old."""
        if time.monotonic() - self._updated_at >= 1.0:
            self.update(trucks)

    def update(self, trucks: Mapping[str, TruckState], *, changed_only: bool = True) -> None:
        """Takes the state of all trucks that have a fix; those that changed get the next revision."""
        self._updated_at = time.monotonic()
        fresh: list[TruckPosition] = []
        for truck_id, state in trucks.items():
            if state.fix_ms == NEVER_MS:
                continue
            before = self.truck(truck_id)
            if changed_only and before is not None and _same(before, state):
                continue
            fresh.append(position_of(state))
        self.apply(fresh)


def _same(shown: TruckPosition, state: TruckState) -> bool:
    return (
        shown.at_ms == state.fix_ms
        and shown.silent == state.silent
        and shown.load == state.load
        and shown.cover == state.cover
        and shown.phase == state.phase
    )


def position_of(state: TruckState) -> TruckPosition:
    """A truck as maps show it."""
    return TruckPosition(
        truck_id=state.truck_id,
        at_ms=state.fix_ms,
        lon=state.lon,
        lat=state.lat,
        speed_kmh=state.speed_kmh,
        heading_deg=state.heading_deg,
        load=state.load,
        cover=state.cover,
        phase=state.phase,
        silent=state.silent,
    )
