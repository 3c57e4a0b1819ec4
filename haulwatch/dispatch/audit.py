"""Is the audit whole? Walks the chain from its first entry and names the first one that is not as it was written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.ledger import entry_hash
from haulwatch.domain.text import Text

CHUNK = 500


class Checkpoint(Struct, frozen=True):
    """The chain's head at some time; kept outside the database, it proves later that nothing was rewritten."""

    seq: int
    hash: str


class AuditProblem(Struct, frozen=True):
    """The first broken entry: `changed`, `removed` (from the middle), `inserted`, `cut` (from the end).

    `order`: the chain is whole, but `order_id` is not as its last entry says. `seq` counts from 1; of removed or cut
    entries it is the first one's.
    """

    kind: Literal["changed", "removed", "inserted", "cut", "order"]
    seq: int
    text: Text
    order_id: str | None = None


class AuditReport(Struct, frozen=True):
    """What `verify` found: entries read, the chain's head as the database has it, the first problem or null."""

    entries: int
    head: Checkpoint
    problem: AuditProblem | None


def verify(connection: Connection, checkpoint: Checkpoint | None = None) -> AuditReport:
    """Checks the chain, its head, `checkpoint` if given, every stored finding's hash and every order's state."""
    row = connection.execute(select(tables.ledger)).one()
    head = Checkpoint(row.audit_seq, row.audit_hash)
    entries = connection.execute(select(func.count()).select_from(tables.audit)).scalar_one()
    problem = _check_chain(connection, head, checkpoint) or _check_findings(connection) or _check_orders(connection)
    return AuditReport(entries, head, problem)


def _check_chain(connection: Connection, head: Checkpoint, checkpoint: Checkpoint | None) -> AuditProblem | None:
    last = Checkpoint(0, "")
    before = last
    rows = _entries(connection)
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        confirmed_by = following.prev_hash if following is not None else head.hash
        problem = _check_entry(row, before, last, confirmed_by)
        if problem is None and checkpoint is not None and row.seq == checkpoint.seq and row.hash != checkpoint.hash:
            problem = _problem(
                "changed", row.seq, "与另行保存的校验点不符", "does not match the checkpoint kept elsewhere"
            )
        if problem is not None:
            return problem
        before, last, row = last, Checkpoint(row.seq, row.hash), following
    if last.seq < max(head.seq, checkpoint.seq if checkpoint is not None else 0):
        return _problem("cut", last.seq + 1, "此条及以后已被截去", "this entry and what followed were cut off")
    if last.seq > head.seq:
        return _problem("inserted", head.seq + 1, "链首没有此条", "the head of the chain does not know it")
    if last.hash != head.hash:
        return _problem("changed", last.seq, "与链首不符", "does not match the head of the chain")
    return None


def _entries(connection: Connection) -> Iterator[Row[Any]]:
    query = select(tables.audit).order_by(tables.audit.c.seq)
    yield from connection.execute(query, execution_options={"yield_per": CHUNK})


def _check_entry(row: Row[Any], before: Checkpoint, last: Checkpoint, confirmed_by: str) -> AuditProblem | None:
    """What is wrong at `row`, which should follow `last`, which followed `before`."""
    if row.seq > last.seq + 1:
        return _problem("removed", last.seq + 1, "条目缺失", "the entry is missing")
    if row.seq <= last.seq or row.seq < 1:
        return _problem("inserted", row.seq, "编号不应存在", "there cannot be an entry of this number")
    if _hash_as(row, row.seq) != row.hash:
        if row.prev_hash == before.hash and _hash_as(row, row.seq - 1) == row.hash:
            return _problem("inserted", last.seq, "原记录中没有此条", "the entry was not there")
        if _hash_as(row, row.seq + 1) == row.hash:
            return _problem(
                "removed", row.seq, "条目缺失，其后被重新编号", "the entry is missing, later ones renumbered"
            )
        return _problem("changed", row.seq, "内容与哈希不符", "the content does not match its hash")
    if row.prev_hash != last.hash:
        # The entry is sound in itself. If its successor vouches for it, the one before it was rewritten.
        seq = last.seq if confirmed_by == row.hash and last.seq else row.seq
        return _problem("changed", seq, "与后一条不衔接", "the entries around it do not continue it")
    return None


