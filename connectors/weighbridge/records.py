"""What a platform posts, taken apart into records: JSON by path, CSV by the names in its first line. No I/O."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
from msgspec import Struct

from connectors.field_map import Lookup
from connectors.json_paths import at_path, records_at
from connectors.json_text import decode_json
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text

MAX_RECORDS = 5_000
MAX_VALUES = 500_000
"""Commas of a body: nothing but commas would take hundreds of times its own memory."""
LONGEST_CELL = 12 * 1024 * 1024
"""A picture in Base64; the body is bounded anyway."""
csv.field_size_limit(LONGEST_CELL)


class Record(Struct, frozen=True):
    """One of them: `row` counts from 1 without the names of a CSV, `lookup` gives its values."""

    row: int
    lookup: Lookup
    content: Any
    fault: DeviceError | None = None

    def raw(self) -> bytes:
        """What it was, as JSON."""
        try:
            return msgspec.json.encode(self.content)
        except RecursionError:
            return b""


def read_json(body: bytes, path: str | None, encoding: str = "utf-8-sig") -> list[Record]:
    """The objects at `path` (the whole body without one); one object is a list of one.

    Raises DeviceError: not_utf8, not_json, no_records, too_many.
    """
    text = _text(body, encoding)
    if text.count(",") > MAX_VALUES:
        raise _too_many()
    items = records_at(decode_json(text), path)
    if items is None or len(items) > MAX_RECORDS:
        raise _no_records() if items is None else _too_many()
    return [_object(row, item) for row, item in enumerate(items, 1)]


def read_csv(body: bytes, delimiter: str = ",", encoding: str = "utf-8-sig") -> list[Record]:
    """The rows below the names. Raises DeviceError: not_utf8, no_records, too_many, bad_csv."""
    text = _text(body, encoding)
    if text.count(delimiter) > MAX_VALUES:
        raise _too_many()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append(row)
            if len(rows) > MAX_RECORDS + 1:
                raise _too_many()
    except csv.Error as error:
        line = reader.line_num
        raise DeviceError(
            "bad_csv", Text(f"第 {line} 行不是 CSV：{error}", f"line {line} is no CSV: {error}")
        ) from error
    if not rows:
        raise _no_records()
    names = [name.strip() for name in rows[0]]
    return [_cells(number, names, cells) for number, cells in enumerate(rows[1:], 1)]


def _object(row: int, item: Any) -> Record:
    if isinstance(item, dict):
        return Record(row, lambda path: at_path(item, path), item)
    text = Text("这一项不是对象", "this is not an object")
    return Record(row, _nothing, item, DeviceError("not_an_object", text))


def _cells(row: int, names: list[str], cells: list[str]) -> Record:
    if len(cells) > len(names):
        text = Text(f"有 {len(cells)} 列，表头只有 {len(names)} 列", f"{len(cells)} cells under {len(names)} names")
        return Record(row, _nothing, cells, DeviceError("bad_csv", text))
    values = dict(zip(names, cells, strict=False))
    return Record(row, values.get, values)


def _nothing(_name: str) -> None:
    return None


def _text(body: bytes, encoding: str) -> str:
    try:
        text = body.decode(encoding)
        text.encode()  # some encodings hide halves of characters, which nothing of ours can hold
        return text
    except (UnicodeError, LookupError) as error:
        raise DeviceError("not_utf8", Text(f"不是 {encoding} 编码", f"it is not {encoding}")) from error


def _no_records() -> DeviceError:
    return DeviceError("no_records", Text("里面没有记录", "there are no records in it"))


def _too_many() -> DeviceError:
    text = Text(
        f"一次最多 {MAX_RECORDS} 条记录、{MAX_VALUES} 个值",
        f"at most {MAX_RECORDS} records, {MAX_VALUES} values at once",
    )
    return DeviceError("too_many", text)
