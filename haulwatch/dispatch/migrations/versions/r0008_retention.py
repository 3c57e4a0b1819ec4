"""Who deletes what is out of its time, and files that are to go."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "retention_run",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="single"), autoincrement=False),
        sa.Column("holder", sa.String(64)),
        sa.Column("held_until", sa.String(24)),
        sa.Column("finished_at", sa.String(24), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "retired_files",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("retired_at", sa.String(24), nullable=False),
    )
