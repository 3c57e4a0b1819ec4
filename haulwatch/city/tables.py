"""The city's CSV tables: what columns each has, and how a file becomes rows with every error located in its cell."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from msgspec import Struct

from haulwatch.city import cells
from haulwatch.city.cells import CellError, Reader
from haulwatch.city.sources import Source, read_source
from haulwatch.domain.errors import Finding, did_you_mean
from haulwatch.domain.registry import Camera, Permit, Squad, Station, Truck
from haulwatch.domain.text import Text

R = TypeVar("R", bound=Struct)
_MASS = cells.number(500, 200_000, "kg")
_LON = cells.number(-180, 180, "°")
_LAT = cells.number(-90, 90, "°")


@dataclass(frozen=True)
class Table(Generic[R]):
    """One table: its file, the struct of a row, the reader of each column; the first column is the row's id."""

    file: str
    row: type[R]
    columns: Mapping[str, Reader]
    required: tuple[str, ...]

    @property
    def key(self) -> str:
        """The name of the id column."""
        return next(iter(self.columns))


TRUCKS = Table(
    "trucks.csv",
    Truck,
    {
        "truck_id": cells.plate,
        "axle_count": cells.whole(1, 20),
        "body": cells.one_of("rigid", "articulated"),
        "registered_gross_kg": _MASS,
        "tare_kg": _MASS,
        "carrier_id": cells.label,
        "carrier_name": cells.label,
        "air_suspension": cells.flag,
        "permit_from": cells.day,
        "permit_to": cells.day,
        "device_model": cells.label,
        "terminal_id": cells.label,
    },
    required=("truck_id", "axle_count"),
)
STATIONS = Table(
    "stations.csv",
    Station,
    {
        "station_id": cells.label,
        "name": cells.label,
        "lon": _LON,
        "lat": _LAT,
        "tolerance_pct": cells.number(0, 50, "%"),
        "verified_until": cells.day,
        "mode": cells.one_of("static", "wim"),
    },
    required=("station_id",),
)
CAMERAS = Table(
    "cameras.csv",
    Camera,
    {
        "camera_id": cells.label,
        "name": cells.label,
        "lon": _LON,
        "lat": _LAT,
        "trust": cells.number(0, 1),
    },
    required=("camera_id",),
)
PERMITS = Table(
    "permits.csv",
    Permit,
    {
        "permit_id": cells.label,
        "origin_zone": cells.label,
        "destination_zone": cells.label,
        "route_zone": cells.label,
        "hours": cells.hours,
        "valid_from": cells.day,
        "valid_to": cells.day,
    },
    required=("permit_id",),
)
SQUADS = Table(
    "squads.csv",
    Squad,
    {
        "squad_id": cells.label,
        "name": cells.label,
        "district_zone": cells.label,
        "level": cells.one_of("city", "district", "township"),
        "departments": cells.names,
        "hours": cells.hours,
        "channel": cells.label,
    },
    required=("squad_id",),
)
TABLE_FILES = tuple(table.file for table in (TRUCKS, STATIONS, CAMERAS, PERMITS, SQUADS))


