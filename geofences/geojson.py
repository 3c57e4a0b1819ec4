"""Bytes of a GeoJSON file as features that know where in the file they stand, or as located findings.

One pass over the text with the standard library's decoder: the members of the outermost object are read one by one,
so that every feature's offset is known without a parser of our own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from json import JSONDecodeError
from typing import Any, Literal, TypeVar

from haulwatch.domain.errors import Finding
from haulwatch.domain.text import Text

# GeoJSON of before 2016 names its reference system; these are all WGS-84 to decimetres (4490 is CGCS2000).
_DEGREE_SYSTEMS = re.compile(r"CRS84|\b4326\b|\b4490\b|CGCS2000$|WGS ?84$", re.IGNORECASE)
_BLANK = re.compile(r"[ \t\n\r]*")
_LONGEST_SNIPPET = 160
T = TypeVar("T")


class _RefusedError(Exception):
    """The text is not what it should be; `text` says why, `offset` where (None: the file as a whole)."""

    def __init__(self, code: str, text: Text, offset: int | None = None, hint: Text | None = None) -> None:
        super().__init__(text.en)
        self.code = code
        self.text = text
        self.offset = offset
        self.hint = hint


class _Members(dict[str, Any]):
    """A JSON object that remembers which of its keys stood twice."""

    repeated: tuple[str, ...] = ()

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        if len(self) < len(pairs):
            keys = [key for key, _ in pairs]
            self.repeated = tuple(sorted({key for key in keys if keys.count(key) > 1}))


@dataclass(frozen=True)
class GeoFile:
    """A file as text; makes findings that know their line."""

    file: str
    text: str

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    def finding(
        self,
        code: str,
        text: Text,
        offset: int | None = None,
        *,
        width: int = 1,
        place: str | None = None,
        hint: Text | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> Finding:
        """A problem at a character offset of the text (None: the file as a whole)."""
        if offset is None:
            return Finding(self.file, 0, 0, code, text, severity=severity, hint=hint, place=place)
        line = self.text.count("\n", 0, offset)
        column = offset - (self.text.rfind("\n", 0, offset) + 1) + 1
        snippet = self._lines[line]
        shown = snippet if len(snippet) <= _LONGEST_SNIPPET else None
        return Finding(
            self.file, line + 1, column, code, text, severity, width=width, snippet=shown, hint=hint, place=place
        )


@dataclass(frozen=True)
class Feature:
    """One element of `features`: its index from 0, its value, and the span of text that it stands in."""

    source: GeoFile
    index: int
    value: Any
    start: int
    end: int

    def finding(
        self,
        code: str,
        text: Text,
        key: str | None = None,
        *,
        hint: Text | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> Finding:
        """A problem of this feature, at the member `key` where the text has it, else at the feature's start."""
        offset, width = self.start, 1
        member = key and re.compile(rf"{re.escape(json.dumps(key, ensure_ascii=False))}\s*:").search(
            self.source.text, self.start, self.end
        )
        if key and member:
            offset, width = member.start(), len(key) + 2
        return self.source.finding(
            code, text, offset, width=width, place=f"feature {self.index}", hint=hint, severity=severity
        )

    @property
    def repeated(self) -> tuple[str, ...]:
        """Keys that stand twice in the feature, its properties or its geometry."""
        objects = (self.value, self.value.get("properties"), self.value.get("geometry"))
        return tuple(key for members in objects if isinstance(members, _Members) for key in members.repeated)


def read_features(file: str, data: bytes) -> tuple[list[Feature], list[Finding]]:
    """The features of a FeatureCollection; a file that cannot be read gives one finding and no features."""
    try:
        source = GeoFile(file, _decoded(data))
    except _RefusedError as refused:
        return [], [_undecodable(file, refused)]
    try:
        features, members = _guarded(_Walk(source).document, source)
        if members.get("type") != "FeatureCollection" or not isinstance(members.get("features"), list):
            raise _not_a_collection(members)
        findings = check_reference_system(source, members)
    except _RefusedError as refused:
        return [], [source.finding(refused.code, refused.text, refused.offset, hint=refused.hint)]
    if not features and not findings:
        hint = Text("不再需要的文件请删除", "Delete a file that is no longer needed")
        findings.append(source.finding("Z004", Text("没有任何要素", "There are no features"), hint=hint))
    return features, findings


def read_any(file: str, data: bytes) -> tuple[GeoFile, Any] | Finding:
    """A file of any GeoJSON object as text and value, or why it cannot be read."""
    try:
        source = GeoFile(file, _decoded(data))
    except _RefusedError as refused:
        return _undecodable(file, refused)
    try:
        return source, _guarded(lambda: _DECODER.decode(source.text), source)
    except _RefusedError as refused:
        return source.finding(refused.code, refused.text, refused.offset, hint=refused.hint)


def check_reference_system(source: GeoFile, members: dict[str, Any]) -> list[Finding]:
    """Z005 where the outermost object names a reference system that is not longitude and latitude."""
    crs = members.get("crs")
    if crs is None:
        return []
    properties = crs.get("properties") if isinstance(crs, dict) else None
    name = str(properties.get("name")) if isinstance(properties, dict) else str(crs)
    if _DEGREE_SYSTEMS.search(name):
        return []
    hint = Text(
        "用 GIS 软件导出为经纬度 (EPSG:4326 或 4490)", "Export it in longitude and latitude (EPSG:4326 or 4490)"
    )
    text = Text(f"不支持的坐标参考系 {name}", f"Unsupported reference system {name}")
    return [source.finding("Z005", text, source.text.find('"crs"'), width=5, hint=hint)]


