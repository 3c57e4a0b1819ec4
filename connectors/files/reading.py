"""Event files as streams of records. A record that cannot be read is handed back as rejected, with its line.

NDJSON holds one event a line; a Parquet file one event a row, either whole (a column `event` of JSON) or a column per
field; a CSV file needs somebody to say what its columns mean. Formats are told apart by name: `.gz`, `.zst`,
`.parquet`, `.csv`, `.tsv`, `.txt`; `-` is standard input.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from connectors.files.csv_map import CsvMap
from connectors.files.csv_rows import read_rows
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.text import Text
from haulwatch.wire import BOM, Rejected, decode_event

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer as Buffer

STDIN = "-"
PARQUET_BATCH = 8192
CHUNK = 1 << 16


def read_events(name: str, csv: CsvMap | None = None) -> Iterator[Event | Rejected]:
    """The records of one file in their order; `Rejected.index` is the line (or row) number, from 1.

    With `csv`, standard input is CSV, too. Raises WorldError when the file is missing or cannot be read to its end,
    AuthorError when a CSV file has other columns than `csv` says.
    """
    try:
        if name.endswith(".parquet"):
            yield from _parquet(Path(name))
        elif _is_csv(name) or (name == STDIN and csv is not None):
            if csv is None:
                text = Text(
                    f"{name} 是 CSV：用 --csv-map 说明各列", f"{name} is CSV: say with --csv-map what columns mean"
                )
                raise WorldError(text)
            with _opened(name) as stream:
                yield from read_rows(name, stream, csv)
        else:
            with _opened(name) as stream:
                yield from _lines(stream)
    except FileNotFoundError as error:
        raise WorldError(Text(f"找不到文件：{name}", f"no such file: {name}")) from error
    except (OSError, EOFError, zlib.error, zstandard.ZstdError, pa.ArrowException) as error:
        raise WorldError(Text(f"读不了文件 {name}：{error}", f"cannot read {name}: {error}")) from error


def _is_csv(name: str) -> bool:
    return name.lower().removesuffix(".gz").removesuffix(".zst").endswith((".csv", ".tsv", ".txt"))


def _opened(name: str) -> IO[bytes]:
    if name == STDIN:
        return sys.stdin.buffer
    path = Path(name)
    stream: IO[bytes]
    if name.endswith(".gz"):
        stream = gzip.open(path, "rb")  # type: ignore[assignment]  # noqa: SIM115 - the caller closes it
    elif name.endswith(".zst"):
        stream = io.BufferedReader(_Zstandard(path))
    else:
        stream = path.open("rb")
    return stream


class _Zstandard(io.RawIOBase):
    """The plain bytes of a .zst file; unlike the library's reader, a file cut short is an error and not its end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._plain = b""

    def readable(self) -> bool:
        return True

    def readinto(self, target: Buffer) -> int:
        view = memoryview(target)
        while not self._plain:
            packed = self._frame.unused_data if self._frame.eof else b""
            packed = packed or self._file.read(CHUNK)
            if not packed:
                if not self._frame.eof:
                    raise EOFError("compressed file ended before the end-of-stream marker was reached")
                return 0
            if self._frame.eof:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._plain = self._frame.decompress(packed)
        count = min(len(view), len(self._plain))
        view[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


def _lines(stream: IO[bytes]) -> Iterator[Event | Rejected]:
    for number, line in enumerate(stream, 1):
        if number == 1:
            line = line.removeprefix(BOM)
        try:
            yield decode_event(line)
        except DeviceError as error:
            raw = line.rstrip(b"\r\n")
            if raw.strip():
                yield Rejected(number, error, raw)


def _parquet(path: Path) -> Iterator[Event | Rejected]:
    number = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(PARQUET_BATCH):
            for row in _spelled(batch).to_pylist():
                number += 1
                raw = _row_bytes(row)
                try:
                    yield decode_event(raw)
                except DeviceError as error:
                    yield Rejected(number, error, raw)


def _spelled(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its instants as text: made one by one, they take longer than all else together."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.tz is not None:
            in_utc = batch.column(place).cast(pa.timestamp(field.type.unit, "UTC"))
            batch = batch.set_column(place, field.name, pc.strftime(in_utc, format="%Y-%m-%dT%H:%M:%SZ"))
    return batch


def _row_bytes(row: dict[str, Any]) -> bytes:
    """A row as an event's JSON, so that one definition checks events from wherever they come."""
    whole = row.get("event")
    if isinstance(whole, bytes):
        return whole
    if isinstance(whole, str):
        return whole.encode()
    return msgspec.json.encode({name: value for name, value in row.items() if value is not None})
