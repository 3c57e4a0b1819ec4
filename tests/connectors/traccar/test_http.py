"""`/ingest/traccar`: who may send, when it is answered, and what the answers are."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from connectors.traccar.feed import Traccar
from connectors.traccar.reports import MAX_REPORT_BYTES
from connectors.traccar.settings import TraccarSettings
from haulwatch.console import problems
from haulwatch.domain.events import Position
from haulwatch.domain.registry import Truck
from haulwatch.metrics import Sample
from tests.connectors.held_log import PLATE, TRUCKS, HeldLog, gate_to
from tests.connectors.traccar.device import encoded, report

TOKEN = {"Authorization": "Bearer of-traccar"}
JSON = {"Content-Type": "application/json"}
URL = "/ingest/traccar"


@contextmanager
def served(log: HeldLog, tmp_path: Path, trucks: Sequence[Truck] = TRUCKS) -> Iterator[tuple[TestClient, Traccar]]:
    (tmp_path / "token").write_text("of-traccar\n")
    settings = TraccarSettings.model_validate({"http": {"token": f"file:{tmp_path}/token"}})
    with gate_to(log, trucks) as gate:
        feed = Traccar(settings, gate)
        feed.start()
        app = FastAPI()
        problems.install(app)
        for router in feed.routers:
            app.include_router(router)
        with TestClient(app) as client:
            yield client, feed
        feed.check()
        feed.stop()


def figures(samples: list[Sample]) -> dict[tuple[str, ...], float]:
    return {(one.name, *(value for _, value in one.labels)): one.value for one in samples}


def test_a_report_is_answered_when_it_is_durable(tmp_path: Path) -> None:
    log = HeldLog()
    log.open.clear()
    with served(log, tmp_path) as (client, _feed), ThreadPoolExecutor() as pool:
        answer = pool.submit(client.post, URL, content=encoded(report()), headers=TOKEN | JSON)
        assert not threading.Event().wait(0.2)
        assert not answer.done()
        log.open.set()
        assert answer.result().json() == {"accepted": 1, "refused": []}
    [event] = log.events
    assert isinstance(event, Position)
    assert event.truck_id == PLATE


def test_an_address_that_traccar_calls(tmp_path: Path) -> None:
    log = HeldLog()
    query = {"uniqueId": "box-7", "fixTime": "1777624200000", "latitude": "30.86", "longitude": "120.1", "speed": "10"}
    with served(log, tmp_path) as (client, _feed):
        taken = client.get(URL, params=query | {"token": "of-traccar"})
        bad = client.get(URL, params=query | {"token": "of-traccar", "fixTime": "noon"})
    assert (taken.status_code, taken.json()["accepted"]) == (200, 1)
    assert bad.json()["refused"] == ["bad_value"]
    assert [event.truck_id for event in log.events if isinstance(event, Position)] == ["浙E00002"]
    assert "of-traccar" not in log.letters[0].raw


def test_a_stranger_is_not_heard(tmp_path: Path) -> None:
    log = HeldLog()
    with served(log, tmp_path) as (client, feed):
        assert client.post(URL, content=encoded(report())).status_code == 401
        assert client.post(URL, content=encoded(report()), headers={"Authorization": "Bearer no"}).status_code == 401
        assert figures(list(feed.samples()))["traccar_faults_total", "not_authenticated", "http"] == 1
    assert (log.events, log.letters) == ([], [])


@pytest.mark.parametrize(
    ("body", "code", "source"),
    [
        (b"{", "not_json", "traccar:http"),
        (encoded(report(unique_id="555")), "unknown_device", "traccar:555"),
        (encoded(report(latitude=95.0)), "out_of_range", "traccar:13800138000"),
    ],
)
def test_what_is_no_event_is_kept_aside_and_not_asked_for_again(
    tmp_path: Path, body: bytes, code: str, source: str
) -> None:
    log = HeldLog()
    with served(log, tmp_path) as (client, feed):
        answer = client.post(URL, content=body, headers=TOKEN)
        assert figures(list(feed.samples()))["traccar_faults_total", code, "http"] == 1
    assert (answer.status_code, answer.json()) == (200, {"accepted": 0, "refused": [code]})
    [letter] = log.letters
    assert (letter.code, letter.source, letter.raw) == (code, source, body.decode())


def test_what_cannot_be_kept_is_asked_for_again(tmp_path: Path) -> None:
    log = HeldLog()
    log.away = True
    with served(log, tmp_path) as (client, _feed):
        assert client.post(URL, content=encoded(report()), headers=TOKEN).status_code == 503
        log.away = False
        assert client.post(URL, content=encoded(report()), headers=TOKEN).status_code == 200
    assert len(log.events) == 1


def test_no_letters_of_strangers_before_there_is_a_city(tmp_path: Path) -> None:
    log = HeldLog()
    with served(log, tmp_path, ()) as (client, _feed):
        assert client.post(URL, content=encoded(report()), headers=TOKEN).status_code == 503
    assert (log.events, log.letters) == ([], [])


def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    log = HeldLog()
    with served(log, tmp_path) as (client, feed):
        assert client.post(URL, content=bytes(MAX_REPORT_BYTES + 1), headers=TOKEN).status_code == 413
        assert figures(list(feed.samples()))["traccar_faults_total", "body_too_large", "http"] == 1
