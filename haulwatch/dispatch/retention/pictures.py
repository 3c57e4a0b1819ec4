"""Pictures: those that nothing shows any more go; first their deletion is on record, then the files.

A file may be a squad's photo, a device's picture, or, where somebody sent on what he had got, both. So it goes only
when no photo and no finding shows it, whoever it came from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from sqlalchemy import Engine, delete, func, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.photos_tables import photos
from haulwatch.dispatch.records import instant_ms
from haulwatch.dispatch.retention.rows import BATCH, Begin, Record, digest, retire
from haulwatch.dispatch.retention_tables import retired_files

_DIGEST = re.compile(r"[0-9a-f]{64}")
Found = tuple[str, int]
"""The digest of a picture and its size in bytes."""


class PictureShelf(Protocol):
    """Where the files are. Raises WorldError."""

    def older(self, before_ms: int) -> Iterator[Found]:
        """Pictures that were last put there before then."""
        ...

    def remove(self, sha256: str, before_ms: int) -> bool:
        """Removes a picture, unless it was put there again since; whether it is gone."""
        ...


class Pictures:
    """The pictures of one run: what findings show is looked up once, when it is first asked for."""

    def __init__(self, engine: Engine, shelf: PictureShelf | None) -> None:
        self._engine = engine
        self._shelf = shelf
        self._shown: set[str] | None = None

    def due(self, cutoff: str) -> Iterator[list[Found]]:
        """Files that may go, a batch at a time."""
        if self._shelf is None:
            return
        files = self._shelf.older(instant_ms(cutoff))
        while batch := list(islice(files, BATCH)):
            used = self._used({sha256 for sha256, _size in batch}) | self._waiting(sha for sha, _size in batch)
            free = [one for one in batch if one[0] not in used]
            if free:
                yield free

    def retire(self, begin: Begin, files: Sequence[Found], record: Record) -> int:
        """Puts the deletion of these files on record, in one transaction."""
        with writing(self._engine) as connection:
            recorder = begin(connection)
            used = select(photos.c.sha256).where(photos.c.sha256.in_([sha256 for sha256, _size in files]))
            again = set(connection.execute(used).scalars())
            going = [(sha256, size) for sha256, size in files if sha256 not in again]
            if going:
                retire(connection, sorted(sha256 for sha256, _size in going), recorder.at)
                size_bytes = sum(size for _sha256, size in going)
                ids = digest([(sha256,) for sha256, _size in going])
                record.write(recorder, files=len(going), size_bytes=size_bytes, ids_sha256=ids)
        return len(going)

    def remove_retired(self) -> int:
        """Removes the files whose deletion is on record, also what an earlier run has left; how many are gone."""
        if self._shelf is None:
            return 0
        gone = 0
        while batch := self._retired():
            used = self._used({sha256 for sha256, _at in batch})
            for sha256, at in batch:
                gone += sha256 not in used and self._shelf.remove(sha256, instant_ms(at))
            with writing(self._engine) as connection:
                done = [sha256 for sha256, _at in batch]
                connection.execute(delete(retired_files).where(retired_files.c.sha256.in_(done)))
        return gone

    def waiting(self) -> int:
        """How many files are to go."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(func.count()).select_from(retired_files)).scalar_one())

    def _retired(self) -> list[tuple[str, str]]:
        query = select(retired_files.c.sha256, retired_files.c.retired_at).order_by(retired_files.c.sha256)
        with reading(self._engine) as connection:
            return [(row[0], row[1]) for row in connection.execute(query.limit(BATCH))]

    def _waiting(self, digests: Iterable[str]) -> set[str]:
        query = select(retired_files.c.sha256).where(retired_files.c.sha256.in_(list(digests)))
        with reading(self._engine) as connection:
            return set(connection.execute(query).scalars())

    def _used(self, digests: set[str]) -> set[str]:
        """Those that a photo or a finding shows."""
        query = select(photos.c.sha256).where(photos.c.sha256.in_(digests))
        with reading(self._engine) as connection:
            of_photos = set(connection.execute(query).scalars())
        if self._shown is None:
            self._shown = _shown(self._engine)
        return of_photos | (digests & self._shown)


def _shown(engine: Engine) -> set[str]:
    """Every digest that stands in a finding: more than the pictures, and surely all of them."""
    found: set[str] = set()
    with reading(engine) as connection:
        rows = connection.execute(select(tables.occurrences.c.breach), execution_options={"yield_per": BATCH})
        for (breach,) in rows:
            found.update(_DIGEST.findall(breach))
    return found
