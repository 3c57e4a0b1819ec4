"""The gateway's addresses: events in, nothing of the console, a trace in every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from haulwatch import logs
from haulwatch.bootstrap.devices import TokenBook
from haulwatch.console.gateway_app import create_gateway
from haulwatch.console.testing import SteeredIntake
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import Busy, SubmissionResult
from haulwatch.domain.text import Text
from haulwatch.metrics import Histogram

GOOD = json.dumps({"kind": "position", "event_id": "e1", "truck_id": "浙E12345"}).encode()
TOKEN = "hw_0123456789abcdef0123456789"
TOKENS = TokenBook([f"cam-07 {TOKEN}"])
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class TracedIntake(SteeredIntake):
    """Also keeps under which trace it was called."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: list[str | None] = []

    def submit(self, body: bytes, content_type: str) -> SubmissionResult:
        """Takes the events of one body."""
        self.traces.append(logs.TRACEPARENT.get())
        return super().submit(body, content_type)


@pytest.fixture
def intake() -> TracedIntake:
    return TracedIntake()


@pytest.fixture
def client(intake: TracedIntake) -> Iterator[TestClient]:
    latency = Histogram("ack_seconds", "Latency", (0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        latency.observe(value)

    def away() -> None:
        if intake.fail_with is not None:
            raise WorldError(Text("不在", "away"))

    app = create_gateway(
        intake, TOKENS, allowed_hosts={"gateway.city"}, checks={"kafka": away}, sources=[latency.samples]
    )
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(app, base_url="http://gateway.city", raise_server_exceptions=False, headers=headers) as client:
        yield client


def post(client: TestClient, **headers: str) -> Any:
    return client.post("/api/v1/events", content=GOOD, headers={"Content-Type": "application/json", **headers})


def test_a_trace_goes_from_the_caller_to_the_log_and_back(client: TestClient, intake: TracedIntake) -> None:
    answers = [post(client, traceparent=TRACE), post(client), post(client, traceparent="00-" + "0" * 32 + "-1-01")]
    told = [answer.headers["traceparent"] for answer in answers]
    assert told == intake.traces
    assert logs.trace_id(told[0]) == logs.trace_id(TRACE)
    assert len({logs.trace_id(parent) for parent in told}) == 3
    assert logs.TRACEPARENT.get() is None


def test_refusals_have_a_trace_too(client: TestClient, intake: TracedIntake) -> None:
    for error, status in (
        (Busy(), 429),
        (WorldError(Text("不在", "away"), retryable=True), 503),
    ):
        intake.fail_with = error
        answer = post(client, traceparent=TRACE)
        assert (answer.status_code, logs.trace_id(answer.headers["traceparent"])) == (status, logs.trace_id(TRACE))


def test_it_is_ready_when_its_checks_say_so(client: TestClient, intake: TracedIntake) -> None:
    assert client.get("/readyz").json() == {"status": "ok"}
    intake.fail_with = Busy()
    assert client.get("/readyz").json() == {"status": "waiting", "problems": {"kafka": {"zh": "不在", "en": "away"}}}
    assert client.get("/healthz").status_code == 200


def test_it_serves_events_and_nothing_else(client: TestClient) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    assert set(paths) == {"/api/v1/events", "/healthz", "/readyz", "/metrics"}
    assert [client.get(path).status_code for path in ("/", "/api/v1/orders", "/docs")] == [404] * 3
    assert client.get("/healthz", headers={"Host": "elsewhere"}).status_code == 421


def test_a_histogram_counts_up_to_each_bound(client: TestClient) -> None:
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith("haulwatch_ack_seconds")]
    assert lines == [
        'haulwatch_ack_seconds_bucket{le="0.1"} 2',
        'haulwatch_ack_seconds_bucket{le="1"} 3',
        'haulwatch_ack_seconds_bucket{le="+Inf"} 4',
        "haulwatch_ack_seconds_sum 7.65",
        "haulwatch_ack_seconds_count 4",
    ]
