"""Wrong attempts to log in are counted by name and by address, and the waiting time grows with each.

An attempt is counted before it is tried, so that a hundred at once are not a hundred free ones; a login that succeeds
takes its own count back. A name that nobody has is counted like any other.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Mapping

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from haulwatch.dispatch.people_tables import login_failures
from haulwatch.dispatch.records import instant_ms
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.people import LockedOut

FREE: Mapping[str, int] = {"account": 5, "address": 30}
"""So many failures cost nothing; an office has one address for many."""
FIRST_WAIT_S = 2
LONGEST_WAIT_S = 15 * 60
FORGOTTEN_AFTER_MS = 24 * 3_600_000
"""Failures that are older do not count any more."""


def wait_s(kind: str, failures: int) -> int:
    """How long nobody may try after so many failures: 2, 4, 8, … seconds, at most a quarter of an hour."""
    over = failures - FREE[kind]
    return 0 if over <= 0 else min(LONGEST_WAIT_S, FIRST_WAIT_S ** min(over, 16))


def attempt(connection: Connection, name: str, address: str, now_ms: int) -> bool:
    """Counts one attempt as failed, for the time being; whether this one would be the first to cost waiting time.

    Raises `LockedOut` where it may not even be tried.
    """
    subjects = subjects_of(name, address)
    rows = {kind: _row(connection, kind, subject) for kind, subject in subjects.items()}
    waits = [instant_ms(row[1]) - now_ms for row in rows.values() if row is not None and row[1] is not None]
    if waits and max(waits) > 0:
        raise LockedOut(-(-max(waits) // 1000))
    counts = {kind: _count(connection, kind, subject, rows[kind], now_ms) for kind, subject in subjects.items()}
    return any(failures == FREE[kind] + 1 for kind, failures in counts.items())


def succeeded(connection: Connection, name: str, address: str) -> None:
    """Forgets the failures of this name, and the attempt at this address that has turned out to be none."""
    subjects = subjects_of(name, address)
    table = login_failures
    connection.execute(delete(table).where(*_is("account", subjects["account"])))
    fewer = {"failures": table.c.failures - 1, "locked_until": None}
    connection.execute(update(table).where(*_is("address", subjects["address"])).values(fewer))


def unlock(connection: Connection, name: str) -> None:
    """Forgets the failures of this name."""
    connection.execute(delete(login_failures).where(*_is("account", _hash(name))))


def subjects_of(name: str, address: str) -> dict[str, str]:
    """What is counted for an attempt, by kind; of an IPv6 address the network, for a house has 2^64 of them."""
    try:
        ip = ipaddress.ip_address(address)
        network = str(ipaddress.ip_network((ip, 64), strict=False)) if ip.version == 6 else str(ip)
    except ValueError:
        network = address
    return {"account": _hash(name), "address": _hash(network)}


def _row(connection: Connection, kind: str, subject: str) -> tuple[int, str | None, str] | None:
    table = login_failures
    columns = select(table.c.failures, table.c.locked_until, table.c.last_at).where(*_is(kind, subject))
    row = connection.execute(columns).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def _count(
    connection: Connection, kind: str, subject: str, row: tuple[int, str | None, str] | None, now_ms: int
) -> int:
    recent = row is not None and now_ms - instant_ms(row[2]) < FORGOTTEN_AFTER_MS
    failures = 1 + (row[0] if row is not None and recent else 0)
    wait = wait_s(kind, failures)
    values = {
        "failures": failures,
        "last_at": rfc3339(now_ms),
        "locked_until": rfc3339(now_ms + wait * 1000) if wait else None,
    }
    if row is None:
        connection.execute(insert(login_failures).values(kind=kind, subject_hash=subject, **values))
    else:
        connection.execute(update(login_failures).where(*_is(kind, subject)).values(values))
    return failures


def _is(kind: str, subject: str) -> tuple[ColumnElement[bool], ...]:
    return (login_failures.c.kind == kind, login_failures.c.subject_hash == subject)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
