"""Orders as files: what a spreadsheet shows, what another program reads, and nothing that is calculated."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec
import pytest
from sqlalchemy import create_engine, text

from haulwatch.domain.access import masked_plate
from haulwatch.domain.order_sheet import COLUMNS, csv_lines, json_parts, masked, shown
from haulwatch.domain.orders import Order
from haulwatch.domain.text import Text
from tests.logins import bearer


def rows(text: str) -> list[list[str]]:
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


def test_the_list_as_csv_has_every_order_newest_first(console: Any) -> None:
    ids = [console.open_order(number).order_id for number in range(1, 4)]
    answer = console.client.get("/api/v1/orders/export.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="orders.csv"'
    heads, *found = rows(answer.content.decode())
    assert heads[:3] == ["工单", "阶段", "类别"]
    assert [row[0] for row in found] == ids[::-1]
    assert rows(console.client.get("/api/v1/orders/export.csv?lang=en").content.decode())[0][0] == "order"


def test_the_list_as_json_and_its_filters(console: Any) -> None:
    one, two = (console.open_order(number) for number in (1, 2))
    assert [order["order_id"] for order in console.client.get("/api/v1/orders/export.json").json()] == [
        two.order_id,
        one.order_id,
    ]
    asked = console.client.get("/api/v1/orders/export.json", params={"truck_id": one.truck_id}).json()
    assert [order["order_id"] for order in asked] == [one.order_id]
    assert console.client.get("/api/v1/orders/export.json?stage=closed").json() == []


def test_a_wrong_question_is_told_before_anything_is_sent(console: Any) -> None:
    console.open_order()
    for name in ("export.csv", "export.json"):
        assert console.client.get(f"/api/v1/orders/{name}?since=yesterday").status_code == 422
        assert console.client.get(f"/api/v1/orders/{name}?stage=nonsense").status_code == 422


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "＝1", "\r=1"])
def test_a_cell_is_never_calculated(text: str) -> None:
    assert shown(text) == f"'{text}"


def test_numbers_stay_numbers() -> None:
    assert [shown(value) for value in (-1.5, 3, None, "浙E1", "")] == [-1.5, 3, None, "浙E1", ""]


def test_a_hidden_plate_stands_nowhere(console: Any) -> None:
    order: Order = console.open_order()
    told = Text(f"{order.truck_id} 超限", f"{order.truck_id} over")
    hidden = masked(msgspec.structs.replace(order, title=told, summary=told))
    assert order.truck_id not in msgspec.json.encode(hidden).decode()
    assert order.truck_id not in "".join(csv_lines([hidden], "zh"))


def test_no_orders_are_an_empty_table_and_an_empty_array() -> None:
    assert len(rows("".join(csv_lines([], "en")))) == 1
    assert len(rows("".join(csv_lines([], "en")))[0]) == len(COLUMNS)
    assert msgspec.json.decode(b"".join(json_parts([]))) == []


@pytest.mark.parametrize(
    ("role", "whole"),
    [
        ("dispatcher", True),
        ("duty_officer", True),
        ("verifier", True),
        ("auditor", True),
        ("operator", False),
        ("rule_approver", False),
        ("administrator", False),
        ("squad", False),
    ],
)
def test_plates_leave_the_house_with_those_who_work_on_cases(console: Any, role: str, whole: bool) -> None:
    order = console.open_order()
    console.command(order.order_id, "file")
    console.command(order.order_id, "dispatch", version=2, key="k2", squad_id="Q-1")
    headers = bearer(console.store, role, name=f"one-{role}")
    for name in ("export.csv", "export.json"):
        text = console.client.get(f"/api/v1/orders/{name}", headers=headers).text
        assert order.order_id in text
        assert (order.truck_id in text, masked_plate(order.truck_id) in text) == (whole, not whole)
    if role in ("operator", "rule_approver", "squad"):
        return
    text = console.client.get("/api/v1/offenders.csv?at_least=1&days=366", headers=headers).text
    assert (order.truck_id in text, masked_plate(order.truck_id) in text) == (whole, not whole)


def test_every_table_that_leaves_is_on_record_with_its_filter_and_count(console: Any) -> None:
    one, _two = (console.open_order(number) for number in (1, 2))
    headers = bearer(console.store, "auditor", name="审计")
    console.client.get("/api/v1/orders/export.csv", headers=headers)
    console.client.get("/api/v1/orders/export.json", params={"truck_id": one.truck_id})
    console.client.get("/api/v1/orders/export.csv?since=yesterday")
    engine = create_engine(console.store._engine.url)
    with engine.connect() as connection:
        entries = connection.execute(
            text("SELECT actor, detail FROM audit WHERE action = 'orders_exported' ORDER BY seq")
        ).all()
    engine.dispose()
    told = [(actor, msgspec.json.decode(detail)) for actor, detail in entries]
    assert [(actor, said["form"], said["orders"], said["filter"], said["plates"]) for actor, said in told] == [
        ("service:审计", "csv", 2, {}, True),
        ("service:李四", "json", 1, {"truck_id": one.truck_id}, True),
    ]
    assert console.store.verify().problem is None
