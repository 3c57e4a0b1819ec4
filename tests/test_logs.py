"""Logs: one line a record for machines and people, traces that go on, libraries that repeat themselves."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest

from haulwatch import logs


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("restored")
def test_a_json_line_holds_the_message_its_fields_and_its_error(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("json", "worker")
    log = logging.getLogger("streams.host")
    log.info("分区 restored", extra={"fields": {"partition": 3, "trace": "ab"}})
    try:
        raise ZeroDivisionError("no such number")
    except ZeroDivisionError:
        log.exception("failed")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("at"))
    assert first == {
        "level": "info",
        "process": "worker",
        "logger": "streams.host",
        "message": "分区 restored",
        "partition": 3,
        "trace": "ab",
    }
    assert second["level"] == "error"
    assert "ZeroDivisionError: no such number" in second["error"]


@pytest.mark.usefixtures("restored")
def test_a_readable_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.setup("text", "worker")
    logging.getLogger("a").warning("%d things", 3, extra={"fields": {"b": 1}})
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} warning a: 3 things b=1\n", capsys.readouterr().err)


def said(name: str, line: int, at_s: float) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.WARNING, "x.py", line, "no broker at %d", (line,), None)
    record.created = at_s
    return record


def test_a_library_that_repeats_itself_is_told_once_in_a_while() -> None:
    repetitions = logs.Repetitions(every_s=30.0)
    told = [at_s for at_s in range(100) if repetitions.filter(said("aiokafka.client", 7, float(at_s)))]
    assert told == [0, 30, 60, 90]
    assert repetitions.filter(said("aiokafka.client", 8, 99.0)), "another message"
    again = said("aiokafka.client", 7, 130.0)
    assert repetitions.filter(again)
    assert again.fields == {"repeated": 9}
    assert all(repetitions.filter(said("streams.cluster_host", 7, 1.0)) for _ in range(5)), "our own words always"


def test_a_trace_goes_on_and_a_bad_one_begins_anew() -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    ours = logs.traceparent(parent)
    assert logs.trace_id(ours) == "0af7651916cd43dd8448eb211c80319c"
    assert ours != parent
    for bad in (None, "", "nonsense", parent.upper(), f"00-{'0' * 32}-b7ad6b7169203331-01"):
        fresh = logs.trace_id(logs.traceparent(bad))
        assert fresh is not None
        assert fresh not in ("0" * 32, "0af7651916cd43dd8448eb211c80319c")
    assert logs.trace_id(b"\xff") is None
