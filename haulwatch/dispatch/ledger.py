"""What is on record: the audit chain and the numbered changes, appended in the transaction of what they record.

Each audit entry's hash is the SHA-256 (hex) of the previous entry's hash followed by the canonical JSON of the entry
(`seq`, `at`, `actor`, `action`, `order_id`, `detail`). The first entry follows the empty text. The ledger row keeps the
head, so a chain that was cut at its end is noticed; whoever can rewrite chain and head alike is noticed by a head that
was kept elsewhere (`Checkpoint`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.records import canonical
from haulwatch.domain.orders import Order

SYSTEM = "system"
"""The actor of what no person did."""


def entry_hash(prev_hash: str, seq: int, at: str, actor: str, action: str, order_id: str | None, detail: Any) -> str:
    """The hash of an audit entry that follows the entry of `prev_hash`."""
    entry = {"seq": seq, "at": at, "actor": actor, "action": action, "order_id": order_id, "detail": detail}
    return hashlib.sha256((prev_hash + canonical(entry)).encode()).hexdigest()


class Recorder:
    """Appends audit entries and changes within one writing transaction, at the instant `at`.

    Made first thing in a transaction: it locks the ledger, so writers follow each other and numbers have no gaps.
    `close` writes what was appended.
    """

    def __init__(self, connection: Connection, at: str) -> None:
        self.connection = connection
        self.at = at
        head = connection.execute(select(tables.ledger).with_for_update()).one()
        self._seq: int = head.audit_seq
        self._hash: str = head.audit_hash
        self._change_id: int = head.change_id
        self._audit: list[dict[str, Any]] = []
        self._outbox: list[dict[str, Any]] = []

    def next_change(self) -> int:
        """The id of a new change; `change` must follow with the order as the change left it."""
        self._change_id += 1
        return self._change_id

    def change(self, kind: str, order: Order) -> None:
        """Appends the change `order.change_id` of `kind`."""
        row = {"change_id": order.change_id, "kind": kind, "order_id": order.order_id, "at": self.at}
        self._outbox.append({**row, "payload": canonical(order)})

    def audit(self, actor: str, action: str, order_id: str | None, detail: Mapping[str, Any]) -> None:
        """Appends an audit entry; `detail` is anything that JSON can say."""
        self._seq += 1
        hashed = entry_hash(self._hash, self._seq, self.at, actor, action, order_id, detail)
        row = {"seq": self._seq, "at": self.at, "actor": actor, "action": action, "order_id": order_id}
        self._audit.append({**row, "detail": canonical(detail), "prev_hash": self._hash, "hash": hashed})
        self._hash = hashed

    def close(self) -> None:
        """Writes the appended entries and changes and the new head."""
        if self._audit:
            self.connection.execute(insert(tables.audit), self._audit)
        if self._outbox:
            self.connection.execute(insert(tables.outbox), self._outbox)
        if self._audit or self._outbox:
            head = {"audit_seq": self._seq, "audit_hash": self._hash, "change_id": self._change_id}
            self.connection.execute(update(tables.ledger).values(head))
