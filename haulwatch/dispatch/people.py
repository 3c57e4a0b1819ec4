"""The people and services that may use the system, kept in the order store's database; every change is audited.

May be used from any number of threads and processes; each call is one transaction. What is changed about a person is in
force at its next request: sessions say who somebody is, not what it may.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
from sqlalchemy import Connection, Engine, delete, insert, select, update

from haulwatch.dispatch import lockout
from haulwatch.dispatch.database import reading, writing
from haulwatch.dispatch.ledger import SYSTEM, Recorder
from haulwatch.dispatch.passwords import hashed, one_time_password
from haulwatch.dispatch.people_records import (
    check_squad,
    display_name,
    end_sessions,
    find_person,
    known,
    person_of,
    rights_columns,
    rights_of,
    service_of,
    set_person,
)
from haulwatch.dispatch.people_tables import people, service_tokens
from haulwatch.dispatch.records import canonical, storable
from haulwatch.dispatch.sessions import LogIns, SessionTerms
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor
from haulwatch.domain.people import BadPerson, Person, Service, checked_roles, login_name, secret_hash
from haulwatch.domain.text import Text

FIRST_ADMINISTRATOR = "admin"
ONE_TIME_DAYS = 7
DAY_MS = 86_400_000
USED_EVERY_MS = 60_000
"""A token's last use is noted at most so often."""


