"""Table of the order store: evidence packs that left the house."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Integer, String, Table

from haulwatch.dispatch.tables import metadata

packs = Table(
    "packs",
    metadata,
    Column("order_id", ForeignKey("orders.order_id"), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("manifest_sha256", String(64), nullable=False),
    Column("size", BigInteger, CheckConstraint("size > 0", name="size"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("audit_seq", BigInteger, nullable=False),
    Column("exported_at", String(24), nullable=False),
    Column("exported_by", String(128), nullable=False),
)
"""A row for each exported pack: of which order and version, the audit's head in it, when, by whom, and its digests."""
