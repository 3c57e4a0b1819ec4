"""The real `haulwatch console` on a real Kafka and real databases: through kills, outages and changes of the city."""

from __future__ import annotations

import json
import random
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy.engine import make_url

from connectors.kafka_topics import create
from haulwatch.cli.main import main
from haulwatch.console.testing import truck
from haulwatch.dispatch.store import open_store
from haulwatch.settings import ClusterSettings
from haulwatch.testing import SETTINGS
from tests.e2e.api import answer_of, figures_of
from tests.e2e.children import Child, wait_until
from tests.e2e.consoles import MS, PARTITIONS, Consoles
from tests.kafka.broker import Broker
from tests.postgresql.server import Postgres

KILLS = 5
WAIT_S = 60.0

RULE = """\
rules:
  - id: overweight-wim
    title: {zh: 超限, en: Overweight}
    category: overweight
    severity: major
    status: active
    owner: 治超科
    law: [cn-air-116]
    match: {on: weighing, where: gross_kg > 30000}
    episode: {key: [truck_id], cooldown: 30m}
    work_order: {urgency: URGENCY, departments: [交警]}
    runbook: {zh: RUNBOOK}
    examples:
      - name: 超
        truck: {axle_count: 4}
        events: [{t: 0s, on: weighing, station_id: W-1, gross_kg: 36000}]
        until: 1m
        expect: [{at: 0s, category: overweight}]
      - name: 不超
        truck: {axle_count: 4}
        events: [{t: 0s, on: weighing, station_id: W-1, gross_kg: 20000}]
        until: 1m
        expect: []
"""


@pytest.fixture
def consoles_on(tmp_path: Path) -> Iterator[Callable[[ClusterSettings], Consoles]]:
    made: list[Consoles] = []

    def make(settings: ClusterSettings) -> Consoles:
        made.append(Consoles(settings, tmp_path))
        return made[-1]

    yield make
    for child in (child for one in made for child in one.children):
        child.kill()


@pytest.fixture
def consoles(
    cluster: ClusterSettings, database_url: str, consoles_on: Callable[[ClusterSettings], Consoles]
) -> Consoles:
    """On the shared Kafka, with SQLite and with PostgreSQL."""
    return consoles_on(cluster.model_copy(update={"database": database_url}))


