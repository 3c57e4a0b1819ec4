"""What really happened to one truck for a while: where it was, what its body did, and the truth about its conduct."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from haulwatch.domain.breaches import Category
from haulwatch.domain.registry import Hours
from haulwatch.synthetic.journeys import Journey
from haulwatch.synthetic.plane import Point

Body = Literal["load_kg", "cover", "lift", "sensor_kg"]
"""`sensor_kg` makes the load sensor read this instead of the truth (None: the truth again)."""


@dataclass(frozen=True)
class Span:
    """From `t0` to `t1`, seconds of the simulation."""

    t0: float
    t1: float

    def __contains__(self, t: float) -> bool:
        return self.t0 <= t < self.t1


@dataclass(frozen=True)
class Stand:
    """Standing at a point; with `jitter_m` its fixes wander more than a good antenna's."""

    t0: float
    t1: float
    point: Point
    engine: bool
    jitter_m: float = 0.0


@dataclass(frozen=True)
class Change:
    """At `t` a property of the body becomes `value`."""

    t: float
    what: Body
    value: float | str | None


@dataclass(frozen=True)
class Paper:
    """A manifest event."""

    t: float
    status: Literal["issued", "completed", "cancelled"]
    manifest_id: str
    origin: str
    destination: str
    quantity_t: float


@dataclass(frozen=True)
class Spoof:
    """The terminal reports places `offset` metres away from where it is."""

    span: Span
    offset: Point


@dataclass(frozen=True)
class GhostSighting:
    """A camera reports this plate where the truck is not: a clone of it, or (not `sure`) another plate misread."""

    t: float
    camera_id: str
    sure: bool = True


@dataclass
class Conduct:
    """A truth in the making; `rests_on` is the earlier instant that must have been seen to tell."""

    category: Category
    kind: str
    span: Span
    note: str
    rests_on: float | None = None


@dataclass
class LookAlike:
    """An innocent in the making."""

    kind: str
    span: Span
    note: str


@dataclass
class Chapter:
    """One stretch of a truck's day from `t0` to `t1`; moves are contiguous, changes are in order of time."""

    t0: float
    body: dict[Body, float | str | None]
    t1: float = 0.0
    moves: list[Stand | Journey] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    papers: list[Paper] = field(default_factory=list)
    powered_off: list[Span] = field(default_factory=list)
    out_of_coverage: list[Span] = field(default_factory=list)
    under_ground: list[Span] = field(default_factory=list)
    spoofs: list[Spoof] = field(default_factory=list)
    ghosts: list[GhostSighting] = field(default_factory=list)
    misseen: list[Span] = field(default_factory=list)
    conducts: list[Conduct] = field(default_factory=list)
    look_alikes: list[LookAlike] = field(default_factory=list)

    def body_at(self, t: float) -> dict[Body, float | str | None]:
        """The state of the body at `t`."""
        body = dict(self.body)
        for change in self.changes:
            if change.t > t:
                break
            body[change.what] = change.value
        return body

    def journeys(self) -> Iterator[Journey]:
        """The drives in order."""
        return (move for move in self.moves if isinstance(move, Journey))


def local_minute(start_ms: int, t: float) -> int:
    """Minute of the local day (UTC+8) at `t`."""
    return int((start_ms / 1000 + t) // 60 + 480) % 1440


def minutes_in(hours: tuple[str, ...], minute: int) -> bool:
    """Whether a local minute is within hours like `22:00-05:00`."""
    return any(Hours.parse(span).contains(minute) for span in hours)
