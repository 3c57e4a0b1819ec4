"""First halves of messages in two, on disk until the other half is in the log or does not come.

The folder is all there is: nothing is lost when the process is killed, and processes that share the folder finish what
another has begun. An event's file is its own JSON; its name says whose it is, when it came, of
when it speaks.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path

from connectors.pictures import write_whole
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event, Sighting
from haulwatch.domain.instants import to_ms
from haulwatch.domain.text import Text
from haulwatch.wire import decode_logged, encode_event

SUFFIX = ".json"
SLACK_MS = 2_000
"""By how much the times of the two halves may differ."""


def pair_key(sender: str, uuid: str) -> str:
    """What both halves have in common."""
    return hashlib.sha256(f"{sender}|{uuid}".encode()).hexdigest()[:32]


class Waiting:
    """The folder. Every verb blocks and raises WorldError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, key: str, event: Sighting, received_ms: int) -> None:
        """Keeps a first half; durable when it returns."""
        data = encode_event(event)
        at_ms = to_ms(event.at)
        name = f"{key}-{received_ms}-{at_ms}-{hashlib.sha256(event.event_id.encode()).hexdigest()[:16]}{SUFFIX}"
        with _world(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._folder / name, data)

    def drop(self, key: str, at_ms: int) -> int:
        """Forgets the first halves of a message of `at_ms`, or of before: how many there were.

        A camera that sees a vehicle several times says the same UUID each time; what it saw later waits on.
        """
        with _world(self._folder):
            found = [path for path in self._folder.glob(f"{key}-*{SUFFIX}") if _numbers(path)[1] <= at_ms + SLACK_MS]
            for path in found:
                path.unlink(missing_ok=True)
        return len(found)

    def due(self, before_ms: int) -> list[Path]:
        """Those that came at `before_ms` or earlier; to be read, and given to `done` in the end."""
        with _world(self._folder):
            return [path for path in sorted(self._folder.glob(f"*{SUFFIX}")) if _numbers(path)[0] <= before_ms]

    def read(self, path: Path) -> Event | None:
        """The event of one of them; None where the other half has come meanwhile.

        Raises DeviceError (`waiting_damaged`) where it cannot be read; it is put aside then.
        """
        with _world(self._folder):
            try:
                return decode_logged(path.read_bytes())
            except FileNotFoundError:
                return None
            except WorldError as error:
                path.replace(path.with_suffix(".damaged"))
                raise DeviceError("waiting_damaged", error.text) from error

    def done(self, path: Path) -> None:
        """It is in the log."""
        with _world(self._folder):
            path.unlink(missing_ok=True)

    def __len__(self) -> int:
        with _world(self._folder):
            return sum(1 for _ in self._folder.glob(f"*{SUFFIX}"))


def _numbers(path: Path) -> tuple[int, int]:
    """When it came and of when it speaks; what is not called as we call it is of long ago."""
    parts = path.stem.split("-")[1:3]
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        return 0, 0
    return int(parts[0]), int(parts[1])


@contextlib.contextmanager
def _world(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorldError(
            Text(f"目录 {folder} 不能读写：{error}", f"the folder {folder} cannot be used: {error}"), retryable=True
        ) from error
