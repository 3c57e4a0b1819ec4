"""Weighings that are told and not in the log yet, as files: the scale will not say them again.

Each file is a weighing by itself: first what the scale told, then, once its truck is known or it is known that nobody
knows, what goes into the log. Without a folder nothing is kept beside the memory.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from connectors.pictures import write_whole
from connectors.weighbridge.crossing import Crossed
from haulwatch.domain.events import Event
from haulwatch.wire import DeadLetter


class Unfinished(Struct, omit_defaults=True):
    """A weighing on its way: `crossed` until it is joined, then `events` or `letters`."""

    key: str
    crossed: Crossed | None = None
    events: list[Event] = []
    letters: list[DeadLetter] = []


_decoder = msgspec.json.Decoder(Unfinished)


class UnfinishedFolder:
    """Those of one scale. One thread; raises OSError where the folder cannot be used."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._folder = None if folder is None else folder / name

    def keep(self, one: Unfinished) -> bool:
        """Durable when it returns True; what was kept under its key before is replaced."""
        if self._folder is None:
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._folder / f"{one.key}.json", msgspec.json.encode(one))
        return True

    def done(self, key: str) -> None:
        """It is in the log."""
        if self._folder is not None:
            (self._folder / f"{key}.json").unlink(missing_ok=True)

    def of_an_earlier_life(self) -> tuple[list[Unfinished], list[Path]]:
        """Those that a process left behind, in their order, and files that are none."""
        found: list[Unfinished] = []
        damaged: list[Path] = []
        paths = [] if self._folder is None or not self._folder.is_dir() else sorted(self._folder.glob("*.json"))
        for path in paths:
            try:
                found.append(_decoder.decode(path.read_bytes()))
            except (msgspec.MsgspecError, UnicodeDecodeError):
                path.replace(path.with_suffix(".damaged"))
                damaged.append(path)
        return found, damaged