def _hash_as(row: Row[Any], seq: int) -> str:
    try:
        detail = json.loads(row.detail)
    except ValueError:
        return ""
    return entry_hash(row.prev_hash, seq, row.at, row.actor, row.action, row.order_id, detail)


def _check_findings(connection: Connection) -> AuditProblem | None:
    """Every finding that the audit speaks of is stored as it was."""
    entries = _entries(connection)
    while chunk := list(islice(entries, CHUNK)):
        told = [(entry, json.loads(entry.detail)) for entry in chunk]
        told = [(entry, detail) for entry, detail in told if "breach_sha256" in detail]
        stored = _stored_hashes(connection, [detail["breach_id"] for _, detail in told])
        opened = _opened_hashes(connection, [entry.order_id for entry, _ in told if entry.action == "opened"])
        for entry, detail in told:
            hashed = detail["breach_sha256"]
            key = (detail["breach_id"], detail["phase"], detail["occurrences"])
            if stored.get(key) != hashed or (entry.action == "opened" and opened.get(entry.order_id) != hashed):
                text = Text("所存线索已被改动或删除", "the stored finding was changed or removed")
                return AuditProblem("order", entry.seq, text, entry.order_id)
    return None


def _stored_hashes(connection: Connection, breach_ids: Sequence[str]) -> dict[tuple[str, str, int], str]:
    table = tables.occurrences
    columns = select(table.c.breach_id, table.c.phase, table.c.count, table.c.breach)
    rows = connection.execute(columns.where(table.c.breach_id.in_(breach_ids)))
    return {(row[0], row[1], row[2]): hashlib.sha256(row[3].encode()).hexdigest() for row in rows}


def _opened_hashes(connection: Connection, order_ids: Sequence[str]) -> dict[str, str]:
    table = tables.orders
    rows = connection.execute(select(table.c.order_id, table.c.breach).where(table.c.order_id.in_(order_ids)))
    return {row.order_id: hashlib.sha256(row.breach.encode()).hexdigest() for row in rows}


def _check_orders(connection: Connection) -> AuditProblem | None:
    """Every order is in the stage and version that its last entry says."""
    audit, orders = tables.audit, tables.orders
    newest = select(func.max(audit.c.seq).label("seq")).group_by(audit.c.order_id).subquery()
    query = (
        select(audit.c.seq, audit.c.order_id, audit.c.detail, orders.c.stage, orders.c.version)
        .join(newest, newest.c.seq == audit.c.seq)
        .join(orders, orders.c.order_id == audit.c.order_id, isouter=True)
        .where(audit.c.order_id.is_not(None))
        .order_by(audit.c.seq)
    )
    for row in connection.execute(query):
        told = json.loads(row.detail)
        if (row.stage, row.version) != (told["stage"], told["version"]):
            text = Text("工单状态与审计不符", "the order is not as the audit says")
            return AuditProblem("order", row.seq, text, row.order_id)
    return _check_unknown_orders(connection)


def _check_unknown_orders(connection: Connection) -> AuditProblem | None:
    audit, orders = tables.audit, tables.orders
    on_record = select(audit.c.seq).where(audit.c.order_id == orders.c.order_id).exists()
    order_id = connection.execute(select(orders.c.order_id).where(~on_record).limit(1)).scalar()
    if order_id is None:
        return None
    return AuditProblem("order", 0, Text("审计中没有此工单", "the audit does not know this order"), order_id)


def _problem(kind: Literal["changed", "removed", "inserted", "cut"], seq: int, zh: str, en: str) -> AuditProblem:
    return AuditProblem(kind, seq, Text(f"审计第 {seq} 条：{zh}", f"audit entry {seq}: {en}"))
