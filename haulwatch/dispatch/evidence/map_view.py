"""The part of the world that an order's map shows: from degrees to places on the picture, and back to metres."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from geofences.zones import metres_per_degree

LEAST_M = 400.0
"""Width of what is shown at least: a truck that stands still is shown in its street."""
MARGIN = 0.12
"""Of the picture on each side around the track."""

Point = tuple[float, float]
Geometry = Mapping[str, Any]
"""Of a GeoJSON feature."""


@dataclass(frozen=True)
class MapView:
    """A view with its centre in degrees; places count in pixels from the upper left."""

    lon: float
    lat: float
    metres_per_px: float
    width_px: int
    height_px: int

    def place(self, lon: float, lat: float) -> Point:
        """Where on the picture a place is; far outside is outside."""
        east_m, north_m = metres_per_degree(self.lat)
        x = self.width_px / 2 + (lon - self.lon) * east_m / self.metres_per_px
        y = self.height_px / 2 - (lat - self.lat) * north_m / self.metres_per_px
        return x, y

    def places(self, coordinates: Iterable[Sequence[float]]) -> list[Point]:
        """Of a line or ring."""
        return [self.place(at[0], at[1]) for at in coordinates]

    def shows(self, points: Sequence[Point]) -> bool:
        """Whether some of what lies between these places may be on the picture."""
        xs, ys = [x for x, _ in points], [y for _, y in points]
        return bool(points) and max(xs) >= 0 and min(xs) <= self.width_px and max(ys) >= 0 and min(ys) <= self.height_px

    def scale_bar(self) -> tuple[int, float]:
        """A round length in metres that is at most a fifth of the width, and how many pixels that is."""
        longest_m = self.metres_per_px * self.width_px / 5
        step = 1
        while True:
            for digit in (5, 2, 1):
                if step * 10 <= longest_m:
                    break
                if digit * step <= longest_m or step == digit == 1:
                    return digit * step, digit * step / self.metres_per_px
            step *= 10


def view_of(points: Sequence[Point], width_px: int, height_px: int) -> MapView | None:
    """The view that has all these places (degrees) on it with a margin; None without any."""
    if not points:
        return None
    lons, lats = [lon for lon, _ in points], [lat for _, lat in points]
    lon, lat = (min(lons) + max(lons)) / 2, (min(lats) + max(lats)) / 2
    east_m, north_m = metres_per_degree(lat)
    free = 1 - 2 * MARGIN
    wide_m = max((max(lons) - min(lons)) * east_m, LEAST_M) / free
    high_m = (max(lats) - min(lats)) * north_m / free
    return MapView(lon, lat, max(wide_m / width_px, high_m / height_px), width_px, height_px)


def areas(geometry: Geometry) -> Iterator[Sequence[Sequence[Sequence[float]]]]:
    """The polygons of a geometry, each as its outline and its holes."""
    if geometry["type"] == "Polygon":
        yield geometry["coordinates"]
    elif geometry["type"] == "MultiPolygon":
        yield from geometry["coordinates"]
