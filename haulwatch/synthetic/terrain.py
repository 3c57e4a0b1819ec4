"""Land, water and roads of Hekou: a river to its mouth, and a street grid that bends with the land."""

from __future__ import annotations

from functools import cache
from math import sin
from random import Random

from haulwatch.domain.text import Text
from haulwatch.synthetic.plane import Point, between
from haulwatch.synthetic.roads import RoadClass, RoadNetwork

HALF_WIDTH_M = 12_600.0
HALF_HEIGHT_M = 10_300.0
RIVER_STEP_M = 300.0
COLUMNS = range(-8, 9)
ROWS = range(-7, 8)
COLUMN_M = 1_500.0
ROW_M = 1_350.0
RING_COLUMNS = (-5, 5)
RING_ROWS = (-4, 5)
BRIDGE_COLUMNS = (-7, -5, -2, 0, 3, 5)
TUNNEL_COLUMN = 0
ARTERIAL_COLUMNS = (-7, -2, 0, 3, 7)
ARTERIAL_ROWS = (-6, -2, 2, 4, 7)

COLUMN_NAMES = {
    -8: ("西塘路", "Xitang Road"),
    -7: ("云溪大道", "Yunxi Avenue"),
    -6: ("柳浪路", "Liulang Road"),
    -5: ("环城西路", "West Ring Road"),
    -4: ("竹坞路", "Zhuwu Road"),
    -3: ("砚池路", "Yanchi Road"),
    -2: ("青河大道", "Qinghe Avenue"),
    -1: ("石桥路", "Shiqiao Road"),
    0: ("中山隧道路", "Tunnel Road"),
    1: ("书院路", "Shuyuan Road"),
    2: ("银杏路", "Yinxing Road"),
    3: ("望潮大道", "Wangchao Avenue"),
    4: ("盐仓路", "Yancang Road"),
    5: ("环城东路", "East Ring Road"),
    6: ("渡口路", "Dukou Road"),
    7: ("滨海大道", "Binhai Avenue"),
    8: ("海塘路", "Haitang Road"),
}
ROW_NAMES = {
    -7: ("南塘路", "Nantang Road"),
    -6: ("南屿大道", "Nanyu Avenue"),
    -5: ("稻香路", "Daoxiang Road"),
    -4: ("环城南路", "South Ring Road"),
    -3: ("莲塘路", "Liantang Road"),
    -2: ("江南大道", "Jiangnan Avenue"),
    -1: ("沿河南路", "South Bank Road"),
    0: ("沿河路", "Riverbank Road"),
    1: ("沿河北路", "North Bank Road"),
    2: ("人民大道", "Renmin Avenue"),
    3: ("桐荫路", "Tongyin Road"),
    4: ("江北大道", "Jiangbei Avenue"),
    5: ("环城北路", "North Ring Road"),
    6: ("松岭路", "Songling Road"),
    7: ("北岭大道", "Beiling Avenue"),
}


def bent(column: float, row: float) -> Point:
    """Where the crossing of a (fractional) street column and row lies: the grid bends gently with the land."""
    x, y = column * COLUMN_M, row * ROW_M
    return (
        round(x + 210.0 * sin(row * 0.55 + column * 0.21) + 60.0 * sin(row * 1.7), 1),
        round(y + 240.0 * sin(column * 0.43 - row * 0.17) + 50.0 * sin(column * 1.3), 1),
    )


def river_y(x: float) -> float:
    """The middle of the river at `x` metres east."""
    return -500.0 + 1_500.0 * sin(x / 4_600.0) + 260.0 * sin(x / 1_450.0 + 0.8)


def river_half_width(x: float) -> float:
    """Half the river's width at `x`; it opens towards its mouth in the east."""
    return 85.0 + max(0.0, x - 7_000.0) * 0.06


@cache
def river_line() -> tuple[Point, ...]:
    """The river's middle from west to east."""
    count = int(2 * HALF_WIDTH_M / RIVER_STEP_M)
    return tuple((x, river_y(x)) for x in (round(-HALF_WIDTH_M + RIVER_STEP_M * i, 1) for i in range(count + 1)))