def orders_at(child: Child) -> list[dict[str, Any]]:
    """All orders, page by page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = child.get(f"/api/v1/orders?limit=200{cursor}")
        found += page["orders"]
        if not page["next_cursor"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def ready(child: Child) -> dict[str, Any]:
    """What is not ready, by name."""
    try:
        answer_of(f"{child.url}/readyz")
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error)["problems"])
    return {}


def count(child: Child) -> int:
    return sum(child.get("/api/v1/orders/counts")["counts"].values())


def status(url: str, data: bytes | None = None) -> int:
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def wait_up(child: Child) -> None:
    """Until it answers at all."""

    def answers() -> bool:
        assert child.running, child.tail()
        try:
            return status(f"{child.url}/healthz") == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    wait_until(answers, "it answers", WAIT_S)


@pytest.mark.kafka
def test_from_no_city_to_the_next_one(consoles: Consoles) -> None:
    child = consoles.add()
    wait_up(child)
    wait_until(lambda: list(ready(child)) == ["city"], "only the city is missing", WAIT_S)
    assert "haulwatch city deploy" in ready(child)["city"]["en"]
    assert status(f"{child.url}/") == 200
    city = child.get("/api/v1/city")
    assert (city["name"]["en"], city["zones"]["features"]) == ("no city deployed", [])

    consoles.deploy(RULE.replace("URGENCY", "low").replace("RUNBOOK", "甲"))
    child.wait_ready()
    assert child.get("/api/v1/city")["name"]["en"] == "Test"
    consoles.find(1)
    wait_until(lambda: count(child) == 1, "an order", WAIT_S)

    other = SETTINGS.replace("Test", "Other").replace("Asia/Shanghai", "America/Los_Angeles")
    consoles.deploy(RULE.replace("URGENCY", "urgent").replace("RUNBOOK", "乙"), other)
    wait_until(lambda: child.get("/api/v1/city")["name"]["en"] == "Other", "the other city", WAIT_S)
    consoles.find(2)
    wait_until(lambda: count(child) == 2, "another order", WAIT_S)
    newer, older = orders_at(child)
    assert [(older["urgency"], older["order_id"]), (newer["urgency"], newer["order_id"])] == [
        ("low", "HW-20260501-0001"),
        ("urgent", "HW-20260430-0001"),
    ]
    assert child.get(f"/api/v1/orders/{newer['order_id']}")["runbook"]["zh"] == "乙"


@pytest.mark.kafka
def test_events_are_the_gateways(consoles: Consoles) -> None:
    consoles.deploy()
    child = consoles.add()
    child.wait_ready()
    assert status(f"{child.url}/api/v1/events", b"[]") == 404
    assert "/api/v1/events" not in child.get("/api/v1/openapi.json")["paths"]


@pytest.mark.kafka
def test_breaches_become_orders_on_the_page_and_in_the_topic(consoles: Consoles) -> None:
    consoles.deploy()
    consoles.write(consoles.settings.topics.trucks, {"浙E00001": msgspec.json.encode(truck("浙E00001", MS))})
    child = consoles.add()
    child.wait_ready()
    consoles.find(*range(20))
    wait_until(lambda: count(child) == 20, "twenty orders", WAIT_S)
    assert [one["truck_id"] for one in child.get("/api/v1/trucks")["trucks"]] == ["浙E00001"]
    wait_until(lambda: len(consoles.work_orders()) == 20, "twenty in the topic", WAIT_S)
    figures = figures_of(child.url)
    assert figures['haulwatch_breaches_total{outcome="opened"}'] == 20
    assert figures["haulwatch_orders_publisher"] == 1
    assert child.stop() == 0


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_again_and_again_under_load(consoles: Consoles) -> None:
    consoles.deploy()
    child = consoles.add()
    child.wait_ready()
    sent, done = 0, threading.Event()

    def load() -> None:
        nonlocal sent
        while not done.wait(0.2):
            consoles.find(*range(sent, sent + 25))
            sent += 25

    loader = threading.Thread(target=load)
    loader.start()
    rng = random.Random(3)
    try:
        for _kill in range(KILLS):
            wait_up(child)
            before = count(child)
            # At work again after the last kill; then a random moment of it.
            wait_until(lambda before=before: count(child) > before, "new orders", WAIT_S)
            done.wait(rng.uniform(0.0, 0.5))
            child.kill()
            child.start()
    finally:
        done.set()
        loader.join()
    wait_up(child)
    wait_until(lambda: count(child) >= sent, f"{sent} orders", WAIT_S)
    orders = orders_at(child)
    assert {order["breach_id"] for order in orders} == {f"b{n}" for n in range(sent)}
    assert len(orders) == sent
    with_ids = {order["order_id"]: order for order in orders}

    def published() -> bool:
        last = consoles.work_orders()
        return {key: msgspec.to_builtins(order) for key, order in last.items()} == with_ids

    wait_until(published, "the current state of each order in the topic", WAIT_S, 1.0)
    assert child.stop() == 0
    store = open_store(consoles.settings.database)
    assert store.verify().problem is None
    store.close()


@pytest.mark.kafka
@pytest.mark.timeout(300)
def test_two_consoles_at_once_and_one_is_killed(consoles: Consoles) -> None:
    consoles.deploy()
    first, second = consoles.add(), consoles.add()
    first.wait_ready()
    second.wait_ready()
    sent = 0
    name = 'haulwatch_breaches_total{outcome="opened"}'
    while not all(figures_of(child.url).get(name, 0) for child in (first, second)):
        consoles.find(*range(sent, sent + 20))
        sent += 20
        wait_until(lambda sent=sent: count(first) == sent, f"{sent} orders", WAIT_S)
        assert sent < 4000, "one of them never gets a share"
    assert sum(figures_of(child.url)["haulwatch_orders_publisher"] for child in (first, second)) == 1
    first.kill()
    consoles.find(*range(sent, sent + 100))
    sent += 100
    wait_until(lambda: count(second) == sent, f"{sent} orders", WAIT_S)
    wait_until(lambda: len(consoles.work_orders()) == sent, "all of them published", WAIT_S, 0.5)
    assert second.stop() == 0


@pytest.mark.kafka
@pytest.mark.postgresql
@pytest.mark.timeout(300)
def test_a_database_that_goes_and_comes_back(
    cluster: ClusterSettings, own_postgres: Postgres, consoles_on: Callable[[ClusterSettings], Consoles]
) -> None:
    url = own_postgres.url().render_as_string(hide_password=False)
    consoles = consoles_on(cluster.model_copy(update={"database": url}))
    consoles.deploy()
    child = consoles.add()
    child.wait_ready()
    consoles.find(*range(10))
    wait_until(lambda: count(child) == 10, "ten orders", WAIT_S)
    own_postgres.kill()
    consoles.find(*range(10, 40))
    wait_until(lambda: {"orders", "intake", "work-orders"} <= set(ready(child)), "it says so", WAIT_S)
    assert make_url(url).password is None or str(make_url(url).password) not in json.dumps(ready(child))
    own_postgres.start()
    wait_until(lambda: not ready(child), "ready again", WAIT_S)
    wait_until(lambda: count(child) == 40, "the orders of meanwhile", WAIT_S)
    wait_until(lambda: len(consoles.work_orders()) == 40, "all of them published", WAIT_S, 0.5)
    own_postgres.stop()
    wait_until(lambda: "orders" in ready(child), "it says so again", WAIT_S)
    assert child.stop() == 0


@pytest.mark.kafka
@pytest.mark.timeout(300)
def test_a_broker_that_goes_and_comes_back(
    own_broker: Broker, tmp_path: Path, consoles_on: Callable[[ClusterSettings], Consoles]
) -> None:
    database = f"sqlite:///{tmp_path}/orders.sqlite"
    consoles = consoles_on(ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="t", database=database))
    consoles.deploy()
    child = consoles.add()
    child.wait_ready()
    consoles.find(1)
    wait_until(lambda: count(child) == 1, "an order", WAIT_S)
    own_broker.kill()
    wait_until(lambda: {"kafka", "intake", "trucks"} <= set(ready(child)), "it says so", WAIT_S)
    assert count(child) == 1, "the orders are there all the same"
    own_broker.start()
    own_broker.wait_ready()
    wait_until(lambda: not ready(child), "ready again", WAIT_S)
    consoles.find(2)
    consoles.deploy(settings=SETTINGS.replace("Test", "Other"))
    wait_until(lambda: count(child) == 2, "another order", WAIT_S)
    wait_until(lambda: len(consoles.work_orders()) == 2, "both published", WAIT_S, 0.5)
    wait_until(lambda: child.get("/api/v1/city")["name"]["en"] == "Other", "the other city", WAIT_S)
    own_broker.kill()
    wait_until(lambda: "kafka" in ready(child), "it says so again", WAIT_S)
    assert child.stop() == 0


@pytest.mark.kafka
def test_poison_does_not_keep_a_console_from_starting(consoles: Consoles) -> None:
    consoles.deploy()
    topics = consoles.settings.topics
    for topic in (topics.breaches, topics.trucks, topics.cities):
        consoles.write(topic, {f"k{n}": raw for n, raw in enumerate((b"", b"\xff\x00", b"{}", b"[" * 100_000))})
    consoles.find(1, 2)
    child = consoles.add()
    child.wait_ready()
    wait_until(lambda: count(child) == 2, "the good ones are orders", WAIT_S)
    wait_until(lambda: not ready(child), "ready", WAIT_S)

    def kept_aside() -> float:
        figures = figures_of(child.url)
        return sum(value for name, value in figures.items() if name.startswith("haulwatch_dead_letters_total"))

    wait_until(lambda: kept_aside() == 8, "the bad ones are kept aside", WAIT_S)


class TestRefuses:
    """One sentence and exit code 3, never a traceback."""

    @staticmethod
    def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
        assert main(["console", "--http", "127.0.0.1:0", "--lang", "en", *arguments]) == 3
        told = capsys.readouterr().err
        assert "Traceback" not in told
        return told.strip().splitlines()[-1]

    def test_without_kafka(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "no Kafka given" in self.said(capsys)

    def test_where_no_kafka_is(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "127.0.0.1:1" in self.said(capsys, "--kafka", "127.0.0.1:1", "--database", "sqlite://")

    @pytest.mark.kafka
    def test_without_topics(self, capsys: pytest.CaptureFixture[str], cluster: ClusterSettings) -> None:
        given = ("--kafka", cluster.kafka, "--topic-prefix", cluster.topic_prefix, "--database", "sqlite://")
        assert "haulwatch topics create" in self.said(capsys, *given)

    @pytest.mark.kafka
    def test_without_a_database(self, capsys: pytest.CaptureFixture[str], cluster: ClusterSettings) -> None:
        create(cluster, PARTITIONS)
        given = ("--kafka", cluster.kafka, "--topic-prefix", cluster.topic_prefix)
        assert "no order database given" in self.said(capsys, *given)
        assert "127.0.0.1" in self.said(capsys, *given, "--database", "postgresql://nobody@127.0.0.1:1/orders")
