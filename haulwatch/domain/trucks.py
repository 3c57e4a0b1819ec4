"""What is remembered of one truck between events. Everything here goes into a snapshot as it stands.

Plain msgspec structs: `advance` (trips), `locate` (zones), `match` (rules) and `judge` (episodes) each own one part of
`TruckState` and read the others. Budget: 4 KB a truck at rest (measured in bench/).
"""

from __future__ import annotations

from math import exp
from typing import Literal

from msgspec import Struct, field

from haulwatch.domain.breaches import Condition
from haulwatch.domain.derived import DerivedEvent
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS

ZONE_KINDS = (
    "construction_site",
    "disposal_site",
    "transfer_site",
    "parking",
    "forbidden",
    "route",
    "district",
    "township",
    "weigh_area",
)
"""The kinds of zones (contract: docs/contracts.md, city folder)."""

TripPhase = Literal["idle", "at_source", "loaded", "under_way"]
KnownLoad = Literal["empty", "half", "full"]
KnownCover = Literal["closed", "half", "open"]
KnownLift = Literal["lowered", "raised"]


class ZoneView(Struct, frozen=True, omit_defaults=True):
    """A set of zones by id: all of them (sorted), and by kind. Equal sets are one shared object while running."""

    ids: tuple[str, ...] = ()
    construction_site: tuple[str, ...] = ()
    disposal_site: tuple[str, ...] = ()
    transfer_site: tuple[str, ...] = ()
    parking: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    route: tuple[str, ...] = ()
    district: tuple[str, ...] = ()
    township: tuple[str, ...] = ()
    weigh_area: tuple[str, ...] = ()


NOWHERE = ZoneView()


class Crossing(Struct, omit_defaults=True):
    """A border crossing that is not confirmed yet: every fix since `since_ms` was on the other side.

    `from_lon`, `from_lat` is the last fix before it, `lon`, `lat` the first one across; `left_ms` is until when the
    truck counts as on the old side. `moved`: it drove, so this is no drift; `blind`: there was a silent spell in it.
    """

    since_ms: int
    left_ms: int
    from_lon: float
    from_lat: float
    lon: float
    lat: float
    fixes: int = 1
    moved: bool = False
    blind: bool = False


class Membership(Struct, omit_defaults=True):
    """Which zones the truck is in, with hysteresis; owned by `geofences.tracking`.

    `since` is when it entered each zone of the view. Of the last fix: `lon`, `lat`, `ms`, `speed_kmh`; `trail_*` is
    where the truck was 0-30 s (`trail_ms`) before that, `past_*` some 30 s earlier still: how far it came since then
    tells a truck that drives from a fix that drifts.
    """

    view: ZoneView = NOWHERE
    known: bool = False
    since: dict[str, int] = {}
    pending: dict[str, Crossing] = {}
    lon: float = 0.0
    lat: float = 0.0
    ms: int = NEVER_MS
    speed_kmh: float | None = None
    trail_lon: float = 0.0
    trail_lat: float = 0.0
    trail_ms: int = NEVER_MS
    past_lon: float = 0.0
    past_lat: float = 0.0


class Trip(Struct, omit_defaults=True):
    """A loaded trip; owned by `haulwatch.domain.trips`."""

    trip_id: str
    started_ms: int
    origin_zone: str | None = None
    permit_id: str | None = None
    destination_zone: str | None = None
    route_zone: str | None = None
    manifest_id: str | None = None
    permitted: bool | None = None
    destinations: tuple[str, ...] = ()
    """Where the permits of the origin let it unload; () when one of them leaves that open, or there is none."""
    dark_s: float = 0.0
    """How long the truck was silent in all during the trip."""

    @property
    def has_manifest(self) -> bool:
        """Whether a manifest was open when the trip began, or was issued since."""
        return self.manifest_id is not None


class Capture(Struct, frozen=True):
    """A record that a rule's step rests on, and the comparisons that held on it."""

    alias: str
    event: Position | Weighing | Sighting | Manifest | DerivedEvent
    at_ms: int
    conditions: list[Condition] = []


class Partial(Struct, omit_defaults=True):
    """A sequence in progress: `step` is the index of the step it waits for, `wait_from_ms` when that wait began."""

    step: int
    started_ms: int
    wait_from_ms: int
    captures: list[Capture] = []


class Hold(Struct, omit_defaults=True):
    """A `while` condition that holds since `since_ms`; after firing it stays until the episode ends.

    `first` and `last` are the observations that began it and the latest one before firing (None: only the first).
    `due` says that it has held for long enough and was held back by `unless`, schedule or exception until now.
    """

    since_ms: int
    first: Capture
    last: Capture | None = None
    fired: bool = False
    due: bool = False


class RuleMemory(Struct, omit_defaults=True):
    """What one rule remembers of one truck; owned by `rules.engine`. Absent while there is nothing to remember.

    `heads`, for each leading absent step by its index: when such an event last came, and when before that instant.
    """

    partials: list[Partial] = []
    hold: Hold | None = None
    hits: list[Capture] = []
    heads: dict[int, tuple[int, int]] = {}