def river_ring() -> list[Point]:
    """The outline of the water."""
    line = river_line()
    north = [(x, y + river_half_width(x)) for x, y in line]
    south = [(x, y - river_half_width(x)) for x, y in reversed(line)]
    return north + south


def to_river(point: Point) -> float:
    """Metres north (+) or south (-) of the river's bank, 0 on the water; measured straight north."""
    off = point[1] - river_y(point[0])
    width = river_half_width(point[0])
    return 0.0 if abs(off) <= width else off - width if off > 0 else off + width


def street_network() -> RoadNetwork:
    """The streets: what the river and the countryside leave of the grid."""
    roads = RoadNetwork()
    for column in COLUMNS:
        for row in ROWS:
            point = bent(column, row)
            if abs(to_river(point)) > 150.0:
                roads.add_node(_node(column, row), point)
    draw = Random("hekou/streets")
    for column in COLUMNS:
        for row in ROWS:
            _add_street(roads, draw, (column, row), (column + 1, row), _row_class(column, row))
            _add_street(roads, draw, (column, row), (column, row + 1), _column_class(column, row))
    _add_bridges(roads)
    roads.keep_largest_part()
    return roads


def _node(column: int, row: int) -> str:
    return f"n{column:+d}{row:+d}"


def _row_class(column: int, row: int) -> RoadClass:
    if row in RING_ROWS and RING_COLUMNS[0] <= column < RING_COLUMNS[1]:
        return "ring"
    return "arterial" if row in ARTERIAL_ROWS or row in RING_ROWS else "local"


def _column_class(column: int, row: int) -> RoadClass:
    if column in RING_COLUMNS and RING_ROWS[0] <= row < RING_ROWS[1]:
        return "ring"
    return "arterial" if column in ARTERIAL_COLUMNS or column in RING_COLUMNS else "local"


def _add_street(
    roads: RoadNetwork, draw: Random, start: tuple[int, int], end: tuple[int, int], road_class: RoadClass
) -> None:
    """One block of a street, unless water is in the way or nobody built it out there."""
    chance = draw.random()
    a, b = _node(*start), _node(*end)
    if a not in roads.nodes or b not in roads.nodes:
        return
    outside = not (RING_COLUMNS[0] <= start[0] <= RING_COLUMNS[1] and RING_ROWS[0] <= start[1] <= RING_ROWS[1])
    if road_class == "local" and outside and chance < 0.3:
        return
    inner = [bent(*between(start, end, share)) for share in (0.2, 0.4, 0.6, 0.8)]
    banks = [to_river(point) for point in (roads.nodes[a], *inner, roads.nodes[b])]
    if min(map(abs, banks)) < 60.0 or min(banks) < 0 < max(banks):
        return
    zh, en = ROW_NAMES[start[1]] if start[1] == end[1] else COLUMN_NAMES[start[0]]
    roads.add_edge(a, b, road_class, inner=inner, name=Text(zh, en))


def _add_bridges(roads: RoadNetwork) -> None:
    for column in BRIDGE_COLUMNS:
        rows = [row for row in ROWS if _node(column, row) in roads.nodes]
        south = max(row for row in rows if to_river(bent(column, row)) < 0)
        north = min(row for row in rows if to_river(bent(column, row)) > 0)
        inner = [bent(*between((column, south), (column, north), share / 8)) for share in range(1, 8)]
        zh, en = COLUMN_NAMES[column]
        tunnel = column == TUNNEL_COLUMN
        road_class: RoadClass = "tunnel" if tunnel else "ring" if column in RING_COLUMNS else "arterial"
        name = Text("青河隧道", "Qing River Tunnel") if tunnel else Text(f"{zh}青河桥", f"{en} Bridge")
        roads.add_edge(_node(column, south), _node(column, north), road_class, inner=inner, name=name)
