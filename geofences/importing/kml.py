"""KML of Google Earth and its like: placemarks with their names, data and shapes. No DTD, hence no entities."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from geofences.importing.drawing import Drawing, Drawn, bounded, refused
from haulwatch.domain.errors import AuthorError

MAX_DEPTH = 48
MAX_ELEMENTS = 500_000


def read_kml(file: str, data: bytes) -> Drawing:
    """The placemarks of a KML document. Raises AuthorError (Z042, Z045)."""
    root = _Builder(file).read(data)
    features = [_placemark(mark) for mark in root.iter("Placemark")]
    drawn = [feature for feature in features if feature.geometry is not None]
    return Drawing(bounded(file, drawn), "wgs84")


class _Builder:
    """Makes a tree without namespaces while expat reads."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._tree = TreeBuilder()
        self._depth = self._elements = 0

    def read(self, data: bytes) -> Element:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._refuse_dtd
        parser.EntityDeclHandler = self._refuse_dtd
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._tree.data
        try:
            parser.Parse(data, True)
            return self._tree.close()
        except (expat.ExpatError, LookupError, ValueError, AssertionError) as error:
            raise refused(self._file, "Z042", f"不是合法的 KML：{error}", f"not KML: {error}") from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        self._elements += 1
        if self._depth > MAX_DEPTH or self._elements > MAX_ELEMENTS:
            raise refused(self._file, "Z042", "KML 过深或元素过多", "the KML is too deep or has too many elements")
        self._tree.start(name.rpartition(":")[2], attributes)

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._tree.end(name.rpartition(":")[2])

    def _refuse_dtd(self, *_declaration: object) -> AuthorError:
        raise refused(self._file, "Z042", "KML 含 DTD 或实体声明，不予解析", "KML with a DTD or entities is not read")


def _placemark(mark: Element) -> Drawn:
    properties: dict[str, Any] = {}
    for name in ("name", "description"):
        text = (mark.findtext(name) or "").strip()
        if text:
            properties[name] = text
    for one in mark.iter("Data"):
        properties[one.get("name", "")] = (one.findtext("value") or "").strip()
    for one in mark.iter("SimpleData"):
        properties[one.get("name", "")] = (one.text or "").strip()
    if mark.get("id"):
        properties.setdefault("id", mark.get("id"))
    return Drawn(properties, _geometry(mark))


def _geometry(mark: Element) -> dict[str, Any] | None:
    """All areas together, else all lines, else the point."""
    areas = [_polygon(one) for one in mark.iter("Polygon")]
    if areas:
        return _one_or_many("Polygon", areas)
    lines = [_positions(one) for one in mark.iter("LineString")]
    if lines:
        return _one_or_many("LineString", lines)
    points = [position for one in mark.iter("Point") for position in _positions(one)]
    return {"type": "Point", "coordinates": points[0]} if points else None


def _one_or_many(kind: str, parts: list[Any]) -> dict[str, Any]:
    if len(parts) == 1:
        return {"type": kind, "coordinates": parts[0]}
    return {"type": f"Multi{kind}", "coordinates": parts}


def _polygon(polygon: Element) -> list[Any]:
    rings = [*polygon.iterfind("outerBoundaryIs"), *polygon.iterfind("innerBoundaryIs")]
    return [_closed(_positions(ring)) for boundary in rings for ring in boundary.iter("LinearRing")]


def _closed(ring: list[Any]) -> list[Any]:
    """Some programs leave the last position out."""
    return [*ring, ring[0]] if len(ring) > 2 and ring[0] != ring[-1] else ring


def _positions(element: Element) -> list[Any]:
    text = " ".join(one.text or "" for one in element.iter("coordinates"))
    return [list(_numbers(position)) for position in text.split()]


def _numbers(position: str) -> Iterator[Any]:
    """Longitude and latitude; what is no number stays as it is, for the check of the shape to say."""
    for part in position.split(",")[:2]:
        try:
            yield float(part)
        except ValueError:
            yield part
