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
"""The borders in the tiles that the rectangle around a way lies in, by the zone's id."""


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

    def cell(self, column: float, row: float) -> tuple[list[Zone], list[Piece]]:
        """The zones that cover all of the cell, and those whose border runs through it."""
        tile = self._tile(column // _TILE_CELLS, row // _TILE_CELLS)
        covering = list(tile.covering)
        if not tile.crossing:
            return covering, []
        box = _grown_box(column, row, self._cell_deg)
        met = [sides_meeting(sides, box) for sides in tile.sides]
        inside, border = _relations_in(tile, [bool(sides) for sides in met], box)
        covering += compress(tile.crossing, inside)
        pieces = [
            Piece(zone, tuple(line for line, *_ in sides), shape_in(self._border(zone), sides, box))
            for zone, sides, is_met in zip(tile.crossing, met, border, strict=True)
            if is_met
        ]
        return covering, pieces

    def around(self, lon0: float, lat0: float, lon1: float, lat1: float) -> Window | None:
        """The borders around a way; None where it is too long for that."""
        size = self.tile_deg
        key = (lon0 // size, lat0 // size, lon1 // size, lat1 // size)
        window = self.windows.get(key)
        if window is None and abs(key[2] - key[0]) <= _WIDE_TILES and abs(key[3] - key[1]) <= _WIDE_TILES:
            if len(self.windows) >= _MAX_WINDOWS:
                self.windows.clear()
            window = self.windows[key] = self._new_window(key)
        return window

    def ids_on(self, lon0: float, lat0: float, lon1: float, lat1: float) -> dict[str, None]:
        """The zones that have a point of the way, in order."""
        line = shapely.linestrings(((lon0, lat0), (lon1, lat1)))
        return dict.fromkeys(sorted(self._zones[n].zone_id for n in self._tree.query(line, "intersects").tolist()))

    def _new_window(self, key: tuple[float, float, float, float]) -> Window:
        """The borders of all tiles between two; a side that runs through several is there once."""
        columns = range(int(min(key[0], key[2])), int(max(key[0], key[2])) + 1)
        rows = range(int(min(key[1], key[3])), int(max(key[1], key[3])) + 1)
        found: dict[str, dict[Side, None]] = {}
        for tile in [self._tile(float(column), float(row)) for column in columns for row in rows]:
            for zone, sides in zip(tile.crossing, tile.sides, strict=True):
                if sides:
                    found.setdefault(zone.zone_id, {}).update(dict.fromkeys(sides))
        return tuple(_stretch(self._borders[zone_id], tuple(sides)) for zone_id, sides in sorted(found.items()))

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


def _relations_in(tile: _Tile, doubtful: list[bool], box: Box) -> tuple[list[bool], list[bool]]:
    """For each zone that crosses the tile: does it cover the box, does its border run through it (only if doubtful)."""
    west, south, east, north = box
    border = np.array(doubtful)
    # Where no side meets the box, one point of it answers for all.
    inside = shapely.intersects_xy(tile.geometries, (west + east) / 2, (south + north) / 2)
    if border.any():
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