def _undecodable(file: str, refused: _RefusedError) -> Finding:
    hint = Text("用编辑器另存为 UTF-8", "Save the file as UTF-8")
    return Finding(file, refused.offset or 0, 0, refused.code, refused.text, hint=hint)


def _decoded(data: bytes) -> str:
    """The text without its BOM; `_RefusedError` with the line (not the offset) of the first byte that is not UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _RefusedError("Z001", Text("文件是 UTF-16 编码，应为 UTF-8", "The file is UTF-16, it must be UTF-8"))
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        try:
            data.decode("gb18030")
        except UnicodeDecodeError:
            raise _RefusedError("Z001", Text("文件不是 UTF-8 编码", "The file is not UTF-8"), line) from None
        text = Text("文件不是 UTF-8 编码，像是 GBK", "The file is not UTF-8, it looks like GBK")
        raise _RefusedError("Z001", text, line) from None


def _constant(name: str) -> float:
    """NaN and Infinity are no JSON."""
    raise _RefusedError("Z002", Text(f"JSON 不允许 {name}", f"JSON has no {name}"))


_DECODER = json.JSONDecoder(object_pairs_hook=_Members, parse_constant=_constant)


def _guarded(parse: Callable[[], T], source: GeoFile) -> T:
    """What `parse` returns; `_RefusedError` for all that the decoder may raise."""
    try:
        return parse()
    except JSONDecodeError as error:
        text = Text(f"JSON 语法错误：{_syntax_zh(error.msg)}", f"JSON syntax: {error.msg}")
        raise _RefusedError("Z002", text, min(error.pos, max(len(source.text) - 1, 0))) from None
    except RecursionError:
        raise _RefusedError("Z002", Text("JSON 嵌套过深", "The JSON is nested too deeply")) from None
    except ValueError:
        # Python refuses to read integers of more than some thousand digits.
        raise _RefusedError("Z002", Text("JSON 中的数字过长", "A number in the JSON is too long")) from None


class _Walk:
    """Reads the outermost object and its `features` array member by member; everything below in one call each."""

    def __init__(self, source: GeoFile) -> None:
        self._source = source
        self._text = source.text
        self._at = 0

    def document(self) -> tuple[list[Feature], dict[str, Any]]:
        features: list[Feature] = []
        members: dict[str, Any] = {}
        self._blank()
        if not self._text.startswith("{", self._at):
            value = self._value()
            self._end()
            raise _not_a_collection(value)
        self._at += 1
        while key := self._key(first=not members):
            if key in members:
                raise _RefusedError("Z006", Text(f"“{key}” 写了两次", f"“{key}” stands twice"), self._at)
            if key == "features" and self._text.startswith("[", self._at):
                features = self._features()
                members[key] = features
            else:
                members[key] = self._value()
        self._end()
        return features, members

    def _features(self) -> list[Feature]:
        features: list[Feature] = []
        self._at += 1
        self._blank()
        if self._text.startswith("]", self._at):
            self._at += 1
            return features
        while True:
            start = self._at
            value = self._value()
            features.append(Feature(self._source, len(features), value, start, self._at))
            if self._one_of(",", "]") == "]":
                return features
            self._blank()

    def _key(self, *, first: bool) -> str | None:
        """The next key with its colon behind us, or None at the end of the object."""
        self._blank()
        if first and self._text.startswith("}", self._at):
            self._at += 1
            return None
        if not first:
            if self._one_of(",", "}") == "}":
                return None
            self._blank()
        if not self._text.startswith('"', self._at):
            raise JSONDecodeError("Expecting property name enclosed in double quotes", self._text, self._at)
        key: str = self._value()
        self._one_of(":")
        self._blank()
        return key or " "

    def _value(self) -> Any:
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except _RefusedError as refused:
            refused.offset = self._at if refused.offset is None else refused.offset
            raise
        return value

    def _one_of(self, *marks: str) -> str:
        self._blank()
        mark = self._text[self._at : self._at + 1]
        if mark not in marks:
            expected = " or ".join(f"'{each}'" for each in marks)
            raise JSONDecodeError(f"Expecting {expected}", self._text, self._at)
        self._at += 1
        return mark

    def _blank(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at

    def _end(self) -> None:
        self._blank()
        if self._at < len(self._text):
            raise JSONDecodeError("Extra data", self._text, self._at)


def _not_a_collection(value: Any) -> _RefusedError:
    found = value.get("type") if isinstance(value, dict) else None
    text = Text("应为 GeoJSON 的 FeatureCollection", "Must be a GeoJSON FeatureCollection")
    hint = None
    if found in ("Feature", "Point", "LineString", "Polygon", "MultiPolygon", "MultiLineString"):
        hint = Text(
            f"文件里是单个 {found}，请放入 features 列表", f"This is a single {found}; put it into a list `features`"
        )
    elif found == "Topology":
        hint = Text("这是 TopoJSON，请导出为 GeoJSON", "This is TopoJSON; export it as GeoJSON")
    return _RefusedError("Z003", text, hint=hint)


_SYNTAX_ZH = (
    ("Expecting value", "此处缺少值"),
    ("Expecting property name", "此处应为双引号括起的键"),
    ("Illegal trailing comma", "末尾多了逗号"),
    ("Unterminated string", "字符串没有结束"),
    ("Invalid control character", "字符串里有换行或控制字符"),
    ("Invalid \\", "无效的转义"),
    ("Extra data", "末尾有多余内容"),
    ("Expecting", "此处缺少标点"),
)


def _syntax_zh(message: str) -> str:
    return next((zh for start, zh in _SYNTAX_ZH if message.startswith(start)), message)
