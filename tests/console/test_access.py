"""Who may use which address: the table below is written by hand, and every route is in it for every role."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from starlette.routing import BaseRoute

from haulwatch.console.access import Allowed
from haulwatch.console.app import ConsoleSettings, create_app
from haulwatch.console.testing import SteeredFeed, SteeredIntake, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.orders import Actor, Role
from tests.console.whole import OneDistrict, dispatched_order, whole_console
from tests.logins import bearer, client_of, session_of

LETTERS: dict[str, Role] = {
    "d": "dispatcher",
    "o": "duty_officer",
    "v": "verifier",
    "s": "squad",
    "p": "operator",
    "r": "rule_approver",
    "a": "auditor",
    "m": "administrator",
    "w": "wall",
    "x": "device",
}
EVERYBODY = "dovspramwx"
PEOPLE = "dovspramw"
READERS = "dovspram"
TABLE: dict[tuple[str, str], str] = {
    ("get", "/api/v1/me"): EVERYBODY,
    ("get", "/api/v1/life-cycle"): READERS,
    ("get", "/api/v1/orders"): READERS,
    ("get", "/api/v1/orders/counts"): READERS,
    ("get", "/api/v1/orders/export.csv"): READERS,
    ("get", "/api/v1/orders/export.json"): READERS,
    ("get", "/api/v1/orders/{order_id}"): READERS,
    ("get", "/api/v1/orders/{order_id}/notices"): READERS,
    ("post", "/api/v1/orders/commands"): "dovs",
    ("post", "/api/v1/orders/{order_id}/commands"): "dovs",
    ("post", "/api/v1/orders/{order_id}/driver"): "dos",
    ("get", "/api/v1/orders/{order_id}/pack"): "dovam",
    ("get", "/api/v1/orders/{order_id}/scene"): "dovsam",
    ("get", "/api/v1/orders/{order_id}/photos"): READERS,
    ("post", "/api/v1/orders/{order_id}/photos"): "dos",
    ("get", "/api/v1/photos/{photo_id}"): READERS,
    ("get", "/api/v1/pictures/{sha256}"): READERS,
    ("get", "/api/v1/orders/{order_id}/nearest"): "dovam",
    ("get", "/api/v1/squad/tasks"): "s",
    ("get", "/api/v1/squad/orders/{order_id}/whereabouts"): "s",
    ("get", "/api/v1/trucks/{truck_id}/position"): READERS,
    ("get", "/api/v1/city"): PEOPLE,
    ("get", "/api/v1/city/basemap"): PEOPLE,
    ("get", "/api/v1/trucks"): READERS,
    ("post", "/api/v1/trucks/{truck_id}/text"): "do",
    ("post", "/api/v1/trucks/{truck_id}/locate"): "do",
    ("get", "/api/v1/live"): PEOPLE,
    ("get", "/api/v1/sources"): PEOPLE,
    ("get", "/api/v1/wall"): "dovamw",
    ("get", "/api/v1/offenders"): "dovam",
    ("get", "/api/v1/offenders.csv"): "dovam",
    ("post", "/api/v1/events"): "x",
    ("get", "/api/v1/workbench"): "poram",
    ("post", "/api/v1/workbench/check"): "pr",
    ("get", "/api/v1/workbench/rollouts"): "poram",
    ("post", "/api/v1/workbench/rollouts"): "p",
    ("post", "/api/v1/workbench/rollouts/{rollout_id}/decision"): "r",
    ("post", "/api/v1/workbench/rollouts/{rollout_id}/withdrawal"): "p",
    ("post", "/api/v1/workbench/rollback"): "pr",
    ("post", "/api/v1/workbench/trials"): "pr",
    ("get", "/api/v1/workbench/trials/{trial_id}"): "pr",
    ("delete", "/api/v1/workbench/trials/{trial_id}"): "pr",
    ("get", "/api/v1/workbench/scorecard"): "poram",
    ("get", "/api/v1/workbench/zones"): "poram",
    ("post", "/api/v1/workbench/zones/draft"): "pr",
    ("post", "/api/v1/workbench/zones/at"): "poram",
    ("post", "/api/v1/workbench/zones/import"): "p",
    ("post", "/api/v1/workbench/probes"): "pr",
    ("get", "/api/v1/workbench/versions/zone"): "poram",
    ("get", "/api/v1/workbench/versions/rule"): "poram",
    ("get", "/api/v1/workbench/versions/rollout"): "poram",
}
OPEN = {("get", "/healthz"), ("get", "/readyz"), ("get", "/metrics")}
PAGES: dict[str, str] = {
    "/": PEOPLE,
    "/orders": READERS,
    "/orders/HW-1": READERS,
    "/offenders": READERS,
    "/rules": "poram",
    "/wall": PEOPLE,
    "/password": PEOPLE,
    "/api/v1/openapi.json": EVERYBODY,
}
HIDDEN = {
    *(
        "/",
        "/orders",
        "/orders/{order_id}",
        "/offenders",
        "/rules",
        "/wall",
        "/favicon.ico",
        "/login",
        "/password",
        "/logout",
    ),
    *("/rules", "/logout"),
    *("/squad", "/squad/orders/{order_id}", "/squad/sw.js", "/squad/manifest.webmanifest", "/api/v1/openapi.json"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path_factory.mktemp("access")), plan=OneDistrict())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def app(store: OrderStore, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    return whole_console(store, tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def order_id(store: OrderStore) -> str:
    return dispatched_order(store)


def ask(client: TestClient, method: str, path: str, order_id: str) -> Any:
    """A request that is well formed as far as the address goes, and changes nothing."""
    names = {
        "order_id": order_id,
        "truck_id": "浙E12345",
        "photo_id": "0" * 32,
        "sha256": "0" * 64,
        "rollout_id": "1",
        "trial_id": "1",
    }
    body = {"json": {}} if method == "post" else {}
    return client.request(method, path.format(**names), follow_redirects=False, **body)


def refused(answer: Any) -> bool:
    return answer.status_code in (401, 403)


def test_the_table_is_whole(app: FastAPI) -> None:
    document = app.openapi()
    routes = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert routes == set(TABLE) | OPEN
    for method, path in TABLE:
        assert {"401", "403"} <= set(document["paths"][path][method]["responses"]) or path == "/api/v1/me", path


def all_routes(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if isinstance(route, APIRoute):
            yield route
        elif inner is not None:
            yield from all_routes(inner.routes)


def test_no_page_is_left_out(app: FastAPI) -> None:
    assert {route.path for route in all_routes(app.routes) if not route.include_in_schema} <= HIDDEN


@pytest.mark.parametrize("letter", LETTERS)
def test_every_route_for_every_role(app: FastAPI, store: OrderStore, order_id: str, letter: str) -> None:
    client = client_of(app, store, LETTERS[letter], name=f"only-{letter}")
    wrong = [
        (method, path, answer.status_code, answer.text[:80])
        for (method, path), allowed in TABLE.items()
        if refused(answer := ask(client, method, path, order_id)) == (letter in allowed)
    ]
    wrong += [
        ("get", path, answer.status_code, answer.text[:80])
        for path, allowed in PAGES.items()
        if refused(answer := client.get(path, follow_redirects=False)) == (letter in allowed)
    ]
    assert wrong == []


def test_nobody_gets_anything_without_a_login(app: FastAPI, order_id: str) -> None:
    client = TestClient(app, base_url="http://localhost")
    assert [(key, ask(client, *key, order_id).status_code) for key in TABLE] == [(key, 401) for key in TABLE]
    for path in set(PAGES) - {"/api/v1/openapi.json"}:
        answer = client.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"].split("?")[0]) == (303, "/login"), path
    for path in ("/api/v1/openapi.json",):
        assert client.get(path).status_code == 401
    for _method, path in OPEN:
        assert client.get(path).status_code == 200


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic YTpi", "nonsense", "Bearer \x00"])
def test_a_token_that_is_none(app: FastAPI, header: str) -> None:
    client = TestClient(app, base_url="http://localhost")
    answer = client.get("/api/v1/orders", headers={"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


OF_ORDERS = [key for key in TABLE if "{order_id}" in key[1]]


@pytest.mark.parametrize("letter", "dovpram")
def test_an_order_of_another_district_does_not_exist(
    app: FastAPI, store: OrderStore, order_id: str, letter: str
) -> None:
    for zone, outside in (("D-1", False), ("D-9", True)):
        client = client_of(app, store, LETTERS[letter], name=f"{zone}-{letter}", jurisdiction=[zone])
        for key in OF_ORDERS:
            if letter in TABLE[key]:
                method, path = key
                answer = proper(client, method, path, order_id)
                assert (answer.status_code == 404) == outside, (key, zone, answer.text)
        listed = [one["order_id"] for one in client.get("/api/v1/orders").json()["orders"]]
        counts = client.get("/api/v1/orders/counts").json()["counts"]
        assert (order_id in listed, sum(counts.values()) > 0) == (not outside, not outside)


def test_an_order_of_another_squad_does_not_exist(app: FastAPI, store: OrderStore, order_id: str) -> None:
    for squad_id, outside in (("Q-1", False), ("Q-2", True)):
        client = client_of(app, store, "squad", name=f"member-{squad_id}", squad_id=squad_id)
        for key in OF_ORDERS:
            if "s" in TABLE[key] and "whereabouts" not in key[1]:  # which tells a squad that its order went elsewhere
                answer = proper(client, *key, order_id)
                assert (answer.status_code == 404) == outside, (key, squad_id, answer.text)
        assert len(client.get("/api/v1/orders").json()["orders"]) == (0 if outside else 1)
        assert len(client.get("/api/v1/trucks").json()["trucks"]) == (0 if outside else 1)
        assert client.get("/api/v1/trucks/浙E12345/position").status_code == (404 if outside else 200)


def test_a_squad_member_without_a_squad_sees_nothing(app: FastAPI, store: OrderStore, order_id: str) -> None:
    client = client_of(app, store, "squad", name="lost", squad_id=None)
    assert client.get("/api/v1/orders").json()["orders"] == []
    assert client.get(f"/api/v1/orders/{order_id}").status_code == 404


def proper(client: TestClient, method: str, path: str, order_id: str) -> Any:
    """A request about an order that is well formed but for a version long gone."""
    headers = {"If-Match": '"1"', "Idempotency-Key": "k", "X-Photo-SHA256": "0" * 64}
    body: dict[str, Any] = {"command": "accept"} if path.endswith("commands") else {"ask": "location"}
    more = {"json": body, "headers": headers} if method == "post" else {}
    return client.request(method, path.format(order_id=order_id), **more)


def test_a_route_that_says_nothing_is_refused(app: FastAPI, store: OrderStore) -> None:
    @app.get("/forgotten", include_in_schema=False)
    def forgotten() -> str:
        return "secret"

    @app.get("/remembered", include_in_schema=False)
    def remembered(actor: Annotated[Actor, Depends(Allowed("auditor"))]) -> str:
        return actor.actor_id

    try:
        client = client_of(app, store, name="everybody")
        answer = client.get("/forgotten")
        assert (answer.status_code, answer.json()["code"]) == (403, "undeclared")
        assert client.get("/remembered").json() == "service:everybody"
    finally:
        app.router.routes[:] = [
            one for one in app.router.routes if getattr(one, "path", "") not in ("/forgotten", "/remembered")
        ]


def test_events_from_this_machine_need_no_token_where_nobody_else_reaches_it(store: OrderStore) -> None:
    def status(client_address: str, local_devices: bool, **headers: str) -> int:
        settings = ConsoleSettings(local_devices=local_devices)
        app = create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), settings=settings)
        client = TestClient(app, base_url="http://localhost", client=(client_address, 5000))
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return int(client.post("/api/v1/events", json={"event_id": "e"}, headers=names).status_code)

    assert status("127.0.0.1", True) == status("::1", True) == 202
    assert status("127.0.0.1", False) == 401
    assert status("10.0.0.9", True) == 401
    assert status("127.0.0.1", True, X_Forwarded_For="10.0.0.9") == 401
    assert status("127.0.0.1", True, Authorization="Bearer wrong") == 401
    assert status("10.0.0.9", True, **bearer(store, "device", name="cam-07")) == 202
    assert status("10.0.0.9", True, **bearer(store, "dispatcher", name="desk")) == 403


def test_a_token_ends_when_it_is_revoked(app: FastAPI, store: OrderStore) -> None:
    client = client_of(app, store, "auditor", name="passing")
    assert client.get("/api/v1/orders").status_code == 200
    store.people().revoke("passing")
    assert client.get("/api/v1/orders").status_code == 401


def test_what_somebody_may_changes_at_once(app: FastAPI, store: OrderStore) -> None:
    client = TestClient(app, base_url="http://localhost")
    client.cookies.set("haulwatch_session", session_of(store, "auditor", name="wang"))
    assert client.get("/api/v1/me").json()["roles"] == ["auditor"]
    store.people().change("wang", roles=["wall"])
    assert client.get("/api/v1/orders").status_code == 403
    store.people().disable("wang")
    assert client.get("/api/v1/me").status_code == 401
