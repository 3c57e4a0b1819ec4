"""Which zones hold a point, at the speed of a dictionary: a raster of cells, filled as trucks come by.

A cell that no border crosses answers for all of its points at once. Only in the others is the geometry asked, and only
that of the zones whose border runs there. The answer is always the one that GEOS gives for the point (border included):
a cell is judged by its rectangle grown by a hair, so that rounding of the cell's number cannot matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import compress
from math import inf, sqrt
from zoneinfo import ZoneInfo

import numpy as np
import shapely
from numpy.typing import NDArray

from geofences.zones import Zone, metres_per_degree
from haulwatch.domain.motion import distance_m
from haulwatch.domain.trucks import NOWHERE, ZONE_KINDS, ZoneView

CELL_DEG = 0.0003
"""About 33 m by 29 m in the middle of China: most cells of a 100 m wide route corridor are pure."""
MAX_CELLS = 200_000
"""Cells kept of the newer and of the older generation each (about 130 bytes a pure cell)."""
PASS_CHORD_M = 20.0
"""Less than this inside a zone between two fixes is noise of the fixes, not a passage."""

_LEAST_CHORD_M = 5.0

_TILE_CELLS = 16
_MAX_TILES = 40_000
_MAX_MINUTES = 4096
_WIDE_CELLS = 100
_HAIR_DEG = 1e-9
# Cells are numbered column * stride + row: whole floats, exact below 2**53, and unique as |row| < stride / 2.
_STRIDE = 1e7
_FINEST_CELL_DEG = 1e-4

Geometries = NDArray[np.object_]


@dataclass(slots=True)
class _Tile:
    """16 x 16 cells: the zones that cover all of it, and those whose border runs through it."""

    covering: tuple[Zone, ...]
    crossing: tuple[Zone, ...]
    geometries: Geometries


@dataclass(slots=True)
class _Cell:
    """A cell whose answer depends on the point or the time; `views` are its answers so far, by what they depend on."""

    always: tuple[str, ...]
    touching: tuple[str, ...]
    border: tuple[Zone, ...]
    geometries: Geometries
    timed: tuple[Zone, ...]
    views: dict[tuple[bytes, int], ZoneView] = field(default_factory=dict)


class ZoneIndex:
    """Zones by place and time; `timezone` is the local time that hours and days of zones are meant in.

    Immutable but for its caches, which are bounded: two generations of `max_cells` cells.
    """

    def __init__(
        self, zones: Sequence[Zone], timezone: ZoneInfo, cell_deg: float = CELL_DEG, max_cells: int = MAX_CELLS
    ) -> None:
        if cell_deg < _FINEST_CELL_DEG:
            raise ValueError(f"cell_deg below {_FINEST_CELL_DEG}")
        self.timezone = timezone
        self.zones = tuple(zones)
        self._by_id = {zone.zone_id: zone for zone in zones}
        self._cell_deg = cell_deg
        self._max_cells = max_cells
        self._geometries: Geometries = np.array([zone.geometry for zone in zones], dtype=object)
        shapely.prepare(self._geometries)
        self._tree = shapely.STRtree(self._geometries)
        self._chords_m = {zone.zone_id: _meaningful_chord_m(zone) for zone in zones}
        self.shortest_chord_m = min(self._chords_m.values(), default=PASS_CHORD_M)
        self._views: dict[tuple[str, ...], ZoneView] = {(): NOWHERE}
        self._cells: dict[float, ZoneView | _Cell] = {}
        self._old_cells: dict[float, ZoneView | _Cell] = {}
        self._tiles: dict[float, _Tile] = {}
        self._minutes: dict[int, tuple[int, int]] = {}

    def at(self, lon: float, lat: float, at_ms: int) -> ZoneView:
        """The zones that hold the point (degrees, border included) and count then; equal sets are one object."""
        size = self._cell_deg
        cell = self._cells.get(lon // size * _STRIDE + lat // size)
        if cell.__class__ is ZoneView:
            return cell
        return self._at_mixed(lon, lat, at_ms)

    @property
    def cached_cells(self) -> int:
        """Cells in the cache now; never more than twice `max_cells`."""
        return len(self._cells) + len(self._old_cells)

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

    def crossed(self, lon0: float, lat0: float, lon1: float, lat1: float, at_ms: int) -> tuple[str, ...]:
        """Ids (sorted) of zones that the straight way cuts by a meaningful chord though neither end is inside.

        Meaningful is `PASS_CHORD_M`, or half the size of a zone that is smaller than twice that, but at least 5 m.
        """
        size = self._cell_deg
        column, row = lon0 // size, lat0 // size
        steps = abs(lon1 // size - column) + abs(lat1 // size - row)
        if steps <= 1:
            cell = self._cells.get(column * _STRIDE + row)
            other = self._cells.get(lon1 // size * _STRIDE + lat1 // size)
            if cell is other and cell.__class__ is ZoneView:
                return ()
        if steps <= _WIDE_CELLS:
            met = self._met(lon0, lat0, lon1, lat1, int(steps))
        else:
            line = shapely.linestrings(((lon0, lat0), (lon1, lat1)))
            met = {self.zones[number].zone_id for number in self._tree.query(line, "intersects").tolist()}
        if met:
            met.difference_update(self.at(lon0, lat0, at_ms).ids, self.at(lon1, lat1, at_ms).ids)
        return self._cut(met, lon0, lat0, lon1, lat1, at_ms) if met else ()

    def inside_m(self, zone_id: str, lon0: float, lat0: float, lon1: float, lat1: float) -> float:
        """Metres of the straight way that lie inside the zone; 0 where there is no such zone."""
        zone = self._by_id.get(zone_id)
        if zone is None:
            return 0.0
        return _inside_m(zone, shapely.linestrings(((lon0, lat0), (lon1, lat1))))

    def meaningful_chord_m(self, zone_id: str) -> float:
        """Metres inside that make a passage of the zone."""
        return self._chords_m.get(zone_id, PASS_CHORD_M)

    def _cut(
        self, zone_ids: set[str], lon0: float, lat0: float, lon1: float, lat1: float, at_ms: int
    ) -> tuple[str, ...]:
        """Those of the zones that count and that the way cuts by a meaningful chord, sorted."""
        line = shapely.linestrings(((lon0, lat0), (lon1, lat1)))
        zones = [self._by_id[zone_id] for zone_id in sorted(zone_ids)]
        return tuple(
            zone.zone_id
            for zone in zones
            if (not zone.timed or self._counts(zone, at_ms))
            and zone.geometry.intersects(line)
            and _inside_m(zone, line) >= self._chords_m[zone.zone_id]
        )

    def _met(self, lon0: float, lat0: float, lon1: float, lat1: float, steps: int) -> set[str]:
        """Every zone that has anything of one of the cells that the straight way runs through.

        Source: Amanatides and Woo, "A fast voxel traversal algorithm for ray tracing", 1987.
        """
        size, cells, last = self._cell_deg, self._cells, None
        column, row = lon0 // size, lat0 // size
        dx, dy = (lon1 - lon0) / size, (lat1 - lat0) / size
        side_x, side_y = (1.0 if dx > 0 else -1.0), (1.0 if dy > 0 else -1.0)
        # Shares of the way at which the next border to the side and the next upwards are met, and from one to the next.
        every_x, every_y = (abs(1 / dx) if dx else inf), (abs(1 / dy) if dy else inf)
        next_x = (column + (dx > 0) - lon0 / size) / dx if dx else inf
        next_y = (row + (dy > 0) - lat0 / size) / dy if dy else inf
        met: set[str] = set()
        for _ in range(steps + 1):
            cell = cells.get(column * _STRIDE + row) or self._fill(column, row)
            if cell is not last:
                last = cell
                met.update(cell.ids if isinstance(cell, ZoneView) else cell.touching)
            if next_x < next_y:
                column += side_x
                next_x += every_x
            else:
                row += side_y
                next_y += every_y
        return met

    def _at_mixed(self, lon: float, lat: float, at_ms: int) -> ZoneView:
        """`at` for a cell that is not pure, or not there."""
        column, row = lon // self._cell_deg, lat // self._cell_deg
        cell = self._cells.get(column * _STRIDE + row) or self._fill(column, row)
        if isinstance(cell, ZoneView):
            return cell
        hits = b""
        if cell.border:
            hits = shapely.intersects_xy(cell.geometries, lon, lat).tobytes()
        counting = self._counting(cell.timed, at_ms) if cell.timed else 0
        view = cell.views.get((hits, counting))
        if view is None:
            off = {zone.zone_id for bit, zone in enumerate(cell.timed) if not counting >> bit & 1}
            ids = (*cell.always, *(zone.zone_id for zone in compress(cell.border, hits)))
            view = cell.views[hits, counting] = self.view(zone_id for zone_id in ids if zone_id not in off)
        return view

    def _fill(self, column: float, row: float) -> ZoneView | _Cell:
        """Takes the cell over from the older generation, or makes it."""
        if len(self._cells) >= self._max_cells:
            self._old_cells, self._cells = self._cells, {}
        key = column * _STRIDE + row
        cell = self._cells[key] = self._old_cells.get(key) or self._new_cell(column, row)
        return cell

    def _new_cell(self, column: float, row: float) -> ZoneView | _Cell:
        tile_column, tile_row = column // _TILE_CELLS, row // _TILE_CELLS
        tile = self._tiles.get(tile_column * _STRIDE + tile_row) or self._new_tile(tile_column, tile_row)
        covering, crossing, geometries = tile.covering, tile.crossing, tile.geometries
        if crossing:
            inside, border = _relations(geometries, _rectangle(column, row, self._cell_deg))
            covering += tuple(compress(crossing, inside.tolist()))
            crossing = tuple(compress(crossing, border.tolist()))
            geometries = geometries[border]
        timed = tuple(zone for zone in (*covering, *crossing) if zone.timed)
        always = tuple(zone.zone_id for zone in covering)
        if not crossing and not timed:
            return self.view(always)
        touching = (*always, *(zone.zone_id for zone in crossing))
        return _Cell(always, touching, crossing, geometries, timed)

    def _new_tile(self, column: float, row: float) -> _Tile:
        if len(self._tiles) >= _MAX_TILES:
            self._tiles.clear()
        rectangle = _rectangle(column, row, self._cell_deg * _TILE_CELLS)
        numbers = np.sort(self._tree.query(rectangle))
        geometries = self._geometries[numbers]
        inside, border = _relations(geometries, rectangle)
        zones = [self.zones[number] for number in numbers.tolist()]
        covering, crossing = compress(zones, inside.tolist()), compress(zones, border.tolist())
        tile = _Tile(tuple(covering), tuple(crossing), geometries[border])
        self._tiles[column * _STRIDE + row] = tile
        return tile

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


def _rectangle(column: float, row: float, size: float) -> shapely.Polygon:
    return shapely.box(
        column * size - _HAIR_DEG, row * size - _HAIR_DEG, (column + 1) * size + _HAIR_DEG, (row + 1) * size + _HAIR_DEG
    )


def _relations(geometries: Geometries, rectangle: shapely.Polygon) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each geometry: does it cover the rectangle; does its border run through it."""
    touching: NDArray[np.bool_] = shapely.intersects(geometries, rectangle)
    inside = touching.copy()
    if touching.any():
        inside[touching] = shapely.covers(geometries[touching], rectangle)
    return inside, touching & ~inside


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
