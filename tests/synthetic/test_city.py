"""The city of Hekou is a city: connected roads, zones that are valid and where they should be."""

from __future__ import annotations

from datetime import date
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from shapely.geometry import LineString, Point, Polygon, box
from shapely.ops import unary_union

from haulwatch.bootstrap import load_city
from haulwatch.synthetic.folder import write_city
from haulwatch.synthetic.plan import city_plan
from haulwatch.synthetic.plane import along, degrees_of, distance, metres_of, project
from haulwatch.synthetic.terrain import HALF_HEIGHT_M, HALF_WIDTH_M, river_ring, to_river

PLAN = city_plan()
TODAY = date(2026, 5, 11)
SITE_KINDS = ("construction_site", "disposal_site", "transfer_site", "parking", "lot")


def test_degrees_and_metres_are_inverse() -> None:
    for point in ((0.0, 0.0), (12_345.6, -9_876.5), (-7_000.0, 400.0)):
        assert distance(metres_of(*degrees_of(point)), point) < 0.2


def test_a_point_along_a_line_projects_back_onto_it() -> None:
    line = [(0.0, 0.0), (100.0, 0.0), (100.0, 50.0)]
    for metres in (0.0, 10.0, 99.0, 101.0, 149.0):
        back, away = project(line, along(line, metres)[0])
        assert back == pytest.approx(metres)
        assert away == pytest.approx(0.0, abs=1e-9)


def test_every_place_can_be_reached_from_every_other() -> None:
    spots = [place.spot for place in PLAN.places.values()]
    for spot in spots[1:]:
        path = PLAN.roads.path(spots[0], spot)
        assert path.nodes[0] == spots[0]
        assert path.nodes[-1] == spot


def test_roads_keep_out_of_the_water_except_on_bridges_and_in_the_tunnel() -> None:
    river = Polygon(river_ring())
    crossings = [edge for edge in PLAN.roads.edges.values() if LineString(edge.line).intersects(river)]
    assert 5 <= len(crossings) <= 8
    assert all(edge.name is not None for edge in crossings)
    assert sum(edge.road_class == "tunnel" for edge in crossings) == 1


def test_a_way_is_made_of_roads_end_to_end() -> None:
    for licence in PLAN.licences:
        path = PLAN.route_of(licence)
        assert all(distance(a, b) < 400 for a, b in pairwise(path.line))
        for stretch, start in zip(path.stretches, path.starts, strict=True):
            ends = (stretch.edge.line[0], stretch.edge.line[-1])
            assert min(distance(along(path.line, start)[0], end) for end in ends) < 0.5
        assert path.metres == pytest.approx(sum(stretch.edge.metres for stretch in path.stretches))


def test_sites_lie_on_land_beside_roads_and_clear_of_each_other() -> None:
    rings = {p.place_id: Polygon(p.ring) for p in PLAN.places.values() if p.kind in SITE_KINDS}
    roads = [LineString(e.line) for e in PLAN.roads.edges.values() if e.road_class not in ("access", "track")]
    for (_, a), (_, b) in combinations(rings.items(), 2):
        assert a.distance(b) > 50
    for place_id, ring in rings.items():
        assert ring.is_valid
        assert ring.contains(Point(PLAN.roads.nodes[f"{place_id}/spot"]))
        assert all(abs(to_river(corner)) > 0 for corner in PLAN.places[place_id].ring)
        assert min(ring.distance(road) for road in roads) > 40


def test_streets_pass_protected_land_outside() -> None:
    for area in (area for area in PLAN.areas if area.kind == "forbidden"):
        ring = Polygon(area.ring)
        streets = [e for e in PLAN.roads.edges.values() if e.road_class != "track"]
        assert min(ring.distance(LineString(edge.line)) for edge in streets) > 30
        assert ring.contains(Point(PLAN.roads.nodes[f"{area.zone_id}/spot"]))


def test_townships_tile_their_districts_and_districts_tile_the_city() -> None:
    districts = {area.zone_id: Polygon(area.ring) for area in PLAN.areas if area.kind == "district"}
    assert len(districts) == 4
    for zone_id, district in districts.items():
        parts = [Polygon(area.ring) for area in PLAN.areas if area.parent == zone_id]
        assert len(parts) == 3
        assert unary_union(parts).symmetric_difference(district).area < 50
        assert sum(part.area for part in parts) == pytest.approx(district.area, rel=1e-6)
    city = box(-HALF_WIDTH_M, -HALF_HEIGHT_M, HALF_WIDTH_M, HALF_HEIGHT_M)
    assert unary_union(list(districts.values())).symmetric_difference(city).area < 5_000


def test_the_city_has_what_a_city_needs() -> None:
    assert len(PLAN.of_kind("construction_site")) >= 10
    assert len(PLAN.of_kind("disposal_site")) >= 5
    assert len(PLAN.cameras) >= 20
    assert {scale.mode for scale in PLAN.scales} == {"static", "wim"}
    assert any(scale.expired for scale in PLAN.scales)
    assert any(licence.expired for licence in PLAN.licences)


@pytest.mark.parametrize("licence", PLAN.licences, ids=lambda licence: licence.permit_id)
def test_a_bypass_leaves_the_route_briefly(licence) -> None:
    usual = {stretch.edge.edge_id for stretch in PLAN.route_of(licence).stretches}
    start, goal = PLAN.places[licence.origin].spot, PLAN.places[licence.destination].spot
    for node in PLAN.bypasses[licence.permit_id]:
        way = PLAN.roads.path(start, node, goal)
        assert 300 < way.longest_without(usual) < 1_400


def test_the_written_folder_is_a_city_without_a_finding(tmp_path: Path) -> None:
    write_city(tmp_path, seed=3, trucks=50, today=TODAY)
    city, files = load_city(tmp_path)
    assert city.name.zh == "河口"
    assert len(city.registry.trucks) == 50
    assert len(city.registry.permits) == len(PLAN.licences)
    assert {f"basemap/{name}.geojson" for name in ("roads", "water", "green", "labels")} <= set(files)
    names = {zone.zone_id: zone.name for zone in city.zones}
    assert names["S-001"].en == "Yunqi Garden site"


def test_the_folder_is_the_same_every_time(tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        write_city(tmp_path / name, seed=3, trucks=20, today=TODAY)
        folder = tmp_path / name
        contents.append({p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()})
    assert contents[0] == contents[1]
