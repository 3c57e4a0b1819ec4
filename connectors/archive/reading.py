"""An archive as the log that it was: each partition in its order, and of it only the hours and rows that are wanted.

A partition's events lie in a file an hour; files overlap where events came late. They are put together again by
`offset` and `item`, a row group of each in memory, so what was decided from the log is decided from its archive.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.archive.layout import HOUR_MS, PartName, parts_in, places_in, root_of
from connectors.shares import EVERY_TRUCK, Share, tick_at
from connectors.window import EVERYTHING, Window
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.text import Text
from haulwatch.wire import Rejected, decode_event, decode_logged

ITEMS = 1 << 17
"""More than the events of one record: `offset * ITEMS + item` is an event's place in its partition."""
END = 1 << 63
Places = np.ndarray[Any, np.dtype[np.int64]]
Rows = TypeVar("Rows", list[bytes], "_SharedRows")
Batches = Iterator[tuple[Places, Rows]]
"""Rows with their places, a row group at a time."""


class Archive:
    """Archives (or days, or hours of them), as one log a partition. Raises WorldError where a folder holds none."""

    def __init__(self, folders: Iterable[Path], window: Window = EVERYTHING) -> None:
        self._window = window
        self._parts: dict[tuple[Path, int], set[PartName]] = {}
        for folder in folders:
            try:
                self._find(folder.resolve(strict=True))
            except OSError as error:
                raise _unreadable(folder, error) from error

    def _find(self, folder: Path) -> None:
        root = root_of(folder)
        places = places_in(root)
        empty = not places
        for part in parts_in(folder):
            empty = False
            place = places.get(part.partition)
            counts = place is None or place.covers(part.hour, part.first_offset)
            if counts and self._window.from_ms < (part.hour + 1) * HOUR_MS and part.hour * HOUR_MS < self._window.to_ms:
                self._parts.setdefault((root, part.partition), set()).add(part)
        if empty:
            raise WorldError(
                Text(
                    f"{folder} 不是事件归档：没有 day=…/hour=…/part-….parquet",
                    f"{folder} is no event archive: it has no day=…/hour=…/part-….parquet",
                )
            )

    def logs(self, share: Share = EVERY_TRUCK) -> dict[str, Iterator[Event | Rejected]]:
        """The log of each partition (or a share of it) by a name that says which it is; reading raises WorldError."""
        return {
            f"{root}/partition={number:04}": (
                self._partition(sorted(parts)) if share.of == 1 else self._shared(sorted(parts), share)
            )
            for (root, number), parts in sorted(self._parts.items())
        }

    def count(self) -> int:
        """About how many events there are to be read: those of all row groups that have a wanted one."""
        rows = 0
        for parts in self._parts.values():
            for part in parts:
                try:
                    with pq.ParquetFile(part.path) as file:
                        groups = _wanted_groups(file, _rest(self._window, part.hour))
                        rows += sum(file.metadata.row_group(group).num_rows for group in groups)
                except (OSError, pa.ArrowException) as error:
                    raise _unreadable(part.path, error) from error
        return rows

    def _partition(self, parts: list[PartName]) -> Iterator[Event | Rejected]:
        number = 0
        for raws in _in_order(parts, lambda part: _events(part, self._window)):
            for raw in raws:
                number += 1
                yield _event(number, raw)

    def _shared(self, parts: list[PartName], share: Share) -> Iterator[Event | Rejected]:
        """See `Share.of_log`, which this is without touching the rows of other trucks one by one."""
        number = 0
        clock_ms = shown_ms = NEVER_MS
        for rows in _in_order(parts, lambda part: _rows_of(part, self._window, share)):
            clocks = np.maximum(np.maximum.accumulate(rows.received_ms), clock_ms)
            held = np.flatnonzero(rows.held)
            before = np.where(held > 0, clocks[held - 1], clock_ms)
            numbers = (column.tolist() for column in (held + number + 1, before, rows.received_ms[held]))
            for at, before_ms, received_ms, raw in zip(*numbers, rows.raws.take(held).to_pylist(), strict=True):
                if received_ms < before_ms and shown_ms < before_ms:
                    yield tick_at(before_ms)
                yield _event(at, raw)
                shown_ms = max(before_ms, received_ms)
            number += len(clocks)
            clock_ms = int(clocks[-1])
        if shown_ms < clock_ms:
            yield tick_at(clock_ms)


class _SharedRows:
    """Rows of a file: when each was received, whether it is of a truck of the share, and its event's JSON."""

    def __init__(self, received_ms: Places, held: np.ndarray[Any, np.dtype[np.bool_]], raws: pa.Array) -> None:
        self.received_ms, self.held, self.raws = received_ms, held, raws

    def __getitem__(self, rows: slice) -> _SharedRows:
        return _SharedRows(self.received_ms[rows], self.held[rows], self.raws[rows])


