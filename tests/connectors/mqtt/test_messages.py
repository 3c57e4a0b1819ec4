"""A message is read by the first subscription that fits, or refused with a reason; nothing else ever comes of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.messages import MAX_PAYLOAD_BYTES, Reader, Taken
from connectors.mqtt.settings import MqttSettings, Subscription
from connectors.truck_finder import TruckFinder
from haulwatch.bootstrap.feeds import read_connectors
from haulwatch.domain.errors import AuthorError, WorldError
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.registry import Registry
from tests.connectors.held_log import NOW, PLATE, TRUCKS
from tests.connectors.mqtt.device import AT, GPS_FIELDS, GPS_TIME, gps

REGISTRY = Registry(trucks={truck.truck_id: truck for truck in TRUCKS})
GPS = {"topic": "trucks/+/gps", "kind": "position", "truck": {"level": 2}, "fields": GPS_FIELDS, "time": GPS_TIME}
SCALE = {
    "topic": "scales/#",
    "kind": "weighing",
    "truck": {"from": "plate"},
    "time": {"format": "epoch_ms"},
    "fields": {
        "event_id": "no",
        "at": "time",
        "station_id": "scale",
        "gross_kg": {"from": "gross", "unit": "t"},
        "lane": "lane",
    },
}
OWN = {"topic": "haulwatch/+", "format": "event"}


def read(topic: str, payload: bytes, *subscriptions: dict[str, Any], registry: Registry = REGISTRY) -> Taken:
    listed = [Subscription.model_validate(one) for one in subscriptions]
    return Reader(listed, TruckFinder(lambda: registry)).read(topic, payload, to_ms(NOW))


def own(kind: str = "position", **fields: Any) -> dict[str, Any]:
    return {"kind": kind, "event_id": "a-1", "truck_id": PLATE, "at": rfc3339(to_ms(AT)), **fields}


def test_a_tracker_s_own_form() -> None:
    [event] = read("trucks/浙E·12345/gps", gps(), GPS).events
    assert isinstance(event, Position)
    assert (event.truck_id, event.at, event.received_at) == (PLATE, AT, NOW)
    assert (event.source, event.speed_kmh, event.cover, event.lift) == (
        "mqtt:trucks/浙E·12345/gps",
        36.0,
        "open",
        "lowered",
    )
    assert event.ignition is True


def test_a_terminal_s_number_in_the_topic() -> None:
    by_terminal = GPS | {"truck": {"level": 2, "is": "terminal_id"}}
    [event] = read("trucks/13800138000/gps", gps(), by_terminal).events
    assert isinstance(event, Position)
    assert event.truck_id == PLATE
    assert [letter.code for letter in read("trucks/4711/gps", gps(), by_terminal).letters] == ["unknown_device"]
    with pytest.raises(WorldError):
        read("trucks/4711/gps", gps(), by_terminal, registry=Registry())


def test_several_weighings_in_one_message() -> None:
    record = {"no": 7, "time": to_ms(AT), "scale": "W1", "gross": "45.02", "plate": " 沪A·99999 ", "lane": 2}
    payload = json.dumps([record, record | {"gross": None}, 5, record | {"no": 8, "plate": None}]).encode()
    taken = read("scales/1", payload, SCALE)
    [event] = taken.events
    assert isinstance(event, Weighing)
    assert (event.truck_id, event.gross_kg, event.lane) == ("沪A99999", 45_020.0, "2")
    assert event.event_id == "mqtt:scales/1:7"
    assert [(letter.code, letter.offset) for letter in taken.letters] == [
        ("missing_field", 1),
        ("not_an_object", 2),
        ("no_truck", 3),
    ]


@pytest.mark.parametrize(
    ("kind", "fields", "type_"),
    [
        ("position", {"lon": 120.1, "lat": 30.8}, Position),
        ("weighing", {"station_id": "W1", "gross_kg": 45000}, Weighing),
        ("sighting", {"camera_id": "C1", "cover": "open"}, Sighting),
        ("manifest", {"manifest_id": "M1", "status": "issued"}, Manifest),
    ],
)
def test_our_own_events(kind: str, fields: dict[str, Any], type_: type) -> None:
    [event] = read("haulwatch/x", json.dumps(own(kind, **fields)).encode(), OWN).events
    assert isinstance(event, type_)
    assert isinstance(event, Position | Weighing | Sighting | Manifest)
    assert (event.event_id, event.source, event.received_at) == ("a-1", "mqtt:haulwatch/x", NOW)
    lines = b"\n".join(json.dumps(own(kind, **fields) | {"event_id": str(n)}).encode() for n in range(3))
    assert len(read("haulwatch/x", lines, OWN).events) == 3


def test_a_topic_s_truck_cannot_speak_for_another() -> None:
    by_topic = OWN | {"truck": {"level": 2}}
    [event] = read("haulwatch/浙E00002", json.dumps(own(lon=120.1, lat=30.8)).encode(), by_topic).events
    assert isinstance(event, Position)
    assert event.truck_id == "浙E00002"


@pytest.mark.parametrize(
    ("topic", "payload", "code"),
    [
        ("other/x", gps(), "not_subscribed"),
        ("trucks/浙E1/gps", b"", "not_json"),
        ("trucks/浙E1/gps", b"\xff", "not_json"),
        ("trucks/浙E1/gps", b"[1", "not_json"),
        ("trucks/浙E1/gps", b"[" * 50_000, "not_json"),
        ("trucks/浙E1/gps", b"7", "not_an_object"),
        ("trucks/浙E1/gps", b"[" + b"0," * 5000 + b"0]", "too_many"),
        ("trucks/浙E1/gps", b" " * (MAX_PAYLOAD_BYTES + 1), "too_large"),
        ("trucks/ /gps", gps(), "no_truck"),
        ("trucks/浙E1/gps", gps(ts=None), "missing_field"),
        ("trucks/浙E1/gps", gps(ts="soon"), "bad_time"),
        ("trucks/浙E1/gps", gps(acc="maybe"), "bad_value"),
        ("trucks/浙E1/gps", gps(AT + timedelta(hours=8)), "clock_ahead"),
        ("trucks/浙E1/gps", gps(gps={"lng": 0, "lat": 0}), "null_island"),
        ("haulwatch/x", json.dumps({"kind": "tick", "at": rfc3339(to_ms(AT))}).encode(), "kind_not_allowed"),
        ("haulwatch/x", json.dumps(own(lon=500, lat=30)).encode(), "out_of_range"),
        ("haulwatch/x", b"{}", "unknown_kind"),
    ],
)
def test_what_cannot_be_an_event_says_why(topic: str, payload: bytes, code: str) -> None:
    taken = read(topic, payload, GPS, OWN)
    [letter] = taken.letters
    assert (taken.events, letter.code, letter.source) == ([], code, f"mqtt:{topic}")


def test_one_kind_of_a_topic() -> None:
    weighings = OWN | {"kind": "weighing"}
    taken = read("haulwatch/x", json.dumps(own(lon=120.1, lat=30.8)).encode(), weighings)
    assert [letter.code for letter in taken.letters] == ["kind_not_allowed"]


def test_the_first_subscription_that_fits_reads_it() -> None:
    shared = OWN | {"topic": "$share/gateways/trucks/#"}
    assert [letter.code for letter in read("trucks/浙E1/gps", gps(), shared, GPS).letters] == ["unknown_kind"]
    assert read("trucks/浙E1/gps", gps(), GPS, shared).letters == []


@given(
    st.binary(max_size=200) | st.text().map(str.encode), st.sampled_from(["trucks/浙E1/gps", "haulwatch/x", "scales/"])
)
def test_nothing_but_letters_ever(payload: bytes, topic: str) -> None:
    taken = read(topic, payload, GPS, SCALE, OWN)
    assert taken.letters or not payload.strip() or taken.events == []


CHANGES = st.dictionaries(
    st.sampled_from(["ts", "gps", "acc", "io"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dictionaries(st.just("lng"), st.text()),
)


@given(CHANGES)
def test_a_damaged_record_is_an_event_or_a_letter(changes: dict[str, Any]) -> None:
    payload = json.dumps(json.loads(gps()) | changes).encode()
    taken = read("trucks/浙E1/gps", payload, GPS)
    assert len(taken.events) + len(taken.letters) == 1


BROKER = """
mqtt:
  brokers:
    - name: city
      host: mqtt.example
      client_id: haulwatch-1
      {more}
      subscriptions:
        - topic: {topic}
          kind: position
          truck: {truck}
          time: {time}
          fields: {fields}
