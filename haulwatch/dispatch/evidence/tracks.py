"""The truck's track of all findings of an order as GeoJSON and as GPX 1.1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Order

Fix = tuple[int, float, float, float | None]
"""`[at_ms, lon, lat, speed_kmh]`."""

BREAK_MS = 5 * 60_000
"""After so long without a fix a new stretch begins: nothing is drawn where nobody saw the truck."""

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<gpx xmlns="http://www.topografix.com/GPX/1/1" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xsi:schemaLocation="http://www.topografix.com/GPX/1/1 http://www.topografix.com/GPX/1/1/gpx.xsd"'
    ' version="1.1" creator="haulwatch">\n'
)


def whole_track(breaches: Iterable[Breach]) -> list[Fix]:
    """Every fix of the findings once, oldest first."""
    return sorted({fix for breach in breaches for fix in breach.track}, key=lambda fix: (fix[0], fix[1:3]))


def stretches(track: list[Fix]) -> list[list[Fix]]:
    """The track, parted where no fix came for `BREAK_MS`."""
    parts: list[list[Fix]] = []
    for fix in track:
        if parts and fix[0] - parts[-1][-1][0] <= BREAK_MS:
            parts[-1].append(fix)
        else:
            parts.append([fix])
    return parts


def geojson(order: Order, track: list[Fix]) -> dict[str, Any]:
    """The track as lines with `coordTimes` and `speeds_kmh`, and the place of the finding as a point."""
    features = [_line(order, part) if len(part) > 1 else _point(part[0]) for part in stretches(track)]
    if order.lon is not None and order.lat is not None:
        trigger = {"role": "trigger", "order_id": order.order_id, "detected_at": order.detected_at}
        place = {"type": "Point", "coordinates": [order.lon, order.lat]}
        features.append({"type": "Feature", "geometry": place, "properties": trigger})
    return {"type": "FeatureCollection", "features": features}


def _line(order: Order, part: list[Fix]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "LineString", "coordinates": [[lon, lat] for _, lon, lat, _ in part]},
        "properties": {
            "role": "track",
            "truck_id": order.truck_id,
            "coordTimes": [rfc3339(at_ms) for at_ms, *_ in part],
            "speeds_kmh": [speed for *_, speed in part],
        },
    }


def _point(fix: Fix) -> dict[str, Any]:
    at_ms, lon, lat, speed_kmh = fix
    properties = {"role": "fix", "at": rfc3339(at_ms), "speed_kmh": speed_kmh}
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, "properties": properties}


def gpx(order: Order, track: list[Fix]) -> str:
    """The track as GPX 1.1: the place of the finding as a waypoint, one segment a stretch. It has no elevations."""
    lines = [_HEAD, f"<metadata><name>{escape(order.order_id)}</name><time>{order.detected_at}</time></metadata>\n"]
    if order.lon is not None and order.lat is not None:
        name = f"<time>{order.detected_at}</time><name>{escape(order.title.zh)}</name>"
        lines.append(f'<wpt lat="{order.lat!r}" lon="{order.lon!r}">{name}</wpt>\n')
    lines.append(f"<trk><name>{escape(order.truck_id)}</name>\n")
    for part in stretches(track):
        lines.append("<trkseg>\n")
        for at_ms, lon, lat, _ in part:
            lines.append(f'<trkpt lat="{lat!r}" lon="{lon!r}"><time>{rfc3339(at_ms)}</time></trkpt>\n')
        lines.append("</trkseg>\n")
    lines.append("</trk>\n</gpx>\n")
    return "".join(lines)
