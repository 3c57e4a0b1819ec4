"""What stands before every route."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haulwatch.console.problems import PROBLEM_JSON
from haulwatch.console.security import host_name
from haulwatch.console.serving import console_server

PATHS = ["/", "/orders/HW-1", "/api/v1/orders", "/static/js/main.js", "/metrics", "/nowhere"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(console: Any, path: str) -> None:
    headers = console.client.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize("path", PATHS)
def test_a_host_that_is_not_ours_is_refused(console: Any, path: str) -> None:
    answer = console.client.get(path, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (421, PROBLEM_JSON)
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "LOCALHOST", "127.0.0.1:8080", "[::1]:8080"])
def test_this_machine_has_several_names(console: Any, host: str) -> None:
    assert console.client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("host", "name"), [("a:1", "a"), ("[::1]:80", "::1"), ("[::1]", "::1"), ("A.example", "a.example"), ("", "")]
)
def test_the_name_in_a_host_header(host: str, name: str) -> None:
    assert host_name(host) == name


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999"])
def test_a_change_asked_for_by_another_site_is_refused(console: Any, origin: str) -> None:
    order = console.open_order()
    answer = console.client.post(
        f"/api/v1/orders/{order.order_id}/commands",
        content=json.dumps({"command": "file"}),
        headers={"Origin": origin, "Content-Type": "application/json", "If-Match": '"1"', "Idempotency-Key": "k"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "foreign-origin")
    assert console.store.get(order.order_id).order.stage == "new"


def test_our_own_page_may_change_things(console: Any) -> None:
    order = console.open_order()
    answer = console.client.post(
        f"/api/v1/orders/{order.order_id}/commands",
        json={"command": "file"},
        headers={"Origin": "http://localhost", "If-Match": '"1"', "Idempotency-Key": "k"},
    )
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/static/../app.py", "/static/%2e%2e/app.py", "/openapi.json"])
def test_nothing_else_is_served(console: Any, path: str) -> None:
    answer = console.client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM_JSON)


def test_loopback_unless_told_otherwise(console: Any) -> None:
    assert console_server(console.client.app).config.host == "127.0.0.1"
