"""Deleting rows that are out of their time, a batch a transaction, each with its audit entry."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, insert, select, tuple_

from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.photos_tables import photos
from haulwatch.dispatch.retention.classes import Part
from haulwatch.dispatch.retention.endings import endings
from haulwatch.dispatch.retention_tables import retired_files

BATCH = 500
"""Rows looked at together, and at most deleted in one transaction: few enough that nobody waits long for the ledger."""
DELETED = "retention_deleted"
"""The audit's action."""


@dataclass(frozen=True)
class Record:
    """What every audit entry of a class says, and in whose name."""

    by: str
    detail: Mapping[str, Any]

    def write(self, recorder: Recorder, **more: object) -> None:
        """Puts a deletion on record, last thing in its transaction."""
        recorder.audit(self.by, DELETED, None, {**self.detail, **more})
        recorder.close()


Key = tuple[Any, ...]
Begin = Callable[[Connection], Recorder]
"""Locks the ledger. Raises where this process may not go on."""


def due_pages(engine: Engine, part: Part, cutoff: str, batch: int = BATCH) -> Iterator[list[Key]]:
    """The keys of rows that may go, a page at a time, read without holding anybody up."""
    after: Key | None = None
    while True:
        with reading(engine) as connection:
            rows = connection.execute(_page(part, cutoff, after, batch)).all()
            free = _free(connection, part, rows, cutoff)
        if free:
            yield free
        if len(rows) < batch:
            return
        after = _key(part, rows[-1])


def delete_rows(begin: Begin, engine: Engine, part: Part, keys: Sequence[Key], cutoff: str, record: Record) -> int:
    """Deletes those of `keys` that may still go, and says so in the audit, in one transaction; how many."""
    with writing(engine) as connection:
        recorder = begin(connection)
        query = part.rows(*_columns(part)).where(part.age < cutoff, _is_one_of(part, keys))
        going = _free(connection, part, connection.execute(query).all(), cutoff)
        if not going:
            return 0
        if part.table is photos:
            _retire(connection, [key[0] for key in going], recorder.at)
        connection.execute(delete(part.table).where(_is_one_of(part, going)))
        record.write(recorder, table=str(part.table.name), rows=len(going), ids_sha256=digest(going))
    return len(going)


def digest(keys: Sequence[Key]) -> str:
    """SHA-256 of the keys, a line each, its parts parted by a space, in order."""
    lines = sorted(" ".join(str(one) for one in key) for key in keys)
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _columns(part: Part) -> list[Any]:
    return [*part.keys, *([] if part.order_id is None else [part.order_id.label("of_order")])]


def _page(part: Part, cutoff: str, after: Key | None, batch: int) -> Any:
    query = part.rows(*_columns(part)).where(part.age < cutoff)
    if after is not None:
        query = query.where(tuple_(*part.keys) > tuple_(*after))
    return query.order_by(*part.keys).limit(batch)


def _key(part: Part, row: Row[Any]) -> Key:
    return tuple(row[: len(part.keys)])


def _free(connection: Connection, part: Part, rows: Sequence[Row[Any]], cutoff: str) -> list[Key]:
    """Keys of the rows on which nothing rests."""
    if part.order_id is None:
        return [_key(part, row) for row in rows]
    ended = endings(connection, {row.of_order for row in rows})
    return [_key(part, row) for row in rows if (end := ended[row.of_order]).stage in part.ends and end.at < cutoff]


def _is_one_of(part: Part, keys: Sequence[Key]) -> ColumnElement[bool]:
    if len(part.keys) == 1:
        return part.keys[0].in_([key[0] for key in keys])
    return tuple_(*part.keys).in_(list(keys))


def _retire(connection: Connection, photo_ids: Sequence[str], at: str) -> None:
    """The files of these photos are to go after their rows."""
    found = connection.execute(select(photos.c.sha256).where(photos.c.photo_id.in_(photo_ids))).scalars().all()
    retire(connection, sorted(set(found)), at)


def retire(connection: Connection, digests: Sequence[str], at: str) -> None:
    """Notes files that are to go, each once."""
    known = select(retired_files.c.sha256).where(retired_files.c.sha256.in_(digests))
    noted = set(connection.execute(known).scalars())
    fresh = [{"sha256": sha256, "retired_at": at} for sha256 in digests if sha256 not in noted]
    if fresh:
        connection.execute(insert(retired_files), fresh)
