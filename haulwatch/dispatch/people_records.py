"""Between rows and people: how accounts, services and secrets are stored, looked up and changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, select, update

from haulwatch.dispatch.people_tables import people, sessions
from haulwatch.dispatch.records import canonical, storable
from haulwatch.domain.orders import Role
from haulwatch.domain.people import BadPerson, Person, Service, login_name
from haulwatch.domain.text import Text

MAX_DISPLAY = 64


def person_of(row: Row[Any]) -> Person:
    """A row of `people`."""
    stored = {name: getattr(row, name) for name in Person.__struct_fields__}
    lists = {name: tuple(msgspec.json.decode(stored[name])) for name in ("roles", "jurisdiction")}
    return Person(**{**stored, **lists})


def service_of(row: Row[Any]) -> Service:
    """A row of `service_tokens`."""
    stored = {name: getattr(row, name) for name in Service.__struct_fields__}
    lists = {name: tuple(msgspec.json.decode(stored[name])) for name in ("roles", "jurisdiction")}
    return Service(**{**stored, **lists})


def find_person(connection: Connection, person_id: str) -> Person | None:
    """The person of this id."""
    row = connection.execute(select(people).where(people.c.person_id == person_id)).one_or_none()
    return None if row is None else person_of(row)


def known(connection: Connection, person_id: str) -> Person:
    """The person who logs in with this name. Raises `BadPerson` where nobody does."""
    person = find_person(connection, login_name(person_id))
    if person is None:
        raise BadPerson(Text(f"没有账户 {person_id}", f"there is no account {person_id}"))
    return person


def set_person(connection: Connection, person_id: str, **columns: object) -> None:
    """Changes columns of a person."""
    connection.execute(update(people).where(people.c.person_id == person_id).values(columns))


def end_sessions(connection: Connection, person_id: str) -> None:
    """Ends all sessions of a person."""
    connection.execute(delete(sessions).where(sessions.c.person_id == person_id))


def rights_of(roles: Collection[Role], jurisdiction: Collection[str], squad_id: str | None) -> dict[str, object]:
    """What somebody may, as the audit tells it."""
    return {"roles": list(roles), "jurisdiction": sorted(jurisdiction), "squad": squad_id}


def rights_columns(person: Person) -> dict[str, object]:
    """What somebody may, as it is stored."""
    return {
        "roles": canonical(person.roles),
        "jurisdiction": canonical(person.jurisdiction),
        "squad_id": person.squad_id,
    }


def check_squad(roles: Collection[Role], squad_id: str | None) -> None:
    """Raises `BadPerson` for a squad member without a squad: it would see nothing, and nobody would know why."""
    if "squad" in roles and not squad_id:
        raise BadPerson(Text("队员须属于一个中队（--squad）", "a squad member belongs to a squad (--squad)"))


def display_name(name: str) -> str:
    """How people call somebody. Raises `BadPerson` for what cannot be shown or stored."""
    name = name.strip()
    if not name or len(name) > MAX_DISPLAY or not name.isprintable() or not storable(name):
        raise BadPerson(Text(f"姓名应为 1–{MAX_DISPLAY} 个字", f"a name has 1 to {MAX_DISPLAY} characters"))
    return name
