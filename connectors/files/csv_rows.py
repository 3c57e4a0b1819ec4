"""Rows of CSV files as events. A row that cannot be one is handed back as rejected, with its line.

Codes beside those of `haulwatch.wire`: bad_row, bad_encoding, no_truck, bad_value, bad_time.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

from connectors.field_map import Kind
from connectors.files.csv_map import CsvMap
from connectors.mapped_events import mapped_event
from haulwatch.city.cells import bare_plate
from haulwatch.domain.errors import AuthorError, DeviceError, Finding, did_you_mean
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.text import Text
from haulwatch.wire import BOM, Rejected

LONGEST_ROW = 128 * 1024
"""Bytes, with the line that goes beyond it."""
Observation = Position | Weighing | Sighting | Manifest


def read_rows(name: str, stream: Iterable[bytes], map_: CsvMap) -> Iterator[Observation | Rejected]:
    """The rows of a file in their order, or in that of their instants (`order: at`, the rejected ones first).

    Raises AuthorError where the file has not the columns that the map asks for.
    """
    rows = _Rows(name, stream, map_)
    if map_.order == "lines":
        yield from rows
        return
    events: list[Observation] = []
    for row in rows:
        if isinstance(row, Rejected):
            yield row
        else:
            events.append(row)
    yield from sorted(events, key=attrgetter("at"))


class _Lines:
    """Decoded lines for the csv module, and the bytes of those that it has taken since it was last asked."""

    def __init__(self, stream: Iterable[bytes], encoding: str) -> None:
        self._stream, self._encoding = iter(stream), "gb18030" if encoding == "gbk" else encoding
        self.number = 0
        self._taken: list[bytes] = []
        self._held = 0
        self._damaged = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        """Raises csv.Error where a row does not end: a quote that is never closed takes not the whole file."""
        if self._held > LONGEST_ROW:
            raise csv.Error(f"> {LONGEST_ROW}")
        line = next(self._stream)
        self.number += 1
        if self.number == 1:
            line = line.removeprefix(BOM)
        self._taken.append(line)
        self._held += len(line)
        try:
            return line.decode(self._encoding)
        except UnicodeDecodeError:  # a byte that means nothing costs its own row only
            self._damaged = True
            return line.decode(self._encoding, "replace")

    def taken(self) -> tuple[bytes, bool]:
        """The bytes of one row, and whether all of them mean something."""
        taken = b"".join(self._taken).rstrip(b"\r\n"), not self._damaged
        self._taken.clear()
        self._held = 0
        self._damaged = False
        return taken


class _Rows:
    """One pass over a file."""

    def __init__(self, name: str, stream: Iterable[bytes], map_: CsvMap) -> None:
        self._name, self._map, self._fields = name, map_, map_.map
        self._lines = _Lines(stream, map_.encoding)
        self._reader = csv.reader(
            iter(self._lines),
            delimiter=map_.delimiter,
            quotechar=None if map_.quote == "none" else map_.quote,
            quoting=csv.QUOTE_NONE if map_.quote == "none" else csv.QUOTE_MINIMAL,
        )

    def __iter__(self) -> Iterator[Observation | Rejected]:
        columns: dict[str, int] | None = None
        if self._map.columns is not None:
            columns = self._columns(list(self._map.columns))
        while True:
            first = self._lines.number + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejected(first, _bad_row(str(error)), self._lines.taken()[0])
                continue
            raw, sound = self._lines.taken()
            if first <= self._map.skip_lines or not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = self._columns(cells)
                continue
            try:
                if not sound:
                    raise DeviceError("bad_encoding", Text("有不合编码的字节", "bytes that the encoding does not know"))
                yield self._event(cells, columns)
            except DeviceError as error:
                yield Rejected(first, error, raw)

    def _columns(self, header: list[str]) -> dict[str, int]:
        """The place of every column that is asked for; the first where a name is there twice."""
        names = [cell.strip() for cell in header]
        places = {name: number for number, name in reversed(list(enumerate(names)))}
        missing = [name for name in dict.fromkeys(self._map.used_columns) if name not in places]
        if missing:
            raise AuthorError([self._no_column(name, names) for name in missing])
        return places | {"": len(names)}

    def _no_column(self, name: str, names: list[str]) -> Finding:
        listed = ", ".join(names)[:300]
        text = Text(f"没有列 “{name}”（有：{listed}）", f"there is no column “{name}” (there are: {listed})")
        return Finding(self._name, max(self._lines.number, 1), 0, "N052", text, hint=did_you_mean(name, names))

    def _event(self, cells: list[str], columns: dict[str, int]) -> Observation:
        width = columns[""]
        if len(cells) < width or any(cell.strip() for cell in cells[width:]):
            raise _bad_row(f"{len(cells)} ≠ {width}")

        def lookup(name: str) -> str:
            return cells[columns[name]]

        kind = self._kind(lookup)
        fields = self._fields.read(kind, lookup)
        truck_id = bare_plate(fields.pop("truck_id", ""))
        if not truck_id:
            raise DeviceError("no_truck", Text("没有车牌", "no plate"))
        event = mapped_event(kind, fields, truck_id=truck_id, source=self._map.source, received_at=None)
        assert isinstance(event, Observation)
        return event

    def _kind(self, lookup: Any) -> Kind:
        by = self._map.kind
        if by.value is not None or by.from_ is None:
            return self._map.kinds[0]
        written = lookup(by.from_).strip()
        kind = by.values.get(written)
        if kind is None:
            text = Text(f"不知道 “{written[:64]}” 是哪种记录", f"nobody said what “{written[:64]}” is")
            raise DeviceError("unknown_kind", text)
        return kind


def _bad_row(what: str) -> DeviceError:
    return DeviceError("bad_row", Text(f"行的格式不对：{what}", f"a row that is none: {what}"))
