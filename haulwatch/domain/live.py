"""What a running system tells those who watch it: where trucks are now, and what became of submitted events."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Position
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import KnownCover, KnownLoad, TripPhase


class TruckPosition(Struct, frozen=True, kw_only=True):
    """The last known state of a truck, for maps: `at_ms` is the device's time of its last good fix (WGS-84 degrees)."""

    truck_id: str
    at_ms: int
    lon: float
    lat: float
    speed_kmh: float | None = None
    heading_deg: float | None = None
    load: KnownLoad | None = None
    cover: KnownCover | None = None
    phase: TripPhase = "idle"
    silent: bool = False


class Refused(Struct, frozen=True, kw_only=True):
    """A submitted event that was not taken: `index` counts from 0, `line` (NDJSON only) from 1."""

    index: int
    code: str
    text: Text
    line: int | None = None
    event_id: str | None = None


class SubmissionResult(Struct, frozen=True, kw_only=True):
    """What became of a submission; `accepted` ones are durable, `duplicates` had been taken before."""

    accepted: int
    duplicates: int
    errors: list[Refused] = []


class TerminalAnswer(Struct, frozen=True, kw_only=True):
    """What a truck's terminal says to a command, and where the truck is when that was asked."""

    result: Literal["done", "failed", "wrong", "unsupported"]
    position: Position | None = None


class Busy(WorldError):  # noqa: N818  # a state of the world, not a fault
    """The queue is full: nothing of the submission was taken; try again after `retry_after_s`."""

    def __init__(self, retry_after_s: int = 1) -> None:
        super().__init__(Text("系统繁忙，请稍后重发", "The queue is full; send again later"), retryable=True)
        self.retry_after_s = retry_after_s
