"""A store in a fresh database of either kind, findings to feed it with, and an actor who may do everything."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.engines import parse_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Breach, Evidence, LawNote
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import ROLES, Actor
from haulwatch.domain.text import Text

MORNING_MS = 1_777_593_600_000  # 2026-05-01T00:00:00Z, eight in the morning in Hekou


def a_breach(
    breach_id: str = "b1", phase: str = "opened", count: int = 1, minute: float = 30, **changes: object
) -> Breach:
    """A finding of the rule `uncovered-camera`, first made `minute` minutes after eight o'clock local time."""
    at_ms = MORNING_MS + round(minute * 60_000)
    fields: dict[str, object] = {
        "breach_id": breach_id,
        "phase": phase,
        "rule_id": "uncovered-camera",
        "rule_hash": "r" * 64,
        "city_hash": "c" * 64,
        "category": "uncovered",
        "severity": "major",
        "status": "active",
        "truck_id": "浙E12345",
        "started_at": rfc3339(at_ms - 60_000),
        "detected_at": rfc3339(at_ms),
        "ended_at": None,
        "occurrences": count,
        "late": False,
        "lon": 120.1,
        "lat": 30.86,
        "zone_ids": ["D-01", "T-03"],
        "title": Text("未密闭运输", "Uncovered load"),
        "summary": Text("相机看到敞开", "the camera saw it open"),
        "conditions": [],
        "evidence": [Evidence("e1", "sighting", "seen", rfc3339(at_ms), {"cover": "open"})],
        "track": [(at_ms, 120.1, 30.86, 42.0)],
        "law": LawNote(["cn-air-116"]),
    }
    if phase == "ended":
        fields["ended_at"] = rfc3339(at_ms + 300_000)
    return Breach(**{**fields, **changes})  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def breach() -> Callable[..., Breach]:
    return a_breach


@pytest.fixture(scope="session")
def anyone() -> Actor:
    """May do everything, and is of the squad S-1."""
    return Actor("local", frozenset(ROLES), squad_id="S-1")


@pytest.fixture(scope="session")
def second() -> Actor:
    """The other person wherever it takes two."""
    return Actor("second", frozenset(ROLES), squad_id="S-1")


@pytest.fixture
def url(database_url: str) -> str:
    """Where the store of a test is: every test of a store runs with SQLite and with PostgreSQL."""
    return database_url


@pytest.fixture
def another_url(url: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Makes another empty place for a store: a file, or a schema in the test's database."""

    def make() -> str:
        if url.startswith("sqlite"):
            return sqlite_url(tmp_path_factory.mktemp("store"))
        schema = f"s{uuid.uuid4().hex}"
        run_sql(url, f"CREATE SCHEMA {schema}")
        place = make_url(url).update_query_dict({"options": f"-csearch_path={schema}"})
        return place.render_as_string(hide_password=False)

    return make


def examples(url: str, wanted: int) -> int:
    """How many random examples to try: fewer with PostgreSQL, which takes longer to make a store and is asked the
    same questions by the same code."""
    return wanted if url.startswith("sqlite") else max(1, wanted // 5)


def run_sql(url: str, *statements: str, **parameters: object) -> list[tuple[object, ...]]:
    """What somebody else does with the database, in one transaction; the rows of the last statement."""
    engine = create_engine(parse_url(url))
    try:
        with engine.begin() as connection:
            for statement in statements:
                result = connection.execute(text(statement), parameters)
            return [tuple(row) for row in result] if result.returns_rows else []
    finally:
        engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[OrderStore]:
    opened = open_store(url)
    yield opened
    opened.close()
