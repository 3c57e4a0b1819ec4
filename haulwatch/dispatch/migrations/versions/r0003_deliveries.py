"""Notices of changes: what is to be delivered to which channel, and the attempts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.String(24)


def upgrade() -> None:
    """Builds the delivery log."""
    op.create_table(
        "delivery_attempts",
        sa.Column("attempt_id", COUNTER, primary_key=True),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("together", sa.Integer, nullable=False),
        sa.Column("outcome", sa.String(16)),
        sa.Column("status", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("paused_until", INSTANT),
    )
    op.create_index("ix_delivery_attempts_channel_at", "delivery_attempts", ["channel", "at"])
    op.create_index("ix_delivery_attempts_channel_attempt_id", "delivery_attempts", ["channel", "attempt_id"])
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", COUNTER, primary_key=True),
        sa.Column("change_id", COUNTER, sa.ForeignKey("outbox.change_id"), nullable=False),
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), nullable=False),
        sa.Column("step", sa.String(64), nullable=False),
        sa.Column("channel", sa.String(64), nullable=False),
        sa.Column("message_id", sa.String(64), nullable=False),
        sa.Column("if_unchanged", sa.Boolean, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("wanted_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("attempt_id", COUNTER, sa.ForeignKey("delivery_attempts.attempt_id")),
        sa.Column("status", sa.Integer),
        sa.Column("reason", sa.Text),
        sa.Column("done_at", INSTANT),
        sa.UniqueConstraint("change_id", "step", "channel", name="uq_deliveries_change_id_step_channel"),
    )
    op.create_index("ix_deliveries_order_id", "deliveries", ["order_id"])
    op.create_index("ix_deliveries_state", "deliveries", ["state", "channel", "due_at"])
