"""Readers of the outbox: each keeps its place in the database, and one process at a time reads for it.

The right to read is a lease, not a lock, so that it ends with a machine that lost its power too. Clocks that differ, or
a process that slept through its lease, can make two processes believe that it is theirs: `advance` then tells the one
whose lease it no longer is, and what a reader writes elsewhere must be guarded there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.database import reading, writing
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Change

_readers = tables.readers


class OutboxReader:
    """One named reader; may be used from one thread at a time. Every method raises WorldError like the store's.

    It begins with the first change, or, with `from_now`, after the last one at the time of its first claim.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        clock_ms: Callable[[], int],
        changes_since: Callable[[int, int], Sequence[Change]],
        *,
        from_now: bool = False,
    ) -> None:
        self._engine = engine
        self._name = name
        self._clock_ms = clock_ms
        self._changes_since = changes_since
        self._from_now = from_now

    def claim(self, holder: str, lease_ms: int) -> int | None:
        """Takes or prolongs the lease; the last change that has been read, or None while another holder has it."""
        now_ms = self._clock_ms()
        with writing(self._engine) as connection:
            query = select(_readers).where(_readers.c.name == self._name).with_for_update()
            row = connection.execute(query).one_or_none()
            if row is None:
                # Nothing to lock yet: whoever comes first makes the row, one after the other.
                ledger = connection.execute(select(tables.ledger).with_for_update()).one()
                row = connection.execute(query).one_or_none()
            lease = {"holder": holder, "held_until": rfc3339(now_ms + lease_ms)}
            if row is None:
                first = int(ledger.change_id) if self._from_now else 0
                connection.execute(insert(_readers), {"name": self._name, "change_id": first, **lease})
                return first
            if row.holder not in (None, holder) and row.held_until > rfc3339(now_ms):
                return None
            connection.execute(update(_readers).where(_readers.c.name == self._name).values(lease))
            return int(row.change_id)

    def changes(self, after: int, limit: int) -> Sequence[Change]:
        """At most `limit` changes after the change `after`, oldest first."""
        return self._changes_since(after, limit)

    def advance(
        self,
        holder: str,
        change_id: int,
        lease_ms: int,
        and_write: Callable[[Connection], None] = lambda _connection: None,
    ) -> bool:
        """Keeps that everything up to `change_id` has been read and prolongs the lease; False when it is not ours.

        `and_write` writes what was made of the changes, in the same transaction.
        """
        values = {"change_id": change_id, "held_until": rfc3339(self._clock_ms() + lease_ms)}
        ours = (_readers.c.name == self._name) & (_readers.c.holder == holder) & (_readers.c.change_id <= change_id)
        with writing(self._engine) as connection:
            if connection.execute(update(_readers).where(ours).values(values)).rowcount != 1:
                return False
            and_write(connection)
            return True

    def release(self, holder: str) -> None:
        """Gives the lease up, if it is ours, so that the next process need not wait for its end."""
        ours = (_readers.c.name == self._name) & (_readers.c.holder == holder)
        with writing(self._engine) as connection:
            connection.execute(update(_readers).where(ours).values(holder=None, held_until=None))

    def position(self) -> int:
        """The last change that has been read."""
        with reading(self._engine) as connection:
            place = connection.execute(select(_readers.c.change_id).where(_readers.c.name == self._name)).scalar()
        return place or 0
