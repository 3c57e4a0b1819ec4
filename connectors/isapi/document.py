"""A camera's XML or JSON as a tree of texts. XML from the network: no DTD, hence no entities, and bounded in every way.

Elements lose their namespace: firmwares write `hikvision.com`, `isapi.org`, `std-cgi.com` or none for the same things.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, TypeAlias
from xml.parsers import expat

import msgspec

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ELEMENTS = 5_000
MAX_TEXT = 16_384
"""Of one value; the longest that anything is made of is far shorter."""

Tree: TypeAlias = "dict[str, list[Tree | str]]"
"""An element: its children by name, in their order; a child without children of its own is its text."""

_DECLARED = re.compile(r"""^\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "utf-8",
    "ascii": "utf-8",
    "utf-16": "utf-16",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "gbk": "gb18030",
    "cp936": "gb18030",
    "gb18030": "gb18030",
    "iso-8859-1": "latin-1",
}
"""What cameras declare; GB 18030 holds all of GB 2312 and GBK."""


def known_encoding(name: str) -> bool:
    """Whether documents may be in it."""
    return name.lower() in _ENCODINGS


def read_xml(data: bytes, charset: str = "", *, encoding: str = "") -> tuple[str, Tree]:
    """The name of the root element and what is in it.

    Decoded as `encoding` where it is set for this camera, else as the document declares, else as `charset` of its part,
    else as UTF-8. Raises DeviceError (`too_large`, `bad_encoding`, `xml_dtd`, `bad_xml`).
    """
    text = _text(data, charset, encoding)
    builder = _Builder()
    parser = expat.ParserCreate("utf-8")  # overrides what the document declares: it has been decoded already
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_dtd
    parser.EntityDeclHandler = _refuse_dtd
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise DeviceError("bad_xml", Text(f"不是合法的 XML：{error}", f"not XML: {error}")) from error
    return builder.name, builder.root


def read_json(data: bytes) -> Tree:
    """A JSON object as the same tree. Raises DeviceError (`too_large`, `bad_json`)."""
    _check_size(data)
    try:
        value = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DeviceError("bad_json", Text(f"不是合法的 JSON：{error}", f"not JSON: {error}")) from error
    if not isinstance(value, dict):
        raise DeviceError("bad_json", Text("不是 JSON 对象", "not a JSON object"))
    return _tree(value, 1)


def child(tree: Tree, *path: str) -> Tree:
    """The element at this path, the first of each name; an empty one where there is none."""
    for name in path:
        found = next((one for one in tree.get(name, ()) if isinstance(one, dict)), None)
        if found is None:
            return {}
        tree = found
    return tree


def text_of(tree: Tree, *path: str) -> str:
    """The text at this path; empty where there is none."""
    *above, name = path
    return next((one for one in child(tree, *above).get(name, ()) if isinstance(one, str)), "")


class _Builder:
    """Makes the tree while expat reads."""

    def __init__(self) -> None:
        self.name = ""
        self.root: Tree = {}
        self._open: list[tuple[str, Tree, list[str]]] = []
        self._elements = 0

    def start(self, name: str, _attributes: object) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS or len(self._open) >= MAX_DEPTH:
            raise DeviceError("bad_xml", Text("XML 过深或元素过多", "the XML is too deep or has too many elements"))
        self._open.append((name.rpartition(":")[2], {}, []))

    def text(self, data: str) -> None:
        if self._open:
            self._open[-1][2].append(data)

    def end(self, _name: str) -> None:
        name, tree, texts = self._open.pop()
        if not self._open:
            self.name, self.root = name, tree
            return
        value: Tree | str = tree or _bounded("".join(texts).strip())
        self._open[-1][1].setdefault(name, []).append(value)


def _refuse_dtd(*_declaration: object) -> None:
    raise DeviceError("xml_dtd", Text("XML 含 DTD 或实体声明，不予解析", "XML with a DTD or entities is not read"))


def _check_size(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise DeviceError(
            "too_large", Text(f"报文过大（{len(data)} 字节）", f"the document is too large ({len(data)} bytes)")
        )


def _text(data: bytes, charset: str, encoding: str) -> str:
    _check_size(data)
    if not encoding and data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    if not encoding:
        declared = _DECLARED.match(data[:256].removeprefix(codecs.BOM_UTF8).decode("latin-1"))
        encoding = declared[1] if declared else charset
    codec = _ENCODINGS.get(encoding.lower() or "utf-8")
    if codec is None:
        raise DeviceError("bad_encoding", Text(f"不支持编码 {encoding}", f"the encoding {encoding} is not known"))
    try:
        return data.decode(codec).removeprefix("\ufeff").strip()
    except UnicodeDecodeError as error:
        raise DeviceError(
            "bad_encoding", Text(f"内容不是 {encoding or 'UTF-8'} 编码", f"it is not in {encoding or 'UTF-8'}")
        ) from error


def _bounded(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise DeviceError("bad_xml", Text("XML 中的文字过长", "a text in the XML is too long"))
    return text


def _tree(value: dict[str, Any], depth: int) -> Tree:
    if depth > MAX_DEPTH:
        raise DeviceError("bad_json", Text("JSON 过深", "the JSON is too deep"))
    tree: Tree = {}
    for name, one in value.items():
        many = one if isinstance(one, list) else [one]
        tree[name] = [_tree(each, depth + 1) if isinstance(each, dict) else _word(each) for each in many]
    return tree


def _word(value: object) -> str:
    """A JSON value as XML would say it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if abs(value) < 10**18 else ""
    return value.strip()[:MAX_TEXT] if isinstance(value, str) else ""
