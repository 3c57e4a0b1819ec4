"""The tables of the order store. The migrations build them; a test holds the two equal.

Instants are text in RFC 3339 with milliseconds and `Z`, so they sort as they are; JSON is canonical text (keys sorted),
so that what was hashed is what is stored.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

COUNTER = BigInteger().with_variant(Integer(), "sqlite")
"""Numbers that only grow; SQLite's integers are large enough as they are, and its primary keys must be called so."""

ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, CheckConstraint("id = 1", name="single"), primary_key=True, autoincrement=False),
    Column("audit_seq", COUNTER, nullable=False),
    Column("audit_hash", String(64), nullable=False),
    Column("change_id", COUNTER, nullable=False),
)
"""One row: the head of the audit chain and the last change. Writers lock it first, so changes commit in order."""

order_numbers = Table(
    "order_numbers",
    metadata,
    Column("day", String(8), primary_key=True),
    Column("last", Integer, nullable=False),
)

transitions = Table(
    "transitions",
    metadata,
    Column("source", String(16), primary_key=True),
    Column("command", String(16), primary_key=True),
    Column("target", String(16), primary_key=True),
    Column("approval", Boolean, nullable=False),
)
"""The life cycle as the triggers on `orders` see it; filled from `lifecycle.TRANSITIONS` when the store opens."""

