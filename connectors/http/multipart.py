"""The parts of a body as cameras send them: multipart with or without good manners, or one document alone.

Cameras leave out Content-Disposition, quote the boundary or not, end lines with LF alone, repeat a boundary line,
forget the last one; strict parsers lose such bodies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text

MULTIPART_CODES = ("bad_multipart", "too_many_parts", "unknown_part")
"""`parts` raises the first two; the third is for who finds a part that is nothing to it."""
MAX_PARTS = 64
MAX_HEADERS = 8 * 1024
MAX_BOUNDARY = 256
Kind = Literal["xml", "json", "picture", "other"]
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_BOUNDARY = re.compile(r'boundary\s*=\s*(?:"([^"]*)"|([^\s;,]+))', re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._-]+)", re.IGNORECASE)
_NAME = re.compile(r'\b(?:file)?name\s*=\s*(?:"([^"]*)"|([^\s;]+))', re.IGNORECASE)


class Part(Struct, frozen=True):
    """One of them: what it is by its content, the charset and the names that its headers say."""

    kind: Kind
    data: bytes
    charset: str = ""
    names: tuple[str, ...] = ()


def parts(body: bytes, content_type: str) -> list[Part]:
    """The parts that hold something, in their order. Raises DeviceError (`bad_multipart`, `too_many_parts`)."""
    boundary = _boundary(body, content_type)
    if boundary is None:
        return [_part(body, content_type)] if body.strip() else []
    found: list[Part] = []
    for raw in _between(body, b"--" + boundary):
        part = _read(raw)
        if part is None:
            continue
        if len(found) == MAX_PARTS:
            raise DeviceError("too_many_parts", Text(f"超过 {MAX_PARTS} 个部分", f"more than {MAX_PARTS} parts"))
        found.append(part)
    return found


def kind_of(data: bytes) -> Kind:
    """What some bytes are, by how they begin."""
    if data.startswith(_PICTURES):
        return "picture"
    head = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"<", b"\xff\xfe<\x00", b"\xfe\xff\x00<")):
        return "xml"
    return "json" if head[:1] in (b"{", b"[") else "other"


def _boundary(body: bytes, content_type: str) -> bytes | None:
    """The boundary that the header names, or the body's first line where the header names none; None: no multipart."""
    if "multipart" not in content_type.lower():
        return None
    named = _BOUNDARY.search(content_type)
    boundary = (named[1] or named[2] or "") if named else ""
    if boundary:
        found = boundary.encode("latin-1", "replace")[:MAX_BOUNDARY]
        if b"--" + found in body:
            return found
    if kind_of(body) != "other":
        return None  # a document alone, whatever the header says
    first = body.lstrip()[:MAX_BOUNDARY].split(b"\n", 1)[0].rstrip()
    if first.startswith(b"--") and len(first) > 2:
        return first[2:]
    if not body.strip():
        return None
    raise DeviceError("bad_multipart", Text("找不到 multipart 的分隔行", "no boundary line of the multipart"))


def _between(body: bytes, line: bytes) -> Iterator[bytes]:
    """What is between boundary lines; what comes before the first is nobody's, and the last one may be missing."""
    start, place = -1, 0
    while (place := body.find(line, place)) >= 0:
        after = place + len(line)
        end = _end_of_line(body, after)
        if (place and body[place - 1 : place] != b"\n") or end is None:
            place = after
            continue
        if start >= 0:
            yield body[start : _before_line(body, start, place)]
        start, place = end, max(end - 1, after)
        if body[after : after + 2] == b"--":
            return
    if start >= 0:
        yield body[start:].removesuffix(b"\n").removesuffix(b"\r")


def _end_of_line(body: bytes, place: int) -> int | None:
    """Where the line after a boundary begins; None where more follows than a boundary line has."""
    if body[place : place + 2] == b"--":
        place += 2
    while body[place : place + 1] in (b" ", b"\t"):
        place += 1
    for end in (b"\r\n", b"\n"):
        if body.startswith(end, place):
            return place + len(end)
    return place if place >= len(body) else None


def _before_line(body: bytes, start: int, place: int) -> int:
    """Where what stands before a boundary line ends: the line break belongs to the boundary."""
    if place > start:
        place -= 1
        if body[place - 1 : place] == b"\r" and place > start:
            place -= 1
    return place


def _read(raw: bytes) -> Part | None:
    """A part from headers and content; None where there is nothing in it."""
    if not raw.strip():
        return None
    if kind_of(raw) != "other":
        return _part(raw, "")  # without any headers, not even the blank line
    blank = _BLANK_LINE.search(raw, 0, MAX_HEADERS)
    if blank is not None:
        data = raw[blank.end() :]
        return _part(data, raw[: blank.start()].decode("latin-1")) if data.strip() else None
    return _part(raw.lstrip(b"\r\n"), "")


def _part(data: bytes, headers: str) -> Part:
    charset = _CHARSET.search(headers)
    names = tuple(quoted or plain for quoted, plain in _NAME.findall(headers))
    return Part(kind_of(data), data, charset[1] if charset else "", names)
