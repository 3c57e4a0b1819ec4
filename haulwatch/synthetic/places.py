"""What stands in Hekou: sites, yards, lots, protected land, districts; each with its outline and its way in."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from random import Random

from haulwatch.domain.text import Text
from haulwatch.synthetic.plane import Point, along, distance, inside
from haulwatch.synthetic.roads import RoadClass, RoadNetwork
from haulwatch.synthetic.terrain import (
    HALF_HEIGHT_M,
    HALF_WIDTH_M,
    bent,
    river_line,
    river_y,
)

SITE_ROADS: tuple[RoadClass, ...] = ("local", "arterial", "ring")


@dataclass(frozen=True)
class Place:
    """Somewhere to drive to: `spot` is the junction inside, `gate` the one at its fence, `turn_off` on the road."""

    place_id: str
    kind: str
    name: Text
    ring: tuple[Point, ...]
    spot: str
    gate: str
    turn_off: str
    hours: tuple[str, ...] = ()
    zoned: bool = True


@dataclass(frozen=True)
class Area:
    """A zone that nobody drives to: a district, a township, protected land."""

    zone_id: str
    kind: str
    name: Text
    ring: tuple[Point, ...]
    parent: str | None = None


# id, kind, name, street column and row near which it lies, width and depth in metres
SITES: tuple[tuple[str, str, str, str, float, float, float, float], ...] = (
    ("S-001", "construction_site", "云栖花园工地", "Yunqi Garden site", -4.0, 2.6, 210, 150),
    ("S-002", "construction_site", "青河新城工地", "Qinghe New Town site", -2.6, 3.6, 240, 170),
    ("S-003", "construction_site", "地铁三号线砚池站", "Metro line 3, Yanchi station", -3.4, 1.35, 160, 110),
    ("S-004", "construction_site", "市民中心工地", "Civic centre site", -1.4, 2.65, 230, 150),
    ("S-005", "construction_site", "书院府工地", "Academy Court site", 1.4, 3.4, 180, 140),
    ("S-006", "construction_site", "望潮广场工地", "Wangchao Plaza site", 2.6, 2.5, 220, 160),
    ("S-007", "construction_site", "盐仓旧改工地", "Yancang renewal site", 4.4, 3.5, 200, 150),
    ("S-008", "construction_site", "江南里工地", "Jiangnan Lane site", -3.6, -2.65, 210, 150),
    ("S-009", "construction_site", "莲塘学校工地", "Liantang School site", -1.5, -2.4, 170, 130),
    ("S-010", "construction_site", "中山南医院工地", "South Hospital site", 1.4, -1.65, 200, 150),
    ("S-011", "construction_site", "东渚科技园工地", "Dongzhu Science Park site", 3.4, -3.4, 250, 180),
    ("S-012", "construction_site", "渡口码头工地", "Ferry Quay site", 4.5, -1.4, 190, 150),
    ("S-013", "construction_site", "稻香安置房工地", "Daoxiang housing site", -1.6, -3.4, 180, 140),
    ("S-014", "construction_site", "环城西综合体工地", "West Ring complex site", -5.5, 1.5, 220, 160),
    ("D-01", "disposal_site", "西塘消纳场", "Xitang disposal site", -7.5, 2.6, 420, 320),
    ("D-02", "disposal_site", "北岭消纳场", "Beiling disposal site", -2.8, 6.5, 460, 340),
    ("D-03", "disposal_site", "海塘围垦消纳场", "Haitang reclamation site", 7.5, 3.6, 480, 340),
    ("D-04", "disposal_site", "南塘消纳场", "Nantang disposal site", -6.4, -6.4, 430, 320),
    ("D-05", "disposal_site", "南屿矿坑消纳场", "Nanyu pit disposal site", 1.5, -6.4, 460, 330),
    ("D-06", "disposal_site", "东渚消纳场", "Dongzhu disposal site", 7.5, -2.5, 420, 320),
    ("D-07", "disposal_site", "松岭消纳场", "Songling disposal site", 6.4, 6.5, 400, 300),
    ("T-01", "transfer_site", "竹坞转运站", "Zhuwu transfer station", -5.6, 3.5, 200, 150),
    ("T-02", "transfer_site", "滨海转运站", "Binhai transfer station", 6.5, -0.5, 210, 150),
    ("T-03", "transfer_site", "稻香转运站", "Daoxiang transfer station", -0.5, -4.6, 190, 150),
    ("P-01", "parking", "柳浪停车场", "Liulang truck park", -6.5, 4.5, 200, 140),
    ("P-02", "parking", "环城北停车场", "North Ring truck park", 1.5, 5.4, 190, 130),
    ("P-03", "parking", "渡口停车场", "Dukou truck park", 5.6, 1.7, 180, 130),
    ("P-04", "parking", "环城南停车场", "South Ring truck park", -4.0, -4.4, 190, 130),
    ("P-05", "parking", "南屿停车场", "Nanyu truck park", 3.5, -5.6, 200, 140),
    ("P-06", "parking", "东渚停车场", "Dongzhu truck park", 6.4, -3.4, 190, 130),
    ("L-1", "lot", "河湾空地", "Riverbend lot", -3.6, -0.25, 90, 70),
    ("L-2", "lot", "旧砖厂空地", "Old brickyard", 5.6, 2.6, 100, 80),
    ("L-3", "lot", "沿河北空地", "North bank lot", 1.6, 1.4, 90, 70),
    ("L-4", "lot", "石桥塘边空地", "Shiqiao pondside lot", -0.6, -0.6, 90, 70),
    ("L-5", "lot", "松岭山脚空地", "Songling foothill lot", -3.8, 5.6, 100, 80),
    ("L-6", "lot", "南塘荒地", "Nantang waste ground", 3.4, -4.5, 100, 80),
    ("L-7", "lot", "稻香荒地", "Daoxiang waste ground", -2.5, -5.4, 100, 80),
    ("L-8", "lot", "盐仓河滩", "Yancang flats", 4.5, 0.7, 90, 70),
)

# id, name, centre column and row, half width and half height in metres, and where a track leads into it
PROTECTED: tuple[tuple[str, str, str, float, float, float, float], ...] = (
    ("F-01", "青河水源保护区", "Qing River water source", -6.0, -1.3, 480, 230),
    ("F-02", "南屿湿地", "Nanyu wetland", 5.9, -5.0, 700, 450),
    ("F-03", "东岭基本农田", "Dongling protected farmland", 3.9, 6.1, 560, 330),
)

TOWNSHIP_NAMES = {
    "DX-1": (("柳浪镇", "Liulang"), ("竹坞街道", "Zhuwu"), ("砚池街道", "Yanchi")),
    "DX-2": (("书院街道", "Shuyuan"), ("盐仓街道", "Yancang"), ("海塘镇", "Haitang")),
    "DX-3": (("南塘镇", "Nantang"), ("江南街道", "Jiangnan"), ("稻香镇", "Daoxiang")),
    "DX-4": (("莲塘街道", "Liantang"), ("渡口街道", "Dukou"), ("滨海镇", "Binhai")),
}
DISTRICTS = (
    ("DX-1", "云溪区", "Yunxi District", True, (-9.0, -4.5, -2.5, -0.5)),
    ("DX-2", "望潮区", "Wangchao District", True, (-0.5, 2.5, 5.5, 9.0)),
    ("DX-3", "南屿区", "Nanyu District", False, (-9.0, -4.5, -2.5, 0.5)),
    ("DX-4", "东渚区", "Dongzhu District", False, (0.5, 2.5, 5.5, 9.0)),
)
"""Id, name, north of the river?, and the street columns at which its townships meet (between streets, not on them)."""


def build_protected(roads: RoadNetwork) -> tuple[list[Area], list[Place]]:
    """Protected areas, and a farm track into each: small streets that would cross one are taken away."""
    areas: list[Area] = []
    for zone_id, zh, en, column, row, half_width, half_height in PROTECTED:
        centre = bent(column, row)
        ring = _blob(Random(f"hekou/{zone_id}"), centre, half_width, half_height)
        areas.append(Area(zone_id, "forbidden", Text(zh, en), ring))
        for edge in [edge for edge in roads.edges.values() if edge.road_class == "local"]:
            steps = [along(edge.line, edge.metres * share / 40)[0] for share in range(41)]
            if any(inside(ring, point) for point in steps):
                roads.remove_edge(edge)
    roads.keep_largest_part()
    return areas, [_way_into(roads, area) for area in areas]


def _way_into(roads: RoadNetwork, area: Area) -> Place:
    centre = (sum(p[0] for p in area.ring) / len(area.ring), sum(p[1] for p in area.ring) / len(area.ring))
    turn_off, foot, _ = _turn_off(roads, area.zone_id, centre)
    reach = distance(foot, centre)
    entry = next(i for i in range(1, 200) if inside(area.ring, _towards(foot, centre, reach * i / 200))) * reach / 200
    roads.add_node(f"{area.zone_id}/gate", _towards(foot, centre, entry))
    roads.add_node(f"{area.zone_id}/spot", _towards(foot, centre, min(entry + 170.0, reach)))
    roads.add_edge(turn_off, f"{area.zone_id}/gate", "track")
    roads.add_edge(f"{area.zone_id}/gate", f"{area.zone_id}/spot", "track")
    return Place(
        area.zone_id,
        "forbidden",
        area.name,
        area.ring,
        f"{area.zone_id}/spot",
        f"{area.zone_id}/gate",
        turn_off,
        zoned=False,
    )


def build_sites(roads: RoadNetwork) -> list[Place]:
    """Sites, yards and vacant lots, each on a spur off the nearest street."""
    return [_build_site(roads, *row) for row in SITES]


def _build_site(
    roads: RoadNetwork,
    place_id: str,
    kind: str,
    zh: str,
    en: str,
    column: float,
    row: float,
    width: float,
    depth: float,
) -> Place:
    turn_off, foot, side = _turn_off(roads, place_id, bent(column, row))
    across = (-side[1], side[0])
    fence = 140.0 if kind == "lot" else 75.0
    draw = Random(f"hekou/{place_id}")
    corners = ((-0.5, 0.0), (0.5, 0.0), (0.55, 0.55), (0.4, 1.0), (-0.45, 1.0), (-0.55, 0.4))
    ring: list[Point] = []
    for u, v in corners:
        a = (u + 0.06 * (draw.random() - 0.5)) * width
        b = fence + (v + (0.06 * (draw.random() - 0.5) if v else 0.0)) * depth
        ring.append((round(foot[0] + across[0] * a + side[0] * b, 1), round(foot[1] + across[1] * a + side[1] * b, 1)))
    roads.add_node(f"{place_id}/gate", (foot[0] + side[0] * fence, foot[1] + side[1] * fence))
    deep = fence + depth * 0.5
    roads.add_node(f"{place_id}/spot", (foot[0] + side[0] * deep, foot[1] + side[1] * deep))
    road_class: RoadClass = "track" if kind == "lot" else "access"
    roads.add_edge(turn_off, f"{place_id}/gate", road_class)
    roads.add_edge(f"{place_id}/gate", f"{place_id}/spot", road_class)
    zoned = kind != "lot"
    return Place(
        place_id, kind, Text(zh, en), tuple(ring), f"{place_id}/spot", f"{place_id}/gate", turn_off, zoned=zoned
    )


def _turn_off(roads: RoadNetwork, place_id: str, near: Point) -> tuple[str, Point, Point]:
    """A junction on the nearest street, where it is, and the direction from there to the place (unit vector)."""
    edge, metres, _ = roads.nearest(near, SITE_ROADS)
    metres = min(max(metres, 130.0), edge.metres - 130.0)
    foot, index = along(edge.line, metres)
    a, b = edge.line[index], edge.line[index + 1]
    size = distance(a, b)
    normal = (-(b[1] - a[1]) / size, (b[0] - a[0]) / size)
    if (near[0] - foot[0]) * normal[0] + (near[1] - foot[1]) * normal[1] < 0:
        normal = (-normal[0], -normal[1])
    return roads.split(edge, metres, f"{place_id}/turn"), foot, normal


def _towards(a: Point, b: Point, metres: float) -> Point:
    share = metres / distance(a, b)
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


def _blob(draw: Random, centre: Point, half_width: float, half_height: float) -> tuple[Point, ...]:
    """An uneven rounded outline."""
    shape = (
        (1.0, 0.0),
        (0.9, 0.5),
        (0.6, 0.85),
        (0.1, 1.0),
        (-0.5, 0.9),
        (-0.9, 0.55),
        (-1.0, 0.0),
        (-0.88, -0.5),
        (-0.5, -0.9),
        (0.1, -1.0),
        (0.6, -0.85),
        (0.92, -0.45),
    )
    ring: list[Point] = []
    for u, v in shape:
        swell = 0.86 + 0.14 * draw.random()
        ring.append((round(centre[0] + u * half_width * swell, 1), round(centre[1] + v * half_height * swell, 1)))
    return tuple(ring)


def build_areas() -> list[Area]:
    """The districts and, inside them, the townships; together they tile the city without gaps."""
    areas: list[Area] = []
    for zone_id, zh, en, north, columns in DISTRICTS:
        edges = [_border(column) for column in columns]
        parts: list[Area] = []
        for index, (west, east) in enumerate(itertools.pairwise(edges)):
            name = TOWNSHIP_NAMES[zone_id][index]
            ring = _cell(west, east, north=north)
            parts.append(Area(f"{zone_id}-{index + 1}", "township", Text(*name), ring, parent=zone_id))
        areas.append(Area(zone_id, "district", Text(zh, en), _cell(edges[0], edges[-1], north=north)))
        areas.extend(parts)
    return areas


def _border(column: float) -> list[Point]:
    """A border from south to north, between two street columns; the outermost ones run along the city limit."""
    if abs(column) >= 9:
        x = HALF_WIDTH_M if column > 0 else -HALF_WIDTH_M
        return [(x, -HALF_HEIGHT_M), (x, HALF_HEIGHT_M)]
    line = [bent(column, row / 2) for row in range(-13, 14)]
    return [(line[0][0], -HALF_HEIGHT_M), *line, (line[-1][0], HALF_HEIGHT_M)]


def _cell(west: list[Point], east: list[Point], *, north: bool) -> tuple[Point, ...]:
    """The land between two borders on one side of the river's middle."""
    left, right = _half(west, north=north), _half(east, north=north)
    shore = [point for point in river_line() if left[0][0] < point[0] < right[0][0]]
    ring = [left[0], *shore, right[0], *right[1:], *reversed(left[1:])]
    return tuple((round(x, 1), round(y, 1)) for x, y in ring)


