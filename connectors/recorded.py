"""What `haulwatch replay` is given: files of events, and folders that are archives, as named logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from connectors.archive.reading import Archive
from connectors.files.csv_map import CsvMap
from connectors.files.reading import STDIN, read_events
from connectors.shares import EVERY_TRUCK, Share
from connectors.window import EVERYTHING, Window
from haulwatch.domain.events import Event
from haulwatch.wire import Rejected


class Recorded:
    """Event files and archives, as far as they fall into a window. Raises WorldError where a folder is no archive.

    `csv` says what the columns of CSV files mean.
    """

    def __init__(self, names: Sequence[str], window: Window = EVERYTHING, csv: CsvMap | None = None) -> None:
        folders = [name for name in names if name != STDIN and Path(name).is_dir()]
        self._files = [name for name in names if name not in folders]
        self._archive = Archive([Path(name) for name in folders], window)
        self._window, self._csv = window, csv

    def logs(self, share: Share = EVERY_TRUCK) -> dict[str, Iterator[Event | Rejected]]:
        """A log a file, and one a partition of an archive, by name. Reading them raises WorldError."""
        files = {name: self._window.of(read_events(name, self._csv)) for name in self._files}
        return {name: share.of_log(log) for name, log in files.items()} | self._archive.logs(share)

    def total(self) -> int | None:
        """About how many events there are, where that can be known without reading them."""
        return None if self._files else self._archive.count()
