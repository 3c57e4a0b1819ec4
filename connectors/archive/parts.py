"""One Parquet file of the archive while it is written: rows come one by one, memory holds a row group at most."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from haulwatch.domain.events import Event
from haulwatch.domain.instants import EPOCH

BATCH_ROWS = 4_096
GROUP_ROWS = 16_384
"""What a reader can skip or must read as a whole: a few megabytes of JSON."""
ZSTD_LEVEL = 3
_MS = pa.timestamp("ms", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("event", pa.binary(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("truck_id", pa.string()),
        pa.field("at", _MS, nullable=False),
        pa.field("received_at", _MS, nullable=False),
        pa.field("event_id", pa.string()),
        pa.field("source", pa.string()),
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("item", pa.int32(), nullable=False),
    ]
)
"""`event` is all of it as JSON, the rest repeats what one searches by. `item`: which event of its record, from 0."""


class Part:
    """Rows on their way into a file of an unfinished name. Raises OSError, ArrowException."""

    def __init__(self, unfinished: Path, partition: int, hour: int, first_offset: int, opened_ms: int) -> None:
        self.unfinished = unfinished
        self.hour = hour
        self.first_offset = first_offset
        self.opened_ms = opened_ms
        self.rows = 0
        self._partition = partition
        self._rows: list[tuple[object, ...]] = []
        self._batches: list[pa.RecordBatch] = []
        self._writer = pq.ParquetWriter(
            unfinished,
            SCHEMA,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
            use_dictionary=["kind", "truck_id", "source"],
            write_statistics=["truck_id", "at", "received_at", "offset"],
            column_encoding={
                "at": "DELTA_BINARY_PACKED",
                "received_at": "DELTA_BINARY_PACKED",
                "offset": "DELTA_BINARY_PACKED",
                "partition": "DELTA_BINARY_PACKED",
                "item": "DELTA_BINARY_PACKED",
            },
            write_page_checksum=True,
        )

    def add(self, offset: int, item: int, event: Event, raw: bytes, received_ms: int) -> None:
        """Adds an event, `raw` its JSON."""
        since = event.at - EPOCH
        at_ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        self._rows.append(
            (
                raw,
                event.__struct_config__.tag,
                getattr(event, "truck_id", None),
                at_ms,
                received_ms,
                getattr(event, "event_id", None),
                getattr(event, "source", None),
                self._partition,
                offset,
                item,
            )
        )
        self.rows += 1
        if len(self._rows) >= BATCH_ROWS:
            self._pack()
            if len(self._batches) * BATCH_ROWS >= GROUP_ROWS:
                self._write_group()

    def _pack(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [_array(values, field) for values, field in zip(columns, SCHEMA, strict=True)]
        self._batches.append(pa.record_batch(arrays, schema=SCHEMA))
        self._rows = []

    def _write_group(self) -> None:
        table = pa.Table.from_batches(self._batches, SCHEMA)
        self._batches = []
        self._writer.write_table(table, row_group_size=GROUP_ROWS)

    def close(self) -> None:
        """Completes the file."""
        if self._rows:
            self._pack()
        if self._batches:
            self._write_group()
        self._writer.close()

    def discard(self) -> None:
        """Lets go of the file; it stays where it is, incomplete."""
        self._rows, self._batches = [], []
        self._writer.close()


def _array(values: tuple[object, ...], field: pa.Field) -> pa.Array:
    if field.type == _MS:
        return pa.array(values, pa.int64()).cast(_MS)
    return pa.array(values, field.type)
