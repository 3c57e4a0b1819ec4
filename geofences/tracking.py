"""Zones of a truck over time, with hysteresis: which it is in, and when it entered, left or passed through.

The rules, for one zone and one truck (docs/zones.md tells them with examples):

- A change of side counts when every fix of `dwell_s` was on the other side, which takes two fixes at least. A truck
  that did not move (see `_drives`) does not cross borders: its change counts only after `standing_dwell_s`.
- A silent spell longer than `max_gap_ms` proves nothing: with a single fix across before it, the time starts anew.
- A visit that ends before it counts, or a way between two fixes that cuts the zone, is a pass, if the truck drove.
- Events say what the truck did. The first fix, a zone whose hours begin or end and a zone that a new city moved
  change the view at once and say nothing.
"""

from __future__ import annotations

from math import sqrt

from geofences.index import DOUBTFUL_M, ZoneIndex
from geofences.tiles import STRIDE
from haulwatch.domain.derived import ZoneEnter, ZoneExit, ZonePass
from haulwatch.domain.motion import METRES_PER_DEGREE, distance_m
from haulwatch.domain.trucks import Crossing, Membership, ZoneView

DWELL_S = 15.0
STANDING_DWELL_S = 300.0
MAX_GAP_MS = 120_000
"""Between fixes further apart than this nothing is known (contract: `gap`, default 2 min)."""
DRIVING_KMH = 8.0
"""A speed that no parked terminal reports."""
DRIVEN_M = 50.0
"""A displacement within a minute that drift does not reach with an open sky."""
TRAIL_MS = 30_000

ZoneChange = ZoneEnter | ZoneExit | ZonePass
_NOTHING: tuple[ZoneChange, ...] = ()


