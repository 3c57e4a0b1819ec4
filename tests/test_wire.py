"""Bytes become events or dead letters with a code, a reason and the bytes themselves; nothing else happens to them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from haulwatch import wire
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event, Position
from haulwatch.domain.text import Text

GOOD: dict[str, Any] = {
    "kind": "position",
    "event_id": "p-1",
    "truck_id": "浙E12345",
    "at": "2026-05-01T08:30:00.250Z",
    "received_at": "2026-05-01T08:30:01.000Z",
    "lon": 120.1,
    "lat": 30.86,
    "speed_kmh": 41.5,
    "load": "full",
}
WEIGHING: dict[str, Any] = {
    "kind": "weighing",
    "event_id": "w-1",
    "truck_id": "浙E12345",
    "at": "2026-05-01T08:30:00Z",
    "station_id": "S1",
    "gross_kg": 52900,
}
SIGHTING: dict[str, Any] = {
    "kind": "sighting",
    "event_id": "s-1",
    "truck_id": "浙E12345",
    "at": "2026-05-01T08:30:00Z",
    "camera_id": "C1",
}


def encoded(base: dict[str, Any], **changes: Any) -> bytes:
    merged = {**base, **changes}
    return json.dumps({k: v for k, v in merged.items() if v is not ...}, ensure_ascii=False).encode()


BAD = [
    (b"{", "not_json"),
    (b"", "not_json"),
    (b"\xff\xfe{}", "not_utf8"),
    (b"3", "not_an_object"),
    (b"[[1]]", "not_an_object"),
    (b"[" * 100_000, "not_an_object"),
    (encoded(GOOD, kind="wheelbarrow"), "unknown_kind"),
    (encoded(GOOD, kind=...), "unknown_kind"),
    (encoded(GOOD, kind=7), "unknown_kind"),
    (encoded(GOOD, event_id=...), "missing_field"),
    (encoded(GOOD, event_id=""), "out_of_range"),
    (encoded(GOOD, truck_id="x" * 33), "out_of_range"),
    (encoded(GOOD, lat=...), "missing_field"),
    (encoded(GOOD, lat="30"), "wrong_type"),
    (encoded(GOOD, at="2026-05-01T08:30:00"), "wrong_type"),
    (encoded(GOOD, at="yesterday"), "bad_value"),
    (encoded(GOOD, lon=30.86, lat=120.1), "lat_lon_swapped"),
    (encoded(GOOD, lat=95), "out_of_range"),
    (encoded(GOOD, lon=181), "out_of_range"),
    (encoded(GOOD, lon=0, lat=0), "null_island"),
    (encoded(GOOD, speed_kmh=-1), "out_of_range"),
    (encoded(GOOD, speed_kmh=201), "out_of_range"),
    (encoded(GOOD, speed_kmh=True), "wrong_type"),
    (encoded(GOOD, load="heavy"), "bad_value"),
    (encoded(GOOD, at="2026-05-01T08:32:02Z"), "clock_ahead"),
    (encoded(GOOD, at="2026-05-01T16:30:00Z"), "clock_ahead"),
    (encoded(GOOD, at="0001-01-01T00:00:00+08:00", received_at=...), "out_of_range"),
    (encoded(GOOD, at="1969-12-31T23:59:59Z"), "out_of_range"),
    (encoded(GOOD, at="9999-12-31T23:59:59-08:00", received_at=...), "out_of_range"),
    (encoded(GOOD, at="9999-12-31T23:59:59Z", received_at="9999-12-31T23:59:59Z"), "out_of_range"),
    (encoded(GOOD, truck_id="浙E\0"), "bad_value"),
    (encoded(GOOD, truck_id="浙E1\u200b"), "bad_value"),
    (encoded(GOOD, lat=120.5)[:-1] + b", garbage", "out_of_range"),
    (encoded(GOOD, lat=120.5)[:-1] + b',"x":' + b"[" * 5000, "out_of_range"),
    (encoded(GOOD, lat=120.5)[:-1] + b',"x":"\xff"}', "out_of_range"),
    (encoded(GOOD).replace(b"p-1", b"\\ud800"), "not_json"),
    (encoded(WEIGHING, lane=10**30), "out_of_range"),
    (encoded(WEIGHING, gross_kg=0), "out_of_range"),
    (encoded(WEIGHING, gross_kg=200_001), "out_of_range"),
    (encoded(WEIGHING, images=[{"uri": "a", "sha256": "zz"}]), "bad_value"),
    (encoded(SIGHTING, cover_confidence=1.01), "out_of_range"),
    (encoded(SIGHTING, load_confidence=-0.01), "out_of_range"),
]


@pytest.mark.parametrize(("raw", "code"), BAD, ids=[f"{n}-{code}" for n, (_, code) in enumerate(BAD)])
def test_a_bad_record_is_named_by_its_code_in_both_languages(raw: bytes, code: str) -> None:
    with pytest.raises(DeviceError) as caught:
        wire.decode_event(raw)
    assert caught.value.code == code
    assert caught.value.text.zh
    assert caught.value.text.en


def test_eight_hours_ahead_is_recognised_as_beijing_time() -> None:
    with pytest.raises(DeviceError, match="北京时间"):
        wire.decode_event(encoded(GOOD, at="2026-05-01T16:30:01Z"))


def test_sixty_seconds_ahead_is_still_accepted() -> None:
    event = wire.decode_event(encoded(GOOD, at="2026-05-01T08:31:01Z"))
    assert isinstance(event, Position)


def test_one_bad_event_of_an_array_does_not_touch_the_others() -> None:
    raw = b"[" + b",".join([encoded(GOOD), encoded(GOOD, lat=95), encoded(WEIGHING)]) + b"]"
    good, bad = wire.decode_events(raw)
    assert [e.event_id for e in good] == ["p-1", "w-1"]  # type: ignore[union-attr]
    assert [(r.index, r.error.code) for r in bad] == [(1, "out_of_range")]
    letter = bad[0].dead_letter("test", offset=7)
    assert json.loads(letter.raw)["lat"] == 95
    assert (letter.code, letter.source, letter.offset) == ("out_of_range", "test", 7)


def test_ndjson_counts_lines_from_one_and_skips_blank_ones() -> None:
    good, bad = wire.decode_lines(encoded(GOOD) + b"\n\n{\n" + encoded(SIGHTING) + b"\r\n")
    assert len(good) == 2
    assert [(r.index, r.error.code) for r in bad] == [(3, "not_json")]


def test_a_body_is_one_event_an_array_or_lines() -> None:
    pretty = json.dumps(json.loads(encoded(GOOD)), indent=2).encode()
    for body, count in (
        (encoded(GOOD), 1),
        (pretty, 1),
        (b"[" + pretty + b"]", 1),
        (encoded(GOOD) + b"\n" + encoded(WEIGHING), 2),
        (encoded(GOOD) + b"\r\n" + encoded(WEIGHING) + b"\r\n", 2),
        (wire.BOM + encoded(GOOD) + b"\n" + encoded(WEIGHING), 2),
        (wire.BOM + pretty, 1),
    ):
        good, bad = wire.decode_body(body)
        assert (len(good), bad) == (count, [])


def test_a_large_event_is_no_smaller_in_an_array() -> None:
    large = encoded(GOOD, alarms=["x" * 200] * 6000)
    assert len(large) > wire.MAX_EVENT_BYTES
    good, bad = wire.decode_body(b"[" + encoded(GOOD) + b"," + large + b"]")
    assert (len(good), [(r.index, r.error.code) for r in bad]) == (1, [(1, "too_large")])


@pytest.mark.parametrize("body", [b"[" + b",".join([b"0"] * 50_001) + b"]", b"0\n" * 50_001])
def test_a_body_of_endless_nothing_costs_one_explanation(body: bytes) -> None:
    good, bad = wire.decode_body(body)
    assert (good, [r.error.code for r in bad]) == ([], ["too_many"])


def test_what_a_host_does_not_admit_keeps_its_place() -> None:
    def admit(event: Event) -> Event:
        if isinstance(event, Position):
            raise DeviceError("no", Text("否", "no"))
        return event

    parts = [encoded(WEIGHING), encoded(GOOD, lat=95), encoded(GOOD), encoded(SIGHTING)]
    for body, places in ((b"[" + b",".join(parts) + b"]", [1, 2]), (b"\n".join(parts), [2, 3])):
        good, bad = wire.decode_body(body, admit)
        assert (len(good), [r.index for r in bad]) == (2, places)
        assert [r.error.code for r in bad] == ["out_of_range", "no"]


def test_an_event_of_our_own_log_is_taken_whatever_its_length() -> None:
    event = wire.decode_event(encoded(GOOD, alarms=["x" * 250] * 4100))
    stamped = msgspec.structs.replace(event, source="s" * 250)
    assert wire.decode_logged(wire.encode_event(stamped)) == stamped
    with pytest.raises(WorldError, match="damaged"):
        wire.decode_logged(b"{")


def test_what_is_not_text_is_kept_all_the_same() -> None:
    assert wire.printable(b"\xff\x00") == "base64:/wA="


def test_events_survive_a_round_trip_unescaped() -> None:
    event = wire.decode_event(encoded(GOOD))
    assert "浙E12345".encode() in wire.encode_event(event)
    assert wire.decode_event(wire.encode_event(event)) == event


@given(st.binary(max_size=200))
def test_arbitrary_bytes_give_events_or_rejections_and_nothing_else(raw: bytes) -> None:
    good, bad = wire.decode_body(raw)
    assert len(good) + len(bad) >= (1 if raw.strip() not in (b"", b"[]") and b"[" not in raw else 0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_arbitrary_values_in_arbitrary_fields_never_escape_as_another_error(value: Any) -> None:
    for field in ("kind", "event_id", "at", "lat", "load", "alarms", "received_at"):
        raw = msgspec.json.encode({**GOOD, field: value})
        good, bad = wire.decode_events(raw)
        assert len(good) + len(bad) == 1


# Expected values: org.apache.kafka.common.utils.UtilsTest.testMurmur2.
@pytest.mark.parametrize(
    ("key", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_partitioning_is_kafkas(key: bytes, signed: int) -> None:
    assert wire.murmur2(key) == signed & 0xFFFFFFFF
