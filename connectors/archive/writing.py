"""One partition of the log on its way into the archive: events to the hour of their receipt, hours to files.

A file gets its name when it is complete, and counts when the place is noted behind it: one rename decides. Whoever is
killed before has written nothing; whoever comes after reads the log from the last place on and writes the same again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pyarrow as pa

from connectors.archive import durable
from connectors.archive.layout import (
    HOUR_MS,
    UNFINISHED,
    Mark,
    Place,
    hour_name,
    part_path,
    parts_in,
    place_path,
    places_in,
)
from connectors.archive.parts import Part
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import CityActivated, Event
from haulwatch.domain.instants import EPOCH, FOREVER_MS, NEVER_MS
from haulwatch.domain.text import Text

CLOSE_MS = 300_000
"""An hour is written down once the log's clock is so far past it; what comes later goes into a further part."""
MAX_ROWS = 4_000_000
"""Rows of one file; an hour with more of them has several."""
MAX_OPEN = 24
"""Files of a partition that may be open; times of receipt that jump about must not cost any number of them."""

DISK_ERRORS = (OSError, pa.ArrowException)
Logged = tuple[Event, bytes]
"""An event and its JSON."""


@contextmanager
def reaching(root: Path) -> Iterator[None]:
    """Whatever the disk does not do inside becomes one readable WorldError."""
    try:
        yield
    except DISK_ERRORS as error:
        raise _failed(root, error) from error


def _failed(root: Path, error: Exception) -> WorldError:
    return WorldError(Text(f"归档 {root} 写不了：{error}", f"cannot write archive {root}: {error}"))


