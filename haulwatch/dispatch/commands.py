"""Carrying out commands on orders, within one transaction."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.lifecycle import COLLECTING, decide
from haulwatch.dispatch.records import canonical, order_of, order_row, storable
from haulwatch.domain.orders import Actor, BadCommand, Conflict, Order, Step, UnknownOrder
from haulwatch.domain.text import Text

MAX_KEY = 128

# Statements are built once: building one takes longer than running it.
_ADVANCE = update(tables.orders).where(
    tables.orders.c.order_id == bindparam("of_order"),
    tables.orders.c.version == bindparam("of_version"),
    tables.orders.c.stage == bindparam("of_stage"),
)
_USED_KEY = select(tables.command_keys.c.request_hash, tables.command_keys.c.result).where(
    tables.command_keys.c.actor == bindparam("of_actor"), tables.command_keys.c.idempotency_key == bindparam("of_key")
)
_USE_KEY = insert(tables.command_keys)

_KEPT = ("squad_id", "verdict", "reason_code")
"""Fields of commands that are columns of the order."""


class Commander:
    """Carries out one actor's command, with its data, on one order after the other."""

    def __init__(
        self, recorder: Recorder, command: str, actor: Actor, data: dict[str, Any], idempotency_key: str | None
    ) -> None:
        self._recorder = recorder
        self._connection = recorder.connection
        self._command = command
        self._actor = actor
        self._data = data
        self._key = idempotency_key

    def carry_out(self, step: Step) -> Order:
        """The order as the command left it, or as it did when the same request was carried out before.

        Raises `UnknownOrder`, `Conflict`, `NotPermitted` or `BadCommand`; nothing has changed then.
        """
        if self._key is None:
            return self._advance(step)
        if not 0 < len(self._key) <= MAX_KEY or not storable(self._key):
            raise BadCommand({"idempotency_key": Text(f"应为 1 至 {MAX_KEY} 个字符", f"1 to {MAX_KEY} characters")})
        # A bulk request has one key for many orders, so the order is part of what the key is unique for.
        key = _sha256([self._key, step.order_id])
        request = _sha256([step.order_id, self._command, step.expected_version, self._data])
        used = self._connection.execute(_USED_KEY, {"of_actor": self._actor.actor_id, "of_key": key}).one_or_none()
        if used is None:
            order = self._advance(step)
            row = {"actor": self._actor.actor_id, "idempotency_key": key, "request_hash": request}
            row |= {"order_id": order.order_id, "at": self._recorder.at, "result": canonical(order)}
            self._connection.execute(_USE_KEY, row)
            return order
        if used.request_hash == request:
            return msgspec.json.decode(used.result, type=Order)
        text = Text("该幂等键已用于另一请求", "the idempotency key belongs to another request")
        raise Conflict("key_reused", text, self._current(step.order_id))

    def _advance(self, step: Step) -> Order:
        before = self._current(step.order_id)
        version = step.expected_version
        row = decide(before, self._command, expected_version=version, actor=self._actor, data=self._data)
        changed: dict[str, Any] = {
            "stage": row.target,
            "version": before.version + 1,
            "stage_at": self._recorder.at,
            "change_id": self._recorder.next_change(),
            **{name: self._data[name] for name in _KEPT if name in self._data},
        }
        columns = changed if row.target in COLLECTING else {**changed, "collecting": False}
        guard = {"of_order": step.order_id, "of_version": before.version, "of_stage": row.source}
        if self._connection.execute(_ADVANCE, {**columns, **guard}).rowcount != 1:
            raise AssertionError(f"order {step.order_id} changed under the ledger's lock")
        after = msgspec.structs.replace(before, **changed)
        detail = {"from": row.source, "stage": row.target, "version": after.version, "data": self._data}
        roles = sorted(self._actor.roles)
        self._recorder.audit(self._actor.actor_id, self._command, step.order_id, {**detail, "roles": roles})
        self._recorder.change(self._command, after)
        return after

    def _current(self, order_id: str) -> Order:
        row = order_row(self._connection, order_id)
        if row is None:
            raise UnknownOrder(order_id)
        return order_of(row)


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
