"""A store in a fresh file, findings to feed it with, and an actor who may do everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from haulwatch.dispatch.database import sqlite_url
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
    return Actor("local", frozenset(ROLES))


@pytest.fixture
def url(tmp_path: Path) -> str:
    return sqlite_url(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[OrderStore]:
    opened = open_store(url)
    yield opened
    opened.close()