orders = Table(
    "orders",
    metadata,
    Column("order_id", String(32), primary_key=True),
    Column("opened_change_id", COUNTER, nullable=False, unique=True),
    Column("change_id", COUNTER, nullable=False),
    Column("version", Integer, CheckConstraint("version >= 1", name="version"), nullable=False),
    Column("stage", String(16), nullable=False),
    Column("collecting", Boolean, nullable=False),
    Column("dedup_key", String(128), nullable=False),
    Column("category", String(16), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("urgency", String(16), nullable=False),
    Column("title", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("truck_id", String(32), nullable=False),
    Column("rule_id", String(128), nullable=False),
    Column("rule_hash", String(128), nullable=False),
    Column("city_hash", String(128), nullable=False),
    Column("breach_id", String(128), nullable=False, unique=True),
    Column("late", Boolean, nullable=False),
    Column("occurrences", Integer, CheckConstraint("occurrences >= 1", name="occurrences"), nullable=False),
    Column("lon", Float),
    Column("lat", Float),
    Column("zone_ids", Text, nullable=False),
    Column("started_at", String(24), nullable=False),
    Column("detected_at", String(24), nullable=False),
    Column("last_detected_at", String(24), nullable=False),
    Column("ended_at", String(24)),
    Column("opened_at", String(24), nullable=False),
    Column("stage_at", String(24), nullable=False),
    Column("squad_id", String(128)),
    Column("verdict", String(16)),
    Column("reason_code", String(32)),
    Column("jurisdictions", Text, nullable=False, server_default="[]"),
    Column("proposed_squad_id", String(128)),
    Column("duty_desk", Boolean, nullable=False, server_default=false()),
    Column("tasks", Text, nullable=False, server_default="[]"),
    Column("pending", Text),
    Column("held_stage", String(16)),
    Column("extensions", Integer, nullable=False, server_default="0"),
    Column("reworks", Integer, nullable=False, server_default="0"),
    Column("merged_into", String(32)),
    Column("transferred_to", String(128)),
    Column("handled_by", String(128)),
    Column("terms", String(64)),
    Column("clock", Text),
    Column("supervision", Text),
    Column("breach", Text, nullable=False),
    CheckConstraint("stage <> 'closed' OR verdict IS NOT NULL", name="closed_has_verdict"),
    CheckConstraint("stage <> 'rejected' OR reason_code IS NOT NULL", name="rejected_has_reason"),
    CheckConstraint("verdict <> 'false_alarm' OR reason_code IS NOT NULL", name="false_alarm_has_reason"),
    Index("ix_orders_stage", "stage", "opened_change_id"),
    Index("ix_orders_truck_id", "truck_id", "opened_change_id"),
    Index(
        "uq_orders_dedup_key_collecting",
        "dedup_key",
        unique=True,
        sqlite_where=text("collecting = 1"),
        postgresql_where=text("collecting"),
    ),
)

order_areas = Table(
    "order_areas",
    metadata,
    Column("zone_id", String(128), primary_key=True),
    Column("order_id", ForeignKey("orders.order_id"), primary_key=True, index=True),
)
"""Which orders lie in which administrative zone: who is limited to a jurisdiction sees those."""

order_squads = Table(
    "order_squads",
    metadata,
    Column("squad_id", String(128), primary_key=True),
    Column("order_id", ForeignKey("orders.order_id"), primary_key=True, index=True),
)
"""Which orders a squad has now: dispatched to it, or with a task of it."""

terms = Table(
    "terms",
    metadata,
    Column("terms", String(64), primary_key=True),
    Column("stored", Text, nullable=False),
)
"""Service terms by the SHA-256 of their canonical JSON: limits and calendar as they were when orders opened."""

clocks = Table(
    "clocks",
    metadata,
    Column("order_id", ForeignKey("orders.order_id"), primary_key=True),
    Column("round", Integer, primary_key=True),
    Column("step", String(16), nullable=False),
    Column("started_at", String(24), nullable=False),
    Column("due_at", String(24), nullable=False),
    Column("limit_min", Integer, CheckConstraint("limit_min > 0", name="limit_min"), nullable=False),
    Column("working", Boolean, nullable=False),
    Column("marked_pct", Integer, nullable=False),
    Column("next_pct", Integer),
    Column("next_at", String(24)),
    Column("paused_at", String(24)),
    Column("paused_min", Integer, nullable=False),
    Column("stopped_at", String(24)),
    Index("ix_clocks_next_at", "next_at"),
)
"""Every service clock that was ever started, a row each; `next_at` is when the sweeper has something to do, null for
one that has stopped, is paused, or has no more marks before it."""

inbox = Table(
    "inbox",
    metadata,
    Column("breach_id", String(128), primary_key=True),
    Column("order_id", ForeignKey("orders.order_id"), index=True),
    Column("status", String(8), nullable=False),
    Column("rule_id", String(128), nullable=False),
    Column("occurrences", Integer, nullable=False),
    Column("ended_at", String(24)),
    CheckConstraint("(order_id IS NULL) = (status = 'shadow')", name="shadow_has_no_order"),
)
"""Every episode ever taken in, for ever. `order_id` is null for a shadow rule's; `occurrences` is the largest seen."""

occurrences = Table(
    "occurrences",
    metadata,
    Column("breach_id", ForeignKey("inbox.breach_id"), primary_key=True),
    Column("phase", String(8), primary_key=True),
    Column("count", Integer, primary_key=True),
    Column("order_id", ForeignKey("orders.order_id"), index=True),
    Column("rule_id", String(128), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("late", Boolean, nullable=False),
    Column("detected_at", String(24), nullable=False),
    Column("ended_at", String(24)),
    Column("lon", Float),
    Column("lat", Float),
    Column("recorded_at", String(24), nullable=False),
    Column("breach", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", COUNTER, primary_key=True, autoincrement=False),
    Column("at", String(24), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("action", String(32), nullable=False),
    Column("order_id", String(32), index=True),
    Column("detail", Text, nullable=False),
    Column("prev_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

outbox = Table(
    "outbox",
    metadata,
    Column("change_id", COUNTER, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("order_id", String(32), nullable=False, index=True),
    Column("at", String(24), nullable=False),
    Column("payload", Text, nullable=False),
)
"""Every change, in the order of the commits; each reader keeps its own place."""

readers = Table(
    "readers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("change_id", COUNTER, nullable=False),
    Column("holder", String(64)),
    Column("held_until", String(24)),
)
"""How far each reader of the outbox has come; `holder` is the process that reads for it, until `held_until`."""

command_keys = Table(
    "command_keys",
    metadata,
    Column("actor", String(128), primary_key=True),
    Column("idempotency_key", String(128), primary_key=True),
    Column("request_hash", String(64), nullable=False),
    Column("order_id", ForeignKey("orders.order_id"), nullable=False),
    Column("at", String(24), nullable=False),
    Column("result", Text, nullable=False),
)

delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("attempt_id", COUNTER, primary_key=True),
    Column("channel", String(64), nullable=False),
    Column("at", String(24), nullable=False),
    Column("together", Integer, nullable=False),
    Column("outcome", String(16)),
    Column("status", Integer),
    Column("reason", Text),
    Column("failures", Integer, nullable=False),
    Column("paused_until", String(24)),
    Index("ix_delivery_attempts_channel_at", "channel", "at"),
    Index("ix_delivery_attempts_channel_attempt_id", "channel", "attempt_id"),
)
"""Every request to a channel, written before it is made: `outcome` is null until it is known (or for ever, after a
crash). `failures` in a row, this one included."""

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", COUNTER, primary_key=True),
    Column("change_id", COUNTER, ForeignKey("outbox.change_id"), nullable=False),
    Column("order_id", String(32), ForeignKey("orders.order_id"), nullable=False, index=True),
    Column("step", String(64), nullable=False),
    Column("channel", String(64), nullable=False),
    Column("message_id", String(64), nullable=False),
    Column("if_unchanged", Boolean, nullable=False),
    Column("state", String(16), nullable=False),
    Column("wanted_at", String(24), nullable=False),
    Column("due_at", String(24), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempt_id", COUNTER, ForeignKey("delivery_attempts.attempt_id")),
    Column("status", Integer),
    Column("reason", Text),
    Column("done_at", String(24)),
    UniqueConstraint("change_id", "step", "channel"),
    Index("ix_deliveries_state", "state", "channel", "due_at"),
)
"""Which change goes to which channel, and how far that has come; see `haulwatch.domain.deliveries`."""
