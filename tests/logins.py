"""Ways into a console for tests: a client with a token, a session for a browser."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from haulwatch.console.access import COOKIE
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.access import PEOPLE
from haulwatch.domain.orders import ROLES

PASSWORD = "only-in-tests-7"


def bearer(
    store: OrderStore,
    *roles: str,
    name: str = "李四",
    squad_id: str | None = "Q-1",
    jurisdiction: Collection[str] = (),
) -> dict[str, str]:
    """The header of a service that has these roles, or every one."""
    token = store.people().token(name, roles=roles or ROLES, squad_id=squad_id, jurisdiction=jurisdiction)
    return {"Authorization": f"Bearer {token}"}


def bearer_at(database: str | Path, *roles: str, name: str = "test") -> dict[str, str]:
    """The same, of the order store at a URL or in a data folder, made where there is none yet."""
    if isinstance(database, Path):
        database.mkdir(parents=True, exist_ok=True)
        database = sqlite_url(database)
    store = open_store(database)
    try:
        return bearer(store, *roles, name=name)
    finally:
        store.close()


def client_of(
    app: FastAPI,
    store: OrderStore,
    *roles: str,
    name: str = "李四",
    squad_id: str | None = "Q-1",
    jurisdiction: Collection[str] = (),
) -> TestClient:
    """A client of the app that may do what these roles may, or everything."""
    headers = bearer(store, *roles, name=name, squad_id=squad_id, jurisdiction=jurisdiction)
    return TestClient(app, base_url="http://localhost", raise_server_exceptions=False, headers=headers)


def session_of(
    store: OrderStore,
    *roles: str,
    name: str = "张三",
    squad_id: str | None = "Q-1",
    jurisdiction: Collection[str] = (),
) -> str:
    """The session of a person who has just logged in: one with these roles, or with every one that people have."""
    people = store.people()
    if name not in {person.person_id for person in people.list()}:
        given = roles or PEOPLE
        people.add(name, roles=given, squad_id=squad_id, jurisdiction=jurisdiction, password=PASSWORD)
    return people.log_in(name, PASSWORD, address="127.0.0.1").token


def cookie_of(store: OrderStore, url: str, *roles: str, **person: Any) -> Any:
    """That session as a cookie for a browser context at `url`."""
    return {"name": COOKIE, "value": session_of(store, *roles, **person), "url": url, "sameSite": "Strict"}