class People(LogIns):
    """See the module; made by `OrderStore.people`."""

    def __init__(self, engine: Engine, clock_ms: Callable[[], int], terms: SessionTerms | None = None) -> None:
        super().__init__(engine, clock_ms, terms or SessionTerms())

    # People

    def list(self) -> Sequence[Person]:
        """Everybody, by name."""
        with reading(self._engine) as connection:
            return [person_of(row) for row in connection.execute(select(people).order_by(people.c.person_id))]

    def first_administrator(self) -> tuple[str, str] | None:
        """Makes an administrator where nobody is one yet: name and one-time password, else None."""
        with writing(self._engine) as connection:
            everybody = [person_of(row) for row in connection.execute(select(people))]
            if any("administrator" in person.roles and not person.disabled for person in everybody):
                return None
        taken = {person.person_id for person in everybody}
        names = (FIRST_ADMINISTRATOR, *(f"{FIRST_ADMINISTRATOR}{number}" for number in range(2, 1000)))
        name = next(name for name in names if name not in taken)
        try:
            return name, self.add(name, roles=["administrator"], name="系统管理员 administrator")
        except BadPerson:  # another process was faster, and has told the password
            return None

    def add(
        self,
        person_id: str,
        *,
        roles: Iterable[str],
        name: str = "",
        jurisdiction: Collection[str] = (),
        squad_id: str | None = None,
        password: str | None = None,
        by: str = SYSTEM,
    ) -> str:
        """Makes an account and returns its one-time password. Raises `BadPerson`.

        With a `password` that is the one, good for ever, and it is returned.
        """
        person_id = login_name(person_id)
        asked = checked_roles(roles)
        check_squad(asked, squad_id)
        one_time = password is None
        secret = password or one_time_password()
        row = {
            "person_id": person_id,
            "name": display_name(name or person_id),
            "password": hashed(secret),
            "roles": canonical(asked),
            "jurisdiction": canonical(sorted(jurisdiction)),
            "squad_id": squad_id,
            "disabled": False,
        }
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            if find_person(connection, person_id) is not None:
                raise BadPerson(Text(f"已有账户 {person_id}", f"there is an account {person_id} already"))
            due = rfc3339(self._clock_ms() + ONE_TIME_DAYS * DAY_MS) if one_time else None
            connection.execute(insert(people).values(**row, made_at=recorder.at, password_due=due))
            recorder.audit(by, "person_added", None, {"person": person_id, **rights_of(asked, jurisdiction, squad_id)})
            recorder.close()
        return secret

    def put(
        self, person_id: str, *, name: str, roles: Iterable[str], squad_id: str | None, password: str, by: str = SYSTEM
    ) -> None:
        """An account that has just these rights and this password, made where it is missing."""
        asked = list(roles)
        with reading(self._engine) as connection:
            there = find_person(connection, login_name(person_id)) is not None
        if not there:
            self.add(person_id, name=name, roles=asked, squad_id=squad_id, password=password, by=by)
            return
        self.change(person_id, roles=asked, jurisdiction=(), squad_id=squad_id or "", by=by)
        self.reset(person_id, by=by)
        kept = hashed(password)
        with writing(self._engine) as connection:
            set_person(connection, login_name(person_id), password=kept, password_due=None, disabled=False)

    def change(
        self,
        person_id: str,
        *,
        roles: Iterable[str] | None = None,
        jurisdiction: Collection[str] | None = None,
        squad_id: str | None = None,
        by: str = SYSTEM,
    ) -> Person:
        """Gives a person other roles, another jurisdiction or squad; None leaves it ("" takes a squad away)."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            before = known(connection, person_id)
            after = msgspec.structs.replace(
                before,
                roles=before.roles if roles is None else checked_roles(roles),
                jurisdiction=before.jurisdiction if jurisdiction is None else tuple(sorted(jurisdiction)),
                squad_id=before.squad_id if squad_id is None else squad_id or None,
            )
            check_squad(after.roles, after.squad_id)
            set_person(connection, after.person_id, **rights_columns(after))
            rights = rights_of(after.roles, after.jurisdiction, after.squad_id)
            recorder.audit(by, "person_changed", None, {"person": after.person_id, **rights})
            recorder.close()
        return after

    def disable(self, person_id: str, *, disabled: bool = True, by: str = SYSTEM) -> None:
        """Keeps a person out from now on, sessions included; or lets it in again."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            person = known(connection, person_id)
            set_person(connection, person.person_id, disabled=disabled)
            end_sessions(connection, person.person_id)
            recorder.audit(by, "person_disabled" if disabled else "person_enabled", None, {"person": person.person_id})
            recorder.close()

    def reset(self, person_id: str, *, by: str = SYSTEM) -> str:
        """A new one-time password; sessions end, and what was counted against the name is forgotten."""
        secret = one_time_password()
        kept = hashed(secret)
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            person = known(connection, person_id)
            if person.issuer is not None:
                raise BadPerson(Text("此人由统一认证登录，没有密码", "this person has no password here"))
            due = rfc3339(self._clock_ms() + ONE_TIME_DAYS * DAY_MS)
            set_person(connection, person.person_id, password=kept, password_due=due)
            end_sessions(connection, person.person_id)
            lockout.unlock(connection, person.person_id)
            recorder.audit(by, "password_reset", None, {"person": person.person_id})
            recorder.close()
        return secret

    # Services

    def services(self) -> Sequence[Service]:
        """Every service that has, or had, a token."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(service_tokens).order_by(service_tokens.c.name))
            return [service_of(row) for row in rows]

    def token(
        self,
        name: str,
        *,
        roles: Iterable[str],
        jurisdiction: Collection[str] = (),
        squad_id: str | None = None,
        days: int | None = None,
        by: str = SYSTEM,
    ) -> str:
        """Makes a service's token, or a new one in place of its old one; it is told once and never again."""
        name = login_name(name)
        asked = checked_roles(roles, of_service=True)
        secret = f"hw_{secrets.token_urlsafe(32)}"
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            expires = None if days is None else rfc3339(self._clock_ms() + days * DAY_MS)
            connection.execute(delete(service_tokens).where(service_tokens.c.name == name))
            row = {"name": name, "token_hash": secret_hash(secret), "roles": canonical(asked), "squad_id": squad_id}
            row |= {"jurisdiction": canonical(sorted(jurisdiction)), "made_at": recorder.at, "expires_at": expires}
            connection.execute(insert(service_tokens).values(row))
            rights = rights_of(asked, jurisdiction, squad_id)
            recorder.audit(by, "token_made", None, {"service": name, "expires_at": expires, **rights})
            recorder.close()
        return secret

    def revoke(self, name: str, *, by: str = SYSTEM) -> None:
        """Ends a service's token. Raises `BadPerson` where there is none."""
        with writing(self._engine) as connection:
            recorder = self._recorder(connection)
            of_service = (service_tokens.c.name == name.casefold()) & service_tokens.c.revoked_at.is_(None)
            ended = update(service_tokens).where(of_service).values(revoked_at=recorder.at)
            if connection.execute(ended).rowcount != 1:
                raise BadPerson(Text(f"没有服务令牌 {name}", f"there is no token of a service {name}"))
            recorder.audit(by, "token_revoked", None, {"service": name})
            recorder.close()

    def service(self, token: str) -> Actor | None:
        """Whose token it is; None for one that is unknown, expired or revoked."""
        if not storable(token):
            return None
        now_ms = self._clock_ms()
        query = select(service_tokens).where(service_tokens.c.token_hash == secret_hash(token))
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.revoked_at is not None or (row.expires_at or "~") <= rfc3339(now_ms):
            return None
        if (row.last_used_at or "") < rfc3339(now_ms - USED_EVERY_MS):
            used = update(service_tokens).where(service_tokens.c.name == row.name)
            with writing(self._engine) as connection:
                connection.execute(used.values(last_used_at=rfc3339(now_ms)))
        return service_of(row).actor

    def _recorder(self, connection: Connection) -> Recorder:
        return Recorder(connection, rfc3339(self._clock_ms()))
