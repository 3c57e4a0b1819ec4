"""Orders over HTTP: pages, one order with its why, commands guarded by version and idempotency key."""

from __future__ import annotations

from typing import Any

import pytest

from haulwatch.console.problems import PROBLEM_JSON
from haulwatch.domain.deliveries import NewDelivery


def ids(answer: Any) -> list[str]:
    return [order["order_id"] for order in answer.json()["orders"]]


def test_lists_newest_first_in_pages_without_gap_or_repeat(console: Any) -> None:
    opened = [console.open_order(n).order_id for n in range(1, 8)]
    first = console.client.get("/api/v1/orders?limit=3")
    second = console.client.get(f"/api/v1/orders?limit=3&cursor={first.json()['next_cursor']}")
    third = console.client.get(f"/api/v1/orders?limit=3&cursor={second.json()['next_cursor']}")
    assert ids(first) + ids(second) + ids(third) == opened[::-1]
    assert third.json()["next_cursor"] is None


def test_a_page_says_from_where_live_changes_follow(console: Any) -> None:
    console.open_order()
    page = console.client.get("/api/v1/orders").json()
    assert page["change_id"] == console.store.last_change_id() == page["orders"][0]["change_id"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("severity=critical", [2]),
        ("severity=critical&severity=minor", [3, 2]),
        ("late=true", [3]),
        ("truck_id=浙E00001", [1]),
        ("stage=filed", [1]),
        ("mine=true", [1]),
        ("category=dumping", []),
        ("since=2026-05-01T00:02:00.000Z", [3, 2]),
    ],
)
def test_filters_limit_a_list(console: Any, query: str, expected: list[int]) -> None:
    orders = [
        console.open_order(1),
        console.open_order(2, severity="critical"),
        console.open_order(3, severity="minor", late=True),
    ]
    console.command(orders[0].order_id, "file")
    assert ids(console.client.get(f"/api/v1/orders?{query}")) == [orders[n - 1].order_id for n in expected]


@pytest.mark.parametrize("query", ["cursor=nonsense", "stage=imaginary", "limit=0", "limit=5000", "since=yesterday"])
def test_a_bad_parameter_is_a_problem_and_says_which(console: Any, query: str) -> None:
    answer = console.client.get(f"/api/v1/orders?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM_JSON)
    assert answer.json()["errors"]


def test_counts_name_every_stage(console: Any) -> None:
    console.open_order(1)
    console.command(console.open_order(2).order_id, "file")
    counts = console.client.get("/api/v1/orders/counts").json()["counts"]
    assert (counts["new"], counts["filed"], counts["closed"]) == (1, 1, 0)


def test_one_order_comes_with_its_why_and_what_may_follow(console: Any) -> None:
    order = console.open_order()
    answer = console.client.get(f"/api/v1/orders/{order.order_id}")
    detail, runbook = answer.json()["detail"], answer.json()["runbook"]
    assert answer.headers["etag"] == '"1"'
    assert detail["breach"]["conditions"][0] == {
        "text": "gross_kg > limit_kg()",
        "name": "gross_kg",
        "observed": 40000,
        "operator": ">",
        "threshold": 31000,
        "unit": "kg",
        "event_id": "b1-w",
    }
    assert detail["breach"]["evidence"][0]["payload"]["gross_kg"] == 40000
    assert [row["command"] for row in detail["commands"]] == ["file", "reject", "extend", "merge", "void"]
    assert "复称" in runbook["zh"]


def test_an_unknown_order_is_a_problem_in_two_languages(console: Any) -> None:
    answer = console.client.get("/api/v1/orders/HW-0")
    assert (answer.status_code, answer.headers["content-type"]) == (404, PROBLEM_JSON)
    assert answer.json()["code"] == "not-found"
    assert "没有工单" in answer.json()["text"]["zh"]
    assert "no order" in answer.json()["text"]["en"]


def test_a_command_moves_the_order_and_answers_with_it(console: Any) -> None:
    order = console.open_order()
    answer = console.command(order.order_id, "file")
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"2"'
    assert answer.json()["detail"]["order"]["stage"] == "filed"
    assert answer.json()["detail"]["audit"][-1]["actor"] == "service:李四"


def test_a_repeat_with_the_same_key_changes_nothing(console: Any) -> None:
    order = console.open_order()
    console.command(order.order_id, "file", key="once")
    again = console.command(order.order_id, "file", key="once")
    assert again.status_code == 200
    assert console.store.get(order.order_id).order.version == 2


@pytest.mark.parametrize(
    ("command", "version", "code"), [("file", 7, "stale-version"), ("accept", 1, "illegal-command")]
)
def test_a_stale_or_illegal_command_is_409_with_the_current_order(
    console: Any, command: str, version: int, code: str
) -> None:
    order = console.open_order()
    answer = console.command(order.order_id, command, version=version)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["order"]["order_id"] == order.order_id
    assert answer.json()["order"]["stage"] == "new"


def test_a_key_of_another_request_is_409(console: Any) -> None:
    order = console.open_order()
    console.command(order.order_id, "file", key="taken")
    answer = console.command(order.order_id, "void", version=2, key="taken", reason="x")
    assert (answer.status_code, answer.json()["code"]) == (409, "key-reused")


def test_what_a_command_lacks_is_said_by_field(console: Any) -> None:
    order = console.open_order()
    answer = console.command(order.order_id, "reject", reason_code="because")
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-command")
    assert [error["field"] for error in answer.json()["errors"]] == ["reason_code"]
    assert console.store.get(order.order_id).order.version == 1


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Idempotency-Key": "k"}, 428, "version-required"),
        ({"Idempotency-Key": "k", "If-Match": "3"}, 400, "invalid-version"),
        ({"Idempotency-Key": "k", "If-Match": "*"}, 400, "invalid-version"),
        ({"If-Match": '"1"'}, 400, "idempotency-key-required"),
        ({"If-Match": '"1"', "Idempotency-Key": "k" * 129}, 400, "idempotency-key-required"),
    ],
)
def test_a_command_needs_version_and_key(console: Any, headers: dict[str, str], status: int, code: str) -> None:
    order = console.open_order()
    body = {"command": "file"}
    answer = console.client.post(f"/api/v1/orders/{order.order_id}/commands", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert console.store.get(order.order_id).order.stage == "new"


@pytest.mark.parametrize(
    "body",
    [{}, {"command": 5}, {"command": "file", "actor": "a"}, []],
)
def test_a_command_has_a_name_and_nothing_unknown(console: Any, body: object) -> None:
    order = console.open_order()
    headers = {"If-Match": '"1"', "Idempotency-Key": "k"}
    answer = console.client.post(f"/api/v1/orders/{order.order_id}/commands", json=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, PROBLEM_JSON)
    assert console.store.get(order.order_id).order.stage == "new"


def test_who_was_told_of_an_order(console: Any) -> None:
    order = console.open_order()
    new = NewDelivery(
        change_id=order.change_id, order_id=order.order_id, step="opened", channel="duty-room", due_ms=1_777_593_600_000
    )
    deliveries = console.store.deliveries()
    assert deliveries.claim("one", 60_000) is not None
    assert deliveries.queue("one", order.change_id, [new], 60_000)
    [told] = console.client.get(f"/api/v1/orders/{order.order_id}/notices").json()["notices"]
    assert (told["channel"], told["step"], told["state"]) == ("duty-room", "opened", "queued")
    assert console.client.get("/api/v1/orders/none/notices").status_code == 404
