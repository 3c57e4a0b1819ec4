"""Recorded events that several processes can each read for themselves: files and archives, or a system's own log."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from connectors.files.csv_map import CsvMap
from connectors.files.reading import STDIN
from connectors.recorded import Recorded
from connectors.shares import Share
from connectors.window import EVERYTHING, Window
from haulwatch.domain.events import Event
from haulwatch.wire import Rejected, decode_logged
from streams.local_log_reader import LocalLogReader

Logs = dict[str, Iterator[Event | Rejected]]


class Recording(Protocol):
    """A description of recorded events, small enough to be handed to another process."""

    def logs(self, share: Share) -> Logs:
        """The events of a share of the trucks, as named logs. Reading raises WorldError."""
        ...

    def total(self) -> int | None:
        """About how many events there are, where that is known without reading them."""
        ...

    @property
    def divisible(self) -> bool:
        """Whether it is worth while, and possible, that several processes read it."""
        ...


class RecordedFiles(Struct, frozen=True):
    """Event files and folders that are archives."""

    names: list[str]
    window: Window = EVERYTHING
    csv: CsvMap | None = None

    def logs(self, share: Share) -> Logs:
        """See `Recording`."""
        return Recorded(self.names, self.window, self.csv).logs(share)

    def total(self) -> int | None:
        """See `Recording`."""
        return Recorded(self.names, self.window, self.csv).total()

    @property
    def divisible(self) -> bool:
        """See `Recording`: standard input comes once."""
        return STDIN not in self.names and sum(map(_size, self.names)) >= LARGE_BYTES


class RecordedLog(Struct, frozen=True):
    """The log in the data folder of a system on one machine; it may be running."""

    path: Path
    window: Window = EVERYTHING

    def logs(self, share: Share) -> Logs:
        """See `Recording`."""
        return {str(self.path): share.of_log(self.window.of(self._events()))}

    def _events(self) -> Iterator[Event | Rejected]:
        log = LocalLogReader(self.path)
        try:
            for _offset, raw in log.events(0, log.end()):
                yield decode_logged(raw)
        finally:
            log.close()

    def total(self) -> int | None:
        """See `Recording`."""
        return None

    @property
    def divisible(self) -> bool:
        """See `Recording`."""
        return _size(self.path) >= LARGE_BYTES


LARGE_BYTES = 8_000_000
"""Less than this is read sooner than another process is ready."""


def _size(name: str | Path) -> int:
    path = Path(name)
    try:
        if path.is_dir():
            return sum(part.stat().st_size for part in path.rglob("*.parquet"))
        return path.stat().st_size
    except OSError:
        return 0  # reading it says what is wrong


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))
