"""Values of foreign records mean what a person said of them, or nothing, or are refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from connectors.field_map import SHAPES, FieldMap, Kind, check_fields, required_fields
from connectors.field_times import Times
from connectors.json_paths import at_path
from connectors.mapped_events import LONGEST_SOURCE, mapped_event, source_name
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event, Position, Weighing

AT = datetime(2026, 5, 1, 0, 30, tzinfo=UTC)


def read(kind: Kind, record: dict[str, Any], **map_: Any) -> dict[str, Any]:
    return FieldMap.model_validate(map_).read(kind, lambda path: at_path(record, path))


@pytest.mark.parametrize(
    ("name", "source", "value", "read_as"),
    [
        ("speed_kmh", "v", 10, 10.0),
        ("speed_kmh", "v", " 10.5 ", 10.5),
        ("speed_kmh", {"from": "v", "unit": "m/s"}, 10, 36.0),
        ("speed_kmh", {"from": "v", "unit": "knots"}, 10, 18.52),
        ("load_kg", {"from": "v", "unit": "t"}, "18.5", 18_500.0),
        ("load_kg", {"from": "v", "scale": 10, "base": -500}, 200, 1500.0),
        ("mileage_km", {"from": "v", "unit": "m"}, 1234, 1.234),
        ("satellites", "v", "11", 11),
        ("ignition", "v", 1, True),
        ("ignition", "v", "否", False),
        ("valid", {"from": "v", "values": {"A": "true", "V": "false"}}, "A", True),
        ("cover", {"from": "v", "values": {"0": "open"}}, 0, "open"),
        ("cover", {"from": "v", "values": {"0": "open"}}, 0.0, "open"),
        ("cover", {"from": "v", "values": {"true": "open"}}, True, "open"),
        ("lift", {"from": "v", "bit": 3, "values": {"1": "raised"}}, 0b1010, "raised"),
        ("lift", {"from": "v", "bit": 3, "values": {"1": "raised"}}, "0x08", "raised"),
        ("alarms", "v", ["a", 7], ["a", "7"]),
        ("alarms", "v", "a; b、c", ["a", "b", "c"]),
        ("alarms", {"value": "manual"}, None, ["manual"]),
        ("source", "v", 42, "42"),
    ],
)
def test_a_value_as_it_is_meant(name: str, source: Any, value: Any, read_as: Any) -> None:
    assert read("position", {"v": value}, fields={name: source}) == {name: read_as}


@pytest.mark.parametrize(
    ("name", "source", "value"),
    [
        ("speed_kmh", "v", None),
        ("speed_kmh", "v", ""),
        ("speed_kmh", "other", 10),
        ("speed_kmh", {"from": "v", "absent": ["-1", "N/A"]}, -1),
        ("speed_kmh", {"from": "v", "absent": ["-1", "N/A"]}, " N/A "),
        ("cover", {"from": "v", "values": {"0": "open"}}, 3),
        ("gross_kg", "v", 10),
    ],
)
def test_what_says_nothing_is_left_out(name: str, source: Any, value: Any) -> None:
    assert read("position", {"v": value}, fields={name: source}) == {}


@pytest.mark.parametrize(
    ("name", "source", "value"),
    [
        ("speed_kmh", "v", "fast"),
        ("speed_kmh", "v", True),
        ("speed_kmh", "v", [1]),
        ("speed_kmh", "v", "1e999"),
        ("speed_kmh", "v", 10**400),
        ("ignition", "v", "maybe"),
        ("source", "v", {}),
        ("cover", {"from": "v", "values": {"0": "open"}}, {}),
        ("lift", {"from": "v", "bit": 3}, 1.5),
        ("alarms", "v", [{}]),
    ],
)
def test_what_cannot_be_meant_is_refused(name: str, source: Any, value: Any) -> None:
    with pytest.raises(DeviceError) as raised:
        read("position", {"v": value}, fields={name: source})
    assert raised.value.code == "bad_value"
    assert name in str(raised.value)


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ({}, "2026-05-01T08:30:00+08:00"),
        ({}, "2026-05-01T00:30:00.000Z"),
        ({"utc_offset_h": 8}, "2026-05-01 08:30:00"),
        ({"utc_offset_h": 8}, "2026-05-01T00:30:00Z"),
        ({"timezone": "Asia/Shanghai", "format": "%Y/%m/%d %H:%M"}, "2026/05/01 08:30"),
        ({"timezone": "Asia/Shanghai", "format": "%Y-%m-%d %H:%M:%S"}, "2026-05-01 08:30:00"),
        ({"timezone": "Asia/Shanghai", "format": "%Y-%m-%d %H:%M:%S"}, "2026-5-1 8:30:0"),
        ({"format": "%Y%m%d%H%M%S%z"}, "20260501083000+0800"),
        ({"format": "epoch_s"}, "1777595400"),
        ({"format": "epoch_s"}, 1777595400.0),
        ({"format": "epoch_ms"}, 1777595400000),
    ],
)
def test_an_instant_as_it_is_written(time: dict[str, Any], value: Any) -> None:
    assert read("position", {"t": value}, fields={"at": "t"}, time=time) == {"at": AT}


@pytest.mark.parametrize(
    ("time", "value"),
    [
        ({}, "2026-05-01 08:30:00"),
        ({}, "noon"),
        ({"utc_offset_h": 8}, "2026-05-01"),
        ({"format": "epoch_s"}, "2026-05-01"),
        ({"format": "epoch_s"}, "nan"),
        ({"format": "epoch_s"}, True),
        ({"format": "%Y-%m-%d %H:%M:%S", "utc_offset_h": 8}, "2026-05-01T08:30:00"),
        ({"format": "%Y-%m-%d %H:%M:%S", "utc_offset_h": 8}, "2026-05-01 08:30:61x"),
        ({"format": "epoch_ms"}, 10**30),
        ({"format": "%Y-%m-%d", "utc_offset_h": 8}, "2026-02-30"),
        ({"utc_offset_h": 8}, "0001-01-01 00:00:00"),
    ],
)
def test_what_is_no_instant(time: dict[str, Any], value: Any) -> None:
    with pytest.raises(DeviceError) as raised:
        read("position", {"t": value}, fields={"at": "t"}, time=time)
    assert raised.value.code == "bad_time"


@pytest.mark.parametrize(
    "time",
    [
        {"format": "%H:%M"},
        {"format": "yesterday"},
        {"format": "%Y-%m-%d"},
        {"format": "%"},
        {"timezone": "Asia/Nowhere"},
        {"timezone": "../etc/passwd"},
        {"timezone": "Asia/Shanghai", "utc_offset_h": 8},
        {"utc_offset_h": 80},
    ],
)
def test_forms_of_times_that_cannot_be(time: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Times.model_validate(time)


def test_places_are_brought_to_wgs84() -> None:
    fields = {"lon": "x", "lat": "y"}
    found = read("position", {"x": 120.10444, "y": 30.85773}, fields=fields, datum="gcj02")
    assert found["lon"] == pytest.approx(120.1, abs=1e-3)
    assert found["lon"] != 120.10444
    assert read("position", {"x": 0, "y": 0}, fields=fields, datum="gcj02") == {"lon": 0.0, "lat": 0.0}
    assert read("position", {"x": 30.0, "y": 120.0}, fields=fields, datum="bd09") == {"lon": 30.0, "lat": 120.0}
    assert read("position", {"x": 30.0}, fields=fields, datum="bd09") == {"lon": 30.0}


def test_what_several_values_mean() -> None:
    cars = [{"plate": None, "code": "a"}, {"plate": " ", "code": "b,c"}, {"plate": "x", "code": None}, {"plate": "y"}]
    source = {"from": "cars.*.plate", "values": {"y": "stranger", "z": "other"}}
    fields = {"source": source, "alarms": "cars.*.code"}
    assert read("position", {"cars": cars}, fields=fields) == {"source": "stranger", "alarms": ["a", "b", "c"]}
    assert read("position", {"cars": []}, fields=fields) == {}


def test_words_that_nobody_named_are_told() -> None:
    fields = {
        "cover": {"from": "c", "values": {"0": "open", "1": "unknown"}},
        "resent": {"from": "r", "values": {"1": "y"}},
    }
    map_ = FieldMap.model_validate({"fields": fields | {"cover_confidence": {"value": "0.5"}}})
    for said, found, told in [
        ({"c": 0, "r": 1}, {"cover": "open", "resent": True, "cover_confidence": 0.5}, []),
        ({"c": 2, "r": 0}, {}, ["cover"]),
        ({"c": 1}, {}, []),
        ({}, {}, []),
    ]:
        unnamed: list[str] = []
        assert map_.read("sighting", said.get, unnamed) == found
        assert unnamed == told


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"speed": "v"}, "N034"),
        ({"gross_kg": "v"}, "N034"),
        ({"speed_kmh": {"from": "v", "unit": "kg"}}, "N033"),
        ({"heading_deg": {"from": "v", "unit": "kg"}}, "N033"),
        ({"cover": {"from": "v", "values": {"0": "opened"}}}, "N035"),
        ({"resent": {"from": "v", "values": {"0": "maybe"}}}, "N035"),
        ({"lon": "v"}, "N036"),
    ],
)
def test_a_person_s_slips_are_told(fields: dict[str, Any], code: str) -> None:
    map_ = FieldMap.model_validate({"fields": fields})
    with pytest.raises(PydanticCustomError) as raised:
        check_fields(map_.fields, ("position",), ["lon", "lat"] if code == "N036" else ())
    assert raised.value.context is not None
    assert raised.value.context["code"] == code


def test_what_every_kind_must_have() -> None:
    assert required_fields("position") == ("at", "lon", "lat")
    assert required_fields("weighing") == ("at", "station_id", "gross_kg")
    assert "images" not in SHAPES["weighing"]


def weighed(fields: dict[str, Any], source: str = "mqtt:a") -> Event:
    return mapped_event("weighing", fields, truck_id="浙E1", source=source, received_at=AT)


def test_the_same_content_is_the_same_event() -> None:
    fields = {"at": AT, "station_id": "W1", "gross_kg": 45_000.0}
    first, other = weighed(fields), weighed(fields | {"gross_kg": 45_001.0})
    assert isinstance(first, Weighing)
    assert isinstance(other, Weighing)
    assert weighed(dict(reversed(fields.items()))) == first
    resent = weighed(fields | {"resent": True})
    assert isinstance(resent, Weighing)
    assert (resent.resent, resent.event_id) == (True, first.event_id)
    assert other.event_id != first.event_id
    own = weighed(fields | {"event_id": "7"})
    assert isinstance(own, Weighing)
    assert own.event_id == "mqtt:a:7"


def test_long_names_are_shortened_and_stay_different() -> None:
    names = [source_name("mqtt", "x" * 5000 + end) for end in "ab"]
    assert len(set(names)) == 2
    assert all(len(name) == LONGEST_SOURCE for name in names)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
SOURCES = st.fixed_dictionaries(
    {"from": st.just("v")},
    optional={
        "bit": st.integers(0, 63),
        "scale": st.floats(-1e3, 1e3),
        "values": st.dictionaries(st.text(), st.text()),
    },
)


@given(st.sampled_from(sorted(SHAPES["position"])), SOURCES, JSON, st.sampled_from(["iso", "epoch_s", "epoch_ms"]))
def test_nothing_but_the_one_error_ever(name: str, source: dict[str, Any], value: Any, form: str) -> None:
    fields = {"lon": {"value": "120.1"}, "lat": {"value": "30.8"}, "at": {"value": "1777595400"}, name: source}
    try:
        found = read("position", {"v": value}, fields=fields, time={"format": form, "utc_offset_h": 8}, datum="gcj02")
        event = mapped_event("position", found, truck_id="浙E1", source="csv:a", received_at=None)
    except DeviceError as error:
        event = None
        assert error.code  # noqa: PT017  # the one error that may be
    if event is not None:
        assert msgspec.json.decode(msgspec.json.encode(event), type=Position) == event
