"""Which zones hold a point, at the speed of a dictionary: a raster of cells, filled as trucks come by.

A cell that no border crosses answers for all of its points at once. In the others the few sides of borders that run
there are looked at. The answer is always the one that GEOS gives for the point (border included): a cell is judged by
its rectangle grown by a hair, so that rounding of the cell's number cannot matter, and so close to a border that
rounding could, GEOS itself is asked. The same sides, gathered by tiles of 8 x 8 cells, tell which zones a way cuts.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import sqrt
from zoneinfo import ZoneInfo

import shapely

from geofences.borders import HAIR_DEG, Line, crossings, holds
from geofences.tiles import STRIDE, Tiles
from geofences.zones import Zone, metres_per_degree
from haulwatch.domain.motion import distance_m
from haulwatch.domain.trucks import NOWHERE, ZONE_KINDS, ZoneView

CELL_DEG = 0.0003
"""About 33 m by 29 m in the middle of China: most cells of a 100 m wide route corridor are pure."""
MAX_CELLS = 200_000
"""Cells kept of the newer and of the older generation each (about 130 bytes a pure cell)."""
PASS_CHORD_M = 20.0
"""Less than this inside a zone between two fixes is noise of the fixes, not a passage."""

DOUBTFUL_M = 0.1
"""A length in plain numbers (`inside_about_m`) as close as this to a threshold does not decide; GEOS is asked."""

_LEAST_CHORD_M = 5.0

_MAX_MINUTES = 4096
_FINEST_CELL_DEG = 1e-4


@dataclass(slots=True)
class Cell:
    """A cell whose answer depends on the point or the time.

    A bit for each border, straight ones (one side in the cell, given by its line) first; `bends` are the others, as
    lines and shape (see `shape_in`). `views` are the answers so far, by the bits of borders and of timed zones.
    """

    always: tuple[str, ...]
    border: tuple[Zone, ...]
    lines: tuple[Line, ...]
    bends: tuple[tuple[tuple[Line, ...], bool | None], ...]
    timed: tuple[Zone, ...]
    views: dict[int, ZoneView] = field(default_factory=dict)


class ZoneIndex:
    """Zones by place and time; `timezone` is the local time that hours and days of zones are meant in.

    Immutable but for its caches, which are bounded: two generations of `max_cells` cells. `cells` is the newer one, by
    `column * STRIDE + row`; a view is the answer for all of the cell.
    """

    def __init__(
        self, zones: Sequence[Zone], timezone: ZoneInfo, cell_deg: float = CELL_DEG, max_cells: int = MAX_CELLS
    ) -> None:
        if cell_deg < _FINEST_CELL_DEG:
            raise ValueError(f"cell_deg below {_FINEST_CELL_DEG}")
        self.timezone = timezone
        self.zones = tuple(zones)
        self._by_id = {zone.zone_id: zone for zone in zones}
        self.cell_deg = cell_deg
        self._max_cells = max_cells
        self._tiles = Tiles(self.zones, cell_deg)
        self._tile_deg, self._windows = self._tiles.tile_deg, self._tiles.windows
        self._chords_m = {zone.zone_id: _meaningful_chord_m(zone) for zone in zones}
        self.shortest_chord_m = min(self._chords_m.values(), default=PASS_CHORD_M)
        self._views: dict[tuple[str, ...], ZoneView] = {(): NOWHERE}
        self.cells: dict[float, ZoneView | Cell] = {}
        self._old_cells: dict[float, ZoneView | Cell] = {}
        self._minutes: dict[int, tuple[int, int]] = {}

    def at(self, lon: float, lat: float, at_ms: int) -> ZoneView:
        """The zones that hold the point (degrees, border included) and count then; equal sets are one object."""
        size = self.cell_deg
        cell = self.cells.get(lon // size * STRIDE + lat // size)
        if cell.__class__ is ZoneView:
            return cell
        return self.at_mixed(cell, lon, lat, at_ms)

    @property
    def cached_cells(self) -> int:
        """Cells in the cache now; never more than twice `max_cells`."""
        return len(self.cells) + len(self._old_cells)

    def zone(self, zone_id: str) -> Zone | None:
        """The zone with that id."""
        return self._by_id.get(zone_id)

    def covers(self, zone_id: str, lon: float, lat: float) -> bool:
        """Whether the zone's area holds the point (border included), at whatever hour; False without such a zone."""
        zone = self._by_id.get(zone_id)
        return zone is not None and bool(shapely.intersects_xy(zone.geometry, lon, lat))

    def view(self, ids: Iterable[str], kinds_from: ZoneView = NOWHERE) -> ZoneView:
        """The shared view of a set of zones; ids that this index does not have take their kind from `kinds_from`."""
        key = tuple(sorted(ids))
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._new_view(key, kinds_from)
        return view

    def crossed(
        self, lon0: float, lat0: float, lon1: float, lat1: float, at_ms: int, holding: Container[str] = ()
    ) -> tuple[str, ...]:
        """Ids (sorted) of zones that the straight way cuts by a meaningful chord though neither end is inside.

        Meaningful is `PASS_CHORD_M`, or half the size of a zone that is smaller than twice that, but at least 5 m.
        `holding` are zones known to hold one of the ends: nothing changes, but they need not be looked at.
        """
        size = self._tile_deg
        window = self._windows.get((lon0 // size, lat0 // size, lon1 // size, lat1 // size))
        if window is None:
            window = self._tiles.cuttable(lon0, lat0, lon1, lat1)
            if window is None:
                return self._cut(self._tiles.ids_on(lon0, lat0, lon1, lat1), lon0, lat0, lon1, lat1, at_ms)
        if not window:
            return ()
        west, east = (lon0, lon1) if lon0 < lon1 else (lon1, lon0)
        south, north = (lat0, lat1) if lat0 < lat1 else (lat1, lat0)
        met = {}
        for zone_id, sides, west_end, south_end, east_end, north_end in window:
            if (
                west_end <= east
                and south_end <= north
                and west <= east_end
                and south <= north_end
                and zone_id not in holding
            ):
                shares = crossings(sides, lon0, lat0, lon1, lat1)
                # An odd number: one end is inside.
                if shares is None or (shares and not len(shares) & 1):
                    met[zone_id] = shares
        return self._cut(met, lon0, lat0, lon1, lat1, at_ms) if met else ()

    def inside_m(self, zone_id: str, lon0: float, lat0: float, lon1: float, lat1: float) -> float:
        """Metres of the straight way that lie inside the zone; 0 where there is no such zone."""
        zone = self._by_id.get(zone_id)
        if zone is None:
            return 0.0
        return _inside_m(zone, shapely.linestrings(((lon0, lat0), (lon1, lat1))))

    def inside_about_m(self, zone_id: str, lon0: float, lat0: float, lon1: float, lat1: float) -> float:
        """`inside_m`, off by a few centimetres at most, and much faster."""
        zone = self._by_id.get(zone_id)
        sides = None if zone is None else self._tiles.sides_around(zone, lon0, lat0, lon1, lat1)
        if zone is None or sides is None:
            return self.inside_m(zone_id, lon0, lat0, lon1, lat1)
        inside = self.covers(zone_id, lon0, lat0) if zone.timed else zone_id in self.at(lon0, lat0, 0).ids
        shares = crossings(sides, lon0, lat0, lon1, lat1) if sides else []
        if shares is None:
            return self.inside_m(zone_id, lon0, lat0, lon1, lat1)
        return _share_inside(shares, inside) * distance_m(lon0, lat0, lon1, lat1)

    def meaningful_chord_m(self, zone_id: str) -> float:
        """Metres inside that make a passage of the zone."""
        return self._chords_m.get(zone_id, PASS_CHORD_M)

    def _cut(
        self, met: Mapping[str, list[float] | None], lon0: float, lat0: float, lon1: float, lat1: float, at_ms: int
    ) -> tuple[str, ...]:
        """Those of the zones, given with the crossings of their borders (None: unknown), that `crossed` names."""
        ids0, ids1 = self.at(lon0, lat0, at_ms).ids, self.at(lon1, lat1, at_ms).ids
        cut = []
        for zone_id, shares in met.items():
            if zone_id in ids0 or zone_id in ids1:
                continue
            zone = self._by_id[zone_id]
            if (not zone.timed or self._counts(zone, at_ms)) and self._cuts(zone, shares, lon0, lat0, lon1, lat1):
                cut.append(zone_id)
        return tuple(cut)

    def _cuts(self, zone: Zone, shares: list[float] | None, lon0: float, lat0: float, lon1: float, lat1: float) -> bool:
        """Whether the part of the way inside the zone, with both ends outside, is a meaningful chord."""
        chord_m = self._chords_m[zone.zone_id]
        if shares is not None:
            more_m = _share_inside(shares, False) * distance_m(lon0, lat0, lon1, lat1) - chord_m
            if abs(more_m) > DOUBTFUL_M:
                return more_m > 0
        line = shapely.linestrings(((lon0, lat0), (lon1, lat1)))
        return bool(zone.geometry.intersects(line)) and _inside_m(zone, line) >= chord_m

    def at_mixed(self, cell: ZoneView | Cell | None, lon: float, lat: float, at_ms: int) -> ZoneView:
        """`at` for a cell that is not pure, or not there."""
        if cell is None:
            cell = self._fill(lon // self.cell_deg, lat // self.cell_deg)
        if isinstance(cell, ZoneView):
            return cell
        hits, bit = 0, 1
        for a, b, c in cell.lines:
            left = a * lon + b * lat + c
            if left > HAIR_DEG:
                hits += bit
            elif left > -HAIR_DEG:
                hits += bit * self._held(cell, bit, lon, lat)
            bit += bit
        for lines, convex in cell.bends:
            inside = None if convex is None else holds(lines, convex, lon, lat)
            if inside is None:
                inside = self._held(cell, bit, lon, lat)
            hits += bit * inside
            bit += bit
        if cell.timed:
            hits += bit * self._counting(cell.timed, at_ms)
        view = cell.views.get(hits)
        if view is None:
            view = cell.views[hits] = self._view_of(cell, hits)
        return view

    def _held(self, cell: Cell, bit: int, lon: float, lat: float) -> bool:
        """What GEOS says of the border with that bit."""
        return bool(shapely.intersects_xy(cell.border[bit.bit_length() - 1].geometry, lon, lat))

    def _view_of(self, cell: Cell, hits: int) -> ZoneView:
        ids = [*cell.always, *(zone.zone_id for bit, zone in enumerate(cell.border) if hits >> bit & 1)]
        counting = hits >> len(cell.border)
        off = {zone.zone_id for bit, zone in enumerate(cell.timed) if not counting >> bit & 1}
        return self.view(zone_id for zone_id in ids if zone_id not in off)

    def _fill(self, column: float, row: float) -> ZoneView | Cell:
        """Takes the cell over from the older generation, or makes it."""
        if len(self.cells) >= self._max_cells:
            self._old_cells, self.cells = self.cells, {}
        key = column * STRIDE + row
        cell = self.cells[key] = self._old_cells.get(key) or self._new_cell(column, row)
        return cell

    def _new_cell(self, column: float, row: float) -> ZoneView | Cell:
        covering, met = self._tiles.cell(column, row)
        always = tuple(zone.zone_id for zone in covering)
        timed = tuple(zone for zone in (*covering, *(piece.zone for piece in met)) if zone.timed)
        if not met and not timed:
            return self.view(always)
        straight = [piece for piece in met if piece.convex and len(piece.lines) == 1]
        bent = [piece for piece in met if not (piece.convex and len(piece.lines) == 1)]
        return Cell(
            always,
            border=tuple(piece.zone for piece in (*straight, *bent)),
            lines=tuple(piece.lines[0] for piece in straight),
            bends=tuple((piece.lines, piece.convex) for piece in bent),
            timed=timed,
        )

    def _new_view(self, ids: tuple[str, ...], kinds_from: ZoneView) -> ZoneView:
        by_kind: dict[str, tuple[str, ...]] = {}
        for kind in ZONE_KINDS:
            strangers = getattr(kinds_from, kind)
            of_kind = tuple(zone_id for zone_id in ids if self._is_kind(zone_id, kind, strangers))
            if of_kind:
                by_kind[kind] = of_kind
        return ZoneView(ids=ids, **by_kind)

    def _is_kind(self, zone_id: str, kind: str, strangers: tuple[str, ...]) -> bool:
        zone = self._by_id.get(zone_id)
        return zone_id in strangers if zone is None else zone.kind == kind

    def _counting(self, zones: tuple[Zone, ...], at_ms: int) -> int:
        """Which of the zones count at the instant, as bits."""
        bits = 0
        for number, zone in enumerate(zones):
            if self._counts(zone, at_ms):
                bits |= 1 << number
        return bits

    def _counts(self, zone: Zone, at_ms: int) -> bool:
        return zone.counts_on(*self._local(at_ms))

    def _local(self, at_ms: int) -> tuple[int, int]:
        """Local day (ordinal) and minute of the day; every offset of a time zone since 1901 is whole minutes."""
        minute = at_ms // 60_000
        local = self._minutes.get(minute)
        if local is None:
            if len(self._minutes) >= _MAX_MINUTES:
                self._minutes.clear()
            clock = datetime.fromtimestamp(minute * 60, self.timezone)
            local = self._minutes[minute] = (clock.toordinal(), clock.hour * 60 + clock.minute)
        return local


def _share_inside(shares: list[float], starts_inside: bool) -> float:
    """The share of a way that is inside a zone whose border it crosses at `shares`."""
    ends = [0.0, *shares] if starts_inside else list(shares)
    if len(ends) & 1:
        ends.append(1.0)
    return sum(ends[1::2]) - sum(ends[::2])


def _inside_m(zone: Zone, line: shapely.LineString) -> float:
    """Metres of a straight line inside the zone: its share of the whole length in degrees, as both run one way."""
    if line.length == 0:
        return 0.0
    (lon0, lat0), (lon1, lat1) = line.coords
    return float(zone.geometry.intersection(line).length / line.length * distance_m(lon0, lat0, lon1, lat1))


def _meaningful_chord_m(zone: Zone) -> float:
    """What a straight way must have inside the zone to pass through it, in metres."""
    east_m, north_m = metres_per_degree(zone.geometry.centroid.y)
    return max(_LEAST_CHORD_M, min(PASS_CHORD_M, sqrt(zone.geometry.area * east_m * north_m) / 2))
