"""Evidence packs that left the house."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Adds the table."""
    op.create_table(
        "packs",
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), primary_key=True),
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("manifest_sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger, sa.CheckConstraint("size > 0", name="size"), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("audit_seq", sa.BigInteger, nullable=False),
        sa.Column("exported_at", sa.String(24), nullable=False),
        sa.Column("exported_by", sa.String(128), nullable=False),
    )
