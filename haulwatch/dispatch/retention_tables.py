"""Tables of the order store: who deletes what is out of its time, and files that are to go."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Integer, String, Table

from haulwatch.dispatch.tables import metadata

retention_run = Table(
    "retention_run",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False),
    Column("holder", String(64)),
    Column("held_until", String(24)),
    Column("finished_at", String(24), nullable=False),
)
"""One row, from the first look on: which process runs at this moment, and when the last daily run was finished."""

retired_files = Table(
    "retired_files",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("retired_at", String(24), nullable=False),
)
"""Pictures whose deletion is on record; a row goes after its file."""
