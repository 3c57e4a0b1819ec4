"""Tables of the order store: cities, and how each came into force."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from haulwatch.dispatch.tables import metadata

cities = Table(
    "cities",
    metadata,
    Column("city_hash", String(64), primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)
"""Every city that was proposed here, packed."""

rollouts = Table(
    "rollouts",
    metadata,
    Column("rollout_id", Integer, primary_key=True, autoincrement=False),
    Column("city_hash", ForeignKey("cities.city_hash"), nullable=False),
    Column("base_hash", String(64)),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("note", Text, nullable=False),
    Column("changes", Text, nullable=False),
    Column("proposed_by", String(128), nullable=False),
    Column("proposed_at", String(24), nullable=False),
    Column("decided_by", String(128)),
    Column("decided_at", String(24)),
    Column("decision_note", Text, nullable=False),
    Column("in_force_at", String(24)),
    Column("folder_hash", String(64)),
    Column("trouble", Text),
    CheckConstraint("kind <> 'proposal' OR decided_by IS NULL OR decided_by <> proposed_by", name="two_people"),
)
"""A row for each `Rollout`; at most one is `in_force` and at most one `approved`."""
