"""Cities that were proposed, and how each came into force."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "cities",
        sa.Column("city_hash", sa.String(64), primary_key=True),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "rollouts",
        sa.Column("rollout_id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("city_hash", sa.String(64), sa.ForeignKey("cities.city_hash"), nullable=False),
        sa.Column("base_hash", sa.String(64)),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False, index=True),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("proposed_by", sa.String(128), nullable=False),
        sa.Column("proposed_at", sa.String(24), nullable=False),
        sa.Column("decided_by", sa.String(128)),
        sa.Column("decided_at", sa.String(24)),
        sa.Column("decision_note", sa.Text, nullable=False),
        sa.Column("in_force_at", sa.String(24)),
        sa.Column("folder_hash", sa.String(64)),
        sa.Column("trouble", sa.Text),
        sa.CheckConstraint("kind <> 'proposal' OR decided_by IS NULL OR decided_by <> proposed_by", name="two_people"),
    )
