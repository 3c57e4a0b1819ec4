"""Logging in through the pages: what is right, what is wrong, and what somebody may try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from haulwatch.console.access import COOKIE, SECURE_COOKIE
from haulwatch.console.app import create_app
from haulwatch.console.auth.pages import own_path
from haulwatch.console.testing import SteeredFeed, SteeredIntake, small_city
from haulwatch.dispatch.store import OrderStore
from tests.logins import PASSWORD, session_of


@pytest.fixture
def app(store: OrderStore) -> FastAPI:
    return create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city())


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://localhost", follow_redirects=False) as client:
        yield client


@pytest.fixture
def zhang(store: OrderStore) -> str:
    store.people().add("张三", roles=["dispatcher"], password=PASSWORD)
    return "张三"


def log_in(client: TestClient, name: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post("/login", data={"name": name, "password": password, **more})


def test_in_and_out_again(client: TestClient, zhang: str) -> None:
    answer = log_in(client, zhang, next="/orders/HW-1?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/orders/HW-1?x=1")
    assert client.get("/api/v1/me").json()["actor_id"] == "张三"
    out = client.post("/logout")
    assert (out.status_code, out.headers["location"]) == (303, "/login")
    assert client.get("/api/v1/me").status_code == 401


def test_the_cookie_is_out_of_reach(client: TestClient, app: FastAPI, zhang: str) -> None:
    plain = log_in(client, zhang).headers["set-cookie"]
    assert plain.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(plain.split("; "))
    assert "Secure" not in plain
    over_tls = TestClient(app, base_url="https://localhost", follow_redirects=False)
    secure = log_in(over_tls, zhang).headers["set-cookie"]
    assert secure.startswith(f"{SECURE_COOKIE}=")
    assert {"HttpOnly", "SameSite=strict", "Path=/", "Secure"} <= set(secure.split("; "))
    assert over_tls.get("/api/v1/me").status_code == 200


def test_a_session_that_somebody_planted_is_not_used(client: TestClient, store: OrderStore, zhang: str) -> None:
    planted = session_of(store, "wall", name="mallory")
    client.cookies.set(COOKIE, planted, domain="localhost.local")
    answer = log_in(client, zhang)
    new = re.match(rf"{COOKIE}=([^;]+)", answer.headers["set-cookie"])
    assert new is not None
    assert new[1] != planted
    assert store.people().session(planted) is None, "the one that the browser came with has ended"
    client.cookies.clear()
    client.cookies.set(COOKIE, "chosen-by-somebody-else")
    assert "chosen-by-somebody-else" not in log_in(client, zhang).headers["set-cookie"]


def test_names_that_exist_are_not_told_from_others(client: TestClient, zhang: str) -> None:
    wrong, unknown = log_in(client, zhang, "not-the-password"), log_in(client, "nobody", "not-the-password")
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.text.replace("张三", "X") == unknown.text.replace("nobody", "X")


@pytest.mark.parametrize("name", ["张三", "nobody"])
def test_many_wrong_ones_have_to_wait(client: TestClient, name: str, zhang: str) -> None:  # noqa: ARG001
    statuses = [log_in(client, name, f"wrong-{n}").status_code for n in range(7)]
    assert statuses == [401] * 6 + [429]
    answer = log_in(client, name)
    assert answer.status_code == 429, "not even with the right one"
    assert 1 <= int(answer.headers["retry-after"]) <= 4


def test_a_one_time_password_opens_nothing_but_its_change(client: TestClient, store: OrderStore) -> None:
    password = store.people().add("li.si", roles=["dispatcher"])
    assert log_in(client, "Li.Si ", password, next="/orders").headers["location"] == "/password"
    assert client.get("/").headers["location"] == "/password"
    assert client.get("/api/v1/orders").json()["code"] == "password-change-required"
    assert client.get("/api/v1/me").json()["must_change"] is True
    assert "一次性密码" in client.get("/password").text
    before = client.cookies[COOKIE]

    def change(**fields: str) -> Any:
        good = {"old": password, "new": "four unrelated words", "again": "four unrelated words"}
        return client.post("/password", data={**good, **fields})

    for wrong in ({"old": "no"}, {"again": "other"}, {"new": "short", "again": "short"}):
        assert change(**wrong).status_code == 422
    assert change(new="my li.si words", again="my li.si words").status_code == 422
    assert change().headers["location"] == "/"
    assert client.cookies[COOKIE] != before
    assert store.people().session(before) is None
    assert client.get("/api/v1/orders").status_code == 200
    client.post("/logout")
    assert log_in(client, "li.si", password).status_code == 401
    assert log_in(client, "li.si", "four unrelated words").headers["location"] == "/"


@pytest.mark.parametrize(
    "place",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\/evil.example",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:x=1\r\nx",
        "/login",
        "/logout",
        "",
        "evil",
        "/\tevil.example",
    ],
)
def test_nobody_is_sent_elsewhere(client: TestClient, zhang: str, place: str) -> None:
    assert own_path(place) == "/"
    assert log_in(client, zhang, next=place).headers["location"] == "/"
    assert "evil" not in client.get("/login", params={"next": place}).text


@pytest.mark.parametrize("path", ["/login", "/password", "/logout"])
@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_sites_form_is_refused(client: TestClient, zhang: str, path: str, headers: dict[str, str]) -> None:
    answer = client.post(path, data={"name": zhang, "password": PASSWORD}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("path", ["/login", "/login?lang=en", "/password"])
def test_pages_have_no_script_and_the_policy_forbids_it(client: TestClient, zhang: str, path: str) -> None:
    log_in(client, zhang)
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'self'" in policy
    assert "<script" not in answer.text
    assert "style=" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_both_languages(client: TestClient) -> None:
    assert ">登录</button>" in client.get("/login").text
    assert ">Log in</button>" in client.get("/login", headers={"Accept-Language": "en-GB,en"}).text
    chosen = client.get("/login?lang=en&next=/orders")
    assert ">Log in</button>" in chosen.text
    assert 'value="/orders"' in chosen.text
    assert ">Log in</button>" in client.get("/login").text, "remembered"


def test_what_is_typed_is_shown_as_text(client: TestClient) -> None:
    text = log_in(client, '"><script>alert(1)</script>').text
    assert "<script>" not in text


@pytest.mark.parametrize("body", [b"name=" + b"x" * 20_000, b"%00%ff=%zz&name=%00&password=%00", b"", b"name"])
def test_forms_that_are_none_do_no_harm(client: TestClient, body: bytes) -> None:
    answer = client.post("/login", content=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code in (401, 413, 422)


def test_other_content_types_are_no_forms(client: TestClient) -> None:
    assert client.post("/login", json={"name": "a"}).status_code == 415


@pytest.mark.parametrize(
    ("roles", "home"),
    [(["wall"], "/wall"), (["squad"], "/squad"), (["squad", "dispatcher"], None), (["auditor"], None)],
)
def test_the_front_page_leads_to_the_page_of_a_role(
    app: FastAPI, store: OrderStore, roles: list[str], home: str | None
) -> None:
    cookie = {COOKIE: session_of(store, *roles, name="某人")}
    with TestClient(app, base_url="http://localhost", follow_redirects=False, cookies=cookie) as visitor:
        answer = visitor.get("/?lang=en")
    assert (answer.status_code, answer.headers.get("location")) == ((303, home) if home else (200, None))