class Tracker:
    """Moves memberships along in one `ZoneIndex`; keeps nothing of any truck itself."""

    def __init__(
        self,
        index: ZoneIndex,
        *,
        dwell_s: float = DWELL_S,
        standing_dwell_s: float = STANDING_DWELL_S,
        max_gap_ms: int = MAX_GAP_MS,
    ) -> None:
        self._index = index
        self._at = index.at
        self._crossed = index.crossed
        self._dwell_ms = round(dwell_s * 1000)
        self._standing_ms = max(round(standing_dwell_s * 1000), self._dwell_ms)
        self._max_gap_ms = max_gap_ms
        # A step shorter than this in both degrees is shorter than any chord that matters.
        self._short_deg = index.shortest_chord_m / METRES_PER_DEGREE / sqrt(2)

    def step(
        self, m: Membership, truck_id: str, event_id: str, at_ms: int, lon: float, lat: float, speed_kmh: float | None
    ) -> tuple[ZoneChange, ...]:
        """Takes one good fix (in order of time) into `m`; what it says of zones: exits, passes, enters, each by id."""
        # `index.at`, without the call in a cell that no border crosses.
        index = self._index
        size = index.cell_deg
        view = index.cells.get(lon // size * STRIDE + lat // size)
        if view.__class__ is not ZoneView:
            view = index.at_mixed(view, lon, lat, at_ms)
        if view is not m.view or m.pending or not m.known:
            return self._step(_Fix(m, truck_id, event_id, at_ms, lon, lat, speed_kmh), view)
        short = self._short_deg
        if not (-short < lon - m.lon < short and -short < lat - m.lat < short):
            crossed = self._crossed(m.lon, m.lat, lon, lat, at_ms, view.ids)
            if crossed:
                return self._step(_Fix(m, truck_id, event_id, at_ms, lon, lat, speed_kmh), view, crossed)
        if at_ms - m.trail_ms >= TRAIL_MS:
            m.past_lon, m.past_lat = m.trail_lon, m.trail_lat
            m.trail_lon, m.trail_lat, m.trail_ms = lon, lat, at_ms
        m.lon = lon
        m.lat = lat
        m.ms = at_ms
        m.speed_kmh = speed_kmh
        return _NOTHING

    def _step(self, fix: _Fix, view: ZoneView, crossed: tuple[str, ...] | None = None) -> tuple[ZoneChange, ...]:
        """A step that may matter; `crossed`, when it is known already, is what lies between the last two fixes."""
        m = fix.m
        if not m.known:
            m.view, m.known = view, True
            m.since = dict.fromkeys(view.ids, fix.at_ms)
            m.past_lon, m.past_lat = m.trail_lon, m.trail_lat = fix.lon, fix.lat
            m.trail_ms = fix.at_ms
            fix.remember()
            return _NOTHING
        fix.drives = _drives(fix)
        changes = _NOTHING
        if m.pending or view.ids != m.view.ids:
            changes = self._settle(fix, view)
        else:
            # The same ids, but not the shared object: a restored snapshot, or a zone that a new city made another kind.
            m.view = view
        between = self._passed_between(fix, view, crossed)
        if between:
            changes = _in_order(changes, between) if changes else tuple(between)
        if fix.at_ms - m.trail_ms >= TRAIL_MS:
            m.past_lon, m.past_lat = m.trail_lon, m.trail_lat
            m.trail_lon, m.trail_lat, m.trail_ms = fix.lon, fix.lat, fix.at_ms
        fix.remember()
        return changes

    def _settle(self, fix: _Fix, view: ZoneView) -> tuple[ZoneChange, ...]:
        """Compares where the fix is with where the truck counts as being; confirms, begins and drops crossings."""
        m = fix.m
        pending, before = m.pending, m.view
        differing = set(view.ids).symmetric_difference(before.ids)
        passes: list[ZonePass] = []
        if pending:
            for zone_id in sorted(pending.keys() - differing):
                if self._is_visit(fix, zone_id, pending.pop(zone_id), before):
                    passes.append(self._pass(fix, zone_id))
        switched: list[str] = []
        ripe: list[str] = []
        was = None
        for zone_id in sorted(differing) if len(differing) > 1 else differing:
            crossing = pending.get(zone_id)
            if crossing is None:
                # The last fix's zones, as of now: only once, for all zones that begin.
                was = was or self._at(m.lon, m.lat, fix.at_ms)
                crossing = self._begin(fix, zone_id, was, view)
            if crossing is None:
                switched.append(zone_id)
            elif self._ripe(fix, crossing):
                ripe.append(zone_id)
        if not switched and not ripe:
            return tuple(passes)
        return self._switch(fix, view, switched, ripe, passes)

    def _switch(
        self, fix: _Fix, view: ZoneView, switched: list[str], ripe: list[str], passes: list[ZonePass]
    ) -> tuple[ZoneChange, ...]:
        """Puts the changes that count into force; what is said of them and of the passes."""
        m, before = fix.m, fix.m.view
        inside, confirmed = view.ids, before.ids
        for zone_id in switched:
            if zone_id in inside:
                m.since[zone_id] = fix.at_ms
        m.view = self._index.view(set(confirmed).symmetric_difference((*switched, *ripe)), before)
        exits = [self._exit(fix, zone_id, before) for zone_id in ripe if zone_id in confirmed]
        enters = [self._enter(fix, zone_id) for zone_id in ripe if zone_id in inside]
        for zone_id in (*switched, *ripe):
            if zone_id in confirmed:
                m.since.pop(zone_id, None)
        return (*exits, *passes, *enters)

    def _begin(self, fix: _Fix, zone_id: str, was: ZoneView, view: ZoneView) -> Crossing | None:
        """Begins a crossing; None where it was the zone that changed and not the truck that moved.

        `was` and `view` are the zones of the last and of this fix that count now.
        """
        m, index = fix.m, self._index
        if (zone_id in was.ids) == (zone_id in view.ids):
            zone = index.zone(zone_id)
            if zone is None or not zone.timed:
                return None
            # It does not count now: where the truck was and is, its area says.
            if index.covers(zone_id, m.lon, m.lat) == index.covers(zone_id, fix.lon, fix.lat):
                return None
        blind = fix.at_ms - m.ms > self._max_gap_ms
        left_ms = m.ms if blind else fix.at_ms
        crossing = m.pending[zone_id] = Crossing(
            fix.at_ms, left_ms, m.lon, m.lat, fix.lon, fix.lat, fixes=0, blind=blind
        )
        return crossing

    def _ripe(self, fix: _Fix, crossing: Crossing) -> bool:
        """Takes the fix into the crossing; whether it now counts."""
        if crossing.fixes == 1 and fix.at_ms - fix.m.ms > self._max_gap_ms:
            crossing.since_ms = fix.at_ms
            crossing.blind = True
        crossing.fixes += 1
        if not crossing.moved:
            crossing.moved = fix.drives or (
                distance_m(crossing.from_lon, crossing.from_lat, fix.lon, fix.lat) >= DRIVEN_M
            )
        return fix.at_ms - crossing.since_ms >= (self._dwell_ms if crossing.moved else self._standing_ms)

    def _is_visit(self, fix: _Fix, zone_id: str, crossing: Crossing, before: ZoneView) -> bool:
        """Whether a crossing that came to nothing was a passage through the zone."""
        m = fix.m
        if zone_id in before.ids or crossing.blind or fix.at_ms - m.ms > self._max_gap_ms:
            return False
        if not (crossing.moved and fix.drives):
            return False  # a fix that jumped in and back again
        index = self._index
        zone = index.zone(zone_id)
        if zone is None or (zone.timed and index.covers(zone_id, fix.lon, fix.lat)):
            return False  # a new city removed it, or its hours ended with the truck in it
        way_in = (zone_id, crossing.from_lon, crossing.from_lat, crossing.lon, crossing.lat)
        way_out = (zone_id, m.lon, m.lat, fix.lon, fix.lat)
        between_m = distance_m(crossing.lon, crossing.lat, m.lon, m.lat) - index.meaningful_chord_m(zone_id)
        more_m = between_m
        for way in (way_in, way_out):
            if more_m < DOUBTFUL_M:
                more_m += index.inside_about_m(*way)
        if -DOUBTFUL_M < more_m < DOUBTFUL_M:
            more_m = index.inside_m(*way_in) + between_m + index.inside_m(*way_out)
        return more_m >= 0

    def _passed_between(self, fix: _Fix, view: ZoneView, crossed: tuple[str, ...] | None) -> list[ZonePass]:
        """Zones that the truck was in at neither of its last two fixes but must have crossed between them."""
        m = fix.m
        if fix.at_ms - m.ms > self._max_gap_ms or not _drove_between(fix):
            return []
        if crossed is None:
            short = self._short_deg
            if -short < fix.lon - m.lon < short and -short < fix.lat - m.lat < short:
                return []
            crossed = self._crossed(m.lon, m.lat, fix.lon, fix.lat, fix.at_ms, view.ids)
        return [self._pass(fix, zone_id) for zone_id in crossed if zone_id not in m.view.ids] if crossed else []

    def _pass(self, fix: _Fix, zone_id: str) -> ZonePass:
        return ZonePass(
            event_id=f"{fix.event_id}/zone_pass/{zone_id}",
            truck_id=fix.truck_id,
            at_ms=fix.at_ms,
            lon=fix.lon,
            lat=fix.lat,
            zone_id=zone_id,
            zone_kind=self._kind(zone_id, fix.m.view),
            speed_kmh=fix.speed_kmh,
        )

    def _enter(self, fix: _Fix, zone_id: str) -> ZoneEnter:
        crossing = fix.m.pending.pop(zone_id)
        fix.m.since[zone_id] = crossing.since_ms
        return ZoneEnter(
            event_id=f"{fix.event_id}/zone_enter/{zone_id}",
            truck_id=fix.truck_id,
            at_ms=fix.at_ms,
            lon=fix.lon,
            lat=fix.lat,
            zone_id=zone_id,
            zone_kind=self._kind(zone_id, fix.m.view),
            since_ms=crossing.since_ms,
            speed_kmh=fix.speed_kmh,
        )

    def _exit(self, fix: _Fix, zone_id: str, before: ZoneView) -> ZoneExit:
        crossing = fix.m.pending.pop(zone_id)
        entered_ms = fix.m.since.get(zone_id, crossing.left_ms)
        return ZoneExit(
            event_id=f"{fix.event_id}/zone_exit/{zone_id}",
            truck_id=fix.truck_id,
            at_ms=fix.at_ms,
            lon=fix.lon,
            lat=fix.lat,
            zone_id=zone_id,
            zone_kind=self._kind(zone_id, before),
            since_ms=crossing.since_ms,
            inside_s=max(crossing.left_ms - entered_ms, 0) / 1000,
            speed_kmh=fix.speed_kmh,
        )

    def _kind(self, zone_id: str, view: ZoneView) -> str:
        zone = self._index.zone(zone_id)
        if zone is not None:
            return zone.kind
        return next(kind for kind in view.__struct_fields__[1:] if zone_id in getattr(view, kind))


class _Fix:
    """One step's arguments, and whether the truck drives."""

    __slots__ = ("at_ms", "drives", "event_id", "lat", "lon", "m", "speed_kmh", "truck_id")

    def __init__(
        self, m: Membership, truck_id: str, event_id: str, at_ms: int, lon: float, lat: float, speed_kmh: float | None
    ) -> None:
        self.m = m
        self.truck_id = truck_id
        self.event_id = event_id
        self.at_ms = at_ms
        self.lon = lon
        self.lat = lat
        self.speed_kmh = speed_kmh
        self.drives = False

    def remember(self) -> None:
        """Makes this the last fix."""
        m = self.m
        m.lon, m.lat, m.ms, m.speed_kmh = self.lon, self.lat, self.at_ms, self.speed_kmh


def _in_order(changes: tuple[ZoneChange, ...], between: list[ZonePass]) -> tuple[ZoneChange, ...]:
    """What a step says, with the passes between two fixes put among the others."""
    exits = [change for change in changes if type(change) is ZoneExit]
    passes = [*between, *(change for change in changes if type(change) is ZonePass)]
    enters = [change for change in changes if type(change) is ZoneEnter]
    return (*exits, *sorted(passes, key=_zone_of), *enters)


def _zone_of(change: ZonePass) -> str:
    return change.zone_id


def _drives(fix: _Fix) -> bool:
    """Whether the truck moves: by the speed at either of the last two fixes; without one, by the way of a minute."""
    m, speed, speed_before = fix.m, fix.speed_kmh, fix.m.speed_kmh
    if speed is not None and speed >= DRIVING_KMH:
        return True
    if speed_before is not None:
        return speed_before >= DRIVING_KMH
    return speed is None and distance_m(m.past_lon, m.past_lat, fix.lon, fix.lat) >= DRIVEN_M


def _drove_between(fix: _Fix) -> bool:
    """Whether the way from the last fix to this one was driven."""
    m = fix.m
    if fix.drives or fix.speed_kmh is not None or m.speed_kmh is not None:
        return fix.drives
    return distance_m(m.lon, m.lat, fix.lon, fix.lat) >= DRIVEN_M
