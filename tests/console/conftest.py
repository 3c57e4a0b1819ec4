"""The console over a real order store in a fresh file, with a feed and an intake that a test steers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.live import LiveSettings
from haulwatch.console.testing import SteeredFeed, SteeredIntake, overweight, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Order
from tests.logins import client_of

MORNING_MS = 1_777_593_600_000  # 2026-05-01T00:00:00Z
QUICK = LiveSettings(orders_poll_s=0.02, trucks_poll_s=0.02, heartbeat_s=0.2)
COMMAND = {"If-Match": '"1"', "Idempotency-Key": "k1"}


@dataclass
class Console:
    """Everything behind one console."""

    client: TestClient
    store: OrderStore
    feed: SteeredFeed
    intake: SteeredIntake

    def open_order(self, number: int = 1, **changes: object) -> Order:
        """Files one overweight finding, `number` minutes after eight, and returns its order."""
        truck_id = str(changes.pop("truck_id", f"浙E{number:05d}"))
        result = self.store.intake([overweight(f"b{number}", MORNING_MS + number * 60_000, truck_id, **changes)])
        return self.store.get(result.opened[0]).order

    def command(self, order_id: str, command: str, version: int = 1, key: str = "k1", **data: str) -> object:
        """Sends a command as 李四, who may do everything."""
        return self.client.post(
            f"/api/v1/orders/{order_id}/commands",
            json={"command": command, "data": data},
            headers={"If-Match": f'"{version}"', "Idempotency-Key": key},
        )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def settings() -> ConsoleSettings:
    return ConsoleSettings(max_body_bytes=4096, live=QUICK)


@pytest.fixture
def console(store: OrderStore, settings: ConsoleSettings) -> Iterator[Console]:
    feed, intake = SteeredFeed(), SteeredIntake()
    app = create_app(store, store.people(), feed, intake, small_city(), settings=settings, packs=store.packs())
    with client_of(app, store) as client:
        yield Console(client, store, feed, intake)