def _half(border: list[Point], *, north: bool) -> list[Point]:
    """The part of a border on one side of the river, beginning on the river's middle."""
    line = border if north else border[::-1]
    for index, (a, b) in enumerate(itertools.pairwise(line)):
        if _is_north(a) != _is_north(b):
            return [_on_river(a, b), *line[index + 1 :]]
    raise ValueError("a border that does not meet the river")


def _is_north(point: Point) -> bool:
    return point[1] > _shore_y(point[0])


def _shore_y(x: float) -> float:
    """The river's middle as drawn (straight between the points of `river_line`)."""
    line = river_line()
    for a, b in itertools.pairwise(line):
        if a[0] <= x <= b[0]:
            return a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0])
    return river_y(x)


def _on_river(a: Point, b: Point) -> Point:
    """Where the border from `a` to `b` meets the river's middle (bisection to a centimetre)."""
    low, high = 0.0, 1.0
    start = _is_north(a)
    for _ in range(40):
        share = (low + high) / 2
        point = (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)
        low, high = (share, high) if _is_north(point) == start else (low, share)
    share = (low + high) / 2
    return (round(a[0] + (b[0] - a[0]) * share, 1), round(a[1] + (b[1] - a[1]) * share, 1))


def green_rings() -> list[tuple[Text, tuple[Point, ...]]]:
    """Parks and hills, for drawing only."""
    parks = (
        ("青河公园", "Qinghe Park", -1.5, 3.5, 420, 330),
        ("书院公园", "Shuyuan Park", 0.5, 4.5, 380, 300),
        ("莲塘公园", "Liantang Park", 1.5, -2.5, 400, 300),
        ("松岭", "Songling Hills", 1.6, 6.3, 900, 420),
        ("柳浪林场", "Liulang Forest", -7.4, 5.5, 520, 420),
        ("南屿山", "Nanyu Hill", -4.6, -5.6, 560, 420),
    )
    return [
        (Text(zh, en), _blob(Random(f"hekou/green/{en}"), bent(column, row), width, height))
        for zh, en, column, row, width, height in parks
    ]
