"""Carrying out commands on orders, within one transaction."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
from sqlalchemy import bindparam, insert, select, update

from haulwatch.dispatch import tables
from haulwatch.dispatch.clocks import Clocks
from haulwatch.dispatch.decisions import decide
from haulwatch.dispatch.effects import effects_of
from haulwatch.dispatch.ledger import Recorder
from haulwatch.dispatch.lifecycle import COLLECTING, DECISIONS, FINAL
from haulwatch.dispatch.membership import keep_squads
from haulwatch.dispatch.merging import absorb
from haulwatch.dispatch.pack_records import exported
from haulwatch.dispatch.records import canonical, columns_of, order_of, order_row, storable
from haulwatch.domain.access import holds
from haulwatch.domain.orders import Actor, BadCommand, Conflict, Order, Reach, Step, Transition, UnknownOrder
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


class Commander:
    """Carries out one actor's command, with its data, on one order after the other."""

    def __init__(
        self,
        recorder: Recorder,
        command: str,
        actor: Actor,
        data: dict[str, Any],
        idempotency_key: str | None,
        reach: Reach,
    ) -> None:
        self._recorder = recorder
        self._connection = recorder.connection
        self._command = command
        self._actor = actor
        self._data = data
        self._key = idempotency_key
        self._reach = reach

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
        into = self._merged_into(before, row)
        self._check_evidence(before, row)
        changed = {"version": before.version + 1, "change_id": self._recorder.next_change()}
        changed |= effects_of(before, row, self._actor, self._data, self._recorder.at)
        changed |= Clocks(self._recorder).moved(before, msgspec.structs.replace(before, **changed))
        after = msgspec.structs.replace(before, **changed)
        self._write(before, after, changed)
        self._record(before, after)
        if into is not None:
            absorb(self._recorder, into, after, self._actor)
        return after

    def _write(self, before: Order, after: Order, changed: dict[str, Any]) -> None:
        columns = columns_of(changed)
        if after.stage not in COLLECTING and after.stage != before.stage:
            columns["collecting"] = False
        guard = {"of_order": before.order_id, "of_version": before.version, "of_stage": before.stage}
        if self._connection.execute(_ADVANCE, {**columns, **guard}).rowcount != 1:
            raise AssertionError(f"order {before.order_id} changed under the ledger's lock")
        keep_squads(self._connection, before, after)

    def _record(self, before: Order, after: Order) -> None:
        detail: dict[str, Any] = {"from": before.stage, "data": self._data}
        if self._command in DECISIONS:
            detail["request"] = before.pending
        detail["roles"] = sorted(self._actor.roles)
        self._recorder.audit_order(self._actor.actor_id, self._command, after, detail)
        self._recorder.change(self._command, after)

    def _merged_into(self, before: Order, row: Transition) -> Order | None:
        """The order into which `before` is merged, when that is what `row` does."""
        if row.command != "merge":
            return None
        found = order_row(self._connection, self._data["into"])
        into = None if found is None else order_of(found)
        if into is None or not holds(self._reach, into):
            raise BadCommand({"into": Text("没有此工单", "there is no such order")})
        if into.order_id == before.order_id or into.stage in FINAL:
            raise BadCommand({"into": Text("须为另一张未结束的工单", "another order that is not over")})
        return into

    def _check_evidence(self, before: Order, row: Transition) -> None:
        if row.command != "transfer":
            return
        if not exported(self._connection, before.order_id, self._data["evidence_sha256"]):
            text = Text("本单没有导出过该证据包", "no pack of this SHA-256 was exported for this order")
            raise BadCommand({"evidence_sha256": text})

    def _current(self, order_id: str) -> Order:
        row = order_row(self._connection, order_id)
        order = None if row is None else order_of(row)
        if order is None or not holds(self._reach, order):
            raise UnknownOrder(order_id)
        return order


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()
