"""The real `haulwatch gateway`: what it needs to begin, what it answers, how it ends, with and without its broker."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka_cities import publish_city
from connectors.kafka_topics import create
from haulwatch import logs
from haulwatch.city import build_city, pack_city
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of, position
from haulwatch.wire import encode_event
from tests.connectors.kafka.log import logged, records
from tests.e2e.api import figures_of
from tests.e2e.children import Child, wait_until
from tests.kafka.broker import Broker
from tests.servers import free_port

PARTITIONS = 3
WAIT_S = 90.0
TOKEN = "only-in-tests-" + "7" * 32
Gateway = Callable[[ClusterSettings], Child]


@pytest.fixture
def gateway_on(tmp_path: Path) -> Iterator[Gateway]:
    started: list[Child] = []

    def start(settings: ClusterSettings) -> Child:
        address = f"127.0.0.1:{free_port()}"
        where = ("--kafka", settings.kafka, "--topic-prefix", settings.topic_prefix, "--http", address)
        environment = {"HAULWATCH_LOG_FORMAT": "json", "HAULWATCH_GATEWAY_TOKENS": f"scale-1 {TOKEN}"}
        child = Child("gateway", ("gateway", *where), f"http://{address}", tmp_path / "gateway.log", environment)
        child.start()
        started.append(child)
        wait_until(lambda: answers(child) or not child.running, "it answers, or has ended", WAIT_S)
        assert child.running, child.tail()
        return child

    yield start
    for child in started:
        child.kill()


def answers(child: Child) -> bool:
    try:
        return get(child, "/healthz")[0] == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def get(child: Child, path: str, token: str | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return call(urllib.request.Request(child.url + path, headers=headers))[:2]


def post(child: Child, body: bytes, headers: dict[str, str] | None = None) -> tuple[int, Any, Message]:
    sent = {"Content-Type": "application/x-ndjson", **(headers or {})}
    return call(urllib.request.Request(f"{child.url}/api/v1/events", body, sent, method="POST"))


def call(request: urllib.request.Request) -> tuple[int, Any, Message]:
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error), error.headers


def deploy(settings: ClusterSettings) -> None:
    files = city_files_of()
    publish_city(settings, build_city(files).city_hash, pack_city(files))


def one(name: str) -> bytes:
    return encode_event(position(0, event_id=name))


def said(child: Child) -> list[dict[str, Any]]:
    return [json.loads(line) for line in child.log.read_text().splitlines()]


def test_where_it_cannot_begin_it_says_why_and_ends_with_3(cluster: ClusterSettings) -> None:
    def run(*options: str) -> str:
        command = [sys.executable, "-m", "haulwatch.cli.main", "gateway", "--lang", "en", *options]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert done.returncode == 3
        assert "Traceback" not in done.stderr
        return done.stderr

    here = ("--kafka", cluster.kafka, "--topic-prefix", cluster.topic_prefix)
    assert "haulwatch topics create" in run(*here)
    nobody = f"127.0.0.1:{free_port()}"
    assert nobody in run("--kafka", nobody)
    assert "HAULWATCH_KAFKA" in run()
    assert "HOST:PORT" in run(*here, "--http", "8081")


def test_it_is_ready_when_a_city_is_deployed(gateway_on: Gateway, cluster: ClusterSettings) -> None:
    create(cluster, PARTITIONS)
    gateway = gateway_on(cluster)
    status, body = get(gateway, "/readyz")
    assert (status, list(body["problems"])) == (503, ["city"])
    deploy(cluster)
    wait_until(lambda: get(gateway, "/readyz") == (200, {"status": "ok"}), "it is ready", WAIT_S)
    assert get(gateway, "/api/v1/openapi.json")[0] == 401
    paths = get(gateway, "/api/v1/openapi.json", TOKEN)[1]["paths"]
    assert set(paths) == {"/api/v1/events", "/healthz", "/readyz", "/metrics"}
    assert get(gateway, "/api/v1/orders")[0] == 404
    assert gateway.stop() == 0


def test_what_it_answers_is_in_the_log_and_told_with_its_trace(gateway_on: Gateway, cluster: ClusterSettings) -> None:
    create(cluster, PARTITIONS)
    gateway = gateway_on(cluster)
    parent = logs.traceparent()
    status, body, headers = post(gateway, one("a") + b"\n" + one("b"), {"traceparent": parent})
    assert (status, body) == (202, {"accepted": 2, "duplicates": 0})
    assert logs.trace_id(headers["traceparent"]) == logs.trace_id(parent)
    status, body, headers = post(gateway, one("b") + b"\n{broken\n" + one("c"), {"traceparent": "nonsense"})
    assert (status, body["accepted"], body["duplicates"]) == (400, 1, 1)
    assert [(error["line"], error["code"]) for error in body["errors"]] == [(2, "not_json")]
    begun = logs.trace_id(headers["traceparent"])
    assert begun not in (None, logs.trace_id(parent))

    assert sorted(event_id for _, _, event_id in logged(cluster)) == ["a", "b", "c"]
    [letter] = records(cluster, cluster.topics.dead_letters)
    assert json.loads(letter.value)["raw"] == "{broken"
    [told] = [line for line in said(gateway) if line["message"] == "events taken"]
    assert (told["trace"], told["accepted"], told["duplicates"], told["refused"]) == (begun, 1, 1, {"not_json": 1})
    figures = figures_of(gateway.url)
    assert figures['haulwatch_gateway_events_total{outcome="accepted"}'] == 3
    assert figures['haulwatch_gateway_events_total{outcome="duplicate"}'] == 1
    assert figures['haulwatch_gateway_dead_letters_total{code="not_json"}'] == 1
    assert figures["haulwatch_gateway_ack_seconds_count"] == 2
    assert gateway.stop() == 0


def test_it_lives_through_an_outage_says_so_and_ends_well_within_one(gateway_on: Gateway, own_broker: Broker) -> None:
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="town")
    create(settings, PARTITIONS)
    deploy(settings)
    gateway = gateway_on(settings)
    wait_until(gateway.ready, "it is ready", WAIT_S)
    assert post(gateway, one("before"))[0] == 202

    own_broker.kill()
    status, body, headers = post(gateway, one("lost"))
    assert (status, body["code"], headers["Retry-After"]) == (503, "unavailable", "5")
    assert "Kafka" in body["text"]["en"]
    began = time.monotonic()
    assert post(gateway, one("lost"))[0] == 503
    assert time.monotonic() - began < 5, "known to be away, it says so at once"
    status, body = get(gateway, "/readyz")
    assert status == 503
    assert "kafka" in body["problems"]
    assert get(gateway, "/healthz")[0] == 200

    own_broker.start()
    wait_until(gateway.ready, "it is ready again", WAIT_S)
    wait_until(lambda: post(gateway, one("after"))[0] == 202, "it takes events again", WAIT_S)
    assert {"before", "after"} <= {event_id for _, _, event_id in logged(settings)}

    own_broker.kill()
    began = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - began < 20
    lines = said(gateway)
    assert [line["message"] for line in lines if line["logger"].startswith("kafka")] == []
    assert {"Kafka is away", "Kafka is back", "stopped"} <= {line["message"] for line in lines}
