"""A body of any maker, read by the settings alone."""

from __future__ import annotations

import base64
import contextlib
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.camera.mapping import MAX_EVENTS, events_of, plate_of, sighting, without_pictures
from connectors.camera.settings import CameraSettings, SourceSettings
from connectors.http.pictures import pictures_at
from connectors.json_paths import at_path
from haulwatch.city.documents import read_document
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Sighting
from tests.connectors.camera.device import AT, PICTURE, SETTINGS, body_of, record

NOW = AT + timedelta(seconds=2)


def settings_of(text: str) -> CameraSettings:
    found, findings = read_document("c.yaml", text.replace("@token", "env:TOKEN").encode(), CameraSettings)
    assert found is not None, [finding.render("en") for finding in findings]
    return found


FALCON = settings_of(SETTINGS).sources["falcon-eye"]


def plain(**more: Any) -> SourceSettings:
    """A source of flat events."""
    return SourceSettings.model_validate(
        {"credentials": {"token": "env:T"}, "plate": "plate", "fields": {"at": "at"}, **more}
    )


def read(event: Any, source: SourceSettings = FALCON) -> tuple[Sighting, int]:
    plate = plate_of(event, source)
    assert plate is not None
    return sighting(event, plate, source, "falcon-eye", NOW)


def event_of(event: Any, source: SourceSettings = FALCON) -> Sighting:
    return read(event, source)[0]


def pictures_of(event: Any) -> tuple[list[bytes], int]:
    return pictures_at(partial(at_path, event), FALCON.images)


def refused(event: Any, source: SourceSettings = FALCON) -> str:
    with pytest.raises(DeviceError) as raised:
        event_of(event, source)
    return raised.value.code


def test_a_maker_nobody_has_heard_of_is_understood_without_code() -> None:
    [one] = events_of(body_of([record()]), FALCON)
    event = event_of(one)
    assert event.event_id == f"camera:falcon-eye:{one['recordNo']}"
    assert (event.truck_id, event.at, event.camera_id, event.source) == ("浙E12345", AT, "cam-07", "camera:falcon-eye")
    assert (event.cover, event.cover_confidence, event.load, event.load_confidence) == ("open", 0.93, "full", 0.9)
    assert (event.plate_confidence, event.plate_color, event.vehicle_type) == (0.97, "yellow", "muck-truck")
    assert (event.direction, event.speed_kmh, event.resent) == ("north", 36.0, False)
    assert pictures_of(one) == ([PICTURE], 0)


@pytest.mark.parametrize(
    ("body", "source", "count"),
    [
        (b'{"plate": "x"}', plain(), 1),
        (b'[{"plate": "x"}, {}]', plain(), 2),
        (b'\xef\xbb\xbf[{"plate": "x"}]', plain(), 1),
        (b'{"a": {"plate": "x"}}', plain(records="a"), 1),
        (b'{"a": [[{}, {}, {}]]}', plain(records="/a/0"), 3),
        (b"[]", plain(), 0),
    ],
)
def test_one_event_or_a_list_of_them(body: bytes, source: SourceSettings, count: int) -> None:
    assert len(events_of(body, source)) == count


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (b"\xff", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b'{"payload": ' * 65 + b"1" + b"}" * 65, "too_large"),
        (b"[" + b"[]," * 100_000 + b"1]", "too_large"),
        (b"[" + b"0," * 8_000_000 + b"0]", "too_large"),
        (b'{"payload": {}}', "no_events"),
        (b'{"payload": {"records": 7}}', "no_events"),
        (b"7", "no_events"),
        (body_of([1] * (MAX_EVENTS + 1)), "too_many_events"),
    ],
)
def test_bodies_without_events_or_with_too_much_are_refused_at_once(body: bytes, code: str) -> None:
    began = time.perf_counter()
    with pytest.raises(DeviceError) as raised:
        events_of(body, FALCON)
    assert raised.value.code == code
    assert time.perf_counter() - began < 2.0


