"""The trucks of a map, with revisions: who has seen revision 7 asks only for what changed since."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from haulwatch.domain.live import TruckPosition

_EPOCH = 1 << 32
"""More revisions than one epoch sees."""
_FIRST = 1 << 52
"""Below 2^53: a browser's numbers are exact up to there."""


class TruckBoard:
    """Written by one thread, read by any other.

    Revisions grow, until a truck is taken off: then the board begins anew at a smaller revision than any before, which
    tells who asks `changed_since` that what it knows is to be forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._base = self._revision = _FIRST
        self._shown: dict[str, tuple[int, TruckPosition]] = {}

    def apply(self, trucks: Iterable[TruckPosition], gone: Iterable[str] = ()) -> None:
        """These trucks are now as given, and those in `gone` are no longer there; one revision for all of it."""
        with self._lock:
            leaving = [truck_id for truck_id in gone if self._shown.pop(truck_id, None) is not None]
            if leaving:
                self._base -= _EPOCH
                self._revision = self._base
                self._shown = {truck_id: (self._base, truck) for truck_id, (_r, truck) in self._shown.items()}
            fresh = {truck.truck_id: (self._revision + 1, truck) for truck in trucks}
            if fresh:
                self._shown.update(fresh)
                self._revision += 1

    def truck(self, truck_id: str) -> TruckPosition | None:
        """One truck, if it is there; for the thread that writes."""
        shown = self._shown.get(truck_id)
        return None if shown is None else shown[1]

    def snapshot(self) -> Sequence[TruckPosition]:
        """All trucks, in any order."""
        with self._lock:
            return [truck for _revision, truck in self._shown.values()]

    def changed_since(self, revision: int) -> tuple[int, Sequence[TruckPosition]]:
        """The current revision, and the trucks that changed after `revision` (0: all)."""
        with self._lock:
            return self._revision, [truck for changed, truck in self._shown.values() if changed > revision]
