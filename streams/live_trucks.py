"""The last known state of every truck, for maps: made from the processor's state at most once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence

from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.live import TruckPosition
from haulwatch.domain.trucks import TruckState


class LiveTrucks:
    """Written by the host's thread, read by any other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revision = 0
        self._shown: dict[str, tuple[int, TruckPosition]] = {}
        self._updated_at = 0.0

    def update_at_most_every_second(self, trucks: Mapping[str, TruckState]) -> None:
        """Takes the new state if the last is a second old."""
        if time.monotonic() - self._updated_at >= 1.0:
            self.update(trucks)

    def update(self, trucks: Mapping[str, TruckState], *, changed_only: bool = True) -> None:
        """Takes the state of all trucks that have a fix; those that changed get the next revision."""
        self._updated_at = time.monotonic()
        revision = self._revision + 1
        fresh: dict[str, tuple[int, TruckPosition]] = {}
        for truck_id, state in trucks.items():
            if state.fix_ms == NEVER_MS:
                continue
            before = self._shown.get(truck_id)
            if changed_only and before is not None and _same(before[1], state):
                continue
            fresh[truck_id] = (revision, position_of(state))
        if fresh:
            with self._lock:
                self._shown.update(fresh)
                self._revision = revision

    def snapshot(self) -> Sequence[TruckPosition]:
        """All trucks."""
        with self._lock:
            return [position for _revision, position in self._shown.values()]

    def changed_since(self, revision: int) -> tuple[int, Sequence[TruckPosition]]:
        """The current revision, and the trucks that changed after `revision` (0: all)."""
        with self._lock:
            return self._revision, [p for changed, p in self._shown.values() if changed > revision]


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
