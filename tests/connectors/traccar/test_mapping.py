"""Forwarded positions become events, or are refused with a reason; nothing else ever comes of them."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.traccar.mapping import Mapper
from connectors.traccar.reports import MAX_REPORT_BYTES, read_query, read_report
from connectors.traccar.settings import Reading
from connectors.truck_finder import TruckFinder
from haulwatch.domain.errors import DeviceError, WorldError
from haulwatch.domain.events import Event, Position
from haulwatch.domain.instants import to_ms
from haulwatch.domain.registry import Registry
from tests.connectors.held_log import NOW, PLATE, TRUCKS
from tests.connectors.traccar.device import AT, encoded, instant, report

REGISTRY = Registry(trucks={truck.truck_id: truck for truck in TRUCKS})


def event_of(value: dict[str, Any], **reading: Any) -> Event | None:
    mapper = Mapper(Reading.model_validate(reading), TruckFinder(lambda: REGISTRY))
    return mapper.event(read_report(encoded(value)), to_ms(NOW))


def position(value: dict[str, Any], **reading: Any) -> Position:
    event = event_of(value, **reading)
    assert isinstance(event, Position)
    return event


def test_a_position_as_traccar_writes_it() -> None:
    event = position(report())
    assert (event.truck_id, event.source) == (PLATE, "traccar:13800138000")
    assert (event.at, event.received_at) == (AT, NOW)
    assert (event.lon, event.lat, event.heading_deg) == (120.1, 30.86, 91.0)
    assert event.speed_kmh == pytest.approx(22.4 * 1.852, abs=1e-3)
    assert (event.valid, event.ignition, event.satellites, event.resent) == (True, True, 12, False)
    assert event.mileage_km == 2048.123
    assert (event.accuracy_m, event.alarms) == (None, None), "0 is Java's way to say that nothing was said"


def test_the_device_s_own_odometer_comes_before_what_traccar_adds_up() -> None:
    assert position(report(attributes={"odometer": 1234567})).mileage_km == 1234.567


def test_a_point_that_was_sent_again_is_resent() -> None:
    assert position(report(attributes={"archive": True})).resent


def test_a_device_s_own_attributes_as_the_settings_read_them() -> None:
    attributes = {
        "cover": {"from": "io12", "values": {"0": "open", "1": "closed"}},
        "lift": {"from": "input", "bit": 2, "values": {"0": "lowered", "1": "raised"}},
        "load_kg": {"from": "adc1", "scale": 10, "absent": ["65535"]},
    }
    event = position(report(attributes={"io12": 0, "input": 0b100, "adc1": 1850}), attributes=attributes)
    assert (event.cover, event.lift, event.load_kg) == ("open", "raised", 18_500)
    silent = position(report(attributes={"io12": 7, "adc1": 65535}), attributes=attributes)
    assert (silent.cover, silent.lift, silent.load_kg) == (None, None, None)
    with pytest.raises(DeviceError) as raised:
        position(report(attributes={"adc1": "much"}), attributes=attributes)
    assert raised.value.code == "bad_value"


def test_alarms_have_one_name_whatever_reports_them() -> None:
    assert position(report(attributes={"alarm": "gpsAntennaCut,hardBraking"})).alarms == [
        "gnss_antenna_cut",
        "hardBraking",
    ]


def test_an_old_fix_under_a_new_message_moves_nothing() -> None:
    event = position(report(outdated=True, fixTime=instant(AT - timedelta(hours=9)), attributes={"ignition": False}))
    assert (event.at, event.valid, event.ignition) == (AT, False, False)
    assert (event.speed_kmh, event.heading_deg) == (None, None)


def test_coordinates_of_a_server_that_shifts_them() -> None:
    shifted = position(report(longitude=120.10444, latitude=30.85773), datum="gcj02")
    assert (shifted.lon, shifted.lat) == (pytest.approx(120.1, abs=1e-3), pytest.approx(30.86, abs=1e-3))
    assert (shifted.lon, shifted.lat) != (120.10444, 30.85773)


def test_the_same_point_is_the_same_event_and_another_is_not() -> None:
    first = position(report())
    assert position(report(id=815, serverTime=instant(NOW))).event_id == first.event_id
    assert position(report(speed=22.5)).event_id != first.event_id


@pytest.mark.parametrize(
    ("value", "reading"),
    [
        (report(unique_id="00013800138000"), {}),
        (report(name="浙E·12345"), {"truck": "name"}),
        (report(device_attributes={"plate": "浙E 12345"}), {"truck": "attribute", "truck_attribute": "plate"}),
    ],
)
def test_the_truck_is_found(value: dict[str, Any], reading: dict[str, Any]) -> None:
    assert position(value, **reading).truck_id == PLATE


def test_an_event_of_traccar_gives_its_position() -> None:
    assert event_of({"event": {"type": "alarm"}, **report()}) == position(report())
    assert event_of({"event": {"type": "deviceOffline"}, "device": report()["device"]}) is None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (report(unique_id="555"), "unknown_device"),
        (report(fixTime=None), "bad_time"),
        (report(fixTime="2026-05-01T08:30:00"), "bad_time"),
        (report(fixTime="yesterday"), "bad_time"),
        (report(fixTime=10**30), "bad_time"),
        (report(latitude=0, longitude=0), "null_island"),
        (report(latitude=120.1, longitude=30.86), "lat_lon_swapped"),
        (report(latitude=None), "wrong_type"),
        (report(latitude=10**400), "wrong_type"),
        (report(speed=-1), "out_of_range"),
        (report(AT + timedelta(hours=8)), "clock_ahead"),
        (report(attributes={"sat": 3.5}), "wrong_type"),
        ({"device": report()["device"]}, "no_position"),
        ({"position": report()["position"]}, "no_device"),
        (report(unique_id="x" * 129), "no_device"),
    ],
)
def test_what_cannot_be_an_event_says_why(value: dict[str, Any], code: str) -> None:
    with pytest.raises(DeviceError) as raised:
        event_of(value)
    assert raised.value.code == code


def test_a_device_that_does_not_say_its_plate() -> None:
    with pytest.raises(DeviceError) as raised:
        event_of(report(), truck="attribute", truck_attribute="plate")
    assert raised.value.code == "no_device"


def test_nobody_is_a_stranger_while_nobody_is_known() -> None:
    mapper = Mapper(Reading(), TruckFinder(Registry))
    with pytest.raises(WorldError):
        mapper.event(read_report(encoded(report())), to_ms(NOW))


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[" * 100_000, "not_json"),
        (b"[]", "not_an_object"),
        (b" " * (MAX_REPORT_BYTES + 1), "too_large"),
    ],
)
def test_what_is_no_report(raw: bytes, code: str) -> None:
    with pytest.raises(DeviceError) as raised:
        read_report(raw)
    assert raised.value.code == code


def test_an_address_says_the_same_as_json() -> None:
    query = {
        "uniqueId": "13800138000",
        "name": "4 号车",
        "fixTime": str(to_ms(AT)),
        "deviceTime": str(to_ms(AT)),
        "valid": "true",
        "latitude": "30.86",
        "longitude": "120.1",
        "speed": "22.4",
        "course": "91.0",
        "accuracy": "0.0",
        "attributes": encoded(report()["position"]["attributes"]).decode(),
    }
    mapper = Mapper(Reading(), TruckFinder(lambda: REGISTRY))
    assert mapper.event(read_query(query), to_ms(NOW)) == position(report())


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"latitude": "north"}, "bad_value"),
        ({"attributes": "{"}, "not_json"),
        ({"longitude": ""}, "no_position"),
        ({"uniqueId": ""}, "no_device"),
    ],
)
def test_an_address_that_is_wrong(change: dict[str, str], code: str) -> None:
    query = {"uniqueId": "1", "fixTime": "1", "latitude": "30", "longitude": "120"}
    with pytest.raises(DeviceError) as raised:
        read_query(query | change)
    assert raised.value.code == code


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*report()["position"], "attributes"])


@given(st.dictionaries(NAMES, JSON, max_size=4), st.dictionaries(st.sampled_from(["sat", "alarm", "odometer"]), JSON))
def test_nothing_but_the_one_error_ever(changes: dict[str, Any], attributes: dict[str, Any]) -> None:
    value = report()
    value["position"] |= changes
    if isinstance(value["position"]["attributes"], dict):
        value["position"]["attributes"] |= attributes
    with contextlib.suppress(DeviceError):
        event = event_of(value)
        assert isinstance(event, Position)
        assert msgspec.json.decode(msgspec.json.encode(event), type=Position) == event


@given(st.binary(max_size=200))
def test_bytes_that_mean_nothing(raw: bytes) -> None:
    with pytest.raises(DeviceError):
        read_report(raw)
