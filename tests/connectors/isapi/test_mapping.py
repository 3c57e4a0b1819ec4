"""What a message says becomes the fields of a sighting; what it does not say, or says twice, is left out."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.isapi.document import read_json, read_xml
from connectors.isapi.mapping import Seen, Yes, alerts, cover_of, seen, sighting
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Image, Sighting
from tests.connectors.isapi.device import AT, HEARTBEAT, alert, jpeg, multipart

NOW = AT + timedelta(seconds=2)


def read(xml: str, utc_offset_h: float | None = None) -> Seen:
    found = seen(read_xml(xml.encode())[1], utc_offset_h)
    assert isinstance(found, Seen)
    return found


def event_of(xml: str) -> Sighting:
    return sighting(read(xml), "cam-07", "C-7", (), NOW)


def refused(xml: str, utc_offset_h: float | None = None) -> str:
    with pytest.raises(DeviceError) as raised:
        sighting(read(xml, utc_offset_h), "cam-07", "C-7", (), NOW)
    return raised.value.code


def test_a_message_is_a_sighting() -> None:
    image = Image(uri="picture:" + "0" * 64, sha256="0" * 64)
    xml = alert("黄浙E12345", cover_plate="no", carries="yes", confidence="97")
    event = sighting(read(xml), "cam-07", "C-7", [image], NOW)
    assert event.event_id.startswith("isapi:cam-07:2026-05-01T08:30:00.000Z:")
    assert (event.truck_id, event.at, event.received_at) == ("浙E12345", AT, NOW)
    assert (event.source, event.resent, event.camera_id) == ("isapi:cam-07", False, "C-7")
    assert (event.cover, event.load, event.plate_confidence) == ("open", "full", 0.97)
    assert (event.plate_color, event.vehicle_type, event.speed_kmh) == ("yellow", "slagTruck", 41)
    assert (event.direction, event.images) == ("forward", [image])
    assert event.cover_confidence is event.load_confidence is None


WORDS: tuple[Yes, ...] = ("yes", "no", "unknown")
COVERS = {
    # slagTruckCoverPlate, isCarry, isTarpaulin
    ("yes", "yes", "yes"): "closed",
    ("yes", "yes", "no"): None,
    ("yes", "yes", "unknown"): "closed",
    ("yes", "no", "yes"): "closed",
    ("yes", "no", "no"): "closed",
    ("yes", "no", "unknown"): "closed",
    ("yes", "unknown", "yes"): "closed",
    ("yes", "unknown", "no"): "closed",
    ("yes", "unknown", "unknown"): "closed",
    ("no", "yes", "yes"): None,
    ("no", "yes", "no"): "open",
    ("no", "yes", "unknown"): "open",
    ("no", "no", "yes"): None,
    ("no", "no", "no"): "open",
    ("no", "no", "unknown"): "open",
    ("no", "unknown", "yes"): None,
    ("no", "unknown", "no"): "open",
    ("no", "unknown", "unknown"): "open",
    ("unknown", "yes", "yes"): "closed",
    ("unknown", "yes", "no"): "open",
    ("unknown", "yes", "unknown"): None,
    ("unknown", "no", "yes"): "closed",
    ("unknown", "no", "no"): None,
    ("unknown", "no", "unknown"): None,
    ("unknown", "unknown", "yes"): "closed",
    ("unknown", "unknown", "no"): None,
    ("unknown", "unknown", "unknown"): None,
}


@pytest.mark.parametrize("said", list(itertools.product(WORDS, repeat=3)), ids=" ".join)
def test_cover_and_load_by_every_combination(said: tuple[Yes, Yes, Yes]) -> None:
    cover_plate, carries, tarpaulin = said
    assert cover_of(*said) == COVERS[said]
    event = event_of(alert(cover_plate=cover_plate, carries=carries, tarpaulin=tarpaulin))
    assert event.cover == COVERS[said]
    assert event.load == {"yes": "full", "no": "empty", "unknown": None}[carries]


@pytest.mark.parametrize("written", ["", "noPlate", "NOPLATE", "unknown", " ", "无车牌", "未识别"])
def test_no_plate_is_no_event_and_no_fault(written: str) -> None:
    assert seen(read_xml(alert(written).encode())[1], None) == "no_plate"


@pytest.mark.parametrize(
    "written", ["浙", "浙E", "车牌车牌车牌", "<script>1", "x" * 40, "浙E12345\u202e1", "????12", "12", "浙江省杭州市1"]
)
def test_what_is_no_plate_is_refused(written: str) -> None:
    assert refused(alert(written)) == "bad_plate"


def test_a_plate_in_another_element() -> None:
    xml = alert("").replace("<country>", "<originalLicensePlate>浙E12345</originalLicensePlate><country>")
    assert read(xml).plate.truck_id == "浙E12345"


def test_the_colour_of_the_plate_is_the_cameras_or_that_before_it() -> None:
    assert event_of(alert("绿浙AD12345").replace("yellow", "newEnergyGreen")).plate_color == "green"
    assert event_of(alert("蓝浙A12345").replace("yellow", "unknown")).plate_color == "blue"
    assert event_of(alert("浙A12345").replace("yellow", "unknown")).plate_color is None


def test_what_is_unknown_is_left_out() -> None:
    xml = alert(vehicle_type="unknown", confidence="").replace("forward", "unknown").replace("<speed>41<", "<speed>0<")
    event = event_of(xml.replace("<plateColor>yellow", "<plateColor>unknown").replace("黄浙", "浙"))
    said: dict[str, Any] = {name: getattr(event, name) for name in event.__struct_fields__}
    assert {name for name, value in said.items() if value is not None} == {
        *("event_id", "truck_id", "at", "received_at", "source", "resent", "camera_id")
    }


@pytest.mark.parametrize(
    ("written", "utc_offset_h", "at"),
    [
        ("2026-05-01T16:30:00+08:00", None, datetime(2026, 5, 1, 8, 30, tzinfo=UTC)),
        ("2026-05-01T16:30:00.250+08:00", -5.0, datetime(2026, 5, 1, 8, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-05-01T08:30:00Z", None, datetime(2026, 5, 1, 8, 30, tzinfo=UTC)),
        ("2026-05-01T16:30:00", 8.0, datetime(2026, 5, 1, 8, 30, tzinfo=UTC)),
        ("2026-05-01 14:00:00", 5.5, datetime(2026, 5, 1, 8, 30, tzinfo=UTC)),
        ("20260501T163000+0800", None, datetime(2026, 5, 1, 8, 30, tzinfo=UTC)),
    ],
)
def test_times_by_their_own_offset_or_that_of_the_settings(
    written: str, utc_offset_h: float | None, at: datetime
) -> None:
    assert read(alert(at=written), utc_offset_h).at == at


@pytest.mark.parametrize(
    "written", ["", "2026-05-01T16:30:00", "2026-05-01", "yesterday", "0001-01-01T00:00:00+08:00", "9" * 30]
)
def test_a_time_that_is_none_or_of_no_zone_is_refused(written: str) -> None:
    assert refused(alert(at=written)) == "bad_time"


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (alert(at=AT + timedelta(hours=8)), "clock_ahead"),
        (alert(confidence="150"), "out_of_range"),
        (alert(confidence="many"), "bad_number"),
        (alert(confidence="nan"), "bad_number"),
        (alert().replace("<speed>41<", "<speed>400<"), "out_of_range"),
        (alert().replace("<speed>41<", "<speed>-4<"), "out_of_range"),
    ],
)
def test_values_that_cannot_be_are_refused(xml: str, code: str) -> None:
    assert refused(xml) == code


@pytest.mark.parametrize(
    "xml",
    [
        alert(more="<isDataRetransmission>true</isDataRetransmission>"),
        alert().replace("<alarmDataType>0<", "<alarmDataType>1<"),
    ],
)
def test_what_a_camera_kept_is_resent_and_the_same_event(xml: str) -> None:
    assert event_of(xml).resent
    assert event_of(xml).event_id == event_of(alert()).event_id


def test_other_sightings_are_other_events() -> None:
    others = [
        alert(),
        alert(at=AT + timedelta(seconds=1)),
        alert("浙E12346"),
        alert(uuid="another"),
        alert(channel="2"),
        alert().replace("<line>1", "<line>2"),
    ]
    assert len({event_of(xml).event_id for xml in others}) == len(others)


def test_a_first_half_is_its_own_event() -> None:
    first = read(alert(in_anpr="<hasMoreData>true</hasMoreData>"))
    assert first.more_to_come
    assert sighting(first, "cam-07", "C-7", (), NOW).event_id == event_of(alert()).event_id + ":plate"
    assert not read(alert(in_anpr="<hasMoreData>false</hasMoreData>")).more_to_come


@pytest.mark.parametrize(
    ("xml", "kind"),
    [
        (HEARTBEAT, "heartbeat"),
        (HEARTBEAT.replace("videoloss", "heartBeat"), "heartbeat"),
        (HEARTBEAT.replace("inactive", "active"), "other"),
        (HEARTBEAT.replace("videoloss", "linedetection"), "other"),
        (alert().replace("<eventState>active", "<eventState>inactive"), "inactive"),
    ],
)
def test_other_messages_say_nothing_of_a_truck(xml: str, kind: str) -> None:
    assert seen(read_xml(xml.encode())[1], None) == kind


def test_json_says_the_same() -> None:
    said = (
        '{"EventNotificationAlert": {"dateTime": "2026-05-01T16:30:00+08:00", "eventType": "ANPR",'
        '"eventState": "active", "channelID": 1, "isDataRetransmission": true, "UUID": "u", "ANPR":'
        '{"licensePlate": "黄浙E12345", "line": 1,'
        '"confidenceLevel": 97, "vehicleType": "slagTruck", "vehicleInfo": {"speed": 41, "CarBodyFeature":'
        '{"slagTruckCoverPlate": "no"}, "vehicleCarryFeature": {"isCarry": "yes", "isTarpaulin": "no"}}}}}'
    ).encode()
    [one], refusals = alerts(said, "application/json")
    found = seen(one.tree, None)
    assert isinstance(found, Seen)
    event = sighting(found, "cam-07", "C-7", (), NOW)
    assert (event.truck_id, event.cover, event.load, event.resent) == ("浙E12345", "open", "full", True)
    assert (event.plate_confidence, event.speed_kmh, refusals) == (0.97, 41, [])
    assert seen(read_json(b'{"eventType": "heartBeat"}'), None) == "heartbeat"


def test_pictures_go_to_the_message_before_them() -> None:
    first, second, third = jpeg(1), jpeg(2), jpeg(3)
    body = b"".join(
        b"--b\r\nContent-Type: x\r\n\r\n" + part + b"\r\n"
        for part in (first, alert().encode(), second, alert("浙E2222A").encode(), third)
    )
    found, refusals = alerts(body, "multipart/mixed; boundary=b")
    assert [one.pictures for one in found] == [(first, second), (third,)]
    assert refusals == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html><body>404</body></html>", "not_an_alert"),
        (b"{}", "not_an_alert"),
        (multipart("<EventNotificationAlert>", ())[0], "bad_xml"),
        (b"--MIME_boundary\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg() + b"\r\n--MIME_boundary--", "no_alert"),
        (b"--MIME_boundary\r\nContent-Type: x\r\n\r\nwho knows\r\n--MIME_boundary--", "unknown_part"),
    ],
)
def test_bodies_without_a_message_are_refused(body: bytes, code: str) -> None:
    found, refusals = alerts(body, "multipart/form-data; boundary=MIME_boundary")
    assert (found, [one.error.code for one in refusals]) == ([], [code])


def test_a_message_twice_in_a_body_is_the_same_event_twice() -> None:
    body, content_type = multipart(alert())
    double = body.replace(b"--MIME_boundary--", b"") + body
    found, _ = alerts(double, content_type)
    ids = {
        sighting(one, "c", "c", (), NOW).event_id for each in found if isinstance(one := seen(each.tree, None), Seen)
    }
    assert (len(found), len(ids)) == (2, 1)
