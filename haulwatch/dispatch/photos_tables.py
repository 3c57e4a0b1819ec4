"""Table of the order store: photos that squads took."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Float, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from haulwatch.dispatch.tables import COUNTER, metadata

photos = Table(
    "photos",
    metadata,
    Column("photo_id", String(32), primary_key=True),
    Column("order_id", String(32), ForeignKey("orders.order_id"), nullable=False),
    Column("audit_seq", COUNTER, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("captured_sha256", String(64)),
    Column("taken_at", String(24)),
    Column("received_at", String(24), nullable=False),
    Column("by", String(128), nullable=False),
    Column("squad_id", String(128)),
    Column("lon", Float),
    Column("lat", Float),
    Column("size_bytes", Integer, CheckConstraint("size_bytes > 0", name="size_bytes"), nullable=False),
    Column("media_type", String(32), nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("idempotency_key", String(128), nullable=False),
    UniqueConstraint("order_id", "sha256"),
    UniqueConstraint("by", "idempotency_key"),
    CheckConstraint("captured_sha256 IS NULL OR captured_sha256 = sha256", name="as_captured"),
    Index("ix_photos_order_id_audit_seq", "order_id", "audit_seq"),
)
"""A row for each photo, written with its audit entry `audit_seq`; the bytes lie in the folder of pictures under
`sha256` and were durable before."""
