"""Drawings of others: formats, encodings, reference systems, and files that were made to do harm."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
import shapefile

from geofences.importing import archives, reading
from geofences.importing.drawing import Drawing
from geofences.importing.projections import TransverseMercator, UnknownProjectionError, unprojected
from geofences.importing.reading import read_drawing
from haulwatch.domain.errors import AuthorError

RING = [[120.0, 30.8], [120.0, 30.81], [120.01, 30.81], [120.01, 30.8], [120.0, 30.8]]
HOLE = [[120.002, 30.802], [120.004, 30.802], [120.004, 30.804], [120.002, 30.804], [120.002, 30.802]]
CGCS2000 = 'GEOGCS["GCS_China_Geodetic_Coordinate_System_2000",DATUM["D_China_2000",SPHEROID["CGCS2000",6378137.0,298.257222101]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]]'  # noqa: E501
GAUSS = f'PROJCS["CGCS2000_3_Degree_GK_CM_120E",{CGCS2000},PROJECTION["Gauss_Kruger"],PARAMETER["False_Easting",500000.0],PARAMETER["False_Northing",0.0],PARAMETER["Central_Meridian",120.0],PARAMETER["Scale_Factor",1.0],PARAMETER["Latitude_Of_Origin",0.0],UNIT["Meter",1.0]]'  # noqa: E501
XIAN = CGCS2000.replace("GCS_China_Geodetic_Coordinate_System_2000", "GCS_Xian_1980").replace("CGCS2000", "Xian_1980")
XIAN = XIAN.replace("D_China_2000", "D_Xian_1980")
KML = """<?xml version="1.0" encoding="UTF-8"?>{dtd}
<kml xmlns="http://www.opengis.net/kml/2.2"><Document><Folder>
<Placemark id="a"><name>{name}</name><ExtendedData><Data name="编号"><value>S-9</value></Data></ExtendedData>
<Polygon><outerBoundaryIs><LinearRing><coordinates>120.0,30.8,0 120.01,30.8,0 120.01,30.81,0 120.0,30.81,0
</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>
<Placemark><name>no shape</name></Placemark>
<Placemark><LineString><coordinates>120,30.8 120.1,30.8</coordinates></LineString></Placemark>
</Folder></Document></kml>"""


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def shapes(rings: list[Any], *, encoding: str = "utf-8", **more: bytes) -> dict[str, bytes]:
    """The files of a Shapefile with one polygon."""
    streams = {name: io.BytesIO() for name in ("shp", "shx", "dbf")}
    with shapefile.Writer(**streams, shapeType=shapefile.POLYGON, encoding=encoding) as writer:
        writer.field("NAME", "C", 40)
        writer.field("NO", "N", 10)
        writer.poly(rings)
        writer.record("滨江工地", 7)
    found = {f"site/工地.{name}": stream.getvalue() for name, stream in streams.items()}
    return found | {f"site/工地.{name}": data for name, data in more.items()}


def only(drawing: Drawing) -> tuple[dict[str, Any], Any]:
    [drawn] = drawing.features
    return drawn.properties, drawn.geometry


@pytest.mark.parametrize(
    ("encoding", "more"), [("utf-8", {}), ("gbk", {}), ("gbk", {"cpg": b"936"}), ("utf-8", {"cpg": b"UTF-8"})]
)
def test_a_shapefile_in_the_encoding_that_it_has(encoding: str, more: dict[str, bytes]) -> None:
    parts = shapes([RING, HOLE], encoding=encoding, prj=CGCS2000.encode(), **more)
    drawing = read_drawing("工地.zip", zipped(parts))
    properties, geometry = only(drawing)
    assert (properties, drawing.datum) == ({"NAME": "滨江工地", "NO": 7}, "wgs84")
    assert (geometry["type"], len(geometry["coordinates"])) == ("Polygon", 2), "with its hole"
    assert sorted(geometry["coordinates"][0][:4]) == sorted(RING[:4])


def test_a_shapefile_without_a_word_of_its_datum() -> None:
    assert read_drawing("a.zip", zipped(shapes([RING]))).datum is None


def test_metres_of_a_gauss_zone_become_degrees() -> None:
    ring = [[500000.0, 3408000.0], [500000.0, 3409000.0], [501000.0, 3409000.0], [500000.0, 3408000.0]]
    _, geometry = only(read_drawing("a.zip", zipped(shapes([ring], prj=GAUSS.encode()))))
    lons, lats = zip(*geometry["coordinates"][0], strict=True)
    assert (min(lons), max(lons)) == pytest.approx((120.0, 120 + 1000 / 95_711), abs=5e-6)
    assert max(lats) - min(lats) == pytest.approx(1000 / 110_868, rel=1e-3)


def test_a_place_whose_coordinates_are_published() -> None:
    """The CN Tower: 43°38′33.24″N 79°23′13.7″W is UTM 17N 630084 4833438, to a metre."""
    lon, lat = TransverseMercator(-81.0, 0.9996).degrees(630084.0, 4833438.0)
    assert lon == pytest.approx(-(79 + 23 / 60 + 13.7 / 3600), abs=2e-5)
    assert lat == pytest.approx(43 + 38 / 60 + 33.24 / 3600, abs=2e-5)


@pytest.mark.parametrize(
    "prj", [XIAN, "", GAUSS.replace("Gauss_Kruger", "Albers"), GAUSS.replace('Meter",1.0', 'Foot",0.3')]
)
def test_systems_that_are_not_known_are_refused(prj: str) -> None:
    with pytest.raises(UnknownProjectionError):
        unprojected(prj)
    with pytest.raises(AuthorError) as error:
        read_drawing("a.zip", zipped(shapes([RING], prj=prj.encode())))
    assert error.value.findings[0].code == "Z044"


def test_kml_and_kmz() -> None:
    text = KML.format(dtd="", name="滨江 &amp; 工地").encode()
    for drawing in (read_drawing("a.kml", text), read_drawing("a.KMZ", zipped({"doc.kml": text}))):
        area, line = drawing.features
        assert area.properties == {"name": "滨江 & 工地", "编号": "S-9", "id": "a"}
        assert area.geometry["coordinates"][0][0] == area.geometry["coordinates"][0][-1] == [120.0, 30.8]
        assert (line.geometry["type"], drawing.datum) == ("LineString", "wgs84")


def test_geojson() -> None:
    feature = {"type": "Feature", "properties": {"a": 1}, "geometry": {"type": "Polygon", "coordinates": [RING]}}
    drawing = read_drawing("a.json", json.dumps({"type": "FeatureCollection", "features": [feature]}).encode())
    assert only(drawing) == ({"a": 1}, feature["geometry"])


LAUGHS = '<!DOCTYPE kml [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;">]>'
DEEP = b"<kml>" + b"<a>" * 100 + b"</a>" * 100 + b"</kml>"


@pytest.mark.filterwarnings("ignore::shapefile.PossiblyCorruptFileHeader")
@pytest.mark.parametrize(
    ("file", "data", "code"),
    [
        ("a.kml", KML.format(dtd=LAUGHS, name="&b;").encode(), "Z042"),
        ("a.kml", KML.format(dtd='<!DOCTYPE kml SYSTEM "file:///etc/passwd">', name="x").encode(), "Z042"),
        ("a.kml", DEEP, "Z042"),
        ("a.kml", b"<kml><Placemark>", "Z042"),
        ("a.kml", b"<kml/>", "Z045"),
        ("a.kmz", zipped({"a.txt": b"x"}), "Z041"),
        ("a.zip", b"PK no", "Z041"),
        ("a.zip", zipped({"a.txt": b"x"}), "Z043"),
        ("a.zip", zipped({"a.shp": b"x" * 200}), "Z043"),
        ("a.zip", zipped({"a.shp": b"", "b.shp": b""}), "Z043"),
        ("a.zip", zipped({f"{n}.txt": b"" for n in range(archives.MAX_MEMBERS + 1)}), "Z041"),
        ("a.geojson", b"{", "Z002"),
        ("a.dwg", b"", "Z040"),
        ("a.kml", b" " * (reading.MAX_BYTES + 1), "Z040"),
    ],
)
def test_what_is_refused(file: str, data: bytes, code: str) -> None:
    with pytest.raises(AuthorError) as error:
        read_drawing(file, data)
    assert [finding.code for finding in error.value.findings] == [code]


def test_a_zip_that_unpacks_to_more_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_UNPACKED_BYTES", 1_000_000)
    bomb = zipped({"a.shp": b"\0" * 1_000_001})
    assert len(bomb) < 2000
    with pytest.raises(AuthorError) as error:
        read_drawing("a.zip", bomb)
    assert error.value.findings[0].code == "Z041"


@pytest.mark.filterwarnings("ignore::shapefile.PossiblyCorruptFileHeader")
@pytest.mark.parametrize("cut", range(0, 400, 23))
def test_a_shapefile_that_is_cut_or_bent_raises_nothing_else(cut: int) -> None:
    parts = shapes([RING, HOLE])
    for ending in ("shp", "dbf"):
        name = f"site/工地.{ending}"
        data = parts[name]
        at = min(cut, len(data) - 1)
        for damaged in (data[:at], data[:at] + b"\xff\xff\xff\x7f" + data[at + 4 :]):
            try:
                read_drawing("a.zip", zipped({**parts, name: damaged}))
            except AuthorError as error:
                assert error.findings[0].code in ("Z043", "Z045")  # noqa: PT017  # some damage shows later or never
