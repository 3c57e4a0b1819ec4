"""What is on record: the audit chain and the numbered changes, appended in the transaction of what they record.

Each audit entry's hash is the SHA-256 (hex) of the previous entry's hash followed by the canonical JSON of the entry
(`seq`, `at`, `actor`, `action`, `order_id`, `detail`). The first entry follows the empty text. The ledger row keeps the
head, so a chain that was cut at its end is noticed; whoever can rewrite chain and head alike is noticed by a head that
was kept elsewhere (`Checkpoint`). The entry of an order carries the digest of all that the order is after it, so an
order that was changed past the audit is noticed too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.records import canonical
from haulwatch.domain.orders import Order

SYSTEM = "system"
"""The actor of what no person did."""


def entry_hash(prev_hash: str, seq: int, at: str, actor: str, action: str, order_id: str | None, detail: Any) -> str:
    """The hash of an audit entry that follows the entry of `prev_hash`."""
    return stored_hash(prev_hash, seq, at, actor, action, order_id, canonical(detail))


def stored_hash(prev_hash: str, seq: int, at: str, actor: str, action: str, order_id: str | None, detail: str) -> str:
    """The same where `detail` is the canonical JSON that is stored: a stored text that says the same in other
    characters has another hash."""
    texts = (json.dumps(text, ensure_ascii=False) for text in (action, actor, at, order_id))
    entry = '{"action":%s,"actor":%s,"at":%s,"detail":%s,"order_id":%s,"seq":%d}'
    action, actor, at, of_order = texts
    return hashlib.sha256((prev_hash + entry % (action, actor, at, detail, of_order, seq)).encode()).hexdigest()


def state_hash(order: Order) -> str:
    """SHA-256 (hex) of the canonical JSON of an order. Fields that have their default are left out, here and in what
    an order holds, so that a later version's further fields change no digest that is on record."""
    return hashlib.sha256(canonical(_said(order)).encode()).hexdigest()


def _said(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        named = ((name, getattr(value, name), default) for name, default in _defaults(type(value)))
        return {name: _said(said) for name, said, default in named if default is msgspec.NODEFAULT or said != default}
    return [_said(one) for one in value] if isinstance(value, list) else value


@cache
def _defaults(kind: type[msgspec.Struct]) -> tuple[tuple[str, Any], ...]:
    """Fields with their defaults."""
    return tuple(
        (field.name, field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory())
        for field in msgspec.structs.fields(kind)
    )


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

    def audit(self, actor: str, action: str, order_id: str | None, detail: Mapping[str, Any]) -> int:
        """Appends an audit entry and returns its number; `detail` is anything that JSON can say."""
        self._seq += 1
        hashed = entry_hash(self._hash, self._seq, self.at, actor, action, order_id, detail)
        row = {"seq": self._seq, "at": self.at, "actor": actor, "action": action, "order_id": order_id}
        self._audit.append({**row, "detail": canonical(detail), "prev_hash": self._hash, "hash": hashed})
        self._hash = hashed
        return self._seq

    def audit_order(self, actor: str, action: str, order: Order, detail: Mapping[str, Any]) -> int:
        """Appends an entry about `order`, which is now as given."""
        state = {"stage": order.stage, "version": order.version, "state_sha256": state_hash(order)}
        return self.audit(actor, action, order.order_id, {**detail, **state})

    def close(self) -> None:
        """Writes the appended entries and changes and the new head."""
        if self._audit:
            self.connection.execute(insert(tables.audit), self._audit)
        if self._outbox:
            self.connection.execute(insert(tables.outbox), self._outbox)
        if self._audit or self._outbox:
            head = {"audit_seq": self._seq, "audit_hash": self._hash, "change_id": self._change_id}
            self.connection.execute(update(tables.ledger).values(head))
