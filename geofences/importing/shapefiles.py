"""A zipped Shapefile: shapes, attributes in the encoding that they have, and the reference system of its `.prj`."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from geofences.datum import Datum
from geofences.importing.drawing import Drawing, Drawn, bounded, refused
from geofences.importing.projections import UnknownProjectionError, Unprojected, unprojected
from haulwatch.domain.text import Text

_ENCODINGS = {"65001": "utf-8", "936": "gb18030", "gbk": "gb18030", "gb2312": "gb18030"}


def read_shapefile(file: str, members: Mapping[str, bytes]) -> Drawing:
    """The features of the one Shapefile among the files of a zip. Raises AuthorError (Z043, Z044, Z045)."""
    parts = _parts(file, members)
    to_degrees, datum = _reference(file, parts.get(".prj"))
    return Drawing(bounded(file, _features(file, parts, to_degrees)), datum)


def _parts(file: str, members: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files of the Shapefile by their endings."""
    names = [PurePosixPath(name) for name in members if not name.startswith("__MACOSX/")]
    shapes = [name for name in names if name.suffix.lower() == ".shp"]
    if len(shapes) != 1:
        raise refused(file, "Z043", "压缩包里应有一个 .shp", "the zip must have one .shp")
    same = [name for name in names if name.with_suffix("") == shapes[0].with_suffix("")]
    return {name.suffix.lower(): members[name.as_posix()] for name in same}


def _features(file: str, parts: Mapping[str, bytes], to_degrees: Unprojected | None) -> list[Drawn]:
    import shapefile  # only where one is read

    streams = {name[1:]: io.BytesIO(parts[name]) for name in (".shp", ".dbf") if name in parts}
    try:
        with shapefile.Reader(**streams, encoding=_encoding(parts), encodingErrors="replace") as reader:
            has_table = ".dbf" in parts
            records = reader.iterShapeRecords() if has_table else ((shape, {}) for shape in reader.iterShapes())
            return [_feature(one, to_degrees) for one in records]
    except (shapefile.ShapefileException, struct.error, ValueError, IndexError, KeyError, TypeError, OSError) as error:
        raise refused(file, "Z043", f"Shapefile 无法读取：{error}", f"the Shapefile cannot be read: {error}") from None
    except (AttributeError, AssertionError, OverflowError, MemoryError, RecursionError, EOFError):
        raise refused(file, "Z043", "Shapefile 已损坏", "the Shapefile is damaged") from None


def _feature(one: Any, to_degrees: Unprojected | None) -> Drawn:
    shape, record = (one.shape, one.record.as_dict()) if hasattr(one, "record") else one
    geometry = dict(shape.__geo_interface__) if shape.shapeType else {}
    if "coordinates" in geometry:
        geometry["coordinates"] = _degrees(geometry["coordinates"], to_degrees)
    return Drawn({name: _plain(value) for name, value in record.items()}, geometry or None)


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return value.strip() if isinstance(value, str) else value


def _degrees(coordinates: Any, to_degrees: Unprojected | None) -> Any:
    if coordinates and not isinstance(coordinates[0], (int, float)):
        return [_degrees(part, to_degrees) for part in coordinates]
    position = list(coordinates[:2])
    return list(to_degrees(*position)) if to_degrees and len(position) == 2 else position


def _encoding(parts: Mapping[str, bytes]) -> str:
    """As the `.cpg` says, else UTF-8 where the table is that, else GB 18030."""
    said = parts.get(".cpg", b"").decode("ascii", "replace").strip().lower()
    try:
        known = _ENCODINGS.get(said.removeprefix("cp").strip(), said)
        "".encode(known or "utf-8")
        if not known:
            parts.get(".dbf", b"").decode("utf-8")
    except (LookupError, UnicodeDecodeError):
        return "gb18030"
    return known or "utf-8"


def _reference(file: str, prj: bytes | None) -> tuple[Unprojected | None, Datum | None]:
    if prj is None:
        return None, None
    try:
        return unprojected(prj.decode("utf-8", "replace")), "wgs84"
    except UnknownProjectionError as error:
        hint = Text(
            "在 GIS 软件中导出为 CGCS2000 或 WGS-84 的经纬度", "Export it in longitude and latitude, CGCS2000 or WGS-84"
        )
        raise refused(file, "Z044", f"不支持的坐标系 {error}", f"unsupported reference system {error}", hint) from None
