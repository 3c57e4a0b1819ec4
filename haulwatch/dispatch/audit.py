"""Is the audit whole? Walks the chain from its first entry and names the first one that is not as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct
from sqlalchemy import Connection, Row, func, select

from haulwatch.dispatch import tables
from haulwatch.dispatch.audit_orders import Wrong, check_orders
from haulwatch.dispatch.ledger import stored_hash
from haulwatch.domain.text import Text

CHUNK = 500


class Checkpoint(Struct, frozen=True):
    """The chain's head at some time; kept outside the database, it proves later that nothing was rewritten."""

    seq: int
    hash: str


class AuditProblem(Struct, frozen=True):
    """The first broken entry: `changed`, `removed` (from the middle), `inserted`, `cut` (from the end).

    `order`: the chain is whole, but the order `order_id`, or a finding of it, is not as the entry `seq` says; `columns`
    are what differs (also names of the tables beside it), as far as that is known. `seq` counts from 1 (0: no entry
    knows of it); of removed or cut entries it is the first one's.
    """

    kind: Literal["changed", "removed", "inserted", "cut", "order"]
    seq: int
    text: Text
    order_id: str | None = None
    columns: tuple[str, ...] = ()


class AuditReport(Struct, frozen=True):
    """What `verify` found: entries read, the chain's head as the database has it, the first problem or null."""

    entries: int
    head: Checkpoint
    problem: AuditProblem | None


def verify(connection: Connection, checkpoints: Sequence[Checkpoint] = ()) -> AuditReport:
    """Checks the chain, its head, heads kept elsewhere, every stored finding's hash and every order's state."""
    row = connection.execute(select(tables.ledger)).one()
    head = Checkpoint(row.audit_seq, row.audit_hash)
    entries = connection.execute(select(func.count()).select_from(tables.audit)).scalar_one()
    problem = _check_chain(connection, head, checkpoints)
    if problem is None:
        wrong = check_orders(connection)
        problem = None if wrong is None else _of_order(wrong)
    return AuditReport(entries, head, problem)


def _check_chain(connection: Connection, head: Checkpoint, checkpoints: Sequence[Checkpoint]) -> AuditProblem | None:
    kept: dict[int, set[str]] = {}
    for checkpoint in checkpoints:
        kept.setdefault(checkpoint.seq, set()).add(checkpoint.hash)
    last = Checkpoint(0, "")
    before = last
    rows = _entries(connection)
    row = next(rows, None)
    while row is not None:
        following = next(rows, None)
        problem = _check_entry(row, before, last, following, head)
        if problem is None and kept.get(row.seq, {row.hash}) != {row.hash}:
            problem = _problem(
                "changed", row.seq, "与另行保存的校验点不符", "does not match the checkpoint kept elsewhere"
            )
        if problem is not None:
            return problem
        before, last, row = last, Checkpoint(row.seq, row.hash), following
    if last.seq < max(head.seq, *kept, 0):
        return _problem("cut", last.seq + 1, "此条及以后已被截去", "this entry and what followed were cut off")
    if last.seq > head.seq:
        return _problem("inserted", head.seq + 1, "链首没有此条", "the head of the chain does not know it")
    if last.hash != head.hash:
        return _problem("changed", last.seq, "与链首不符", "does not match the head of the chain")
    return None


def _entries(connection: Connection) -> Iterator[Row[Any]]:
    query = select(tables.audit).order_by(tables.audit.c.seq)
    yield from connection.execute(query, execution_options={"yield_per": CHUNK})


def _check_entry(
    row: Row[Any], before: Checkpoint, last: Checkpoint, following: Row[Any] | None, head: Checkpoint
) -> AuditProblem | None:
    """What is wrong at `row`, which should follow `last`, which followed `before`."""
    if last.seq == head.seq:
        seq = last.seq if row.prev_hash == before.hash and _is_one_late(row) else row.seq
        return _problem("inserted", seq, "链首没有此条", "the head of the chain does not know it")
    if row.seq > last.seq + 1:
        return _problem("removed", last.seq + 1, "条目缺失", "the entry is missing")
    if row.seq <= last.seq or row.seq < 1:
        return _problem("inserted", row.seq, "编号不应存在", "there cannot be an entry of this number")
    if _hash_as(row, row.seq) != row.hash:
        if row.prev_hash == before.hash and _is_one_late(row):
            return _problem("inserted", last.seq, "原记录中没有此条", "the entry was not there")
        if following is not None and following.prev_hash == last.hash and _is_one_late(following):
            return _problem("inserted", row.seq, "原记录中没有此条", "the entry was not there")
        if _hash_as(row, row.seq + 1) == row.hash:
            return _problem(
                "removed", row.seq, "条目缺失，其后被重新编号", "the entry is missing, later ones renumbered"
            )
        return _problem("changed", row.seq, "内容与哈希不符", "the content does not match its hash")
    if row.prev_hash != last.hash:
        # The entry is sound in itself. If its successor vouches for it, the one before it was rewritten.
        confirmed_by = following.prev_hash if following is not None else head.hash
        seq = last.seq if confirmed_by == row.hash and last.seq else row.seq
        return _problem("changed", seq, "与后一条不衔接", "the entries around it do not continue it")
    return None


def _is_one_late(row: Row[Any]) -> bool:
    """Whether the entry is sound, but for a number that is too large by one."""
    return _hash_as(row, row.seq - 1) == str(row.hash)


def _hash_as(row: Row[Any], seq: int) -> str:
    return stored_hash(row.prev_hash, seq, row.at, row.actor, row.action, row.order_id, row.detail)


def _of_order(wrong: Wrong) -> AuditProblem:
    names = ", ".join(wrong.columns)
    if wrong.finding:
        zh, en = "所存线索已被改动、删除或加入", "a stored finding was changed, removed or added"
    elif wrong.seq == 0:
        zh, en = "审计中没有此工单", "the audit does not know this order"
    else:
        zh, en = "工单与审计不符", "the order is not as the audit says"
    text = Text(f"{zh}：{names}", f"{en}: {names}") if names else Text(zh, en)
    return AuditProblem("order", wrong.seq, text, wrong.order_id, wrong.columns)


def _problem(kind: Literal["changed", "removed", "inserted", "cut"], seq: int, zh: str, en: str) -> AuditProblem:
    return AuditProblem(kind, seq, Text(f"审计第 {seq} 条：{zh}", f"audit entry {seq}: {en}"))
