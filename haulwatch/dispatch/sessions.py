"""Logging in and staying so: sessions that end when nobody uses them, and at the latest after a shift.

A session is 256 random bits that only the browser has; here is their hash. Each login begins a new one and ends the one
that the browser came with, so nobody can be made to use a session that somebody else knows.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select, update

from haulwatch.dispatch import lockout
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import SYSTEM, Recorder
from haulwatch.dispatch.passwords import check_strength, hashed, matches
from haulwatch.dispatch.people_records import (
    display_name,
    end_sessions,
    find_person,
    person_of,
    rights_columns,
    rights_of,
    set_person,
)
from haulwatch.dispatch.people_tables import people, sessions
from haulwatch.dispatch.records import instant_ms, storable
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Role
from haulwatch.domain.people import (
    BadPerson,
    Claimed,
    LoginRefused,
    NewSession,
    Person,
    Visitor,
    login_name,
    secret_hash,
)
from haulwatch.domain.text import Text

SEEN_EVERY_MS = 60_000
"""A session's last use is noted at most so often: reading must not become writing."""
WALL: tuple[Role, ...] = ("wall",)


@dataclass(frozen=True)
class SessionTerms:
    """How long sessions last: `idle_s` without a request, `absolute_s` in all. A wall shows figures day and night and
    nobody stands at it to log in: a session of that role alone lasts `wall_s`, used or not."""

    idle_s: int = 4 * 3600
    absolute_s: int = 12 * 3600
    wall_s: int = 30 * 86_400

    def lasts_s(self, person: Person) -> int:
        """How long a new session of this person lasts at the most."""
        return self.wall_s if person.roles == WALL else self.absolute_s

    def idles_s(self, person: Person) -> int:
        """How long it lasts unused."""
        return self.wall_s if person.roles == WALL else self.idle_s


