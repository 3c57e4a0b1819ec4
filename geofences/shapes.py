"""The geometry of a feature: checked vertex by vertex, then as a whole, moved to WGS-84 and grown to an area."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Polygon, shape
from shapely.geometry.base import BaseGeometry

from geofences.datum import Datum, convert
from geofences.zones import Coordinates, grown
from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.text import Text

# How deep the positions of each supported type lie in its `coordinates`.
_DEPTH = {"Point": 0, "LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}
_AREAS = ("Polygon", "MultiPolygon")

_REASONS = {
    "Self-intersection": "边界自相交",
    "Ring Self-intersection": "环自相接",
    "Hole lies outside shell": "洞在外环之外",
    "Holes are nested": "洞相互嵌套",
    "Interior is disconnected": "内部被洞隔断",
    "Nested shells": "面相互嵌套",
    "Duplicate Rings": "有重复的环",
    "Too few points in geometry component": "不同的顶点太少",
}


@dataclass(frozen=True, slots=True)
class ShapeProblem:
    """What is wrong with a geometry, without its place in a file."""

    code: str
    text: Text
    hint: Text | None = None


def check_geometry(geometry: Any) -> list[ShapeProblem]:
    """Everything wrong with the written form of a GeoJSON geometry: type, nesting, numbers, ranges, rings.

    One problem of each sort, at its first place. What only shows on the whole shape is said by `build_area`.
    """
    if geometry is None:
        return [ShapeProblem("Z020", Text("缺少 geometry", "There is no geometry"))]
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if kind not in _DEPTH:
        return [_unsupported(kind)]
    coordinates = geometry.get("coordinates")
    problems: dict[str, ShapeProblem] = {}
    for problem in _check_level(coordinates, _DEPTH[kind], kind, ""):
        problems.setdefault(problem.code, problem)
    return list(problems.values())


def build_area(
    geometry: dict[str, Any], datum: Datum, buffer_m: float
) -> tuple[BaseGeometry, Polygon | MultiPolygon] | ShapeProblem:
    """Outline and area in WGS-84 degrees of a checked geometry drawn in `datum`, or why it has none."""
    outline = shapely.force_2d(shape(geometry))
    if datum != "wgs84":
        outline = shapely.transform(outline, lambda points: _to_wgs84(points, datum))
    if not outline.is_valid:
        return _invalid(outline)
    if buffer_m == 0 and geometry["type"] not in _AREAS:
        return ShapeProblem(
            "Z027",
            Text(f"{geometry['type']} 没有面积", f"A {geometry['type']} has no area"),
            Text("点写 radius_m，线写 buffer_m（米）", "Give a point radius_m, a line buffer_m (metres)"),
        )
    area = grown(outline, buffer_m)
    if not isinstance(area, (Polygon, MultiPolygon)) or area.is_empty or area.area == 0:
        return ShapeProblem("Z027", Text("面积为零", "The area is zero"))
    return outline, area


def _unsupported(kind: Any) -> ShapeProblem:
    listed = ", ".join(_DEPTH)
    text = Text(f"不支持的几何类型 {kind}，可用：{listed}", f"Unsupported geometry type {kind}; use {listed}")
    return ShapeProblem("Z020", text, did_you_mean(kind, _DEPTH) if isinstance(kind, str) else None)


def _check_level(value: Any, depth: int, kind: str, path: str) -> Iterator[ShapeProblem]:
    """Problems of one level of `coordinates`; `path` names it as jq does (`[0][3]`)."""
    if depth == 0:
        yield from _check_position(value, path)
        return
    if not isinstance(value, list) or not value:
        yield _malformed(path)
        return
    malformed = False
    for index, part in enumerate(value):
        for problem in _check_level(part, depth - 1, kind, f"{path}[{index}]"):
            malformed |= problem.code == "Z021"
            yield problem
    if depth == 1 and not malformed:
        yield from _check_chain(value, kind, path)


def _check_position(value: Any, path: str) -> Iterator[ShapeProblem]:
    plain = isinstance(value, list) and 2 <= len(value) <= 4
    if not plain or not all(type(number) in (int, float) for number in value):
        yield _malformed(path)
        return
    lon, lat = value[0], value[1]
    shown = f"[{lon:.10g}, {lat:.10g}]"
    if not (-180 <= lon <= 180 and -90 <= lat <= 90 and isfinite(lon + lat)):
        yield _out_of_range(lon, lat, shown, path)
    elif lon == 0 and lat == 0:
        yield ShapeProblem("Z028", Text(f"坐标 coordinates{path} 是 0, 0", f"Position coordinates{path} is 0, 0"))
    elif 3 <= lon <= 54 and lat >= 73:
        # In range, but in the Arctic Ocean; read the other way round it lies in China.
        yield _swapped(shown, path)


def _out_of_range(lon: float, lat: float, shown: str, path: str) -> ShapeProblem:
    if -90 <= lon <= 90 and 90 < abs(lat) <= 180:
        return _swapped(shown, path)
    hint = None
    if max(abs(lon), abs(lat)) > 1000:
        hint = Text(
            "像是以米为单位的投影坐标，请导出为经纬度",
            "These look like projected metres; export in longitude and latitude",
        )
    text = Text(
        f"坐标 coordinates{path} = {shown} 超出经纬度范围",
        f"Position coordinates{path} = {shown} is no longitude and latitude",
    )
    return ShapeProblem("Z022", text, hint)


def _swapped(shown: str, path: str) -> ShapeProblem:
    return ShapeProblem(
        "Z023",
        Text(
            f"坐标 coordinates{path} = {shown} 的经度和纬度写反了",
            f"Position coordinates{path} = {shown} has latitude first",
        ),
        Text("GeoJSON 先经度、后纬度", "GeoJSON has longitude first"),
    )


def _check_chain(value: list[Any], kind: str, path: str) -> Iterator[ShapeProblem]:
    """Problems of a ring or a line as a list of positions."""
    needed = 4 if kind in _AREAS else 2
    if len(value) < needed:
        yield ShapeProblem(
            "Z025",
            Text(
                f"{path or '线'} 只有 {len(value)} 个点，至少要 {needed} 个",
                f"{path or 'The line'} needs {needed} points, has {len(value)}",
            ),
        )
    elif kind in _AREAS and value[0] != value[-1]:
        yield ShapeProblem(
            "Z024",
            Text(f"环 {path} 没有闭合", f"Ring {path} is not closed"),
            Text("最后一个点应与第一个点相同", "The last position must repeat the first"),
        )


def _malformed(path: str) -> ShapeProblem:
    return ShapeProblem(
        "Z021",
        Text(f"coordinates{path} 的结构不对", f"coordinates{path} is malformed"),
        Text("每个点写作 [经度, 纬度]，数字不加引号", "A position is [longitude, latitude], numbers without quotes"),
    )


def _invalid(outline: BaseGeometry) -> ShapeProblem:
    reason = shapely.is_valid_reason(outline)
    found = re.match(r"([^\[]+)(\[.*\])?", reason)
    name, place = (found[1], found[2] or "") if found else (reason, "")
    return ShapeProblem(
        "Z026",
        Text(f"几何无效：{_REASONS.get(name, name)} {place}".rstrip(), f"Invalid geometry: {reason}"),
        Text("在绘图工具中修正该处的边界", "Correct the border there in a drawing tool"),
    )


def _to_wgs84(points: Coordinates, datum: Datum) -> Coordinates:
    return np.array([convert(lon, lat, datum, "wgs84") for lon, lat in points.tolist()])
