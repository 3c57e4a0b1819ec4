"""For those who run it: health, figures, the API's own description."""

from __future__ import annotations

import re
from typing import Any

from fastapi.testclient import TestClient

from haulwatch.console.app import create_app
from haulwatch.console.metering import Durations
from haulwatch.console.testing import SteeredFeed, SteeredIntake, small_city
from haulwatch.dispatch.store import OrderStore
from haulwatch.domain.errors import Elsewhere, WorldError
from haulwatch.domain.text import Text
from haulwatch.metrics import Counters, Sample, render


def test_alive_and_ready(console: Any) -> None:
    assert console.client.get("/healthz").json() == {"status": "ok"}
    assert console.client.get("/readyz").json() == {"status": "ok"}


def test_not_ready_says_what_it_waits_for_and_stays_alive(store: OrderStore) -> None:
    def disk_full() -> None:
        raise WorldError(Text("磁盘已满", "disk full"))

    app = create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), checks={"log": disk_full})
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "waiting", "problems": {"log": {"zh": "磁盘已满", "en": "disk full"}}}
        assert client.get("/healthz").status_code == 200


def test_somebody_elses_service_that_is_away_is_told_and_the_rest_goes_on(store: OrderStore) -> None:
    def broker_away() -> None:
        raise Elsewhere(Text("服务器不在", "the broker is away"), retryable=True)

    app = create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), checks={"mqtt": broker_away})
    with TestClient(app, base_url="http://localhost") as client:
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "problems": {"mqtt": {"zh": "服务器不在", "en": "the broker is away"}}}


def test_figures_name_routes_not_orders(console: Any) -> None:
    order = console.open_order()
    console.client.get(f"/api/v1/orders/{order.order_id}")
    text = console.client.get("/metrics").text
    assert 'haulwatch_orders{stage="new"} 1' in text
    assert 'route="/api/v1/orders/{order_id}"' in text
    assert order.order_id not in text


def test_every_line_of_the_figures_is_in_the_text_format(console: Any) -> None:
    console.client.get("/api/v1/orders")
    sample = re.compile(r'^haulwatch_\w+(\{(\w+="([^"\\]|\\.)*",?)+\})? -?[\d.e+-]+$')
    lines = console.client.get("/metrics").text.splitlines()
    assert lines
    assert [line for line in lines if not line.startswith("# ") and not sample.match(line)] == []


def test_a_name_is_announced_once_and_large_counts_keep_their_digits() -> None:
    counters = Counters()
    counters.add("a_total", "What a counts", 12_345_678, kind='x"\\y')
    counters.add("a_total", "What a counts", 1, kind="z")
    assert render([*counters.samples(), Sample("b", "b now", 0.5)]).splitlines() == [
        "# HELP haulwatch_a_total What a counts",
        "# TYPE haulwatch_a_total counter",
        'haulwatch_a_total{kind="x\\"\\\\y"} 12345678',
        'haulwatch_a_total{kind="z"} 1',
        "# HELP haulwatch_b b now",
        "# TYPE haulwatch_b gauge",
        "haulwatch_b 0.5",
    ]


def test_a_histogram_adds_up() -> None:
    durations = Durations()
    for seconds in (0.001, 0.01, 0.01, 9):
        durations.observe("GET", "/x", 200, seconds)
    lines = render(durations.samples()).splitlines()
    counts = [line.rsplit(" ", 1)[1] for line in lines if "_bucket" in line]
    assert counts == ["1", "3", "3", "3", "3", "4"]
    assert lines[-1].endswith("} 4")


def test_every_route_is_described_and_every_reference_leads_somewhere(console: Any) -> None:
    document = console.client.get("/api/v1/openapi.json").json()
    assert {
        "/api/v1/events",
        "/api/v1/orders",
        "/api/v1/orders/counts",
        "/api/v1/orders/{order_id}",
        "/api/v1/orders/{order_id}/commands",
        "/api/v1/orders/{order_id}/notices",
        "/api/v1/me",
        "/api/v1/life-cycle",
        "/api/v1/city",
        "/api/v1/city/basemap",
        "/api/v1/trucks",
        "/api/v1/live",
        "/healthz",
        "/readyz",
        "/metrics",
    } <= set(document["paths"])
    references = set(re.findall(r'"#/components/schemas/([^"]+)"', console.client.get("/api/v1/openapi.json").text))
    assert references <= set(document["components"]["schemas"])
    assert {"Order", "Breach", "Position", "ProblemBody"} <= references


def test_the_page_is_asked_for_again_and_vendored_files_are_kept(console: Any) -> None:
    page = console.client.get("/orders/HW-1")
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-cache"
    (library,) = re.findall(r'src="(/static/vendor/[^"]+)"', page.text)
    assert "immutable" in console.client.get(library).headers["cache-control"]
    assert console.client.get("/static/js/main.js").headers["cache-control"] == "no-cache"
    assert console.client.get("/static/vendor/nothing.js").headers["content-type"] == "application/problem+json"