"""
GOOD = {
    "more": "port: 1883",
    "topic": "trucks/+/gps",
    "truck": "{level: 2}",
    "time": "{format: epoch_ms}",
    "fields": "{at: ts, lon: x, lat: y, cover: {from: c, values: {0: open}}}",
}


def written(folder: Path, **changes: str) -> MqttSettings | None:
    path = folder / "connectors.yaml"
    path.write_text(BROKER.format(**GOOD | changes), encoding="utf-8")
    return read_connectors(path).mqtt


def test_the_settings_as_people_write_them(tmp_path: Path) -> None:
    found = written(tmp_path, more="tls: {}")
    assert found is not None
    [broker] = found.brokers
    assert (broker.port, broker.protocol, broker.in_flight) == (1883, "5", 200)
    assert broker.subscriptions[0].fields["cover"].values == {"0": "open"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"topic": "trucks/#/gps"}, "N041"),
        ({"topic": "trucks/a+/gps"}, "N041"),
        ({"truck": "{level: 4}"}, "N042"),
        ({"truck": "{level: 2, from: plate}"}, "N040"),
        ({"more": "user: haulwatch"}, "N044"),
        ({"more": "password: secret"}, "N001"),
        ({"time": "{format: '%H:%M'}"}, "N030"),
        ({"time": "{format: '%Y-%m-%d %H:%M'}"}, "N031"),
        ({"fields": "{at: ts, lon: x, lat: y, cover: {from: c, value: open}}"}, "N032"),
        ({"fields": "{at: ts, lon: x, lat: y, speed_kmh: {from: c, unit: mph}}"}, "N033"),
        ({"fields": "{at: ts, lon: x, lat: y, velocity: v}"}, "N034"),
        ({"fields": "{at: ts, lon: x, lat: y, cover: {from: c, values: {0: offen}}}"}, "N035"),
        ({"fields": "{lon: x, lat: y}"}, "N036"),
        ({"more": "topic: x"}, "C013"),
        ({"more": "protocol: 3.1.1", "topic": "$share/a/trucks/+/gps"}, "N044"),
        ({"more": "port: many"}, "C015"),
    ],
)
def test_every_slip_is_told_with_its_place(tmp_path: Path, change: dict[str, str], code: str) -> None:
    with pytest.raises(AuthorError) as raised:
        written(tmp_path, **change)
    [finding] = raised.value.findings
    assert finding.code == code
    assert finding.line > 0
