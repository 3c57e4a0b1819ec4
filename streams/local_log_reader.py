"""The embedded log as others read it, also while a system writes it: nothing is changed, nobody is held up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from streams.local_log import SCHEMA_VERSION

BATCH = 5_000
"""Records of one look; between looks the writer may fold its journal back into the file."""


class LocalLogReader:
    """Used by one thread at a time. Raises WorldError where there is no log, or another version's."""

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.is_file():
            raise WorldError(Text(f"{path.parent} 中没有事件日志", f"there is no event log in {path.parent}"))
        with self._reading():
            self._db = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=30,
            )
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version != SCHEMA_VERSION:
            raise WorldError(
                Text(
                    f"事件日志版本 {version} 与本程序（{SCHEMA_VERSION}）不符",
                    f"event log version {version}, this program reads {SCHEMA_VERSION}",
                )
            )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise WorldError(
                Text(f"读不了事件日志 {self._path}：{error}", f"cannot read the event log {self._path}: {error}"),
                retryable=True,
            ) from error

    def end(self) -> int:
        """The offset behind the newest event."""
        with self._reading():
            return 1 + int(self._db.execute("SELECT coalesce(max(log_offset), 0) FROM log").fetchone()[0])

    def events(self, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Offsets and events from `start` up to `end` (exclusive), in order."""
        while start < end:
            with self._reading():
                rows = self._db.execute(
                    "SELECT log_offset, event FROM log WHERE log_offset >= ? AND log_offset < ?"
                    f" ORDER BY log_offset LIMIT {BATCH}",
                    (start, end),
                ).fetchall()
            if not rows:
                return
            yield from rows
            start = rows[-1][0] + 1

    def city(self, city_hash: str) -> bytes | None:
        """The pack of a city that was in force once."""
        with self._reading():
            row = self._db.execute("SELECT packed FROM cities WHERE city_hash = ?", (city_hash,)).fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Closes the file."""
        self._db.close()