@pytest.mark.parametrize(
    ("at", "written", "instant"),
    [
        ({}, "2026-05-01T16:30:00+08:00", AT),
        ({"utc_offset_h": 8}, "2026-05-01 16:30:00", AT),
        ({"utc_offset_h": 8}, "2026-05-01T08:30:00Z", AT),
        ({"format": "epoch_s"}, AT.timestamp(), AT),
        ({"format": "epoch_s"}, f"{AT.timestamp():.0f}", AT),
        ({"format": "epoch_ms"}, AT.timestamp() * 1000 + 250, AT + timedelta(milliseconds=250)),
        ({"format": "%Y%m%d%H%M%S", "utc_offset_h": 8}, "20260501163000", AT),
        ({"format": "%Y%m%d%H%M%S", "utc_offset_h": 8}, 20260501163000, AT),
        ({"format": "%d/%m/%Y %H:%M:%S %z"}, "01/05/2026 16:30:00 +0800", AT),
    ],
)
def test_times_as_they_are_written(at: dict[str, Any], written: Any, instant: datetime) -> None:
    source = plain(fields={"at": "t"}, time=at)
    assert event_of({"plate": "浙E12345", "t": written}, source).at == instant


@pytest.mark.parametrize(
    ("at", "written", "code"),
    [
        ({}, "2026-05-01 16:30:00", "bad_time"),
        ({}, "soon", "bad_time"),
        ({}, None, "missing_field"),
        ({}, [], "bad_time"),
        ({"format": "epoch_ms"}, "soon", "bad_time"),
        ({"format": "epoch_s"}, AT.timestamp() * 1000, "bad_time"),
        ({"format": "epoch_ms"}, AT.timestamp(), None),
        ({"format": "epoch_s"}, 1e17, "bad_time"),
        ({"format": "epoch_s"}, -1e9, "out_of_range"),
        ({"format": "%Y%m%d%H%M%S", "utc_offset_h": 8}, "2026", "bad_time"),
        ({"format": "%Y%m%d%H%M%S", "utc_offset_h": 14}, "00010101000000", "bad_time"),
        ({"utc_offset_h": 0}, "2026-05-01 16:30:00", "clock_ahead"),
    ],
)
def test_times_that_are_none(at: dict[str, Any], written: Any, code: str | None) -> None:
    source, event = plain(fields={"at": "t"}, time=at), {"plate": "浙E12345", "t": written}
    if code is None:  # seconds taken for milliseconds: January 1970, which nobody can tell from a wrong clock
        assert event_of(event, source).at.year == 1970
    else:
        assert refused(event, source) == code


def test_words_that_the_settings_do_not_name_are_left_out_and_counted() -> None:
    event, unnamed = read(record(cargo={"lid": "LID_GONE", "lidScore": 93, "loaded": "maybe"}))
    assert (event.cover, event.cover_confidence, event.load, unnamed) == (None, None, None, 2)
    assert read(record(cargo={}))[1] == 0


def test_what_a_camera_kept_is_resent_and_the_same_event() -> None:
    live, kept = event_of(record()), event_of(record(replay=1))
    assert (live.resent, kept.resent) == (False, True)
    assert live.event_id == kept.event_id


def test_without_an_id_of_its_own_an_event_is_its_content() -> None:
    source = plain(fields={"at": "at", "vehicle_type": "n"})
    one: dict[str, Any] = {"plate": "浙E12345", "at": "2026-05-01T16:30:00+08:00", "n": 1}
    same = {"n": 1, "at": "2026-05-01T16:30:00+08:00", "plate": "浙E12345"}
    assert event_of(one, source).event_id == event_of(same, source).event_id
    assert event_of(one, source).event_id != event_of(one | {"n": 2}, source).event_id


