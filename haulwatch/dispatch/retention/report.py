"""What a look or a run found, class by class."""

from __future__ import annotations

from msgspec import Struct

from haulwatch.domain.text import Text


class ClassReport(Struct, frozen=True, kw_only=True):
    """One class. `keep_days` null: never deleted. `due` rows or files are older than `cutoff` and nothing rests on
    them; `held` are those besides. `size_bytes` of files that are due, null where there are none to count."""

    name: str
    text: Text
    keep_days: int | None
    cutoff: str | None
    due: int
    held: int
    size_bytes: int | None = None


class RetentionReport(Struct, frozen=True, kw_only=True):
    """All classes. `deleted`: what is due is gone. `complete`: false where another process is at it, or this one was
    stopped in between. `files_waiting`: pictures whose deletion is on record and which are not gone yet."""

    at: str
    deleted: bool
    complete: bool
    files_waiting: int
    classes: list[ClassReport]

    @property
    def due(self) -> int:
        """Rows and files of all classes."""
        return sum(one.due for one in self.classes)
