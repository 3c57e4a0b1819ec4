"""Speaking to drivers over HTTP: answered when the terminal has answered, refused with a reason when it cannot."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from haulwatch.bootstrap.devices import TokenBook
from haulwatch.console.app import create_app
from haulwatch.console.gateway_app import create_gateway
from haulwatch.console.testing import SteeredFeed, SteeredIntake, SteeredLine, overweight, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.text import Text
from haulwatch.testing import position
from tests.logins import client_of

TOKEN = "hw_0123456789abcdef0123456789"
TOKENS = TokenBook([f"desk {TOKEN} dispatcher"])


@pytest.fixture
def line() -> SteeredLine:
    return SteeredLine()


@pytest.fixture
def client(line: SteeredLine) -> TestClient:
    app = create_gateway(SteeredIntake(), TOKENS, allowed_hosts={"localhost"}, drivers=line)
    return TestClient(app, base_url="http://localhost", headers={"Authorization": f"Bearer {TOKEN}"})


def test_a_text(client: TestClient, line: SteeredLine) -> None:
    body = {"text": "请盖好篷布", "urgent": True}
    answer = client.post("/api/v1/trucks/浙E12345/text", json=body)
    assert (answer.status_code, answer.json()) == (200, {"result": "done", "position": None})
    assert line.asked == [("浙E12345", "请盖好篷布", True)]


def test_where_a_truck_is(client: TestClient, line: SteeredLine) -> None:
    line.answer = TerminalAnswer(result="done", position=position(0, lon=120.2))
    answer = client.post("/api/v1/trucks/浙E12345/locate", json={})
    assert answer.json()["position"]["lon"] == 120.2


@pytest.mark.parametrize(
    ("body", "error", "status", "code"),
    [
        ({"text": "x"}, WorldError(Text("终端不在线", "away"), retryable=True), 503, "unavailable"),
        ({"text": ""}, ValueError("0 bytes"), 422, "invalid-text"),
        ({"text": 5}, None, 422, "invalid-request"),
        ({}, None, 422, "invalid-request"),
    ],
)
def test_what_cannot_be_sent(
    client: TestClient, line: SteeredLine, body: dict[str, object], error: Exception | None, status: int, code: str
) -> None:
    line.answer = error or line.answer
    answer = client.post("/api/v1/trucks/浙E12345/text", json=body)
    assert answer.status_code == status
    assert answer.json()["type"].endswith(code)


def test_where_no_terminals_connect_there_is_no_such_address() -> None:
    client = TestClient(
        create_gateway(SteeredIntake(), TOKENS, allowed_hosts={"localhost"}), base_url="http://localhost"
    )
    assert client.post("/api/v1/trucks/浙E12345/text", json={}).status_code == 404


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


def console(store: OrderStore, line: SteeredLine | None, *roles: str, name: str = "李四") -> TestClient:
    app = create_app(store, store.people(), SteeredFeed(), None, small_city(), drivers=line)
    return client_of(app, store, *roles, name=name)


def an_order(store: OrderStore) -> str:
    return store.intake([overweight("b1", 1_777_593_600_000, "浙E12345")]).opened[0]


def history(store: OrderStore, order_id: str) -> list[tuple[str, str, object]]:
    return [(entry.actor, entry.action, entry.detail.get("data")) for entry in store.get(order_id).audit[1:]]


def test_the_driver_of_an_order_is_called_and_it_goes_on_record(store: OrderStore, line: SteeredLine) -> None:
    order_id = an_order(store)
    client = console(store, line)
    before = client.get(f"/api/v1/orders/{order_id}").json()
    assert before["drivers"] is True
    url = f"/api/v1/orders/{order_id}/driver"
    said = {"ask": "text", "text": "请靠边停车", "urgent": True}
    assert client.post(url, json=said).json() == {"result": "done", "position": None}
    line.answer = TerminalAnswer(result="done", position=position(0, lon=120.2))
    assert console(store, line, name="王五").post(url, json={"ask": "location"}).json()["position"]["lon"] == 120.2
    assert line.asked == [("浙E12345", "请靠边停车", True), ("浙E12345",)]
    assert history(store, order_id) == [
        ("service:李四", "order_read", {}),
        ("service:李四", "driver_text", {"text": "请靠边停车"}),
        ("service:李四", "driver_answered", {"terminal": "done"}),
        ("service:王五", "driver_location", {}),
        ("service:王五", "driver_answered", {"terminal": "done"}),
    ]
    assert store.verify().problem is None
    assert client.get(f"/api/v1/orders/{order_id}").json()["detail"]["order"] == before["detail"]["order"]


def test_a_driver_who_cannot_be_reached_goes_on_record_too(store: OrderStore, line: SteeredLine) -> None:
    order_id = an_order(store)
    line.answer = WorldError(Text("终端不在线", "away"), retryable=True)
    answer = console(store, line).post(f"/api/v1/orders/{order_id}/driver", json={"ask": "text", "text": "请盖好篷布"})
    assert answer.status_code == 503
    assert history(store, order_id) == [
        ("service:李四", "driver_text", {"text": "请盖好篷布"}),
        ("service:李四", "driver_silent", {"outcome": "终端不在线"}),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"ask": "song"}, 422, "invalid-request"),
        ({"ask": "text", "volume": 11}, 422, "invalid-request"),
    ],
)
def test_calls_that_are_none(
    store: OrderStore, line: SteeredLine, body: dict[str, object], status: int, code: str
) -> None:
    order_id = an_order(store)
    answer = console(store, line).post(f"/api/v1/orders/{order_id}/driver", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert history(store, order_id) == []
    assert line.asked == []


def test_who_may_not_call_is_told_so(store: OrderStore, line: SteeredLine) -> None:
    order_id = an_order(store)
    client = console(store, line, "auditor")
    body = {"ask": "text", "text": "x"}
    assert client.post(f"/api/v1/orders/{order_id}/driver", json=body).status_code == 403
    assert line.asked == []


def test_an_order_that_is_none(store: OrderStore, line: SteeredLine) -> None:
    answer = console(store, line).post("/api/v1/orders/none/driver", json={"ask": "location"})
    assert answer.status_code == 404


def test_without_terminals_nobody_offers_to_call(store: OrderStore) -> None:
    assert console(store, None).get(f"/api/v1/orders/{an_order(store)}").json()["drivers"] is False