class Episode(Struct, omit_defaults=True):
    """A finding that is open or cooling down; owned by `streams.judge`."""

    breach_id: str
    rule_id: str
    opened_event_id: str
    started_ms: int
    detected_ms: int
    last_ms: int
    occurrences: int = 1
    emitted_ms: int = NEVER_MS
    cooldown_ms: int = 0
    holders: list[str] = []
    """Rules whose hold says that the conduct goes on; while there are any it does not end."""
    ended: bool = False
    late: bool = False


Pending = Position | Weighing | Sighting | Manifest
Waiting = tuple[int, int, str, int, Pending]
"""An event in the reorder buffer: `(at_ms, source priority, event_id, received_ms, event)`, in order of leaving."""


class Gap(Struct, omit_defaults=True):
    """A silent spell: the truck's state at its start (as bytes) and what is known of it since.

    `events` are those applied live during the spell and those that arrived late; `replay_at_ms` is set by the latter.
    """

    heard_ms: int
    start_ms: int
    state: bytes
    end_ms: int = FOREVER_MS
    events: list[Waiting] = []
    late_count: int = 0
    replay_at_ms: int = FOREVER_MS


class Suspect(Struct, omit_defaults=True):
    """Fixes that contradict the last good one but agree with each other: a jump, if enough of them come."""

    lon: float
    lat: float
    ms: int
    since_ms: int
    fixes: int = 1


class Reading(Struct, omit_defaults=True):
    """A sensor value that differs from what is believed, and since when: believed once it has persisted."""

    value: str
    since_ms: int
    readings: int = 1


WEIGHED_KEPT = 8
"""Ids of weighings remembered, so that a second copy that comes late is not judged again."""


class TruckState(Struct, omit_defaults=True):
    """All that is remembered of one truck. `None` is unknown; `*_ms` are instants of the device's clock."""

    truck_id: str
    # order: owned by `streams.processor`
    waiting: list[Waiting] = []
    applied_ms: int = NEVER_MS
    applied_priority: int = 0
    applied_id: str = ""
    first_ms: int = FOREVER_MS
    gaps: list[Gap] = []
    deadline_ms: int = FOREVER_MS
    wake_ms: int = FOREVER_MS
    late: bool = False
    # the last good fix, and how the truck moves: owned by `haulwatch.domain.motion`
    heard_ms: int = NEVER_MS
    fix_ms: int = NEVER_MS
    fix_event_id: str = ""
    lon: float = 0.0
    lat: float = 0.0
    speed_kmh: float | None = None
    heading_deg: float | None = None
    accuracy_m: float = 0.0
    ignition: bool | None = None
    moving: bool | None = None
    still_since_ms: int = NEVER_MS
    silent: bool = False
    suspect: Suspect | None = None
    track: bytearray = field(default_factory=bytearray)
    # fused knowledge: owned by `haulwatch.domain.fusion`
    load: KnownLoad | None = None
    load_ms: int = NEVER_MS
    load_seen_ms: int = NEVER_MS
    load_sensor_ms: int = NEVER_MS
    load_odds: float = 0.0
    load_camera_ms: int = NEVER_MS
    load_camera_odds: float = 0.0
    load_reading: Reading | None = None
    load_at_stop: KnownLoad | None = None
    load_kg: float | None = None
    gross_kg: float | None = None
    gross_ms: int = NEVER_MS
    weighed: list[str] = []
    cover: KnownCover | None = None
    cover_ms: int = NEVER_MS
    cover_sensor_ms: int = NEVER_MS
    cover_odds: float = 0.0
    """Log-odds that `cover` is what it is, from the cameras that agreed one after the other."""
    cover_camera: str | None = None
    cover_reading: Reading | None = None
    lift: KnownLift | None = None
    lift_ms: int = NEVER_MS
    lift_reading: Reading | None = None
    # where it is and what it is doing: zones owned by `geofences.tracking`, the rest by `haulwatch.domain.trips`
    zones: Membership = field(default_factory=Membership)
    phase: TripPhase = "idle"
    trip: Trip | None = None
    last_trip_id: str | None = None
    source_zone: str | None = None
    source_until_ms: int = NEVER_MS
    """Until when a load found on the truck is taken to come from `source_zone`."""
    manifest_id: str | None = None
    manifest_ms: int = NEVER_MS
    manifest_origin: str | None = None
    manifest_destination: str | None = None
    manifest_closed: str | None = None
    """The manifest closed last: a copy of its issue that comes late must not open it again."""
    # findings: rules owned by `rules.engine`, episodes by `streams.judge`
    rules: dict[str, RuleMemory] = {}
    rule_deadline_ms: int = FOREVER_MS
    episodes: dict[str, Episode] = {}
    episode_deadline_ms: int = FOREVER_MS

    @property
    def known_lon(self) -> float | None:
        """Longitude of the last good fix, degrees; None before the first."""
        return None if self.fix_ms == NEVER_MS else self.lon

    @property
    def known_lat(self) -> float | None:
        """Latitude of the last good fix, degrees; None before the first."""
        return None if self.fix_ms == NEVER_MS else self.lat

    @property
    def cover_confidence(self) -> float | None:
        """How sure `cover` is (0-1): the sensor's word is certain, that of cameras grows as they agree."""
        return None if self.cover is None else 1 / (1 + exp(-self.cover_odds))


Applied = Position | Weighing | Sighting | Manifest | DerivedEvent
"""What rules can name in `on:`; ticks and activations only move the clock and the city."""
