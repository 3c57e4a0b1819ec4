"""Which squads could go to an order, the likeliest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from msgspec.structs import replace

from haulwatch.console.api.nearest import near
from haulwatch.console.testing import LAT, LON
from haulwatch.domain.orders import Order, Task
from haulwatch.domain.registry import Hours, Squad

CENTRES = {"D-1": (LON, LAT), "D-2": (LON + 0.1, LAT)}
NOON = 12 * 60
LAW = Squad(squad_id="Q-1", district_zone="D-1", level="district", departments=("law",), hours=(Hours(480, 1020),))


@pytest.fixture
def order(console: Any) -> Order:
    found: Order = console.open_order()
    return replace(found, jurisdictions=["D-1"], tasks=[Task(department="law")])


def test_the_squads_of_an_order(console: Any) -> None:
    order = console.open_order()
    answer = console.client.get(f"/api/v1/orders/{order.order_id}/nearest")
    assert answer.status_code == 200
    squads = answer.json()["squads"]
    assert [squad["squad_id"] for squad in squads] == ["Q-1", "Q-2"]
    assert {squad["distance_m"] for squad in squads} == {None}, "nobody knows where they are"
    assert all(squad["on_duty"] and squad["open_orders"] == 0 for squad in squads)
    asked = datetime.fromisoformat(answer.json()["at"])
    assert abs((datetime.now(UTC) - asked).total_seconds()) < 60


def test_who_has_less_to_do_comes_first(console: Any) -> None:
    order = console.open_order()
    console.command(order.order_id, "file")
    console.command(order.order_id, "dispatch", 2, "k2", squad_id="Q-1")
    other = console.open_order(2)
    squads = console.client.get(f"/api/v1/orders/{other.order_id}/nearest").json()["squads"]
    assert [(squad["squad_id"], squad["open_orders"]) for squad in squads] == [("Q-2", 0), ("Q-1", 1)]


def test_an_order_that_is_not_there(client_only: TestClient) -> None:
    assert client_only.get("/api/v1/orders/HW-20260501-9999/nearest").status_code == 404


@pytest.fixture
def client_only(console: Any) -> TestClient:
    client: TestClient = console.client
    return client


def test_a_squad_in_its_own_zone_is_there(order: Order) -> None:
    found = near(order, LAW, CENTRES, None, NOON, 3)
    assert (found.distance_m, found.measured_from, found.open_orders) == (0, "inside", 3)
    assert (found.on_duty, found.competent) == (True, True)


def test_elsewhere_it_comes_from_the_centre_of_its_zone(order: Order) -> None:
    found = near(order, replace(LAW, district_zone="D-2"), CENTRES, None, NOON, 0)
    assert found.measured_from == "centre"
    assert found.distance_m == pytest.approx(0.096 * 95_600, rel=0.01)


def test_where_a_squad_said_it_is_counts_more(order: Order) -> None:
    assert order.lon is not None
    assert order.lat is not None
    found = near(order, LAW, CENTRES, (order.lon, order.lat + 0.01), NOON, 0)
    assert (found.distance_m, found.measured_from) == (pytest.approx(1_109, rel=0.01), "position")


def test_hours_and_departments(order: Order) -> None:
    assert not near(order, LAW, CENTRES, None, 1020, 0).on_duty
    assert not near(order, replace(LAW, departments=("water",)), CENTRES, None, NOON, 0).competent
    assert near(replace(order, tasks=[]), replace(LAW, departments=()), CENTRES, None, NOON, 0).competent


def test_without_a_place_only_the_zone_is_known(order: Order) -> None:
    lost = replace(order, lon=None, lat=None)
    assert near(lost, LAW, CENTRES, None, NOON, 0).distance_m == 0
    assert near(lost, replace(LAW, district_zone="D-2"), CENTRES, None, NOON, 0).distance_m is None
