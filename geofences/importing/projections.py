"""What a `.prj` says of coordinates: degrees of WGS-84 or CGCS2000, or metres of a transverse Mercator over them.

Chinese survey data mostly comes as CGCS2000 in Gauss-Kruger zones of 3 degrees; its ellipsoid is WGS-84's to 0.1 mm.
Older systems (Beijing 54, Xi'an 80) are 50 to 120 m off by amounts that depend on the place: they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from math import atan2, atanh, cos, cosh, degrees, hypot, sin, sinh, sqrt

_AXIS_M = 6378137.0
_FLATTENING = 1 / 298.257223563
_MODERN = re.compile(r"WGS[_ ]?(19)?84|CGCS[_ ]?2000|China[_ ]?(Geodetic[_ ]Coordinate[_ ]System[_ ])?2000", re.I)
_MERCATOR = re.compile(r"Gauss[_ ]?Kr[uü]e?ger|Transverse[_ ]Mercator", re.I)
_PARAMETER = re.compile(r'PARAMETER\s*\[\s*"([^"]+)"\s*,\s*([-+0-9.eE]+)', re.I)
_UNIT = re.compile(r'UNIT\s*\[\s*"([^"]+)"\s*,\s*([0-9.eE+-]+)\s*[\],]', re.I)
Unprojected = Callable[[float, float], tuple[float, float]]


class UnknownProjectionError(Exception):
    """A reference system that this program cannot convert."""


@dataclass(frozen=True, slots=True)
class TransverseMercator:
    """A transverse Mercator over the WGS-84 ellipsoid, from metres to degrees; good to a millimetre within a zone."""

    central_deg: float
    scale: float = 1.0
    false_easting_m: float = 500_000.0
    false_northing_m: float = 0.0

    def degrees(self, x_m: float, y_m: float) -> tuple[float, float]:
        """Longitude and latitude of an easting and northing, by Krueger's series to the third order."""
        n = _FLATTENING / (2 - _FLATTENING)
        radius_m = _AXIS_M / (1 + n) * (1 + n**2 / 4 + n**4 / 64) * self.scale
        north, east = (y_m - self.false_northing_m) / radius_m, (x_m - self.false_easting_m) / radius_m
        betas = (n / 2 - 2 * n**2 / 3 + 37 * n**3 / 96, n**2 / 48 + n**3 / 15, 17 * n**3 / 480)
        xi, eta = north, east
        for order, beta in enumerate(betas, 1):
            xi -= beta * sin(2 * order * north) * cosh(2 * order * east)
            eta -= beta * cos(2 * order * north) * sinh(2 * order * east)
        tau = sin(xi) / hypot(sinh(eta), cos(xi))
        return self.central_deg + degrees(atan2(sinh(eta), cos(xi))), degrees(_latitude(tau))


def _latitude(conformal: float) -> float:
    """The geographic latitude (radians) for the tangent of the conformal one, by Newton's way."""
    eccentricity = sqrt(_FLATTENING * (2 - _FLATTENING))
    tau = conformal
    for _ in range(6):
        root = hypot(1.0, tau)
        sigma = sinh(eccentricity * atanh(eccentricity * tau / root))
        reached = tau * hypot(1.0, sigma) - sigma * root
        slope = (1 - eccentricity**2) * root * hypot(1.0, reached) / (1 + (1 - eccentricity**2) * tau**2)
        tau += (conformal - reached) / slope
    return atan2(tau, 1.0)


def unprojected(prj: str) -> Unprojected | None:
    """How to get from the coordinates to degrees; None where they are degrees. Raises `UnknownProjectionError`."""
    if not _MODERN.search(prj):
        raise UnknownProjectionError(prj[:80])
    if not prj.lstrip().upper().startswith("PROJCS"):
        return None
    given = {name.lower(): float(value) for name, value in _PARAMETER.findall(prj)}
    units = _UNIT.findall(prj)
    if not _MERCATOR.search(prj) or not units or float(units[-1][1]) != 1.0 or given.get("latitude_of_origin", 0.0):
        raise UnknownProjectionError(prj[:80])
    system = TransverseMercator(
        given.get("central_meridian", 0.0),
        given.get("scale_factor", 1.0),
        given.get("false_easting", 0.0),
        given.get("false_northing", 0.0),
    )
    return system.degrees
