"""Orders, inbox, occurrences, audit, outbox; what people and programs may not do is refused by triggers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.String(24)
COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# (name, table, event, condition under which it is refused, message). One list for both databases; the conditions are
# written in the SQL that SQLite and PostgreSQL share.
GUARDS = (
    ("audit_append_only", "audit", "UPDATE", "", "audit is append-only"),
    ("audit_no_delete", "audit", "DELETE", "", "audit is append-only"),
    # Also keeps SQLite's INSERT OR REPLACE from replacing a row behind the delete trigger's back.
    (
        "audit_chained",
        "audit",
        "INSERT",
        "NEW.seq <> (SELECT coalesce(max(seq), 0) + 1 FROM audit)"
        " OR NEW.prev_hash <> coalesce((SELECT hash FROM audit WHERE seq = NEW.seq - 1), '')",
        "audit entries follow each other",
    ),
    ("ledger_no_delete", "ledger", "DELETE", "", "the ledger stays"),
    (
        "ledger_forward",
        "ledger",
        "UPDATE",
        "NEW.audit_seq < OLD.audit_seq OR NEW.change_id < OLD.change_id",
        "the ledger only goes forward",
    ),
    ("inbox_no_delete", "inbox", "DELETE", "", "the inbox is permanent"),
    (
        "orders_life_cycle",
        "orders",
        "UPDATE",
        "NEW.stage <> OLD.stage AND NOT EXISTS"
        " (SELECT 1 FROM transitions AS t WHERE t.source = OLD.stage AND t.target = NEW.stage)",
        "no such transition",
    ),
    (
        "orders_version",
        "orders",
        "UPDATE",
        "NEW.version <> OLD.version + CASE WHEN NEW.stage <> OLD.stage THEN 1 ELSE 0 END",
        "every command moves the version by one",
    ),
)


def upgrade() -> None:
    """Builds the tables, then the guards on them."""
    _create_bookkeeping()
    _create_orders()
    _create_intake()
    _create_records()
    op.execute("INSERT INTO ledger (id, audit_seq, audit_hash, change_id) VALUES (1, 0, '', 0)")
    for name, table, event, condition, message in GUARDS:
        _guard(name, table, event, condition, message)


def _create_bookkeeping() -> None:
    op.create_table(
        "ledger",
        sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1", name="single"), autoincrement=False),
        sa.Column("audit_seq", COUNTER, nullable=False),
        sa.Column("audit_hash", sa.String(64), nullable=False),
        sa.Column("change_id", COUNTER, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "order_numbers",
        sa.Column("day", sa.String(8), primary_key=True),
        sa.Column("last", sa.Integer, nullable=False),
    )
    op.create_table(
        "transitions",
        sa.Column("source", sa.String(16), primary_key=True),
        sa.Column("command", sa.String(16), primary_key=True),
        sa.Column("target", sa.String(16), nullable=False),
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", sa.String(32), primary_key=True),
        sa.Column("opened_change_id", COUNTER, nullable=False, unique=True),
        sa.Column("change_id", COUNTER, nullable=False),
        sa.Column("version", sa.Integer, sa.CheckConstraint("version >= 1", name="version"), nullable=False),
        sa.Column("stage", sa.String(16), nullable=False),
        sa.Column("collecting", sa.Boolean, nullable=False),
        sa.Column("dedup_key", sa.String(128), nullable=False),
        sa.Column("category", sa.String(16), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("urgency", sa.String(16), nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("truck_id", sa.String(32), nullable=False),
        sa.Column("rule_id", sa.String(128), nullable=False),
        sa.Column("rule_hash", sa.String(128), nullable=False),
        sa.Column("city_hash", sa.String(128), nullable=False),
        sa.Column("breach_id", sa.String(128), nullable=False, unique=True),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column(
            "occurrences", sa.Integer, sa.CheckConstraint("occurrences >= 1", name="occurrences"), nullable=False
        ),
        sa.Column("lon", sa.Float),
        sa.Column("lat", sa.Float),
        sa.Column("zone_ids", sa.Text, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("detected_at", INSTANT, nullable=False),
        sa.Column("last_detected_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("stage_at", INSTANT, nullable=False),
        sa.Column("squad_id", sa.String(128)),
        sa.Column("verdict", sa.String(16)),
        sa.Column("reason_code", sa.String(32)),
        sa.Column("breach", sa.Text, nullable=False),
        sa.CheckConstraint("stage <> 'closed' OR verdict IS NOT NULL", name="closed_has_verdict"),
        sa.CheckConstraint("stage <> 'rejected' OR reason_code IS NOT NULL", name="rejected_has_reason"),
        sa.CheckConstraint("verdict <> 'false_alarm' OR reason_code IS NOT NULL", name="false_alarm_has_reason"),
    )
    op.create_index("ix_orders_stage", "orders", ["stage", "opened_change_id"])
    op.create_index("ix_orders_truck_id", "orders", ["truck_id", "opened_change_id"])
    op.create_index(
        "uq_orders_dedup_key_collecting",
        "orders",
        ["dedup_key"],
        unique=True,
        sqlite_where=sa.text("collecting = 1"),
        postgresql_where=sa.text("collecting"),
    )


def _create_intake() -> None:
    op.create_table(
        "inbox",
        sa.Column("breach_id", sa.String(128), primary_key=True),
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), index=True),
        sa.Column("status", sa.String(8), nullable=False),
        sa.Column("rule_id", sa.String(128), nullable=False),
        sa.Column("occurrences", sa.Integer, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.CheckConstraint("(order_id IS NULL) = (status = 'shadow')", name="shadow_has_no_order"),
    )
    op.create_table(
        "occurrences",
        sa.Column("breach_id", sa.String(128), sa.ForeignKey("inbox.breach_id"), primary_key=True),
        sa.Column("phase", sa.String(8), primary_key=True),
        sa.Column("count", sa.Integer, primary_key=True),
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), index=True),
        sa.Column("rule_id", sa.String(128), nullable=False),
        sa.Column("severity", sa.String(16), nullable=False),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("detected_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT),
        sa.Column("lon", sa.Float),
        sa.Column("lat", sa.Float),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.Column("breach", sa.Text, nullable=False),
    )


def _create_records() -> None:
    op.create_table(
        "audit",
        sa.Column("seq", COUNTER, primary_key=True, autoincrement=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.String(128), nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("order_id", sa.String(32), index=True),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("prev_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("change_id", COUNTER, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("order_id", sa.String(32), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
    )
    op.create_table(
        "command_keys",
        sa.Column("actor", sa.String(128), primary_key=True),
        sa.Column("idempotency_key", sa.String(128), primary_key=True),
        sa.Column("request_hash", sa.String(64), nullable=False),
        sa.Column("order_id", sa.String(32), sa.ForeignKey("orders.order_id"), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
    )


def _guard(name: str, table: str, event: str, condition: str, message: str) -> None:
    when = f"WHEN ({condition})" if condition else ""
    if op.get_context().dialect.name == "sqlite":
        refuse = f"SELECT RAISE(ABORT, '{message}');"
        op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} {when} BEGIN {refuse} END")
        return
    # PostgreSQL allows no subquery in WHEN, so the condition is asked inside the function.
    refuse = f"RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation';"
    body = f"IF ({condition or 'true'}) THEN {refuse} END IF; RETURN {'OLD' if event == 'DELETE' else 'NEW'};"
    op.execute(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$")
    op.execute(f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
    if event == "DELETE":
        refuse_all = f"CREATE FUNCTION {name}_all() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {refuse} END $$"
        op.execute(refuse_all)
        op.execute(
            f"CREATE TRIGGER {name}_all BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}_all()"
        )
