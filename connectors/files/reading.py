"""Event files as streams of records. A record that cannot be read is handed back as rejected, with its line.

NDJSON holds one event a line; a Parquet file one event a row, either whole (a column `event` of JSON) or a column per
field. Formats are told apart by name: `.gz`, `.zst`, `.parquet`; `-` is standard input.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.text import Text
from haulwatch.wire import Rejected, decode_event

STDIN = "-"
PARQUET_BATCH = 8192


def read_events(name: str) -> Iterator[Event | Rejected]:
    """The records of one file in their order; `Rejected.index` is the line (or row) number, from 1.

    Raises WorldError when the file is missing or cannot be read to its end.
    """
    try:
        if name.endswith(".parquet"):
            yield from _parquet(Path(name))
        else:
            with _opened(name) as stream:
                yield from _lines(stream)
    except FileNotFoundError as error:
        raise WorldError(Text(f"找不到文件：{name}", f"no such file: {name}")) from error
    except (OSError, EOFError, zlib.error, zstandard.ZstdError, pa.ArrowException) as error:
        raise WorldError(Text(f"读不了文件 {name}：{error}", f"cannot read {name}: {error}")) from error


def _opened(name: str) -> IO[bytes]:
    if name == STDIN:
        return sys.stdin.buffer
    path = Path(name)
    stream: IO[bytes]
    if name.endswith(".gz"):
        stream = gzip.open(path, "rb")  # type: ignore[assignment]
    elif name.endswith(".zst"):
        stream = zstandard.open(path, "rb")
    else:
        stream = path.open("rb")
    return stream


def _lines(stream: IO[bytes]) -> Iterator[Event | Rejected]:
    for number, line in enumerate(stream, 1):
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
            for row in batch.to_pylist():
                number += 1
                raw = _row_bytes(row)
                try:
                    yield decode_event(raw)
                except DeviceError as error:
                    yield Rejected(number, error, raw)


def _row_bytes(row: dict[str, Any]) -> bytes:
    """A row as an event's JSON, so that one definition checks events from wherever they come."""
    whole = row.get("event")
    if isinstance(whole, bytes):
        return whole
    if isinstance(whole, str):
        return whole.encode()
    return msgspec.json.encode({name: value for name, value in row.items() if value is not None})