@pytest.mark.parametrize("plate", ["", None, "noPlate", "未识别"])
def test_no_plate_is_no_event(plate: str | None) -> None:
    assert plate_of({"plate": plate, "at": "x"}, plain()) is None


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (7, "not_an_object"),
        ({"at": "2026-05-01T16:30:00+08:00"}, "missing_field"),
        (record("浙"), "bad_plate"),
        (record(unit="FE-9"), "missing_field"),
        (record(unit=None), "missing_field"),
        (record(speedMs="fast"), "bad_value"),
        (record(speedMs="inf"), "bad_value"),
        (record(speedMs=-1), "out_of_range"),
        (record(cargo={"lid": "LID_OPEN", "lidScore": 930}), "out_of_range"),
        (record(at=AT + timedelta(hours=8)) | {"capture": {"ms": (AT.timestamp() + 28_800) * 1000}}, "clock_ahead"),
    ],
)
def test_what_cannot_be_an_event_is_refused(event: Any, code: str) -> None:
    assert refused(event) == code


def test_pictures_in_base64_however_they_are_wrapped() -> None:
    text = base64.b64encode(PICTURE).decode()
    shots = [text, "data:image/jpeg;base64," + text, "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76))]
    one = record(shots=[{"data": shot} for shot in [*shots, "not base64!", 7, None, ""]])
    assert pictures_of(one) == ([PICTURE] * 3, 2)


def test_what_is_kept_of_a_bad_event_is_without_its_pictures() -> None:
    kept = msgspec.json.encode(without_pictures(record("浙", shots=[{"data": "A" * 1_000_000}])))
    assert len(kept) < 1_000
    assert "浙".encode() in kept


@pytest.mark.parametrize(
    ("right", "wrong", "code"),
    [
        ("plate: car/0.plate.text", "plate: a..b", "N037"),
        ("plate: car/0.plate.text", "plate: ''", "C015"),
        ("images: [shots.*.data]", "images: [shots.*.data, a..b]", "N037"),
        ("format: epoch_ms", "format: epoch", "N030"),
        ("format: epoch_ms", "format: '%Y%m%d'", "N031"),
        ("values: {1: true}", "values: {1: maybe}", "N035"),
        ("LID_OPEN: open", "LID_OPEN: opened", "N035"),
        ("unit: m/s", "scale: km", "C015"),
        ("falcon-eye", "falcon eye", "N010"),
        ("vehicle_type:", "vehicle_typ:", "N034"),
        ("      at: capture.ms\n", "", "N036"),
        ("images:", "image:", "C013"),
        ("event_id:", "truck_id:", "N063"),
        ("    plate: car/0.plate.text\n", "", "C014"),
        ("token: @token", "token: secret", "N001"),
    ],
)
def test_settings_that_are_wrong_are_found_at_their_place(right: str, wrong: str, code: str) -> None:
    text = SETTINGS.replace(right, wrong).replace("@token", "env:TOKEN")
    _, findings = read_document("c.yaml", text.encode(), CameraSettings)
    assert [finding.code for finding in findings] == [code]
    assert findings[0].line > 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda of: st.lists(of, max_size=4) | st.dictionaries(st.text(), of, max_size=4),
)


@given(
    st.binary(max_size=200)
    | st.lists(JSON, max_size=3).map(lambda of: msgspec.json.encode({"payload": {"records": of}}))
)
def test_any_bytes_are_events_or_the_one_error(body: bytes) -> None:
    with contextlib.suppress(DeviceError):
        for one in events_of(body, FALCON):
            plate = plate_of(one, FALCON)
            assert plate is None or sighting(one, plate, FALCON, "falcon-eye", NOW)[0].at.tzinfo == UTC


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(record(), JSON)))
def test_any_values_in_the_right_places_are_a_sighting_or_the_one_error(changed: dict[str, Any]) -> None:
    with contextlib.suppress(DeviceError):
        event = event_of(record(**changed))
        assert event.received_at == NOW
        assert event.at.tzinfo == UTC
