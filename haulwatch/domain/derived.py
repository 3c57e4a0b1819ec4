"""Events that nobody sent: what the truck's own stream implies, made by `locate` and `advance`.

They carry `at_ms` of the event that implied them and an `event_id` made from it, so that they are the same after
every replay. Rules name them in `on:` like any other event.
"""

from __future__ import annotations

from msgspec import Struct


class Derived(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What every derived event has; `event_id` is `<causing event>/<kind>[/<zone>]`, `lon`/`lat` the last good fix."""

    event_id: str
    truck_id: str
    at_ms: int
    lon: float | None = None
    lat: float | None = None


class ZoneEnter(Derived, frozen=True, tag_field="kind", tag="zone_enter", kw_only=True, omit_defaults=True):
    """The truck is inside a zone for the dwell time; `since_ms` is the first fix inside."""

    zone_id: str
    zone_kind: str
    since_ms: int
    speed_kmh: float | None = None


class ZoneExit(Derived, frozen=True, tag_field="kind", tag="zone_exit", kw_only=True, omit_defaults=True):
    """The truck is outside a zone for the dwell time; `inside_s` is how long it had been inside."""

    zone_id: str
    zone_kind: str
    since_ms: int
    inside_s: float
    speed_kmh: float | None = None


class ZonePass(Derived, frozen=True, tag_field="kind", tag="zone_pass", kw_only=True, omit_defaults=True):
    """The truck crossed a zone in less than the dwell time (seen by a fix, or only between two fixes)."""

    zone_id: str
    zone_kind: str
    speed_kmh: float | None = None


class StopStart(Derived, frozen=True, tag_field="kind", tag="stop_start", kw_only=True, omit_defaults=True):
    """The truck has stood still since `since_ms`."""

    since_ms: int


class StopEnd(Derived, frozen=True, tag_field="kind", tag="stop_end", kw_only=True, omit_defaults=True):
    """The truck moves again after standing for `stopped_s`."""

    stopped_s: float
    load_before: str | None = None
    load_after: str | None = None


class LoadChange(Derived, frozen=True, tag_field="kind", tag="load_change", kw_only=True, omit_defaults=True):
    """The fused load state changed; `blind_s` is how long nothing was known between before and after."""

    load: str
    load_before: str | None
    blind_s: float
    basis: str


class LiftRaised(Derived, frozen=True, tag_field="kind", tag="lift_raised", kw_only=True, omit_defaults=True):
    """The tipper body went up (after debouncing)."""

    speed_kmh: float | None = None


class CoverChange(Derived, frozen=True, tag_field="kind", tag="cover_change", kw_only=True, omit_defaults=True):
    """The cover state changed, by the terminal's sensor or by a camera."""

    cover: str
    cover_before: str | None
    basis: str


class Silence(Derived, frozen=True, tag_field="kind", tag="silence", kw_only=True, omit_defaults=True):
    """No position for the city's `gap`; `since_ms` is the last one. Held conditions end here: unknown never fires."""

    since_ms: int
    speed_kmh: float | None = None


class GapFilled(Derived, frozen=True, tag_field="kind", tag="gap_filled", kw_only=True, omit_defaults=True):
    """Positions of a silent spell arrived late: the terminal was out of reach, not switched off."""

    from_ms: int
    to_ms: int
    covered_share: float


class Jump(Derived, frozen=True, tag_field="kind", tag="jump", kw_only=True, omit_defaults=True):
    """The truck is consistently somewhere it cannot have driven to."""

    distance_m: float
    implied_kmh: float
    blind_s: float


class TripStart(Derived, frozen=True, tag_field="kind", tag="trip_start", kw_only=True, omit_defaults=True):
    """A loaded trip begins: the truck left its source loaded, or was first known to be loaded on the road."""

    trip_id: str
    origin_zone: str | None = None
    manifest_id: str | None = None


class TripEnd(Derived, frozen=True, tag_field="kind", tag="trip_end", kw_only=True, omit_defaults=True):
    """The load is gone; `zone_id` is the site that permits unloading there, if any; `dark_s` is silence on the way.

    `outcome` is `unloaded` (at such a site), `unloaded_elsewhere`, or `unknown` (it was loaded again meanwhile).
    `destination_permitted` says whether a permit of the site of origin names that place; None: no permit names any.
    """

    trip_id: str
    outcome: str
    zone_id: str | None = None
    duration_s: float | None = None
    dark_s: float = 0.0
    destination_permitted: bool | None = None


DerivedEvent = (
    ZoneEnter
    | ZoneExit
    | ZonePass
    | StopStart
    | StopEnd
    | LoadChange
    | LiftRaised
    | CoverChange
    | Silence
    | GapFilled
    | Jump
    | TripStart
    | TripEnd
)
