"""Photos that squads take."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "photos",
        sa.Column("photo_id", sa.String(32), primary_key=True),
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), nullable=False),
        sa.Column("audit_seq", COUNTER, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("captured_sha256", sa.String(64)),
        sa.Column("taken_at", sa.String(24)),
        sa.Column("received_at", sa.String(24), nullable=False),
        sa.Column("by", sa.String(128), nullable=False),
        sa.Column("squad_id", sa.String(128)),
        sa.Column("lon", sa.Float),
        sa.Column("lat", sa.Float),
        sa.Column("size_bytes", sa.Integer, sa.CheckConstraint("size_bytes > 0", name="size_bytes"), nullable=False),
        sa.Column("media_type", sa.String(32), nullable=False),
        sa.Column("width_px", sa.Integer, nullable=False),
        sa.Column("height_px", sa.Integer, nullable=False),
        sa.Column("idempotency_key", sa.String(128), nullable=False),
        sa.UniqueConstraint("order_id", "sha256"),
        sa.UniqueConstraint("by", "idempotency_key"),
        sa.CheckConstraint("captured_sha256 IS NULL OR captured_sha256 = sha256", name="as_captured"),
    )
    op.create_index("ix_photos_order_id_audit_seq", "photos", ["order_id", "audit_seq"])
