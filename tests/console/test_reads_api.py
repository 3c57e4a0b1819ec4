"""Who looked at an order, a picture, a table of offenders is on record, once an hour, with either database."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from connectors.pictures import PictureFolder
from haulwatch.console.app import create_app
from haulwatch.console.testing import SteeredFeed, overweight, small_city
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.breaches import Evidence
from haulwatch.domain.instants import rfc3339
from haulwatch.domain.orders import Actor
from tests.dispatch.conftest import run_sql
from tests.logins import bearer, client_of

NOON_MS = 1_777_593_600_000 + 4 * 3_600_000
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(64))
READ = "SELECT actor, action, order_id FROM audit WHERE action IN ('order_read', 'picture_read', 'offenders_exported')"


class Desk:
    """A console over a database of either kind, whose clock a test turns."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.now_ms = url, NOON_MS
        self.store: OrderStore = open_store(url, clock_ms=lambda: self.now_ms)
        self.pictures = PictureFolder(folder)
        self.digest = str(self.pictures.put(JPEG).sha256)
        self.client: TestClient = client_of(self.app(self.store), self.store)
        seen = Evidence("e1", "sighting", "seen", rfc3339(NOON_MS), {"image": {"sha256": self.digest}})
        opened = self.store.intake(
            [overweight("b1", NOON_MS, evidence=[seen]), overweight("b2", NOON_MS, "浙E99999")]
        ).opened
        self.one, self.two = opened

    def app(self, store: OrderStore) -> Any:
        return create_app(store, store.people(), SteeredFeed(), None, small_city(), pictures=self.pictures)

    def read(self) -> list[tuple[object, ...]]:
        return run_sql(self.url, f"{READ} ORDER BY seq")


@pytest.fixture
def desk(database_url: str, tmp_path: Path) -> Iterator[Desk]:
    made = Desk(database_url, tmp_path / "pictures")
    yield made
    made.store.close()


def test_an_order_read_again_and_again_is_one_entry_an_hour(desk: Desk) -> None:
    other = bearer(desk.store, "auditor", name="审计")
    for _ in range(3):
        assert desk.client.get(f"/api/v1/orders/{desk.one}").status_code == 200
    desk.client.get(f"/api/v1/orders/{desk.two}")
    desk.client.get(f"/api/v1/orders/{desk.one}", headers=other)
    assert desk.read() == [
        ("service:李四", "order_read", desk.one),
        ("service:李四", "order_read", desk.two),
        ("service:审计", "order_read", desk.one),
    ]
    desk.now_ms += 3_599_999
    desk.client.get(f"/api/v1/orders/{desk.one}")
    assert len(desk.read()) == 3
    desk.now_ms += 1
    desk.client.get(f"/api/v1/orders/{desk.one}")
    assert desk.read()[3:] == [("service:李四", "order_read", desk.one)]
    assert desk.store.verify().problem is None


def test_what_is_not_shown_was_not_read(desk: Desk) -> None:
    squad = bearer(desk.store, "squad", name="队员")
    assert desk.client.get(f"/api/v1/orders/{desk.one}", headers=squad).status_code == 404
    asked = {"order_id": desk.one}
    assert desk.client.get(f"/api/v1/pictures/{desk.digest}", params=asked, headers=squad).status_code == 404
    assert desk.client.get("/api/v1/offenders.csv", headers=squad).status_code == 403
    assert desk.client.get("/api/v1/orders/HW-20260501-9999").status_code == 404
    assert desk.read() == []


def test_pictures_are_on_record_with_their_order_or_by_themselves(desk: Desk) -> None:
    for asked in ({"order_id": desk.one}, {"order_id": desk.one}, {"order_id": desk.two}, {}):
        assert desk.client.get(f"/api/v1/pictures/{desk.digest}", params=asked).content == JPEG
    assert desk.read() == [("service:李四", "picture_read", desk.one), ("service:李四", "picture_read", None)]


def test_each_table_of_offenders_is_on_record(desk: Desk) -> None:
    for question in ("by=truck", "by=truck", "by=site"):
        assert desk.client.get(f"/api/v1/offenders.csv?{question}").status_code == 200
    assert desk.read() == [("service:李四", "offenders_exported", None)] * 2
    assert desk.store.verify().problem is None


def test_eight_readers_in_two_processes_make_one_entry(desk: Desk) -> None:
    second = open_store(desk.url, clock_ms=lambda: desk.now_ms)
    reader = Actor("张三", frozenset(("dispatcher",)))
    start = threading.Barrier(8)

    def read(store: OrderStore) -> None:
        start.wait()
        store.note_read("order_read", desk.one, actor=reader, detail={})

    threads = [threading.Thread(target=read, args=(store,)) for store in (desk.store, second) * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    second.close()
    assert desk.read() == [("张三", "order_read", desk.one)]
    assert desk.store.verify().problem is None
