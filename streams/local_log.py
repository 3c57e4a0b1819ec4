"""The embedded log: one SQLite file with the events, what they led to, the state and the offset it stands for.

WAL with synchronous=FULL: what a transaction has committed survives a killed process and a power cut. One thread owns
a `LocalLog`; readers open their own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from haulwatch.domain.breaches import Breach
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter

LOG_FILE = "log.sqlite"
"""The event log of an embedded system, in its data folder."""
SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE log (log_offset INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT UNIQUE, event BLOB NOT NULL);
CREATE TABLE dead_letters (number INTEGER PRIMARY KEY AUTOINCREMENT, code TEXT NOT NULL, letter BLOB NOT NULL);
CREATE TABLE breaches (
    number INTEGER PRIMARY KEY AUTOINCREMENT, log_offset INTEGER NOT NULL,
    breach_id TEXT NOT NULL, phase TEXT NOT NULL, occurrences INTEGER NOT NULL, late INTEGER NOT NULL,
    breach BLOB NOT NULL,
    UNIQUE (breach_id, phase, occurrences, late)
);
CREATE TABLE cities (city_hash TEXT PRIMARY KEY, packed BLOB NOT NULL);
CREATE TABLE snapshots (only INTEGER PRIMARY KEY CHECK (only = 1), log_offset INTEGER NOT NULL, state BLOB NOT NULL);
CREATE TABLE cursors (name TEXT PRIMARY KEY, position INTEGER NOT NULL);
"""

_encode = msgspec.json.Encoder().encode
_breach_decoder = msgspec.json.Decoder(Breach)


class Claim:
    """The right to write a log: one process at a time. It ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(f"{path}.lock", isolation_level=None, check_same_thread=False, timeout=0)
            self._db.execute("BEGIN EXCLUSIVE")
        except (OSError, sqlite3.Error) as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                text = Text(
                    f"{path.parent} 正由另一个进程使用，请先停止它",
                    f"{path.parent} is in use by another process; stop that first",
                )
            else:
                text = Text(f"无法使用目录 {path.parent}：{error}", f"cannot use folder {path.parent}: {error}")
            raise WorldError(text) from error

    def release(self) -> None:
        """Lets another process take it."""
        self._db.close()


class LocalLog:
    """The file; every method that writes is part of the transaction that `commit` ends."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._migrate()
        except (OSError, sqlite3.Error) as error:
            raise WorldError(
                Text(f"打不开事件日志 {path}：{error}", f"cannot open the event log {path}: {error}")
            ) from error

    def _migrate(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};COMMIT;")
        elif version != SCHEMA_VERSION:
            raise WorldError(
                Text(
                    f"事件日志版本 {version} 与本程序（{SCHEMA_VERSION}）不符",
                    f"event log version {version}, this program reads {SCHEMA_VERSION}",
                )
            )

    def close(self) -> None:
        """Closes the file."""
        self._db.close()

    def begin(self) -> None:
        """Begins a transaction (takes the write lock)."""
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Makes the transaction durable. Raises sqlite3.Error when it could not."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Forgets the transaction."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # -- events -----------------------------------------------------------------------------------------------------

    def append(self, event_id: str | None, event: bytes) -> int | None:
        """Appends an event and returns its offset; None when an event of this id is in the log already."""
        cursor = self._db.execute("INSERT OR IGNORE INTO log (event_id, event) VALUES (?, ?)", (event_id, event))
        return cursor.lastrowid if cursor.rowcount else None

    def keep_dead(self, letters: Iterable[DeadLetter]) -> None:
        """Keeps bad records with their reasons."""
        self._db.executemany(
            "INSERT INTO dead_letters (code, letter) VALUES (?, ?)", [(d.code, _encode(d)) for d in letters]
        )

    def events_after(self, offset: int) -> Iterator[tuple[int, bytes]]:
        """Offsets and events behind `offset`, in order."""
        while True:
            rows = self._db.execute(
                "SELECT log_offset, event FROM log WHERE log_offset > ? ORDER BY log_offset LIMIT 5000", (offset,)
            ).fetchall()
            if not rows:
                return
            yield from rows
            offset = rows[-1][0]

    def newest_events(self, count: int) -> list[bytes]:
        """The newest events, oldest first."""
        rows = self._db.execute("SELECT event FROM log ORDER BY log_offset DESC LIMIT ?", (count,)).fetchall()
        return [bytes(row[0]) for row in reversed(rows)]

    def last_offset(self) -> int:
        """The offset of the newest event; 0 for an empty log."""
        return int(self._db.execute("SELECT coalesce(max(log_offset), 0) FROM log").fetchone()[0])

    def dead_letter_counts(self) -> dict[str, int]:
        """How many bad records are kept, by code."""
        return dict(self._db.execute("SELECT code, count(*) FROM dead_letters GROUP BY code ORDER BY code"))

    # -- what they led to -------------------------------------------------------------------------------------------

    def add_breaches(self, offset: int, breaches: Sequence[Breach]) -> None:
        """Adds what the event at `offset` led to; what a replay after a crash finds again is there already."""
        self._db.executemany(
            "INSERT OR IGNORE INTO breaches (log_offset, breach_id, phase, occurrences, late, breach)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            [(offset, b.breach_id, b.phase, b.occurrences, b.late, _encode(b)) for b in breaches],
        )

    def breaches_after(self, number: int, limit: int) -> list[tuple[int, Breach]]:
        """Numbers and breaches behind `number`, in order."""
        rows = self._db.execute(
            "SELECT number, breach FROM breaches WHERE number > ? ORDER BY number LIMIT ?", (number, limit)
        )
        return [(number, _breach_decoder.decode(breach)) for number, breach in rows]

    def save_snapshot(self, offset: int, state: bytes) -> None:
        """Replaces the snapshot by the state after the event at `offset`."""
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (1, ?, ?)", (offset, state))

    def snapshot(self) -> tuple[int, bytes] | None:
        """The offset and state last saved."""
        row = self._db.execute("SELECT log_offset, state FROM snapshots").fetchone()
        return None if row is None else (int(row[0]), bytes(row[1]))

    # -- cities and cursors -----------------------------------------------------------------------------------------

    def save_city(self, city_hash: str, packed: bytes) -> None:
        """Stores a city under its content hash."""
        self._db.execute("INSERT OR IGNORE INTO cities VALUES (?, ?)", (city_hash, packed))

    def city(self, city_hash: str) -> bytes | None:
        """A stored city."""
        row = self._db.execute("SELECT packed FROM cities WHERE city_hash = ?", (city_hash,)).fetchone()
        return None if row is None else bytes(row[0])

    def cursor(self, name: str) -> int:
        """How far a reader has come; 0 at first."""
        row = self._db.execute("SELECT position FROM cursors WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def save_cursor(self, name: str, position: int) -> None:
        """Notes how far a reader has come."""
        self._db.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (name, position))
