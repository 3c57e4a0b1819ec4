"""What must hold of the system in either form, embedded or as a cluster, as its users see it: over HTTP."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.children import wait_until
from tests.e2e.cluster import PARTITIONS, Cluster
from tests.e2e.embedded import Running
from tests.e2e.traffic import batches, closing, essence, orders_offline, post_all, shaken, synthesise
from tests.e2e.village import PLATE, weighing, write_village

System = Running | Cluster
Start = Callable[[Path], System]
EVENTS_S = 60.0


@pytest.fixture(
    params=["embedded", pytest.param("cluster", marks=[pytest.mark.kafka, pytest.mark.postgresql])],
)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Starts the system on a city folder; it is ready when given, and taken away at the end."""
    with ExitStack() as stack:

        def started(city: Path) -> System:
            if request.param == "embedded":
                return stack.enter_context(Running(city, tmp_path / "data"))
            settings, database = request.getfixturevalue("cluster"), request.getfixturevalue("postgres_database")
            return stack.enter_context(
                Cluster(city, tmp_path / "cluster", settings.kafka, database, prefix=settings.topic_prefix)
            )

        yield started


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic city and two hours of its noisy traffic."""
    return synthesise(tmp_path_factory.mktemp("town"), trucks=36, hours=2, seed=20260501, noise="high")


@pytest.fixture(scope="module")
def village(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city with a rule of its own."""
    return write_village(tmp_path_factory.mktemp("village"))


def body_of(*events: dict[str, Any]) -> bytes:
    return json.dumps(events, ensure_ascii=False).encode()


def timeless(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Orders without what the passing of time alone changes: reminders, supervision, and the number of the change."""
    still = [{name: order[name] for name in order if name not in ("supervision", "change_id")} for order in orders]
    return [order | {"clock": {**(order["clock"] or {}), "marked_pct": None}} for order in still]


@pytest.mark.timeout(300)
def test_orders_are_those_of_a_replay_and_stay_so(start: Start, town: Path) -> None:
    lines = (town / "events.ndjson").read_bytes().splitlines()
    lines += closing(lines, PARTITIONS)
    expected = essence(orders_offline(town / "city", lines))
    assert len(expected) >= 10, "the traffic must lead to orders, else nothing is shown here"
    system = start(town / "city")
    taken = sum(answer["accepted"] for answer in post_all(system, batches(lines)))
    system.settle()
    orders = system.orders()
    assert essence(orders) == expected
    assert len(orders) == len(expected), "an episode is one order"

    again = post_all(system, batches(lines))
    assert sum(answer["accepted"] + answer["duplicates"] for answer in again) >= taken
    system.settle()
    assert timeless(system.orders()) == timeless(orders), "what was sent again changes nothing"

    system.kill()
    system.restart()
    system.wait_ready()
    assert timeless(system.orders()) == timeless(orders), "a restart keeps everything"


@pytest.mark.timeout(300)
def test_disorder_and_repetition_within_lateness_change_nothing(start: Start, town: Path) -> None:
    lines = (town / "events.ndjson").read_bytes().splitlines()[:4_000]
    end = closing(lines, PARTITIONS)
    expected = essence(orders_offline(town / "city", lines + end))
    assert expected
    system = start(town / "city")
    post_all(system, batches(shaken(lines, random.Random(5))))
    post_all(system, batches(end))
    system.settle()
    assert essence(system.orders()) == expected


@pytest.mark.timeout(120)
def test_a_rule_of_the_citys_own_makes_an_order_within_seconds(start: Start, village: Path) -> None:
    system = start(village)
    status, answer = system.post(body_of(weighing("w-1")), "application/json")
    assert (status, answer["accepted"]) == (202, 1)
    wait_until(lambda: bool(system.orders()), "the order", EVENTS_S)
    (order,) = system.orders()
    assert (order["rule_id"], order["category"], order["truck_id"]) == ("heavy-at-the-gate", "overweight", PLATE)
    detail = system.get(f"/api/v1/orders/{order['order_id']}")
    assert "w-1" in json.dumps(detail), "an order names what it rests on"


@pytest.mark.timeout(120)
def test_bad_events_are_told_one_by_one_and_good_ones_kept(start: Start, village: Path) -> None:
    system = start(village)
    body = body_of(
        weighing("w-1"),
        weighing("w-2", -5),
        {"kind": "tick", "at": "2026-05-01T00:00:00Z"},
        weighing("w-3", "heavy"),
        {"kind": "city_activated", "at": "2026-05-01T00:00:00Z", "city_hash": "nonsense"},
        weighing("w-4", 20_000, truck_id="浙E00002"),
    )
    status, answer = system.post(body, "application/json")
    assert status == 400
    assert [(error["index"], error["code"]) for error in answer["errors"]] == [
        (1, "out_of_range"),
        (2, "not_an_observation"),
        (3, "wrong_type"),
        (4, "not_an_observation"),
    ]
    assert [error["event_id"] for error in answer["errors"]] == ["w-2", None, "w-3", None]
    assert answer["accepted"] == 2
    wait_until(lambda: bool(system.orders()), "the order of the good one", EVENTS_S)
    assert [order["truck_id"] for order in system.orders()] == [PLATE]

    assert system.post(b"\xff\xfe", "application/json")[0] == 400
    assert system.post(b"{}", "text/plain")[0] == 415
    status, answer = system.post(body_of(weighing("w-4", 20_000, truck_id="浙E00002")), "application/json")
    assert (status, answer["accepted"], answer["duplicates"]) == (202, 0, 1)
