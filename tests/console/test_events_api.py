"""Events over HTTP: what is answered when, and that good ones are never lost for the sake of bad ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haulwatch.console.problems import PROBLEM_JSON
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import Busy
from haulwatch.domain.text import Text

GOOD = {"kind": "position", "event_id": "e1", "truck_id": "浙E12345"}
BAD = {"kind": "position", "truck_id": "浙E12345"}


def post(console: Any, body: bytes, content_type: str = "application/json") -> Any:
    return console.client.post("/api/v1/events", content=body, headers={"Content-Type": content_type})


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (json.dumps(GOOD), "application/json"),
        (json.dumps([GOOD]), "application/json; charset=utf-8"),
        (json.dumps(GOOD) + "\n", "application/x-ndjson"),
        (json.dumps(GOOD) + "\n", "application/jsonl"),
    ],
)
def test_good_events_are_202_with_counts(console: Any, body: str, content_type: str) -> None:
    answer = post(console, body.encode(), content_type)
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "duplicates": 0})
    assert post(console, body.encode(), content_type).json() == {"accepted": 0, "duplicates": 1}


def test_bad_events_are_listed_and_the_good_ones_kept(console: Any) -> None:
    lines = "\n".join(json.dumps(event) for event in (GOOD, BAD, {**GOOD, "event_id": "e2"}))
    answer = post(console, lines.encode(), "application/x-ndjson")
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, PROBLEM_JSON)
    assert (body["accepted"], body["duplicates"]) == (2, 0)
    assert [(e["index"], e["line"], e["code"]) for e in body["errors"]] == [(1, 2, "missing_field")]
    assert set(body["errors"][0]["reason"]) == {"zh", "en"}
    assert console.intake.seen == {"e1", "e2"}


def test_a_full_queue_is_429_with_when_to_come_back(console: Any) -> None:
    console.intake.fail_with = Busy(retry_after_s=3)
    answer = post(console, json.dumps(GOOD).encode())
    assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (429, "3", "busy")


def test_a_log_that_is_away_is_503(console: Any) -> None:
    console.intake.fail_with = WorldError(Text("磁盘已满", "disk full"), retryable=True)
    answer = post(console, json.dumps(GOOD).encode())
    assert (answer.status_code, answer.headers["content-type"]) == (503, PROBLEM_JSON)
    assert answer.json()["text"] == {"zh": "磁盘已满", "en": "disk full"}


def test_a_bug_is_a_500_that_gives_nothing_away(console: Any) -> None:
    console.intake.fail_with = RuntimeError("secret path")
    answer = post(console, json.dumps(GOOD).encode())
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "secret" not in answer.text


def test_a_large_body_is_413_before_it_is_read(console: Any) -> None:
    answer = post(console, b"[" + b" " * 5000 + b"]")
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")
    assert console.intake.bodies == []


def test_a_large_body_of_unknown_length_is_413_too(console: Any) -> None:
    def pieces() -> Any:
        for _ in range(100):
            yield b" " * 100

    headers = {"Content-Type": "application/json"}
    answer = console.client.post("/api/v1/events", content=pieces(), headers=headers)
    assert answer.status_code == 413
    assert console.intake.bodies == []


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_media_types_are_415_so_that_no_foreign_page_can_send_events(console: Any, content_type: str) -> None:
    assert post(console, json.dumps(GOOD).encode(), content_type).status_code == 415
    assert console.intake.bodies == []


def test_what_was_counted_shows_on_the_metrics_page(console: Any) -> None:
    post(console, json.dumps([GOOD, GOOD, BAD]).encode())
    text = console.client.get("/metrics").text
    assert 'haulwatch_console_events_total{outcome="accepted"} 1' in text
    assert 'haulwatch_console_events_refused_total{code="missing_field"} 1' in text
