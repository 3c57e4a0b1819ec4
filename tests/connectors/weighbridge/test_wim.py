"""`/ingest/wim/{source}`: records in JSON and CSV, good ones taken, bad ones kept with their row."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from connectors.pictures import PictureFolder
from connectors.weighbridge.feed import WeighbridgeFeed
from connectors.weighbridge.records import MAX_RECORDS, MAX_VALUES, read_csv, read_json
from connectors.weighbridge.settings import WeighbridgeSettings
from haulwatch.console import problems
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Weighing
from tests.connectors.held_log import PLATE, HeldLog, gate_to
from tests.connectors.isapi.device import jpeg

TOKEN = {"Authorization": "Bearer of-g25"}
FIELDS = {
    "at": "checkTime",
    "station_id": {"from": "siteCode", "values": {"01": "W-G25-1"}},
    "gross_kg": {"from": "totalWeight", "unit": "t"},
    "axle_count": "axles",
    "speed_kmh": "speed",
    "lane": "laneNo",
    "plate_confidence": {"from": "confidence", "unit": "%"},
}
TIME = {"format": "%Y-%m-%d %H:%M:%S", "utc_offset_h": 8}
RECORD = {
    "checkTime": "2026-05-01 16:30:00",
    "siteCode": "01",
    "totalWeight": "52.9",
    "axles": 3,
    "speed": 42.5,
    "laneNo": 2,
    "confidence": 96,
    "plateNo": "黄浙E12345",
}


class Platform:
    """What posts, and where it arrives."""

    def __init__(self, client: TestClient, feed: WeighbridgeFeed, log: HeldLog) -> None:
        self._client, self._feed, self.log = client, feed, log

    def post(self, body: bytes | Any, headers: dict[str, str] = TOKEN, source: str = "g25") -> httpx.Response:
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        answer: httpx.Response = self._client.post(f"/ingest/wim/{source}", content=content, headers=headers)
        return answer

    def faults(self) -> dict[str, float]:
        samples = self._feed.samples()
        return {dict(one.labels)["code"]: one.value for one in samples if one.name == "weighbridge_faults_total"}

    @property
    def weighings(self) -> list[Weighing]:
        return [event for event in self.log.events if isinstance(event, Weighing)]


@contextmanager
def platform(folder: Path, log: HeldLog | None = None, *, store: bool = True, **more: Any) -> Iterator[Platform]:
    log = log or HeldLog()
    (folder / "token").write_text("of-g25\n")
    source = {"credentials": {"token": f"file:{folder}/token"}, "plate": "plateNo", "fields": FIELDS, "time": TIME}
    settings = WeighbridgeSettings.model_validate({"wim": {"g25": {**source, **more}}, "body_bytes": 500_000})
    with gate_to(log) as gate:
        if store:
            gate = replace(gate, pictures=PictureFolder(folder / "pictures"))
        feed = WeighbridgeFeed(settings, gate)
        app = FastAPI()
        problems.install(app)
        for router in feed.routers:
            app.include_router(router)
        with TestClient(app) as client:
            feed.start()
            yield Platform(client, feed, log)
            feed.stop()


def test_a_record_becomes_a_weighing(tmp_path: Path) -> None:
    with platform(tmp_path, records="data.list") as one:
        answer = one.post({"code": 0, "data": {"list": [RECORD]}})
        assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "refused": []})
        assert one.post({"data": {"list": [RECORD]}}).status_code == 202
    first, again = one.weighings
    assert first.event_id == again.event_id
    assert (first.truck_id, first.at) == (PLATE, datetime(2026, 5, 1, 8, 30, tzinfo=UTC))
    assert (first.gross_kg, first.axle_count, first.speed_kmh) == (52_900, 3, 42.5)
    assert (first.station_id, first.lane, first.plate_confidence) == ("W-G25-1", "2", 0.96)
    assert first.source == "wim:g25"


def test_bad_rows_are_kept_with_their_number_and_good_ones_taken(tmp_path: Path) -> None:
    bad: list[Any] = [
        RECORD | {"plateNo": ""},
        RECORD | {"plateNo": "?"},
        RECORD | {"totalWeight": "heavy"},
        RECORD | {"totalWeight": 529},
        RECORD | {"checkTime": "yesterday"},
        RECORD | {"siteCode": "99"},
        RECORD | {"plateNo": {"a": 1}},
        7,
    ]
    codes = [
        "no_plate",
        "bad_plate",
        "bad_value",
        "out_of_range",
        "bad_time",
        "missing_field",
        "no_plate",
        "not_an_object",
    ]
    with platform(tmp_path) as one:
        answer = one.post([*bad, RECORD])
        assert answer.status_code == 202
        said = answer.json()
        assert said["accepted"] == 1
        assert [(row["row"], row["code"]) for row in said["refused"]] == list(enumerate(codes, 1))
        assert all(row["reason"]["zh"] and row["reason"]["en"] for row in said["refused"])
        assert one.faults() == {code: codes.count(code) for code in codes}
    assert [(letter.line, letter.code) for letter in one.log.letters] == list(enumerate(codes, 1))
    assert msgspec.json.decode(one.log.letters[0].raw) == bad[0]
    assert {letter.source for letter in one.log.letters} == {"wim:g25"}


def test_csv_is_read_by_its_names(tmp_path: Path) -> None:
    head = "checkTime,siteCode,totalWeight,axles,speed,laneNo,confidence,plateNo"
    row = '2026-05-01 16:30:00,01,52.9,3,42.5,"2",96,浙E·12345'
    body = f"{head}\r\n{row}\r\n\r\n{row},8\r\n{row.replace('52.9', '')}\r\n".encode("gb18030")
    with platform(tmp_path, format="csv", encoding="gb18030") as one:
        answer = one.post(body)
        assert answer.json()["accepted"] == 1
        refused = [(row["row"], row["code"]) for row in answer.json()["refused"]]
        assert refused == [(2, "bad_csv"), (3, "missing_field")]
    [event] = one.weighings
    assert (event.truck_id, event.gross_kg, event.axle_count) == (PLATE, 52_900, 3)


def test_pictures_are_kept_and_bad_ones_cost_nothing(tmp_path: Path) -> None:
    picture = jpeg(1)
    sent = base64.b64encode(picture).decode()
    record = RECORD | {"front": sent, "side": "data:image/jpeg;base64," + sent, "back": "?", "top": 3}
    with platform(tmp_path, images=["front", "side", "back", "top", "nowhere"]) as one:
        assert one.post(record).json()["accepted"] == 1
        assert one.faults() == {"not_a_picture": 2}
    [event] = one.weighings
    assert [image.sha256 for image in event.images or []] == [PictureFolder(tmp_path).put(picture).sha256]
    with platform(tmp_path, store=False, images=["front"]) as two:
        assert two.post(record).json()["accepted"] == 1
        assert two.faults() == {"pictures_not_kept": 1}
    assert two.weighings[0].event_id == event.event_id, "with or without pictures it is the same weighing"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "not_json"),
        (b"\xff\xfe", "not_utf8"),
        (b"[" * 100_000, "not_json"),
        (b'{"other": 1}', "no_records"),
        (msgspec.json.encode({"data": [1] * (MAX_RECORDS + 1)}), "too_many"),
        (b"," * 499_000 + b'{"data": [' + b"," * 900, "not_json"),
    ],
)
def test_a_body_that_cannot_be_read_is_kept_and_refused(tmp_path: Path, body: bytes, code: str) -> None:
    with platform(tmp_path, records="data") as one:
        answer = one.post(body)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
        assert one.faults() == {code: 1}
    assert one.log.codes == [code]


@pytest.mark.parametrize("body", [b"," * (MAX_VALUES + 1), b"a\n" * (MAX_RECORDS + 2)])
def test_bodies_of_nothing_but_separators_are_refused(body: bytes) -> None:
    for read in (lambda: read_csv(body), lambda: read_json(body, None)):
        with pytest.raises(DeviceError) as caught:
            read()
        assert caught.value.code in ("too_many", "not_json")


def test_nothing_is_answered_as_taken_while_the_log_is_away(tmp_path: Path) -> None:
    log = HeldLog()
    log.away = True
    with platform(tmp_path, log) as one:
        assert one.post([RECORD, 7]).status_code == 503
        assert one.post(b"{").status_code == 503
        assert one.faults() == {}
        log.away = False
        assert one.post([RECORD, 7]).status_code == 202


def test_strangers_and_large_bodies_are_counted_and_nothing_of_them_is_kept(tmp_path: Path) -> None:
    with platform(tmp_path) as one:
        assert one.post(RECORD, {}).status_code == 401
        assert one.post(RECORD, {"Authorization": "Bearer wrong"}).status_code == 401
        assert one.post(RECORD, source="other").status_code == 401
        assert one.post(bytes(600_000)).status_code == 413
        assert one.faults() == {"not_authenticated": 1, "body_too_large": 1}
    assert one.log.events == one.log.letters == []


def test_large_bad_records_fill_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.weighbridge.wim.MAX_LETTERS_BYTES", 25_000)
    with platform(tmp_path) as one:
        assert len(one.post(["x" * 9_998] * 4).json()["refused"]) == 4
    assert [len(letter.raw) for letter in one.log.letters] == [10_000, 10_000, 5_000, 0]


@given(st.binary(max_size=300), st.sampled_from(["utf-8-sig", "gb18030", "utf-16", "utf-7"]))
def test_whatever_bytes_come_the_error_is_a_device_error(body: bytes, encoding: str) -> None:
    for read in (
        lambda: read_json(body, None, encoding),
        lambda: read_json(body, "a.b", encoding),
        lambda: read_csv(body, ",", encoding),
    ):
        try:
            records = read()
        except DeviceError:
            continue
        assert [record.row for record in records] == list(range(1, len(records) + 1))
        assert all(isinstance(record.raw(), bytes) for record in records)
