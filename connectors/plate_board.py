"""What cameras have seen lately, for who weighs and has no eyes: the plates in a lane, by camera and time.

Sightings are noted on their way into the log, when they are durable there; no camera's connector knows of it. So a
camera and an indicator that belong together are heard by one process. What comes as events over the API is not seen.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING

from msgspec import Struct

from haulwatch.domain.events import Event, Image, Sighting
from haulwatch.domain.instants import to_ms
from haulwatch.wire import DeadLetter

if TYPE_CHECKING:
    from connectors.gate import Submit

KEPT = 1_000
"""Sightings of each camera that somebody waits for."""


class SeenPlate(Struct, frozen=True):
    """A truck before a camera; `at_ms` is the camera's time."""

    truck_id: str
    camera_id: str
    at_ms: int
    confidence: float | None = None
    images: tuple[Image, ...] = ()


class PlateBoard:
    """The last sightings of the cameras that are watched. For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, OrderedDict[str, SeenPlate]] = {}

    def watch(self, camera_ids: Collection[str]) -> None:
        """From now on what these cameras see is kept."""
        with self._lock:
            for camera_id in camera_ids:
                self._seen.setdefault(camera_id, OrderedDict())

    def noting(self, submit: Submit) -> Submit:
        """The same way into the log, with every sighting noted that has become durable."""

        def noted(events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> Future[None]:
            sightings = [event for event in events if isinstance(event, Sighting) and event.camera_id in self._seen]
            future = submit(events, letters)
            if sightings:
                future.add_done_callback(lambda done: None if done.exception() else self.saw(sightings))
            return future

        return noted

    def saw(self, sightings: Sequence[Sighting]) -> None:
        """Keeps those of watched cameras; the same event is the same sighting."""
        with self._lock:
            for one in sightings:
                kept = self._seen.get(one.camera_id)
                if kept is None:
                    continue
                images = tuple(one.images or ())
                kept[one.event_id] = SeenPlate(one.truck_id, one.camera_id, to_ms(one.at), one.plate_confidence, images)
                if len(kept) > KEPT:
                    kept.popitem(last=False)

    def between(self, camera_ids: Collection[str], from_ms: int, to_ms: int) -> list[SeenPlate]:
        """What these cameras saw from the one to the other instant, both included, by time."""
        with self._lock:
            found = [
                seen
                for camera_id in camera_ids
                for seen in self._seen.get(camera_id, {}).values()
                if from_ms <= seen.at_ms <= to_ms
            ]
        return sorted(found, key=lambda seen: seen.at_ms)
