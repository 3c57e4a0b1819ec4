"""Tables of the order store: people, their sessions and the tokens of services.

No secret stands in them as it is: passwords are Argon2id hashes, session and service tokens SHA-256 of 256 random bits,
and so are the names in `login_failures`, for people do type their password where the name belongs.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from haulwatch.dispatch.tables import metadata

people = Table(
    "people",
    metadata,
    Column("person_id", String(64), primary_key=True),
    Column("name", String(128), nullable=False),
    Column("password", Text),
    Column("password_due", String(24)),
    Column("roles", Text, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("squad_id", String(128)),
    Column("disabled", Boolean, nullable=False),
    Column("issuer", String(256)),
    Column("subject", String(256)),
    Column("made_at", String(24), nullable=False),
    Column("last_login_at", String(24)),
    UniqueConstraint("issuer", "subject"),
)
"""`password_due`: the password is a one-time one, good until then. `issuer` and `subject`: whom an identity provider
vouches for."""

sessions = Table(
    "sessions",
    metadata,
    Column("session_hash", String(64), primary_key=True),
    Column("person_id", ForeignKey("people.person_id"), nullable=False, index=True),
    Column("made_at", String(24), nullable=False),
    Column("seen_at", String(24), nullable=False),
    Column("expires_at", String(24), nullable=False, index=True),
    Column("address", String(64), nullable=False),
)

service_tokens = Table(
    "service_tokens",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("token_hash", String(64), nullable=False, unique=True),
    Column("roles", Text, nullable=False),
    Column("jurisdiction", Text, nullable=False),
    Column("squad_id", String(128)),
    Column("made_at", String(24), nullable=False),
    Column("expires_at", String(24)),
    Column("revoked_at", String(24)),
    Column("last_used_at", String(24)),
)

login_failures = Table(
    "login_failures",
    metadata,
    Column("kind", String(8), primary_key=True),
    Column("subject_hash", String(64), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("last_at", String(24), nullable=False, index=True),
    Column("locked_until", String(24)),
)
"""Attempts to log in that have not succeeded, by `account` and by `address`."""