def _in_order(parts: list[PartName], opened: Callable[[PartName], Batches[Rows]]) -> Iterator[Rows]:
    """The rows of a partition's parts in the order of its log, some at a time."""
    waiting = deque(parts)
    running: list[tuple[int, int, _Run[Rows]]] = []
    while waiting or running:
        while waiting and (not running or waiting[0].first_offset * ITEMS <= running[0][0]):
            run = _Run(opened(waiting.popleft()))
            if run.more():
                heapq.heappush(running, (run.key, len(waiting), run))
        if running:
            _key, order, run = heapq.heappop(running)
            yield from run.before(
                min(
                    running[0][0] if running else END,
                    waiting[0].first_offset * ITEMS if waiting else END,
                )
            )
            if run.more():
                heapq.heappush(running, (run.key, order, run))


class _Run(Generic[Rows]):
    """One file, from its first wanted row to its last."""

    def __init__(self, batches: Batches[Rows]) -> None:
        self._batches: Batches[Rows] = batches
        self._keys: Places = np.empty(0, np.int64)
        self._rows: Rows
        self._at = 0

    @property
    def key(self) -> int:
        """Where the next row belongs."""
        return int(self._keys[self._at])

    def more(self) -> bool:
        """Whether there is a next row."""
        while self._at >= len(self._keys):
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._keys, self._rows = batch
            self._at = 0
        return True

    def before(self, end: int) -> Iterator[Rows]:
        """The next row, and all behind it that belong before `end`."""
        while True:
            first, self._at = self._at, max(bisect_left(self._keys, end, self._at), self._at + 1)
            yield self._rows[first : self._at]
            if self._at < len(self._keys) or not self.more() or self.key >= end:
                return


def _events(part: PartName, window: Window) -> Batches[list[bytes]]:
    """The JSON of the events of a file, with the places of the rows."""
    for table in _tables(part, window, ["event"] if _rest(window, part.hour).everything else ["event", "received_at"]):
        yield _keys(table), table["event"].to_pylist()


def _rows_of(part: PartName, window: Window, share: Share) -> Batches[_SharedRows]:
    """The rows of a file, those of the share known."""
    for table in _tables(part, window, ["event", "received_at", "truck_id"]):
        trucks = table["truck_id"]
        of_share = pa.array([truck for truck in pc.unique(trucks).to_pylist() if share.holds(truck)], trucks.type)
        held = pc.is_in(trucks, of_share)
        received_ms = table["received_at"].cast(pa.int64())
        rows = _SharedRows(received_ms.to_numpy(), held.to_numpy(), table["event"].combine_chunks())
        yield _keys(table), rows


def _tables(part: PartName, window: Window, columns: list[str]) -> Iterator[pa.Table]:
    rest = _rest(window, part.hour)
    try:
        with pq.ParquetFile(part.path, page_checksum_verification=True) as file:
            # One by one: a reader of all of them holds on to what it has read.
            for group in _wanted_groups(file, rest):
                table = file.read_row_group(group, [*columns, "offset", "item"])
                yield table if rest.everything else table.filter(_inside(table["received_at"], rest))
    except (OSError, KeyError, pa.ArrowException) as error:
        raise _unreadable(part.path, error) from error


def _keys(table: pa.Table) -> Places:
    keys: Places = pc.add(pc.multiply(table["offset"], ITEMS), table["item"].cast(pa.int64())).to_numpy()
    return keys


def _rest(window: Window, hour: int) -> Window:
    """What of a window must still be looked at row by row in a file of this hour."""
    inside = window.from_ms <= hour * HOUR_MS and (hour + 1) * HOUR_MS <= window.to_ms
    return EVERYTHING if inside else window


def _inside(received_at: pa.ChunkedArray, window: Window) -> pa.ChunkedArray:
    ms = received_at.cast(pa.int64())
    return pc.and_(pc.greater_equal(ms, window.from_ms), pc.less(ms, window.to_ms))


def _wanted_groups(file: pq.ParquetFile, window: Window) -> list[int]:
    """The row groups that may hold a wanted row, by their statistics."""
    metadata = file.metadata
    groups = list(range(metadata.num_row_groups))
    if window.everything:
        return groups
    column = file.schema_arrow.get_field_index("received_at")
    wanted = []
    for group in groups:
        found = metadata.row_group(group).column(column).statistics
        known = found is not None and found.has_min_max
        if not known or (found.min_raw < window.to_ms and found.max_raw >= window.from_ms):
            wanted.append(group)
    return wanted


def _event(number: int, raw: bytes) -> Event | Rejected:
    try:
        return decode_logged(raw)
    except WorldError:
        return _rejected(number, raw)


def _rejected(number: int, raw: bytes) -> Rejected:
    """What lies in a file and is no event, with its reason."""
    try:
        decode_event(raw)
    except DeviceError as error:
        return Rejected(number, error, raw)
    raise AssertionError("what is well formed was read before")


def _unreadable(path: Path, error: Exception) -> WorldError:
    return WorldError(Text(f"读不了归档 {path}：{error}", f"cannot read archive {path}: {error}"))
