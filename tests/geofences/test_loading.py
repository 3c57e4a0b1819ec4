"""Zone files: what a good one means, and where each thing that can be wrong with one is said to be."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from geofences.datum import Datum, convert
from geofences.loading import load_zones
from geofences.zones import Zone, metres_per_degree
from haulwatch.domain.errors import Finding
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text

SQUARE = [[120.0, 30.0], [120.01, 30.0], [120.01, 30.01], [120.0, 30.01], [120.0, 30.0]]
DOCUMENT = Path(__file__).parents[2] / "docs" / "zones.md"


def polygon(*rings: Any) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": list(rings) or [SQUARE]}


def line(*positions: list[float]) -> dict[str, Any]:
    return {"type": "LineString", "coordinates": positions}


def feature(geometry: Any = None, **properties: Any) -> dict[str, Any]:
    """A good feature, but for what is given; a property of None is left out."""
    merged = {"zone_id": "Z-1", "kind": "forbidden", "name": "禁倒区"} | properties
    return {
        "type": "Feature",
        "properties": {key: value for key, value in merged.items() if value is not None},
        "geometry": polygon() if geometry is None else geometry,
    }


def collection(*features: Any, **members: Any) -> bytes:
    document = {"type": "FeatureCollection", **members, "features": list(features)}
    return json.dumps(document, indent=1).encode()


def load(*features: Any, datum: Datum = "wgs84") -> tuple[list[Zone], list[Finding]]:
    return load_zones([("a.geojson", collection(*features))], datum)


def one(*features: Any, datum: Datum = "wgs84") -> Zone:
    zones, findings = load(*features, datum=datum)
    assert findings == []
    return zones[0]


# --- good files -------------------------------------------------------------------------------------------------------


def test_every_property_arrives() -> None:
    town = feature(zone_id="T-1", kind="township")
    site = feature(
        name={"zh": "一号工地", "en": "Site 1"},
        kind="construction_site",
        hours=["22:00-05:00", "12:00-13:30"],
        valid_from="2026-05-01",
        valid_to="2026-06-30",
        parent="T-1",
        fill="#ff0000",
    )
    zones, findings = load(site, town)
    assert findings == []
    assert [zone.zone_id for zone in zones] == ["Z-1", "T-1"]
    loaded = zones[0]
    assert loaded.name == Text("一号工地", "Site 1")
    assert loaded.kind == "construction_site"
    assert loaded.hours == (Hours(1320, 300), Hours(720, 810))
    assert (loaded.valid_from, loaded.valid_to) == (date(2026, 5, 1), date(2026, 6, 30))
    assert loaded.parent == "T-1"
    assert loaded.geometry.equals(shapely.Polygon(SQUARE))


def test_what_is_left_out_has_its_default() -> None:
    loaded = one(feature(name=None))
    assert loaded.name == Text("Z-1", "Z-1")
    assert (loaded.buffer_m, loaded.hours, loaded.valid_from, loaded.parent) == (0.0, (), None, None)
    assert not loaded.timed


def half_width_m(zone: Zone) -> float:
    """How far the area reaches beyond the outline to the south."""
    return (zone.outline.bounds[1] - zone.geometry.bounds[1]) * metres_per_degree(zone.outline.bounds[1])[1]


@pytest.mark.parametrize(
    ("properties", "metres"), [({}, 50), ({"buffer_m": 20}, 20), ({"kind": "forbidden", "buffer_m": 7.5}, 7.5)]
)
def test_a_line_becomes_a_corridor_of_so_many_metres_to_each_side(properties: dict[str, Any], metres: float) -> None:
    way = line([120.0, 30.0], [120.05, 30.0])
    assert half_width_m(one(feature(way, **({"kind": "route"} | properties)))) == pytest.approx(metres, rel=2e-3)


def test_several_lines_are_one_route() -> None:
    lines = {"type": "MultiLineString", "coordinates": [[[120.0, 30.0], [120.01, 30.0]], [[120.1, 30], [120.2, 30]]]}
    assert one(feature(lines, kind="route")).geometry.geom_type == "MultiPolygon"


def test_a_point_becomes_a_circle() -> None:
    circle = one(feature({"type": "Point", "coordinates": [120.0, 30.0]}, kind="weigh_area", radius_m=100))
    east_m, north_m = metres_per_degree(30.0)
    assert circle.geometry.area * east_m * north_m == pytest.approx(3.14159 * 100**2, rel=2e-3)
    assert circle.buffer_m == 100


def test_a_polygon_can_have_a_margin_holes_and_heights() -> None:
    hole = [[120.002, 30.002], [120.004, 30.002], [120.004, 30.004], [120.002, 30.002]]
    high = [[*point, 12.5] for point in SQUARE]
    loaded = one(feature(polygon(high, hole), buffer_m=10))
    assert half_width_m(loaded) == pytest.approx(10, rel=2e-3)
    assert not shapely.intersects_xy(loaded.geometry, 120.0035, 30.0025)
    assert not loaded.geometry.has_z


@pytest.mark.parametrize("datum", ["gcj02", "bd09"])
def test_zones_drawn_on_a_shifted_map_are_moved_before_they_grow(datum: Datum) -> None:
    lon, lat = 120.0, 30.0
    drawn = list(convert(lon, lat, "wgs84", datum))
    loaded = one(feature({"type": "Point", "coordinates": drawn}, radius_m=50), datum=datum)
    assert loaded.outline.coords[0] == pytest.approx((lon, lat), abs=1e-10)
    assert loaded.geometry.centroid.coords[0] == pytest.approx((lon, lat), abs=1e-9)


def test_byte_order_marks_and_windows_line_ends_change_nothing() -> None:
    data = collection(feature(), feature(zone_id="Z-2", kind="nothing"))
    data = data.decode().replace("\\u7981", "禁").encode()
    expected = load_zones([("a.geojson", data)], "wgs84")
    assert load_zones([("a.geojson", b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))], "wgs84") == expected


def test_the_example_of_the_guide_is_right() -> None:
    example = Path(__file__).parents[2] / "geofences" / "data" / "example.geojson"
    zones, findings = load_zones([("example.geojson", example.read_bytes())], "wgs84")
    assert findings == []
    assert {zone.outline.geom_type for zone in zones} == {"Polygon", "MultiPolygon", "LineString", "Point"}


# --- broken files -----------------------------------------------------------------------------------------------------

POINT = {"type": "Point", "coordinates": [120.0, 30.0]}
BOWTIE = [[120.0, 30.0], [120.1, 30.0], [120.0, 30.1], [120.1, 30.1], [120.0, 30.0]]
BROKEN: list[tuple[str, Any, str, str]] = [
    # what is wrong, the feature, code, the key whose line is named
    ("no zone_id", feature(zone_id=None), "Z010", "properties"),
    ("no kind", feature(kind=None), "Z010", "properties"),
    ("a point without radius", feature(POINT), "Z010", "properties"),
    ("zone_id is a number", feature(zone_id=17), "Z011", "zone_id"),
    ("zone_id is blank", feature(zone_id=" "), "Z011", "zone_id"),
    ("zone_id with outer blanks", feature(zone_id="S-001 "), "Z011", "zone_id"),
    ("name is a number", feature(name=3), "Z011", "name"),
    ("name in a third language", feature(name={"zh": "甲", "fr": "a"}), "Z011", "name"),
    ("name is half a character", feature(name="\ud800"), "Z011", "name"),
    ("negative buffer", feature(buffer_m=-5), "Z011", "buffer_m"),
    ("buffer is a text", feature(buffer_m="50"), "Z011", "buffer_m"),
    ("radius of a continent", feature(POINT, radius_m=10**9), "Z011", "radius_m"),
    ("unknown kind", feature(kind="forbiden"), "Z012", "kind"),
    ("kind is a list", feature(kind=["route"]), "Z012", "kind"),
    ("hours without list", feature(hours="22:00-05:00"), "Z014", "hours"),
    ("hours that do not exist", feature(hours=["22:00-25:00"]), "Z014", "hours"),
    ("hours with full-width colon", feature(hours=["22：00-05：00"]), "Z014", "hours"),
    ("hours is a number", feature(hours=[22]), "Z014", "hours"),
    ("no such day", feature(valid_from="2026-02-30"), "Z015", "valid_from"),
    ("day as a number", feature(valid_to=20260501), "Z015", "valid_to"),
    ("day with time", feature(valid_to="2026-05-01T00:00:00Z"), "Z015", "valid_to"),
    ("days the wrong way round", feature(valid_from="2026-05-02", valid_to="2026-05-01"), "Z016", "valid_from"),
    ("no such parent", feature(parent="T-9"), "Z017", "parent"),
    ("its own parent", feature(parent="Z-1"), "Z018", "parent"),
    ("no geometry", feature() | {"geometry": None}, "Z020", "geometry"),
    ("an unknown geometry", feature({"type": "polygon", "coordinates": [SQUARE]}), "Z020", "geometry"),
    ("a collection as geometry", feature({"type": "GeometryCollection", "geometries": []}), "Z020", "geometry"),
    ("a text as coordinate", feature(polygon([["120.0", 30.0], *SQUARE[1:]])), "Z021", "geometry"),
    ("a lonely number", feature(polygon([[120.0], *SQUARE[1:]])), "Z021", "geometry"),
    ("one bracket too few", feature({"type": "Polygon", "coordinates": SQUARE}), "Z021", "geometry"),
    ("no coordinates", feature({"type": "Polygon", "coordinates": []}), "Z021", "geometry"),
    ("true as coordinate", feature(polygon([[True, 30.0], *SQUARE[1:]])), "Z021", "geometry"),
    ("out of range", feature(polygon([[120, 30], [220, 30], [120, 31], [120, 30]])), "Z022", "geometry"),
    ("projected metres", feature(polygon([[500000.0, 3320000.0]] * 4)), "Z022", "geometry"),
    ("beyond all numbers", feature(polygon([[1e400, 30.0], *SQUARE[1:]])), "Z002", ""),
    ("swapped", feature(polygon([[lat, lon] for lon, lat in SQUARE])), "Z023", "geometry"),
    ("swapped and in range", feature(polygon([[39, 75.9], [39, 76], [39.5, 76], [39, 75.9]])), "Z023", "geometry"),
    ("unclosed ring", feature(polygon(SQUARE[:-1])), "Z024", "geometry"),
    ("ring of two points", feature(polygon([SQUARE[0], SQUARE[1], SQUARE[0]])), "Z025", "geometry"),
    ("line of one point", feature(line([120, 30]), kind="route"), "Z025", "geometry"),
    ("a bow tie", feature(polygon(BOWTIE)), "Z026", "geometry"),
    ("a hole outside", feature(polygon(SQUARE, [[lon + 1, lat] for lon, lat in SQUARE])), "Z026", "geometry"),
    ("a line without buffer", feature(line(*SQUARE[:2])), "Z027", "geometry"),
    ("a route of no width", feature(line(*SQUARE[:2]), kind="route", buffer_m=0), "Z027", "geometry"),
    ("a circle of no radius", feature(POINT, radius_m=0), "Z027", "geometry"),
    ("null island", feature(polygon([[0, 0], [0.1, 0], [0.1, 0.1], [0, 0]])), "Z028", "geometry"),
    ("not a feature", {"type": "Polygon", "coordinates": [SQUARE]}, "Z007", "type"),
    ("not even an object", "Z-1", "Z007", ""),
]  # fmt: skip


@pytest.mark.parametrize(("broken", "code", "key"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_feature_is_named_with_its_number_and_line(broken: Any, code: str, key: str) -> None:
    data = collection(feature(zone_id="good"), broken)
    zones, findings = load_zones([("a.geojson", data)], "wgs84")
    assert [finding.code for finding in findings] == [code]
    finding = findings[0]
    lines = data.decode().split("\n")
    assert finding.severity == "error"
    assert finding.snippet == lines[finding.line - 1]
    assert f'"{key}"' in finding.snippet if key else finding.line > 1
    if code != "Z002":
        assert finding.place == "feature 1"
        # A wrong reference leaves the zone itself good enough to look at.
        assert len(zones) == (2 if key == "parent" else 1)


@pytest.mark.parametrize(
    ("data", "code", "row", "column"),
    [
        (b"", "Z002", 1, 1),
        (b"[1, 2]", "Z003", 0, 0),
        (b'{"type": "Feature"}', "Z003", 0, 0),
        (b'{"type": "Topology", "objects": {}}', "Z003", 0, 0),
        (b'{"type": "FeatureCollection"}', "Z003", 0, 0),
        (b'{"type": "FeatureCollection", "features": {}}', "Z003", 0, 0),
        (b'{"type": "FeatureCollection", "features": []}', "Z004", 0, 0),
        (b'{"type": "FeatureCollection",\n "features": [\n  {"type" "Feature"}\n]}', "Z002", 3, 11),
        (b'{"type": "FeatureCollection",\n "features": [', "Z002", 2, 14),
        (b'{"type": "FeatureCollection",\n "features": []]', "Z002", 2, 16),
        (b'{"type": "FeatureCollection", "features": []}\n}', "Z002", 2, 1),
        (b'{"type": "FeatureCollection", "features": [\n' + b"[" * 100_000, "Z002", 0, 0),
        (b'{"type": "FeatureCollection", "features": [\n' + b"1" * 10_000 + b"]}", "Z002", 0, 0),
        ('{"type":\n"渣土"}'.encode("gb18030"), "Z001", 2, 0),
        ('{"type": "渣土"}'.encode("utf-16"), "Z001", 0, 0),
        (b'{"type":\n"\xff\xfe\xfa"}', "Z001", 2, 0),
    ],
    ids=range(16),
)
def test_a_file_that_cannot_be_read_is_one_finding(data: bytes, code: str, row: int, column: int) -> None:
    zones, findings = load_zones([("a.geojson", data)], "wgs84")
    assert zones == []
    assert [(finding.code, finding.line, finding.column) for finding in findings] == [(code, row, column)]


def test_a_reference_system_other_than_degrees_is_refused() -> None:
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4549"}}
    assert [f.code for f in load_zones([("a", collection(feature(), crs=crs))], "wgs84")[1]] == ["Z005"]
    for name in ("urn:ogc:def:crs:OGC:1.3:CRS84", "EPSG:4326", "urn:ogc:def:crs:EPSG::4490"):
        crs["properties"] = {"name": name}
        assert load_zones([("a", collection(feature(), crs=crs))], "wgs84")[1] == []


def test_a_key_that_stands_twice_is_an_error() -> None:
    data = collection(feature()).replace(b'"kind": "forbidden",', b'"kind": "parking", "kind": "forbidden",')
    zones, findings = load_zones([("a.geojson", data)], "wgs84")
    assert zones == []
    assert [(finding.code, finding.place) for finding in findings] == [("Z006", "feature 0")]
    twice = b'{"features": [], "features": []}'
    assert [f.code for f in load_zones([("a", twice)], "wgs84")[1]] == ["Z006"]


def test_a_misspelt_property_is_a_warning_with_the_right_name() -> None:
    zones, findings = load(feature(valid_form="2026-05-01"))
    assert [(finding.code, finding.severity) for finding in findings] == [("Z019", "warning")]
    assert findings[0].hint is not None
    assert "valid_from" in findings[0].hint.en
    assert len(zones) == 1


def test_a_kind_that_is_nearly_right_is_suggested() -> None:
    hint = load(feature(kind="disposal-site"))[1][0].hint
    assert hint is not None
    assert "disposal_site" in hint.zh


def test_an_id_is_used_once_in_all_files_together() -> None:
    files = [("a.geojson", collection(feature(), feature())), ("b.geojson", collection(feature()))]
    findings = load_zones(files, "wgs84")[1]
    assert [(finding.file, finding.place, finding.code) for finding in findings] == [
        ("a.geojson", "feature 1", "Z013"),
        ("b.geojson", "feature 0", "Z013"),
    ]
    assert findings[1].hint is not None
    assert "a.geojson feature 0" in findings[1].hint.en


def test_a_parent_may_stand_in_another_file_and_may_be_broken_itself() -> None:
    child, parent = feature(parent="T-1"), feature(zone_id="T-1", kind="townshipp")
    findings = load_zones([("a.geojson", collection(child)), ("b.geojson", collection(parent))], "wgs84")[1]
    assert [(finding.file, finding.code) for finding in findings] == [("b.geojson", "Z012")]


def test_a_circle_of_parents_is_said_of_each_zone_in_it() -> None:
    ring = [feature(zone_id=f"Z-{k}", parent=f"Z-{(k + 1) % 3}") for k in range(3)]
    below = feature(zone_id="below", parent="Z-0")
    assert [f.place for f in load(*ring, below)[1] if f.code == "Z018"] == ["feature 0", "feature 1", "feature 2"]


def test_everything_wrong_in_all_files_is_said_at_once() -> None:
    files = [
        ("a.geojson", collection(feature(kind="x"), feature(zone_id="Z-2", hours=["?"], valid_to="?", parent="?"))),
        ("b.geojson", b"{"),
        ("c.geojson", collection(feature(polygon(SQUARE[:-1]), zone_id="Z-3", kind=None))),
    ]
    findings = load_zones(files, "wgs84")[1]
    assert [(finding.file, finding.code) for finding in findings] == [
        ("a.geojson", "Z012"),
        ("a.geojson", "Z014"),
        ("a.geojson", "Z015"),
        ("a.geojson", "Z017"),
        ("b.geojson", "Z002"),
        ("c.geojson", "Z010"),
        ("c.geojson", "Z024"),
    ]


def test_a_file_on_one_long_line_is_still_located() -> None:
    data = json.dumps(json.loads(collection(feature(), feature(zone_id="Z-2", kind="x")))).encode()
    finding = load_zones([("a.geojson", data)], "wgs84")[1][0]
    assert (finding.place, finding.line, finding.snippet) == ("feature 1", 1, None)
    assert data.decode()[finding.column - 1 :].startswith('"kind": "x"')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
MEMBER = st.sampled_from(["type", "properties", "geometry"])
PROPERTY = st.sampled_from(["zone_id", "name", "kind", "buffer_m", "radius_m", "hours", "valid_from", "parent"])


@settings(deadline=None)
@given(st.dictionaries(PROPERTY, JSON, max_size=4), st.dictionaries(MEMBER, JSON, max_size=1), JSON)
def test_nonsense_is_found_never_raised(properties: Any, members: Any, coordinates: Any) -> None:
    broken = feature({"type": "Polygon", "coordinates": coordinates}) | members
    if isinstance(broken["properties"], dict):
        broken["properties"] |= properties
    data = json.dumps({"type": "FeatureCollection", "features": [broken]}).encode()
    findings = load_zones([("a.geojson", data)], "wgs84")[1]
    assert any(finding.severity == "error" for finding in findings)
    assert all(finding.render("zh").encode() and finding.render("en").encode() for finding in findings)


@given(st.binary(max_size=60))
def test_any_bytes_are_findings(data: bytes) -> None:
    assert load_zones([("a.geojson", data)], "wgs84")[1]


def test_the_guide_explains_every_code() -> None:
    root = Path(__file__).parents[2]
    sources = [*(root / "geofences").rglob("*.py"), root / "haulwatch" / "cli" / "zones.py"]
    used = {code for path in sources for code in re.findall(r'"(Z\d{3})"', path.read_text())}
    explained = set(re.findall(r"^\| (Z\d{3}) \|", DOCUMENT.read_text(), re.MULTILINE))
    assert used == explained
