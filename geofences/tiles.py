"""The borders of a city by place: tiles of 8 x 8 cells, what is in each cell, and what lies around a way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
import shapely
from numpy.typing import NDArray

from geofences.borders import HAIR_DEG, Border, Box, Line, Side, shape_in, sides_meeting
from geofences.zones import Zone

# Cells and tiles are numbered column * stride + row: whole floats, exact below 2**53, unique as |row| < stride / 2.
STRIDE = 1e7

_TILE_CELLS = 8
_MAX_TILES = 40_000
_MAX_WINDOWS = 60_000
_WIDE_TILES = 4

Geometries = NDArray[np.object_]
Stretch = tuple[str, tuple[Side, ...], float, float, float, float]
"""Sides of a zone, by its id, and their west, south, east and north ends; no sides where plain numbers cannot tell."""
Window = tuple[Stretch, ...]
"""The borders around a way that it can cut, by the zone's id.

They are in the tiles that the rectangle around the way lies in. A zone with a single side there is left out: a straight
way crosses that side once at most, so one of its ends is inside, or it just touches (where it runs along a side from
corner to corner, the neighbouring sides are there, too).
"""


@dataclass(slots=True)
class Piece:
    """What the border of a zone is in a cell: its lines there, and the shape (see `shape_in`)."""

    zone: Zone
    lines: tuple[Line, ...]
    convex: bool | None


@dataclass(slots=True)
class _Tile:
    """8 x 8 cells: the zones that cover all of it, those whose border runs through it, and their sides there."""

    covering: tuple[Zone, ...]
    crossing: tuple[Zone, ...]
    geometries: Geometries
    sides: tuple[tuple[Side, ...], ...]
    middles: list[list[bool]] | None = None
    """For each cell, whether each of the crossing zones holds its middle; made when the first cell is asked for."""


class Tiles:
    """Zones by tile. Immutable but for its caches, which are bounded.

    `windows` are those made so far, by the tiles (edge `tile_deg`) of a way's ends: `lon0 // tile_deg, lat0 // …`.
    """

    def __init__(self, zones: Sequence[Zone], cell_deg: float) -> None:
        self._cell_deg = cell_deg
        self.tile_deg = cell_deg * _TILE_CELLS
        self._zones = zones
        self._geometries: Geometries = np.array([zone.geometry for zone in zones], dtype=object)
        shapely.prepare(self._geometries)
        self._tree = shapely.STRtree(self._geometries)
        self._borders: dict[str, Border] = {}
        self._tiles: dict[float, _Tile] = {}
        self.windows: dict[tuple[float, float, float, float], Window] = {}
        self._around: dict[tuple[str, float, float, float, float], tuple[Side, ...] | None] = {}

    def cell(self, column: float, row: float) -> tuple[list[Zone], list[Piece]]:
        """The zones that cover all of the cell, and those whose border runs through it."""
        tile = self._tile(column // _TILE_CELLS, row // _TILE_CELLS)
        covering = list(tile.covering)
        if not tile.crossing:
            return covering, []
        if tile.middles is None:
            tile.middles = _middles(tile, column // _TILE_CELLS, row // _TILE_CELLS, self._cell_deg)
        # Where no side meets the cell, its middle answers for all of it.
        middles = tile.middles[int(column % _TILE_CELLS) * _TILE_CELLS + int(row % _TILE_CELLS)]
        box = _grown_box(column, row, self._cell_deg)
        met = [sides_meeting(sides, box) for sides in tile.sides]
        if not any(met):
            covering += compress(tile.crossing, middles)
            return covering, []
        inside, border = _relations_in(tile, middles, [bool(sides) for sides in met], box)
        covering += compress(tile.crossing, inside)
        pieces = [
            Piece(zone, tuple(line for line, *_ in sides), shape_in(self._border(zone), sides, box))
            for zone, sides, is_met in zip(tile.crossing, met, border, strict=True)
            if is_met
        ]
        return covering, pieces

    def cuttable(self, lon0: float, lat0: float, lon1: float, lat1: float) -> Window | None:
        """The borders around a way that it can cut; None where it is too long for that."""
        size = self.tile_deg
        key = (lon0 // size, lat0 // size, lon1 // size, lat1 // size)
        window = self.windows.get(key)
        if window is None and (tiles := self._tiles_between(key)) is not None:
            if len(self.windows) >= _MAX_WINDOWS:
                self.windows.clear()
            window = self.windows[key] = self._new_window(tiles)
        return window

    def sides_around(self, zone: Zone, lon0: float, lat0: float, lon1: float, lat1: float) -> tuple[Side, ...] | None:
        """The sides of a zone around a way; None where it is too long for that, or plain numbers cannot tell."""
        size = self.tile_deg
        key = (zone.zone_id, lon0 // size, lat0 // size, lon1 // size, lat1 // size)
        if key not in self._around:
            if len(self._around) >= _MAX_WINDOWS:
                self._around.clear()
            self._around[key] = self._new_around(zone, key[1:])
        return self._around[key]

    def _new_around(self, zone: Zone, key: tuple[float, float, float, float]) -> tuple[Side, ...] | None:
        tiles = self._tiles_between(key)
        if tiles is None or not self._border(zone).valid:
            return None
        found: dict[Side, None] = {}
        for tile in tiles:
            for crossing, sides in zip(tile.crossing, tile.sides, strict=True):
                if crossing is zone:
                    found.update(dict.fromkeys(sides))
        return tuple(found)

    def ids_on(self, lon0: float, lat0: float, lon1: float, lat1: float) -> dict[str, None]:
        """The zones that have a point of the way, in order."""
        line = shapely.linestrings(((lon0, lat0), (lon1, lat1)))
        return dict.fromkeys(sorted(self._zones[n].zone_id for n in self._tree.query(line, "intersects").tolist()))

    def _tiles_between(self, key: tuple[float, float, float, float]) -> list[_Tile] | None:
        """The tiles of the rectangle between two of them, given by column, row, column, row; None when too many."""
        column0, row0, column1, row1 = key
        if abs(column1 - column0) > _WIDE_TILES or abs(row1 - row0) > _WIDE_TILES:
            return None
        columns = range(int(min(column0, column1)), int(max(column0, column1)) + 1)
        rows = range(int(min(row0, row1)), int(max(row0, row1)) + 1)
        return [self._tile(float(column), float(row)) for column in columns for row in rows]

    def _new_window(self, tiles: Sequence[_Tile]) -> Window:
        """The borders of all the tiles that can be cut; a side that runs through several is there once."""
        found: dict[str, dict[Side, None]] = {}
        for tile in tiles:
            for zone, sides in zip(tile.crossing, tile.sides, strict=True):
                if sides:
                    found.setdefault(zone.zone_id, {}).update(dict.fromkeys(sides))
        return tuple(
            _stretch(self._borders[zone_id], tuple(sides))
            for zone_id, sides in sorted(found.items())
            if len(sides) > 1 or not self._borders[zone_id].valid
        )

    def _tile(self, column: float, row: float) -> _Tile:
        tile = self._tiles.get(column * STRIDE + row)
        if tile is None:
            if len(self._tiles) >= _MAX_TILES:
                self._tiles.clear()
            tile = self._tiles[column * STRIDE + row] = self._new_tile(_grown_box(column, row, self.tile_deg))
        return tile

    def _new_tile(self, box: Box) -> _Tile:
        rectangle = shapely.box(*box)
        numbers = np.sort(self._tree.query(rectangle))
        geometries = self._geometries[numbers]
        inside, border = _relations(geometries, rectangle)
        zones = [self._zones[number] for number in numbers.tolist()]
        covering, crossing = compress(zones, inside.tolist()), tuple(compress(zones, border.tolist()))
        sides = tuple(self._border(zone).sides_in(box) for zone in crossing)
        return _Tile(tuple(covering), crossing, geometries[border], sides)

    def _border(self, zone: Zone) -> Border:
        border = self._borders.get(zone.zone_id)
        if border is None:
            border = self._borders[zone.zone_id] = Border(zone)
        return border


def _middles(tile: _Tile, column: float, row: float, cell_deg: float) -> list[list[bool]]:
    """For each cell of the tile, by column and row, whether each of the crossing zones holds its middle."""
    steps = np.arange(_TILE_CELLS) + 0.5
    lons, lats = np.meshgrid(
        (column * _TILE_CELLS + steps) * cell_deg, (row * _TILE_CELLS + steps) * cell_deg, indexing="ij"
    )
    held = shapely.intersects_xy(tile.geometries[np.newaxis, :], lons.reshape(-1, 1), lats.reshape(-1, 1))
    return [list(cell) for cell in held.tolist()]


def _relations_in(tile: _Tile, middles: list[bool], doubtful: list[bool], box: Box) -> tuple[list[bool], list[bool]]:
    """For each zone that crosses the tile: does it cover the box, does its border run through it (only if doubtful)."""
    border, inside = np.array(doubtful), np.array(middles)
    inside[border], border[border] = _relations(tile.geometries[border], shapely.box(*box))
    return inside.tolist(), border.tolist()


def _relations(geometries: Geometries, rectangle: shapely.Polygon) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """For each geometry: does it cover the rectangle; does its border run through it."""
    touching: NDArray[np.bool_] = shapely.intersects(geometries, rectangle)
    inside = touching.copy()
    if touching.any():
        inside[touching] = shapely.covers(geometries[touching], rectangle)
    return inside, touching & ~inside


def _stretch(border: Border, sides: tuple[Side, ...]) -> Stretch:
    lons = [lon for _, lon0, _, lon1, _ in sides for lon in (lon0, lon1)]
    lats = [lat for _, _, lat0, _, lat1 in sides for lat in (lat0, lat1)]
    return border.zone.zone_id, sides if border.valid else (), min(lons), min(lats), max(lons), max(lats)


def _grown_box(column: float, row: float, size: float) -> Box:
    """A cell's or a tile's rectangle and a hair around it."""
    west, south, east, north = column * size, row * size, (column + 1) * size, (row + 1) * size
    return (west - HAIR_DEG, south - HAIR_DEG, east + HAIR_DEG, north + HAIR_DEG)
