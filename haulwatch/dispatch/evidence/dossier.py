"""Everything that the order store knows of one order, read at one moment."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, Row, or_, select, tuple_

from haulwatch.dispatch import tables
from haulwatch.dispatch.audit import Checkpoint
from haulwatch.dispatch.records import audit_entry_of, breach_of, occurrence_of, order_of, order_row, select_occurrences
from haulwatch.domain.breaches import Breach
from haulwatch.domain.deliveries import DeliveryEntry
from haulwatch.domain.orders import AuditEntry, OrderDetail, UnknownOrder


class Finding(Struct, frozen=True):
    """One finding: as it is stored, byte for byte (its SHA-256 stands in the audit), and what that says."""

    stored: str
    breach: Breach


class Dossier(Struct, frozen=True, kw_only=True):
    """An order with its findings, oldest first, the audit entries that concern it and the head of the audit then.

    `audit` also has the entries of orders that were merged into it, for their findings are here now.
    """

    detail: OrderDetail
    findings: list[Finding]
    audit: list[AuditEntry]
    head: Checkpoint
    notices: Sequence[DeliveryEntry] = ()


def gather(connection: Connection, order_id: str) -> Dossier:
    """What the database says now. Raises `UnknownOrder`."""
    row = order_row(connection, order_id)
    if row is None:
        raise UnknownOrder(order_id)
    orders = tables.orders
    opened_by = connection.execute(select(orders.c.breach).where(orders.c.order_id == order_id)).scalar_one()
    found = connection.execute(select_occurrences(order_id)).all()
    audit = _audit(connection, order_id)
    head = connection.execute(select(tables.ledger.c.audit_seq, tables.ledger.c.audit_hash)).one()
    return Dossier(
        detail=OrderDetail(
            order=order_of(row),
            breach=breach_of(opened_by),
            occurrences=[occurrence_of(one) for one in found],
            audit=[entry for entry in audit if entry.order_id == order_id],
            commands=[],
        ),
        findings=[Finding(one.breach, breach_of(one.breach)) for one in _findings(connection, order_id, audit)],
        audit=audit,
        head=Checkpoint(head.audit_seq, head.audit_hash),
    )


def _audit(connection: Connection, order_id: str) -> list[AuditEntry]:
    audit = tables.audit
    concerns = audit.c.order_id.in_([order_id, *_merged_into(connection, order_id)])
    return [audit_entry_of(row) for row in connection.execute(select(audit).where(concerns).order_by(audit.c.seq))]


def _merged_into(connection: Connection, order_id: str) -> list[str]:
    """The orders that went into this one, and those that had gone into them."""
    orders, found, last = tables.orders, [order_id], [order_id]
    while last:
        query = select(orders.c.order_id).where(orders.c.merged_into.in_(last), orders.c.order_id.not_in(found))
        last = list(connection.execute(query).scalars())
        found += last
    return found[1:]


def _findings(connection: Connection, order_id: str, audit: Sequence[AuditEntry]) -> Sequence[Row[str]]:
    """Those that are its own now, and those that its audit speaks of: a merged order's went with it."""
    table = tables.occurrences
    told = [
        (entry.detail["breach_id"], entry.detail["phase"], entry.detail["occurrences"])
        for entry in audit
        if "breach_sha256" in entry.detail
    ]
    spoken_of = tuple_(table.c.breach_id, table.c.phase, table.c.count).in_(told)
    query = select(table.c.breach).where(or_(table.c.order_id == order_id, spoken_of))
    return connection.execute(
        query.order_by(table.c.detected_at, table.c.count, table.c.breach_id, table.c.phase)
    ).all()
