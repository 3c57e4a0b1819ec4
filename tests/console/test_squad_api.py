"""What a squad's phone is told: its own orders, where its trucks are, the way there, and nothing of others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from connectors.pictures import PictureFolder
from geofences.datum import convert
from haulwatch.console.app import create_app
from haulwatch.console.pages import STATIC
from haulwatch.console.squad_pages import service_worker
from haulwatch.console.testing import SteeredFeed, overweight, small_city, truck
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Actor, Order
from tests.logins import client_of

DESK = Actor("李四", frozenset({"dispatcher", "duty_officer"}))
MORNING_MS = 1_777_593_600_000
PLATE = "浙E12345"


@dataclass
class Squads:
    """A console with two squads."""

    app: FastAPI
    store: OrderStore
    feed: SteeredFeed

    def member(self, squad_id: str | None) -> TestClient:
        """A client of a member."""
        return client_of(self.app, self.store, "squad", name=f"of-{squad_id}", squad_id=squad_id)

    def task(self, number: int, squad_id: str, truck_id: str = PLATE) -> Order:
        """An order given to a squad."""
        breach = overweight(f"b{number}", MORNING_MS + number * 3_600_000, truck_id)
        order = self.store.get(self.store.intake([breach]).opened[0]).order
        order = self.store.command(order.order_id, "file", expected_version=order.version, actor=DESK)
        return self.dispatch(order, squad_id)

    def dispatch(self, order: Order, squad_id: str) -> Order:
        """Gives an order to a squad."""
        given = {"squad_id": squad_id}
        return self.store.command(order.order_id, "dispatch", expected_version=order.version, actor=DESK, data=given)


@pytest.fixture
def squads(tmp_path: Path) -> Iterator[Squads]:
    store, feed = open_store(sqlite_url(tmp_path)), SteeredFeed()
    folder = PictureFolder(tmp_path / "pictures")
    app = create_app(store, store.people(), feed, None, small_city(), pictures=folder, photos=store.photos())
    yield Squads(app, store, feed)
    store.close()


def test_a_squad_sees_its_own_orders_with_all_that_a_phone_needs(squads: Squads) -> None:
    mine, _theirs = squads.task(1, "Q-1"), squads.task(2, "Q-2", "浙E00002")
    squads.feed.put(truck(PLATE, MORNING_MS))
    answer = squads.member("Q-1").get("/api/v1/squad/tasks")
    (task,) = answer.json()["tasks"]
    assert task["order"]["order_id"] == mine.order_id
    assert task["zones"][0]["name"] == {"zh": "云溪区", "en": "Yunxi District"}
    assert task["runbook"]["zh"].startswith("引导至治超站")
    assert task["truck"]["at_ms"] == MORNING_MS
    assert mine.lon is not None
    assert mine.lat is not None
    shifted = convert(mine.lon, mine.lat, "wgs84", "gcj02")
    assert (task["nav"]["gcj02_lon"], task["nav"]["gcj02_lat"]) == pytest.approx(shifted, abs=1e-6)
    assert abs(shifted[0] - mine.lon) > 0.001, "a link in WGS-84 would lead hundreds of metres astray"
    assert {row["command"] for row in answer.json()["transitions"]} >= {"accept", "arrive", "handle", "return"}


def test_nothing_is_sent_twice_until_something_changes(squads: Squads) -> None:
    squads.task(1, "Q-1")
    member = squads.member("Q-1")
    tag = member.get("/api/v1/squad/tasks").headers["etag"]
    assert member.get("/api/v1/squad/tasks", headers={"If-None-Match": tag}).status_code == 304
    squads.feed.put(truck(PLATE, MORNING_MS))
    assert member.get("/api/v1/squad/tasks", headers={"If-None-Match": tag}).status_code == 200


def test_positions_of_own_trucks_only(squads: Squads) -> None:
    squads.task(1, "Q-1")
    squads.feed.put(truck(PLATE, MORNING_MS), truck("浙E00002", MORNING_MS))
    member = squads.member("Q-1")
    assert member.get(f"/api/v1/trucks/{PLATE}/position").json()["truck"]["truck_id"] == PLATE
    assert member.get("/api/v1/trucks/浙E00002/position").status_code == 404
    assert squads.member("Q-2").get(f"/api/v1/trucks/{PLATE}/position").status_code == 404


def test_who_has_it_now_is_told_to_those_who_had_it(squads: Squads) -> None:
    order = squads.task(1, "Q-1")
    back = Actor("王五", frozenset({"squad"}), squad_id="Q-1")
    order = squads.store.command(
        order.order_id, "return", expected_version=order.version, actor=back, data={"reason": "远"}
    )
    squads.dispatch(order, "Q-2")
    address = f"/api/v1/squad/orders/{order.order_id}/whereabouts"
    assert squads.member("Q-1").get(address).json() == {
        "order_id": order.order_id,
        "stage": "dispatched",
        "squad_id": "Q-2",
        "squad": "机动中队",
    }
    assert squads.member("Q-3").get(address).status_code == 404
    assert squads.member("Q-1").get("/api/v1/squad/tasks").json()["tasks"] == []


def test_who_returns_an_order_is_answered_and_so_is_the_repeat(squads: Squads) -> None:
    order, member = squads.task(1, "Q-1"), squads.member("Q-1")

    def give_back() -> Response:
        return member.post(
            f"/api/v1/orders/{order.order_id}/commands",
            json={"command": "return", "data": {"reason": "远"}},
            headers={"If-Match": f'"{order.version}"', "Idempotency-Key": "once"},
        )

    done = give_back()
    returned = squads.store.get(order.order_id).order
    squads.dispatch(returned, "Q-2")
    repeated = give_back()
    for answer in (done, repeated):
        assert (answer.status_code, answer.headers["etag"]) == (200, f'"{returned.version}"')
        detail = answer.json()["detail"]
        assert (detail["order"]["stage"], detail["order"]["squad_id"]) == ("returned", None)
        assert (detail["audit"], detail["commands"]) == ([], []), "what happens to it now is none of its business"
    assert [entry.action for entry in squads.store.get(order.order_id).audit].count("return") == 1
    assert member.get(f"/api/v1/orders/{order.order_id}").status_code == 404


def test_somebody_without_a_squad_is_told_so(squads: Squads) -> None:
    answer = client_of(squads.app, squads.store, "dispatcher", name="d").get("/api/v1/squad/tasks")
    assert answer.status_code == 403


def test_another_squads_photos_do_not_exist(squads: Squads) -> None:
    order = squads.task(1, "Q-1")
    other = squads.member("Q-2")
    assert other.get(f"/api/v1/orders/{order.order_id}/photos").status_code == 404
    sent = other.post(f"/api/v1/orders/{order.order_id}/photos", content=b"x", headers={"Idempotency-Key": "k"})
    assert sent.status_code == 404


def test_the_shell_needs_no_login_and_says_nothing_about_anybody(squads: Squads) -> None:
    client = TestClient(squads.app, base_url="http://localhost")
    page = client.get("/squad/orders/HW-1")
    assert page.status_code == 200
    assert page.content == (STATIC / "squad" / "index.html").read_bytes()
    assert "geolocation=(self)" in page.headers["permissions-policy"]
    worker = client.get("/squad/sw.js")
    assert worker.headers["service-worker-allowed"] == "/squad"
    assert worker.headers["cache-control"] == "no-cache"
    assert client.get("/api/v1/squad/tasks").status_code == 401


def test_every_file_of_the_shell_can_be_had_and_every_import_is_in_it(squads: Squads) -> None:
    client = TestClient(squads.app, base_url="http://localhost")
    worker = service_worker(STATIC)
    files = set(re.findall(r'"(/[^"]+)"', worker.split("FILES = ")[1].split(";")[0]))
    assert [name for name in files if client.get(name).status_code != 200] == []
    for name in [one for one in files if one.startswith("/static/squad/") and one.endswith(".js")]:
        script = STATIC / name.removeprefix("/static/")
        for target in re.findall(r'(?:from|import\(|^import) ?"(\.[^"]+)"', script.read_text("utf-8"), re.M):
            path = (script.parent / target).resolve().relative_to(STATIC)
            assert f"/static/{path.as_posix()}" in files, (name, target)


def test_texts_of_the_squads_page_exist() -> None:
    texts = (STATIC / "i18n" / "zh.json").read_text("utf-8")
    for script in (STATIC / "squad").glob("*.js"):
        for key in re.findall(r'\bt\("([^"]+)"', script.read_text("utf-8")):
            assert f'"{key}":' in texts, (script.name, key)
