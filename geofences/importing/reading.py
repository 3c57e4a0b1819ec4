"""A drawing from the bytes of a file, by the file's ending."""

from __future__ import annotations

from pathlib import PurePosixPath

from geofences.geojson import read_features
from geofences.importing.archives import members
from geofences.importing.drawing import Drawing, Drawn, bounded, refused
from geofences.importing.kml import read_kml
from geofences.importing.shapefiles import read_shapefile
from haulwatch.domain.errors import AuthorError

MAX_BYTES = 8 * 1024 * 1024


def read_drawing(file: str, data: bytes) -> Drawing:
    """The features of a GeoJSON, KML or KMZ file or of a zipped Shapefile. Raises AuthorError with what is wrong."""
    if len(data) > MAX_BYTES:
        size_mb = MAX_BYTES >> 20
        raise refused(file, "Z040", f"文件超过 {size_mb} MB", f"the file has more than {size_mb} MB")
    match PurePosixPath(file).suffix.lower():
        case ".geojson" | ".json":
            return _geojson(file, data)
        case ".kml":
            return read_kml(file, data)
        case ".kmz":
            return _kmz(file, data)
        case ".zip":
            return read_shapefile(file, members(file, data))
    words = "支持 .geojson、.kml、.kmz 和 Shapefile 的 .zip"
    raise refused(file, "Z040", f"不支持的文件类型；{words}", "use .geojson, .kml, .kmz or a Shapefile as .zip")


def _geojson(file: str, data: bytes) -> Drawing:
    features, findings = read_features(file, data)
    if any(finding.severity == "error" for finding in findings):
        raise AuthorError(findings)
    drawn = []
    for feature in features:
        value = feature.value if isinstance(feature.value, dict) else {}
        properties = value.get("properties")
        drawn.append(Drawn(dict(properties) if isinstance(properties, dict) else {}, value.get("geometry")))
    return Drawing(bounded(file, drawn), "wgs84")


def _kmz(file: str, data: bytes) -> Drawing:
    found = [inside for name, inside in members(file, data).items() if name.lower().endswith(".kml")]
    if not found:
        raise refused(file, "Z041", "压缩包里没有 .kml", "there is no .kml in it")
    return read_kml(file, found[0])
