"""The whole life cycle: approvals, departments' tasks, routing, service clocks, supervision."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

INSTANT = sa.String(24)

_NEW_COLUMNS: tuple[sa.Column[object], ...] = (
    sa.Column("jurisdictions", sa.Text, nullable=False, server_default="[]"),
    sa.Column("proposed_squad_id", sa.String(128)),
    sa.Column("duty_desk", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("tasks", sa.Text, nullable=False, server_default="[]"),
    sa.Column("pending", sa.Text),
    sa.Column("held_stage", sa.String(16)),
    sa.Column("extensions", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reworks", sa.Integer, nullable=False, server_default="0"),
    sa.Column("merged_into", sa.String(32)),
    sa.Column("transferred_to", sa.String(128)),
    sa.Column("handled_by", sa.String(128)),
    sa.Column("terms", sa.String(64)),
    sa.Column("clock", sa.Text),
    sa.Column("supervision", sa.Text),
)

# (name, condition under which an update of an order is refused, message); in the SQL that both databases share.
_GUARDS = (
    (
        # A command moves the version by one whether or not the stage changes; a finding moves neither.
        "orders_version",
        "NEW.version NOT IN (OLD.version, OLD.version + 1) OR (NEW.stage <> OLD.stage AND NEW.version = OLD.version)",
        "every command moves the version by one",
    ),
    (
        # What needs approval happens only to an order of which it was asked; what was asked is canonical JSON, in which
        # no text can look like a key. A request for more time holds nothing up.
        "orders_life_cycle",
        "NEW.stage <> OLD.stage AND NOT EXISTS (SELECT 1 FROM transitions AS t"
        " WHERE t.source = OLD.stage AND t.target = NEW.stage"
        " AND (t.command <> 'resume' OR OLD.held_stage = NEW.stage)"
        " AND CASE WHEN t.approval THEN OLD.pending LIKE '%\"command\":\"' || t.command || '\"%'"
        ' ELSE OLD.pending IS NULL OR OLD.pending LIKE \'%"command":"extend"%\' END)',
        "no such transition",
    ),
    (
        "orders_request_decided",
        "NEW.stage <> OLD.stage AND NEW.pending IS NOT NULL",
        "no request outlives its stage",
    ),
    (
        "orders_whereabouts",
        "(NEW.stage = 'on_hold') <> (NEW.held_stage IS NOT NULL)"
        " OR (NEW.stage = 'merged') <> (NEW.merged_into IS NOT NULL)"
        " OR (NEW.stage = 'transferred') <> (NEW.transferred_to IS NOT NULL)",
        "an order on hold, merged or transferred says where it belongs",
    ),
)


def upgrade() -> None:
    """Adds the columns and tables. The rules for versions and stages change with them."""
    for column in _NEW_COLUMNS:
        op.add_column("orders", column)
    # Several targets of one command: an order on hold resumes where it was. Refilled when the store opens.
    op.drop_table("transitions")
    op.create_table(
        "transitions",
        sa.Column("source", sa.String(16), primary_key=True),
        sa.Column("command", sa.String(16), primary_key=True),
        sa.Column("target", sa.String(16), primary_key=True),
        sa.Column("approval", sa.Boolean, nullable=False),
    )
    for name in ("areas", "squads"):
        key = {"areas": "zone_id", "squads": "squad_id"}[name]
        op.create_table(
            f"order_{name}",
            sa.Column(key, sa.String(128), primary_key=True),
            sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), primary_key=True, index=True),
        )
    op.create_table(
        "terms",
        sa.Column("terms", sa.String(64), primary_key=True),
        sa.Column("stored", sa.Text, nullable=False),
    )
    op.create_table(
        "clocks",
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), primary_key=True),
        sa.Column("round", sa.Integer, primary_key=True),
        sa.Column("step", sa.String(16), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("limit_min", sa.Integer, sa.CheckConstraint("limit_min > 0", name="limit_min"), nullable=False),
        sa.Column("working", sa.Boolean, nullable=False),
        sa.Column("marked_pct", sa.Integer, nullable=False),
        sa.Column("next_pct", sa.Integer),
        sa.Column("next_at", INSTANT),
        sa.Column("paused_at", INSTANT),
        sa.Column("paused_min", sa.Integer, nullable=False),
        sa.Column("stopped_at", INSTANT),
    )
    op.create_index("ix_clocks_next_at", "clocks", ["next_at"])
    for name, condition, message in _GUARDS:
        _guard(name, condition, message)


def _guard(name: str, condition: str, message: str) -> None:
    """Refuses an update of an order under `condition`; a guard of this name that is there is replaced."""
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"DROP TRIGGER IF EXISTS {name}")
        refuse = f"SELECT RAISE(ABORT, '{message}');"
        op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON orders WHEN ({condition}) BEGIN {refuse} END")
        return
    refuse = f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';"
    body = f"IF ({condition}) THEN {refuse} END IF; RETURN NEW;"
    op.execute(f"DROP TRIGGER IF EXISTS {name} ON orders")
    op.execute(f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    op.execute(f"CREATE TRIGGER {name} BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION {name}()")