@dataclass
class Rows(Generic[R]):
    """The rows of a table by id in the order of the file, with where each stands, and what is wrong with the file."""

    table: Table[R]
    rows: dict[str, R] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    source: Source | None = None
    header: list[str] = field(default_factory=list)

    def report(
        self,
        key: str,
        column: str,
        code: str,
        text: Text,
        hint: Text | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        """Adds a finding located at a cell of the row with id `key`."""
        self._report_at(self.lines[key], self.header.index(column), code, text, hint, severity)

    def _report_at(
        self,
        line: int,
        index: int | None,
        code: str,
        text: Text,
        hint: Text | None = None,
        severity: Literal["error", "warning"] = "error",
    ) -> None:
        assert self.source is not None
        column, width = (0, 1) if index is None else _cell_span(self.source.lines[line - 1], index)
        place = self.header[index] if index is not None and line > 1 and index < len(self.header) else None
        self.findings.append(
            self.source.finding(
                code, text, line=line, column=column, width=width, hint=hint, severity=severity, place=place
            )
        )


def load_table(table: Table[R], data: bytes | None) -> Rows[R]:
    """The table's rows; no file is no rows. A row with an error is left out, its error is a finding."""
    loaded = Rows(table)
    if data is None:
        return loaded
    source = read_source(table.file, data)
    if isinstance(source, Finding):
        loaded.findings.append(source)
        return loaded
    loaded.source = source
    records = _records(loaded)
    first = next(records, None)
    if first is None:
        text = Text("表是空的，连表头也没有", "The table is empty, it has not even a header")
        loaded.findings.append(source.finding("C020", text, hint=_columns_hint(table)))
        return loaded
    if _read_header(loaded, *first):
        _read_rows(loaded, records)
    return loaded


def _records(loaded: Rows[R]) -> Iterator[tuple[int, list[str]]]:
    """(line, cells without blanks around) of each record that is not empty; stops at a broken quote with C022."""
    assert loaded.source is not None
    reader = csv.reader(io.StringIO(loaded.source.text, newline=""), strict=True)
    line = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error:
            text = Text("引号不成对，从这一行起无法读取", "Unbalanced quotes: nothing can be read from this line on")
            loaded._report_at(line, None, "C022", text)
            return
        stripped = [cell.strip() for cell in record]
        if any(stripped):
            yield line, stripped
        line = reader.line_num + 1


def _read_header(loaded: Rows[R], line: int, header: list[str]) -> bool:
    """Checks the header; False when the rows make no sense without it being mended."""
    while header and not header[-1]:
        header.pop()
    loaded.header = header
    table = loaded.table
    if _wrong_separator(loaded, line):
        return False
    seen: set[str] = set()
    for index, name in enumerate(header):
        if name in seen:
            loaded._report_at(line, index, "C023", Text(f"列 {name} 出现两次", f"Column {name} stands twice"))
        elif name not in table.columns:
            _unknown_column(loaded, line, index, name)
        seen.add(name)
    missing = [name for name in table.required if name not in seen]
    for name in missing:
        text = Text(f"缺少列 {name}", f"Column {name} is missing")
        loaded._report_at(line, None, "C021", text, _columns_hint(table))
    return not missing and len(seen) == len(header)


def _unknown_column(loaded: Rows[R], line: int, index: int, name: str) -> None:
    text = Text(f"未知列 “{name}”，将被忽略", f"Unknown column “{name}” is ignored")
    columns = loaded.table.columns
    hint = did_you_mean(unicodedata.normalize("NFKC", name).lower(), columns) or _columns_hint(loaded.table)
    loaded._report_at(line, index, "C024", text, hint, "warning")


def _wrong_separator(loaded: Rows[R], line: int) -> bool:
    """C020 where something else than a comma stands between the columns."""
    alone = loaded.header[0] if len(loaded.header) == 1 else ""
    for separator, header, zh, en in (
        ("，", "".join(loaded.header), "全角逗号", "full-width commas"),
        (";", alone, "分号", "semicolons"),
        ("\t", alone, "制表符", "tabs"),
    ):
        if separator in header:
            text = Text(f"列之间用的是{zh}，应为半角逗号", f"Columns are separated by {en} instead of commas")
            loaded._report_at(line, None, "C020", text)
            return True
    return False


def _columns_hint(table: Table[R]) -> Text:
    listed = ",".join(table.columns)
    return Text(f"可用的列：{listed}", f"Columns: {listed}")


def _read_rows(loaded: Rows[R], records: Iterator[tuple[int, list[str]]]) -> None:
    table, header = loaded.table, loaded.header
    readers = [(index, name, table.columns[name]) for index, name in enumerate(header) if name in table.columns]
    key_index = header.index(table.key)
    for line, record in records:
        if not _check_width(loaded, line, record):
            continue
        values: dict[str, object] = {}
        whole = True
        for index, name, read in readers:
            if cell := record[index]:
                try:
                    values[name] = read(cell)
                except CellError as error:
                    loaded._report_at(line, index, error.code, error.text, error.hint)
                    whole = False
        key = record[key_index]
        if not key:
            text = Text(f"{table.key} 不能为空", f"{table.key} must not be empty")
            loaded._report_at(line, key_index, "C025", text)
        elif key in loaded.lines:
            first = loaded.lines[key]
            text = Text(
                f"{table.key} “{key}” 重复，第 {first} 行已有", f"{table.key} “{key}” is already on line {first}"
            )
            loaded._report_at(line, key_index, "C026", text)
        else:
            loaded.lines[key] = line
            if whole:
                loaded.rows[key] = table.row(**values)


def _check_width(loaded: Rows[R], line: int, record: list[str]) -> bool:
    """Whether the record has a cell for each column; empty cells beyond the header are dropped."""
    width = len(loaded.header)
    while len(record) > width and not record[-1]:
        record.pop()
    if len(record) == width:
        return True
    text = Text(
        f"这一行有 {len(record)} 个单元格，表头有 {width} 列",
        f"{len(record)} cells where the header has {width} columns",
    )
    hint = None
    if len(record) > width:
        hint = Text("单元格内容含逗号时要加双引号", "A cell with a comma in it must be in double quotes")
    elif "，" in "".join(record):
        hint = Text("可能用了全角逗号分隔", "Full-width commas may stand where commas should")
    loaded._report_at(line, None, "C034", text, hint)
    return False


def _cell_span(line: str, index: int) -> tuple[int, int]:
    """Column (from 1) and width in characters of the cell `index` in a line of CSV, without blanks around it."""
    start, quoted, seen = 0, False, 0
    for position, character in enumerate(line + ","):
        if character == '"':
            quoted = not quoted
        elif character == "," and (not quoted or position == len(line)):
            if seen == index:
                cell = line[start:position]
                blanks = len(cell) - len(cell.lstrip())
                return start + blanks + 1, max(len(cell.strip()), 1)
            start, seen = position + 1, seen + 1
    return 0, 1
