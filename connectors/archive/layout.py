"""Where things are in an archive, and how far it goes.

`day=2026-11-23/hour=05/part-00-000000001234.parquet` holds events of one partition of the log that were received in
that hour (UTC), in the order of the log; the last number is the offset of the record from which its first event is.
`_place-00.json` says how far a partition is archived: what lies beyond it (left by a process that was killed) is not
part of the archive.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

HOUR_MS = 3_600_000
VERSION = 1
UNFINISHED = "_unfinished"
"""The folder of files that are being written."""
_PART = re.compile(r"day=(\d{4}-\d\d-\d\d)/hour=(\d\d)/part-(\d+)-(\d+)\.parquet")
_PLACE = re.compile(r"_place-(\d+)\.json")


class Mark(Struct, frozen=True):
    """A record of the log by which the log is known again: its offset and the SHA-256 of its bytes."""

    offset: int
    sha256: str


class Place(Struct, frozen=True, kw_only=True):
    """How far one partition is archived.

    Every event of a record before `next_offset` is; of later records only those that were received in one of `hours`
    (`2026-11-23T05`), up to the record (exclusive) that it names.
    """

    version: int = VERSION
    log: str
    partition: int
    partitions: int
    next_offset: int = 0
    hours: dict[str, int] = {}
    mark: Mark | None = None
    events: int = 0

    def covers(self, hour: int, offset: int) -> bool:
        """Whether the events of this hour in the record at `offset` are archived."""
        return offset < self.next_offset or offset < self.hours.get(hour_name(hour), 0)


class PartName(Struct, frozen=True, order=True):
    """A part of the archive by its name; sorts as its partition's log does."""

    partition: int
    first_offset: int
    hour: int
    path: Path


def hour_name(hour: int) -> str:
    """An hour (hours since 1970) as `2026-11-23T05`, UTC."""
    return datetime.fromtimestamp(hour * 3600, UTC).strftime("%Y-%m-%dT%H")


def part_path(root: Path, partition: int, hour: int, first_offset: int) -> Path:
    """Where a part belongs."""
    day, of_day = hour_name(hour).split("T")
    return root / f"day={day}" / f"hour={of_day}" / f"part-{partition:02}-{first_offset:012}.parquet"


def place_path(root: Path, partition: int) -> Path:
    """Where a partition's place is noted."""
    return root / f"_place-{partition:02}.json"


def root_of(folder: Path) -> Path:
    """The archive that a folder is, or is a day or an hour of."""
    while folder.name.startswith(("day=", "hour=")):
        folder = folder.parent
    return folder


def parts_in(folder: Path) -> Iterable[PartName]:
    """The parts below a folder, in no order, archived or not. Raises OSError."""
    hours = "" if folder.name.startswith("hour=") else "hour=*/" if folder.name.startswith("day=") else "day=*/hour=*/"
    for path in folder.glob(f"{hours}part-*.parquet"):
        match = _PART.fullmatch("/".join(path.parts[-3:]))
        if match is not None:
            day, of_day, partition, first_offset = match.groups()
            start = datetime.fromisoformat(f"{day}T{of_day}:00:00+00:00")
            yield PartName(int(partition), int(first_offset), int(start.timestamp()) // 3600, path)


def places_in(root: Path) -> dict[int, Place]:
    """The places that are noted, by partition. Raises WorldError for one that cannot be read, OSError."""
    found: dict[int, Place] = {}
    for path in root.glob("_place-*.json"):
        match = _PLACE.fullmatch(path.name)
        if match is not None:
            found[int(match.group(1))] = _read_place(path)
    return found


def _read_place(path: Path) -> Place:
    try:
        place = msgspec.json.decode(path.read_bytes(), type=Place)
    except msgspec.MsgspecError as error:
        raise WorldError(Text(f"归档进度文件 {path} 损坏：{error}", f"{path} is damaged: {error}")) from error
    if place.version != VERSION:
        raise WorldError(
            Text(
                f"归档 {path.parent} 的版本 {place.version} 与本程序（{VERSION}）不符",
                f"archive {path.parent} is of version {place.version}, this program knows {VERSION}",
            )
        )
    return place