class LogIns:
    """The part of `haulwatch.dispatch.people.People` that browsers use."""

    def __init__(self, engine: Engine, clock_ms: Callable[[], int], terms: SessionTerms) -> None:
        self._engine = engine
        self._clock_ms = clock_ms
        self._terms = terms

    def log_in(self, name: str, password: str, *, address: str, old_token: str | None = None) -> NewSession:
        """Begins a session. `address` is where the request came from, `old_token` the session that it came with.

        Raises `LoginRefused`, or `LockedOut` after too many wrong attempts.
        """
        asked = _asked_name(name)
        person = self._tried(asked, password, address)
        if person.disabled or self._too_late(person):
            raise LoginRefused
        with writing(self._engine) as connection:
            self._recorder(connection)
            lockout.succeeded(connection, asked, address)
            return self._begin(connection, person, address, old_token)

    def log_in_as(self, claimed: Claimed, *, address: str, old_token: str | None = None) -> NewSession:
        """Begins a session of somebody whom an identity provider vouches for, with the rights that it claims; the
        account is made at the first login. Raises `LoginRefused` for an account that is disabled here."""
        with writing(self._engine) as connection:
            person = self._claimed(connection, claimed)  # locks the ledger first
            if not person.disabled:
                return self._begin(connection, person, address, old_token)
        raise LoginRefused

    def session(self, token: str, *, touch: bool = True) -> Visitor | None:
        """Who is logged in with this session; None when it has ended. `touch`: it is in use and does not end yet."""
        if not storable(token):
            return None
        key, now_ms = secret_hash(token), self._clock_ms()
        query = select(people, sessions.c.seen_at, sessions.c.expires_at).join(sessions)
        with reading(self._engine) as connection:
            row = connection.execute(query.where(sessions.c.session_hash == key)).one_or_none()
        if row is None or row.disabled:
            return None
        person = person_of(row)
        idle_ms = now_ms - instant_ms(row.seen_at)
        if row.expires_at <= rfc3339(now_ms) or idle_ms >= self._terms.idles_s(person) * 1000:
            return None
        if touch and idle_ms >= SEEN_EVERY_MS:
            seen = update(sessions).where(sessions.c.session_hash == key).values(seen_at=rfc3339(now_ms))
            with writing(self._engine) as connection:
                connection.execute(seen)
        return visitor_of(person)

    def log_out(self, token: str) -> None:
        """Ends a session; one that has ended already is no error."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            person_id = _end(connection, token)
            if person_id is not None:
                recorder.audit(person_id, "logged_out", None, {})
                recorder.close()

    def change_password(self, token: str, old: str, new: str, *, address: str) -> NewSession:
        """Another password for who is logged in; every session ends and a new one begins.

        Raises `LoginRefused` for a wrong old password, `LockedOut`, `BadPerson` for one that is too weak.
        """
        visitor = self.session(token)
        if visitor is None:
            raise LoginRefused
        person_id = visitor.actor.actor_id
        check_strength(new, person_id)
        person = self._tried(person_id, old, address)
        if old == new:
            raise BadPerson(Text("新密码须与旧密码不同", "the new password is the old one"))
        fresh = hashed(new)
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            lockout.succeeded(connection, person_id, address)
            set_person(connection, person_id, password=fresh, password_due=None)
            end_sessions(connection, person_id)
            recorder.audit(person_id, "password_changed", None, {"person": person_id})
            recorder.close()
            return self._begin(connection, msgspec.structs.replace(person, password_due=None), address, None)

    def _tried(self, asked: str, password: str, address: str) -> Person:
        """The person whose password this is. The attempt is counted before it is tried, outside of any transaction."""
        with writing(self._engine) as connection:
            self._recorder(connection)  # locks the ledger: attempts follow each other, with every database
            begins = lockout.attempt(connection, asked, address, self._clock_ms())
            row = connection.execute(select(people).where(people.c.person_id == asked)).one_or_none()
        right = matches(None if row is None else row.password, password)
        if row is not None and right:
            return person_of(row)
        if begins:
            with writing(self._engine) as connection:
                recorder = self._recorder(connection)
                recorder.audit(SYSTEM, "login_locked", None, {"address": address, "person": row and row.person_id})
                recorder.close()
        raise LoginRefused

    def _too_late(self, person: Person) -> bool:
        return person.password_due is not None and person.password_due <= rfc3339(self._clock_ms())

    def _begin(self, connection: Connection, person: Person, address: str, old_token: str | None) -> NewSession:
        if old_token is not None:
            _end(connection, old_token)
        token, now_ms = secrets.token_urlsafe(32), self._clock_ms()
        lasts_s = self._terms.lasts_s(person)
        at, expires_at = rfc3339(now_ms), rfc3339(now_ms + lasts_s * 1000)
        row = {"session_hash": secret_hash(token), "person_id": person.person_id, "address": address[:64]}
        connection.execute(insert(sessions).values(**row, made_at=at, seen_at=at, expires_at=expires_at))
        set_person(connection, person.person_id, last_login_at=at)
        recorder = self._recorder(connection)
        recorder.audit(person.person_id, "logged_in", None, {"address": address})
        recorder.close()
        return NewSession(token=token, visitor=visitor_of(person), expires_at=expires_at, lasts_s=lasts_s)

    def _claimed(self, connection: Connection, claimed: Claimed) -> Person:
        recorder = self._recorder(connection)
        of_subject = (people.c.issuer == claimed.issuer) & (people.c.subject == claimed.subject)
        row = connection.execute(select(people).where(of_subject)).one_or_none()
        if row is None:
            person = Person(
                person_id=_free_name(connection, claimed.name),
                name=display_name(claimed.name[:64]),
                issuer=claimed.issuer,
                made_at=recorder.at,
                roles=claimed.roles,
                jurisdiction=claimed.jurisdiction,
                squad_id=claimed.squad_id,
            )
            columns: dict[str, Any] = {"person_id": person.person_id, "name": person.name, "disabled": False}
            columns |= {"issuer": claimed.issuer, "subject": claimed.subject, "made_at": recorder.at}
            connection.execute(insert(people).values(**columns, **rights_columns(person)))
        else:
            person = msgspec.structs.replace(
                person_of(row), roles=claimed.roles, jurisdiction=claimed.jurisdiction, squad_id=claimed.squad_id
            )
            if person == person_of(row):
                return person
            set_person(connection, person.person_id, **rights_columns(person))
        told: dict[str, object] = {"person": person.person_id, "issuer": claimed.issuer}
        told |= rights_of(claimed.roles, claimed.jurisdiction, claimed.squad_id)
        recorder.audit(person.person_id, "person_added" if row is None else "person_changed", None, told)
        recorder.close()
        return person

    def _recorder(self, connection: Connection) -> Recorder:
        return Recorder(connection, rfc3339(self._clock_ms()))


def visitor_of(person: Person) -> Visitor:
    """A person as one who is logged in."""
    return Visitor(actor=person.actor, name=person.name, must_change=person.password_due is not None)


def _asked_name(name: str) -> str:
    """The name as it would be stored; what can be nobody's name is counted like a name that is nobody's."""
    try:
        return login_name(name)
    except BadPerson:
        return "?" + secret_hash(name)[:32]


def _free_name(connection: Connection, name: str) -> str:
    """A name to act under for somebody new; never one that an account of our own has."""
    try:
        wanted = login_name(name)[:56]
    except BadPerson:
        wanted = "person"
    number = 1
    while find_person(connection, found := wanted if number == 1 else f"{wanted}-{number}") is not None:
        number += 1
    return found


def _end(connection: Connection, token: str) -> str | None:
    """Ends a session; returns whose it was."""
    of_token = sessions.c.session_hash == secret_hash(token)
    person_id: str | None = connection.execute(select(sessions.c.person_id).where(of_token)).scalar_one_or_none()
    connection.execute(delete(sessions).where(of_token))
    return person_id
