"""What every connector is given and what it owes: the way into the log, who is registered, where pictures go.

A connector answers its devices only after the future of `Gate.submit` is done: then what they sent is durable.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from fastapi import APIRouter

from connectors.pictures import PictureStore
from connectors.plate_board import PlateBoard
from haulwatch.domain.events import Event
from haulwatch.domain.registry import Registry
from haulwatch.metrics import Sample
from haulwatch.wire import DeadLetter

UNKNOWN = "unknown"
"""The device of whatever no configured device has sent: strangers must not make new figures."""


class Submit(Protocol):
    """The way into the log, for any thread. Raises Busy when too much waits, WorldError when nothing is taken."""

    def __call__(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> Future[None]:
        """Done when all of it is durable; fails with WorldError."""
        ...


@dataclass(frozen=True)
class Gate:
    """`registry` gives the city's tables as they are in force now; `pictures` is None where none are kept.

    `waiting` is a folder for what was taken and is not in the log yet, for each connector to make its own in it; other
    processes may share it. None where there is none. `plates` knows what cameras have seen lately.
    """

    submit: Submit
    registry: Callable[[], Registry]
    pictures: PictureStore | None
    now_ms: Callable[[], int]
    waiting: Path | None = None
    plates: PlateBoard = field(default_factory=PlateBoard)


class Feed(Protocol):
    """A connector at work. What it takes over HTTP it names in `routers`; the rest happens in threads of its own."""

    @property
    def routers(self) -> Sequence[APIRouter]:
        """Its addresses, all below `/ingest`."""
        ...

    def start(self) -> None:
        """Begins to hear devices. Raises WorldError where an address is taken; a device that is away is tried again."""
        ...

    def stop(self) -> None:
        """Hears no more, and waits for what it has submitted; within seconds even where a device does not answer.

        Also called where it was never started.
        """
        ...

    def check(self) -> None:
        """Raises WorldError while it cannot do its work, Elsewhere where somebody else's service keeps it from part of
        it; a single silent device is neither."""
        ...

    def samples(self) -> Sequence[Sample]:
        """Its figures, beginning with those of a `Tally`."""
        ...


class Tally:
    """What came from each device of a connector: events by kind, faults by code, when it was last heard.

    Device names are those of the configuration; everything else counts as `unknown`.
    """

    def __init__(self, connector: str, devices: Collection[str], now_ms: Callable[[], int]) -> None:
        self._connector = connector
        self._devices = frozenset(devices)
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._events: Counter[tuple[str, str]] = Counter()
        self._faults: Counter[tuple[str, str]] = Counter()
        self._heard_ms: dict[str, int] = {}

    def took(self, device: str, events: Sequence[Event]) -> None:
        """These events of the device are durable."""
        device = self._known(device)
        with self._lock:
            self._heard_ms[device] = self._now_ms()
            for event in events:
                self._events[device, type(event).__name__.lower()] += 1

    def fault(self, device: str, code: str, count: int = 1) -> None:
        """The device sent something that could not be used."""
        with self._lock:
            self._faults[self._known(device), code] += count

    def samples(self) -> list[Sample]:
        """Three figures a device."""
        now_ms, name = self._now_ms(), self._connector
        with self._lock:
            return [
                *(
                    Sample(
                        f"{name}_events_total",
                        "Events by device and kind",
                        count,
                        (("device", device), ("kind", kind)),
                        "counter",
                    )
                    for (device, kind), count in sorted(self._events.items())
                ),
                *(
                    Sample(
                        f"{name}_faults_total",
                        "Faults by device and code",
                        count,
                        (("code", code), ("device", device)),
                        "counter",
                    )
                    for (device, code), count in sorted(self._faults.items())
                ),
                *(
                    Sample(
                        f"{name}_silent_seconds",
                        "Since the device was last heard",
                        (now_ms - heard_ms) / 1000,
                        (("device", device),),
                    )
                    for device, heard_ms in sorted(self._heard_ms.items())
                ),
            ]

    def _known(self, device: str) -> str:
        return device if device in self._devices else UNKNOWN