class PartitionArchive:
    """Takes the records of one partition in order. Every method raises WorldError when the disk fails."""

    def __init__(
        self,
        root: Path,
        log: str,
        partition: int,
        partitions: int,
        on_part: Callable[[Path, int], None] = lambda _path, _rows: None,
    ) -> None:
        self._root = root
        self._partition = partition
        self._on_part = on_part
        self._open: dict[int, Part] = {}
        self._clock_ms = NEVER_MS
        self._look_at_ms = FOREVER_MS
        with reaching(root):
            durable.make_folder(root / UNFINISHED)
            noted = self._noted(log, partitions)
            self.place = noted or Place(log=log, partition=partition, partitions=partitions)
            if noted is None:
                self._save(self.place)  # where there is none, readers would take every file as part of the archive
            self._remove_left_over()
        self._next = self.place.next_offset
        self._last: tuple[int, bytes] | None = None

    def _noted(self, log: str, partitions: int) -> Place | None:
        place = places_in(self._root).get(self._partition)
        if place is None and any(part.partition == self._partition for part in parts_in(self._root)):
            path = place_path(self._root, self._partition)
            raise WorldError(
                Text(
                    f"{self._root} 中有归档文件却没有 {path.name}；请另选 --out",
                    f"{self._root} holds an archive without its {path.name}; choose another --out",
                )
            )
        if place is not None and (place.log, place.partitions) != (log, partitions):
            raise WorldError(
                Text(
                    f"归档 {self._root} 属于另一份日志（{place.log}，{place.partitions} 个分区），"
                    f"不是 {log}（{partitions} 个分区）；请另选 --out",
                    f"archive {self._root} is of another log ({place.log}, {place.partitions} partitions), not of {log}"
                    f" ({partitions} partitions); choose another --out",
                )
            )
        return place

    def _remove_left_over(self) -> None:
        """What a process left that was killed: complete files that no place covers, and incomplete ones."""
        for part in parts_in(self._root):
            if part.partition == self._partition and not self.place.covers(part.hour, part.first_offset):
                durable.remove(part.path)
        for path in (self._root / UNFINISHED).glob(f"{self._partition:02}-*"):
            durable.remove(path)

    # -- in ---------------------------------------------------------------------------------------------------------

    @property
    def read_from(self) -> int:
        """The record of the log to begin with: the mark, so that another log is noticed, or where the work goes on."""
        place = self.place
        return place.next_offset if place.mark is None else min(place.next_offset, place.mark.offset)

    def take(self, offset: int, value: bytes, events: Sequence[Logged]) -> int:
        """Takes the record at `offset`: its bytes, and what readers of the log find in it. Returns events written."""
        mark = self.place.mark
        if mark is not None and offset == mark.offset and hashlib.sha256(value).hexdigest() != mark.sha256:
            raise other_log(self._root, offset)
        if offset < self._next:
            return 0
        taken = 0
        try:
            for item, (event, raw) in enumerate(events):
                # Which city was in force is in every finding; a replay is told its own.
                if not isinstance(event, CityActivated):
                    taken += self._add(offset, item, event, raw)
            self._next, self._last = offset + 1, (offset, value)
            if self._clock_ms >= self._look_at_ms:
                self._close_due()
        except DISK_ERRORS as error:  # spelled out: this is done for every record
            raise _failed(self._root, error) from error
        return taken

    def _add(self, offset: int, item: int, event: Event, raw: bytes) -> int:
        since = (event.received_at or event.at) - EPOCH
        received_ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        if received_ms > self._clock_ms:
            self._clock_ms = received_ms
        hour = received_ms // HOUR_MS
        part = self._open.get(hour)
        if part is None:
            if self.place.covers(hour, offset):
                return 0  # written down already, while other hours were not
            part = self._opened(hour, offset)
        part.add(offset, item, event, raw, received_ms)
        if part.rows >= MAX_ROWS:
            self._look_at_ms = NEVER_MS
        return 1

    def _opened(self, hour: int, offset: int) -> Part:
        unfinished = self._root / UNFINISHED / f"{self._partition:02}-{hour_name(hour)}-{offset:012}"
        part = self._open[hour] = Part(unfinished, self._partition, hour, offset, self._clock_ms)
        self._look_at_ms = NEVER_MS if len(self._open) > MAX_OPEN else min(self._look_at_ms, _closes_ms(part))
        return part

    # -- out --------------------------------------------------------------------------------------------------------

    def _close_due(self) -> None:
        due = [part for part in self._open.values() if _closes_ms(part) <= self._clock_ms or part.rows >= MAX_ROWS]
        if len(self._open) - len(due) > MAX_OPEN:
            due = list(self._open.values())
        if due:
            self._commit(due)
        self._look_at_ms = min(map(_closes_ms, self._open.values()), default=FOREVER_MS)

    def flush(self) -> None:
        """Writes down all that has been taken."""
        with reaching(self._root):
            if self._next > self.place.next_offset:
                self._commit(list(self._open.values()))
            self._look_at_ms = FOREVER_MS

    def _commit(self, parts: Sequence[Part]) -> None:
        done: list[tuple[Path, int]] = []
        for part in parts:
            part.close()
            path = part_path(self._root, self._partition, part.hour, part.first_offset)
            durable.make_folder(path.parent)
            durable.sync(part.unfinished)
            durable.rename(part.unfinished, path)
            del self._open[part.hour]
            done.append((path, part.rows))
        self._note({hour_name(part.hour): self._next for part in parts}, sum(part.rows for part in parts))
        for path, rows in done:
            self._on_part(path, rows)

    def _note(self, done: dict[str, int], events: int) -> None:
        """Notes the place: from here on the parts count."""
        next_offset = min((part.first_offset for part in self._open.values()), default=self._next)
        hours = {hour: upto for hour, upto in {**self.place.hours, **done}.items() if upto > next_offset}
        assert self._last is not None, "nothing is noted before a record was taken"
        offset, value = self._last
        place = msgspec.structs.replace(
            self.place,
            next_offset=next_offset,
            hours=hours,
            mark=Mark(offset, hashlib.sha256(value).hexdigest()),
            events=self.place.events + events,
        )
        self._save(place)
        self.place = place

    def _save(self, place: Place) -> None:
        path = place_path(self._root, self._partition)
        data = msgspec.json.format(msgspec.json.encode(place), indent=2)
        durable.write(path, data, self._root / UNFINISHED / f"{self._partition:02}-place")

    @property
    def waiting(self) -> bool:
        """Whether events have been taken that are not written down."""
        return bool(self._open)

    def discard(self) -> None:
        """Lets go of what is not written down; the log has it."""
        with reaching(self._root):
            for part in self._open.values():
                part.discard()
                durable.remove(part.unfinished)
            self._open = {}


def _closes_ms(part: Part) -> int:
    """When the log's clock has passed the hour, or, for what came late, when no more of it is to be expected."""
    return max((part.hour + 1) * HOUR_MS, part.opened_ms) + CLOSE_MS


def other_log(root: Path, offset: int) -> WorldError:
    """What is said when a log is not the one from which the archive was made."""
    return WorldError(
        Text(
            f"日志中位置 {offset} 的记录与归档 {root} 不符：日志重建过，或不是同一份；请另选 --out",
            f"the log's record at {offset} is not the one in archive {root}: the log was made anew, or is another one;"
            " choose another --out",
        )
    )
