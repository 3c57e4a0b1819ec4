"""An archive as the log that it was: each partition in its order, and of it only the hours and rows that are wanted.

A partition's events lie in a file an hour; files overlap where events came late. They are put together again by
`offset` and `item`, a row group of each in memory, so what was decided from the log is decided from its archive.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from connectors.archive.layout import HOUR_MS, PartName, parts_in, places_in, root_of
from connectors.window import EVERYTHING, Window
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.text import Text
from haulwatch.wire import Rejected, decode_event, decode_logged

ITEMS = 1 << 17
"""More than the events of one record: `offset * ITEMS + item` is an event's place in its partition."""
END = 1 << 63


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

    def logs(self) -> dict[str, Iterator[Event | Rejected]]:
        """The log of each partition by a name that says which it is; reading raises WorldError."""
        return {
            f"{root}/partition={number:04}": self._partition(sorted(parts))
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
        for raws in self._in_order(parts):
            for raw in raws:
                number += 1
                try:
                    yield decode_logged(raw)
                except WorldError:
                    yield _rejected(number, raw)

    def _in_order(self, parts: list[PartName]) -> Iterator[list[bytes]]:
        """The events of a partition's parts in the order of its log, some at a time."""
        waiting = deque(parts)
        running: list[tuple[int, int, _Run]] = []
        while waiting or running:
            while waiting and (not running or waiting[0].first_offset * ITEMS <= running[0][0]):
                run = _Run(waiting.popleft(), self._window)
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


class _Run:
    """One file, from its first wanted row to its last."""

    def __init__(self, part: PartName, window: Window) -> None:
        self._batches = _batches(part, window)
        self._keys: list[int] = []
        self._raws: list[bytes] = []
        self._at = 0

    @property
    def key(self) -> int:
        """Where the next row belongs."""
        return self._keys[self._at]

    def more(self) -> bool:
        """Whether there is a next row."""
        while self._at >= len(self._keys):
            batch = next(self._batches, None)
            if batch is None:
                return False
            self._keys, self._raws = batch
            self._at = 0
        return True

    def before(self, end: int) -> Iterator[list[bytes]]:
        """The next row, and all behind it that belong before `end`."""
        while True:
            first, self._at = self._at, max(bisect_left(self._keys, end, self._at), self._at + 1)
            yield self._raws[first : self._at]
            if self._at < len(self._keys) or not self.more() or self.key >= end:
                return


def _batches(part: PartName, window: Window) -> Iterator[tuple[list[int], list[bytes]]]:
    rest = _rest(window, part.hour)
    columns = ["event", "offset", "item"] + ([] if rest.everything else ["received_at"])
    try:
        with pq.ParquetFile(part.path, page_checksum_verification=True) as file:
            # One by one: a reader of all of them holds on to what it has read.
            for group in _wanted_groups(file, rest):
                table = file.read_row_group(group, columns)
                if not rest.everything:
                    table = table.filter(_inside(table["received_at"], rest))
                keys = pc.add(pc.multiply(table["offset"], ITEMS), table["item"].cast(pa.int64()))
                yield keys.to_pylist(), table["event"].to_pylist()
    except (OSError, KeyError, pa.ArrowException) as error:
        raise _unreadable(part.path, error) from error


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


def _rejected(number: int, raw: bytes) -> Rejected:
    """What lies in a file and is no event, with its reason."""
    try:
        decode_event(raw)
    except DeviceError as error:
        return Rejected(number, error, raw)
    raise AssertionError("what is well formed was read before")


def _unreadable(path: Path, error: Exception) -> WorldError:
    return WorldError(Text(f"读不了归档 {path}：{error}", f"cannot read archive {path}: {error}"))
