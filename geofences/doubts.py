"""What may be right in a zone and mostly is not: overlaps of zones that exclude each other, sizes and places."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from geofences.zones import Zone, ZoneKind, metres_per_degree
from haulwatch.domain.text import Text

OVERLAP_M2 = 20.0
"""Less is how precisely neighbours are drawn."""
SMALL_M2 = 200.0
"""A circle of 8 m; positions are as good as 5 to 10 m."""
FAR_KM = 100.0

_YARDS: frozenset[ZoneKind] = frozenset(("construction_site", "disposal_site", "transfer_site", "parking"))
_PARTS: frozenset[ZoneKind] = frozenset(("district", "township"))


@dataclass(frozen=True, slots=True)
class Doubt:
    """See `haulwatch.domain.zone_sheets.ZoneDoubt`."""

    code: str
    text: Text
    zone_ids: tuple[str, ...]
    area_m2: float | None = None
    shape: BaseGeometry | None = None


def area_m2(geometry: BaseGeometry) -> float:
    """Square metres on the ground; exact to a permille for a zone of a few kilometres."""
    if geometry.is_empty:
        return 0.0
    east_m, north_m = metres_per_degree(geometry.centroid.y)
    return float(geometry.area * east_m * north_m)


def geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """A geometry as GeoJSON."""
    return dict(shapely.geometry.mapping(geometry))


def doubts(zones: Sequence[Zone], about: Collection[str]) -> Iterator[Doubt]:
    """What is doubtful in the zones with ids in `about`, among all `zones`."""
    by_id = {zone.zone_id: zone for zone in zones}
    tree = shapely.STRtree([zone.geometry for zone in zones])
    told: set[frozenset[str]] = set()
    for zone in zones:
        if zone.zone_id not in about:
            continue
        yield from _size(zone)
        yield from _place(zone, zones)
        for number in sorted(tree.query(zone.geometry, predicate="intersects")):
            other = zones[number]
            pair = frozenset((zone.zone_id, other.zone_id))
            if len(pair) == 2 and pair not in told and _excluding(zone, other, by_id):
                told.add(pair)
                yield from _overlap(zone, other)


def _excluding(zone: Zone, other: Zone, by_id: Mapping[str, Zone]) -> bool:
    """Whether a truck should never be in both at once."""
    kinds = {zone.kind, other.kind}
    if not (kinds <= _YARDS or (len(kinds) == 1 and kinds <= _PARTS)):
        return False
    starts = [one.valid_from for one in (zone, other) if one.valid_from]
    ends = [one.valid_to for one in (zone, other) if one.valid_to]
    if starts and ends and max(starts) > min(ends):
        return False
    return not (_above(zone, other.zone_id, by_id) or _above(other, zone.zone_id, by_id))


def _above(zone: Zone, zone_id: str, by_id: Mapping[str, Zone]) -> bool:
    """Whether the zone with that id is an ancestor."""
    at: Zone | None = zone
    for _ in range(len(by_id)):
        if at is None or at.parent is None:
            return False
        if at.parent == zone_id:
            return True
        at = by_id.get(at.parent)
    return False


def _overlap(zone: Zone, other: Zone) -> Iterator[Doubt]:
    shape = shapely.intersection(zone.geometry, other.geometry)
    size_m2 = area_m2(shape)
    if size_m2 < OVERLAP_M2:
        return
    ids = (zone.zone_id, other.zone_id)
    zh = f"{zone.name.zh}（{ids[0]}）与 {other.name.zh}（{ids[1]}）重叠 {size_m2:,.0f} m²"
    en = f"{zone.name.en} ({ids[0]}) and {other.name.en} ({ids[1]}) overlap by {size_m2:,.0f} m²"
    yield Doubt("Z030", Text(zh, en), ids, size_m2, shape)


def _size(zone: Zone) -> Iterator[Doubt]:
    size_m2 = area_m2(zone.geometry)
    if size_m2 < SMALL_M2:
        zh = f"面积只有 {size_m2:,.0f} m²，定位的误差就有这么大"
        en = f"only {size_m2:,.0f} m², which is as large as positions are off"
        yield Doubt("Z031", Text(zh, en), (zone.zone_id,), size_m2)


def _place(zone: Zone, zones: Sequence[Zone]) -> Iterator[Doubt]:
    others = [other.geometry for other in zones if other.zone_id != zone.zone_id]
    if not others:
        return
    east_m, north_m = metres_per_degree(zone.geometry.centroid.y)
    apart_deg = min(shapely.distance(zone.geometry, others))
    if apart_deg * min(east_m, north_m) > FAR_KM * 1000:
        words = Text(
            f"离其他围栏都超过 {FAR_KM:.0f} km，坐标可能有误",
            f"more than {FAR_KM:.0f} km from every other zone; is the position right?",
        )
        yield Doubt("Z032", words, (zone.zone_id,))
