"""The receiver behind its address: who is heard, when it is answered, what is kept, and what attacks cost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest

from connectors.isapi.settings import IsapiSettings
from connectors.pictures import PictureFolder
from haulwatch.city.documents import read_document
from tests.connectors.isapi.device import AT, HEARTBEAT, alert, jpeg, multipart, png
from tests.connectors.isapi.served import IMAGES, URL, Served, by_label


def test_a_camera_hears_all_is_well_when_the_sighting_is_durable(served: Served) -> None:
    served.log.open.clear()
    with served.running(), ThreadPoolExecutor() as pool:
        answer = pool.submit(served.post, *multipart(alert(cover_plate="no"), IMAGES))
        assert not threading.Event().wait(0.2)
        assert not answer.done()
        served.log.open.set()
        assert answer.result().status_code == 200
        assert "<statusCode>1</statusCode>" in answer.result().text
        assert answer.result().headers["Content-Type"].startswith("application/xml")
    [event] = served.sightings
    assert (event.truck_id, event.camera_id, event.cover) == ("浙E12345", "cam-07", "open")
    store = PictureFolder(served.folder / "pictures")
    kept = [store.path(image.sha256 or "").read_bytes() for image in event.images or []]
    assert kept == IMAGES


def test_nothing_is_answered_as_kept_while_the_log_is_away(served: Served) -> None:
    served.log.away = True
    with served.running():
        assert served.send(alert(), IMAGES) == 503
        assert served.send("<nonsense/>") == 503
        served.log.away = False
        assert served.send(alert(), IMAGES) == 200
    assert len(served.sightings) == 1


def test_a_digest_camera_is_heard(served: Served) -> None:
    with served.running():
        body, content_type = multipart(alert(), IMAGES)
        auth = httpx.DigestAuth("admin", "cam-pass")
        answers = [
            served.client.post(URL, content=body, headers={"Content-Type": content_type}, auth=auth).status_code
            for _ in range(2)
        ]
    assert answers == [200, 200]
    assert len({event.event_id for event in served.sightings}) == 1


@pytest.mark.parametrize("url", ["/ingest/isapi/cam-08", "/ingest/isapi/CAM-07", "/ingest/isapi/.."])
def test_a_foreign_camera_is_not_heard(served: Served, url: str) -> None:
    with served.running():
        answer = served.post(*multipart(alert(), IMAGES), url=url)
        assert answer.status_code in (401, 404)
        assert served.faults().get("not_authenticated", 0) <= 1
    assert (served.log.events, served.log.letters) == ([], [])
    assert not (served.folder / "pictures").exists()


def test_wrong_and_missing_passwords_are_counted_only(served: Served) -> None:
    with served.running():
        body, content_type = multipart(alert())
        missing = served.client.post(URL, content=body, headers={"Content-Type": content_type})
        wrong = served.client.post(URL, content=body, headers={"Content-Type": content_type}, auth=("admin", "x"))
        assert served.faults() == {"not_authenticated": 1}
    assert (missing.status_code, wrong.status_code) == (401, 401)
    assert (served.log.events, served.log.letters) == ([], [])


def test_without_a_store_the_sighting_is_taken_and_its_pictures_counted(served: Served) -> None:
    with served.running(store=False):
        assert served.send(alert(), IMAGES) == 200
        assert served.faults() == {"pictures_not_kept": 2}
    assert [event.images for event in served.sightings] == [None]


def test_pictures_within_limits_are_kept_once_each(served: Served) -> None:
    bomb = png(60_000, 60_000)  # its header claims gigabytes of pixels; nobody unpacks it
    pictures = [jpeg(1), jpeg(1), bomb, b"\xff\xd8\xff" + bytes(5_000), jpeg(2), jpeg(3)]
    with served.running(pictures={"count": 3, "bytes_each": 4_000}):
        assert served.send(alert(), pictures) == 200
        assert served.faults() == {"picture_too_large": 1, "too_many_pictures": 1}
    assert len(served.sightings[0].images or []) == 3


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "xml_dtd"),
        (b"\x00\x01\x02", "unknown_part"),
        (alert("浙E").encode(), "bad_plate"),
        (alert(at="noon").encode(), "bad_time"),
        (alert(at=AT + timedelta(hours=8)).encode(), "clock_ahead"),
        (b"<a/>", "not_an_alert"),
    ],
)
def test_what_cannot_be_an_event_is_kept_aside_and_the_camera_goes_on(served: Served, body: bytes, code: str) -> None:
    with served.running():
        assert served.post(body, "application/xml").status_code == 200
        assert served.send(alert()) == 200
        assert served.faults() == {code: 1}
    [letter] = served.log.letters
    assert (letter.code, letter.source) == (code, "isapi:cam-07")
    assert letter.raw.startswith(("<", "\x00"))
    assert len(served.sightings) == 1


def test_one_bad_message_does_not_cost_the_other_of_its_body(served: Served) -> None:
    body = b"".join(b"--b\r\n\r\n" + xml.encode() + b"\r\n" for xml in (alert("浙E"), alert(), "<a>"))
    with served.running():
        assert served.post(body, "multipart/mixed; boundary=b").status_code == 200
    assert (len(served.sightings), sorted(served.log.codes)) == (1, ["bad_plate", "bad_xml"])


def test_what_stands_beside_a_good_message_is_only_counted(served: Served) -> None:
    body, content_type = multipart(alert().replace("<dataType>0<", "<dataType>1<"), [b"neither this nor that" * 3])
    with served.running():
        assert served.post(body, content_type).status_code == 200
        assert served.faults() == {"unknown_part": 1, "picture_elsewhere": 2}
    assert (len(served.sightings), served.log.letters) == (1, [])


def test_heartbeats_and_vehicles_without_plates_are_counted(served: Served) -> None:
    with served.running():
        assert [served.send(HEARTBEAT), served.send(alert("noPlate"), IMAGES)] == [200, 200]
        assert served.post(b"", "application/xml").status_code == 200
        assert served.messages() == {"heartbeat": 1, "no_plate": 1, "empty": 1}
        assert served.faults() == {}
        assert by_label(served.feed.samples(), "isapi_silent_seconds", "device") == {"cam-07": 0}
    assert (served.log.events, served.log.letters) == ([], [])
    assert not (served.folder / "pictures").exists()


@pytest.mark.parametrize(
    ("vehicles", "taken"),
    [("all", ["浙E12345", "沪A88888", "沪B88888"]), ("trucks", ["浙E12345", "沪B88888"]), ("registered", ["浙E12345"])],
)
def test_which_vehicles_become_events(served: Served, vehicles: str, taken: list[str]) -> None:
    with served.running(vehicles=vehicles):
        for plate, kind in (("黄浙E12345", "smallCar"), ("蓝沪A88888", "SUVMPV"), ("黄沪B88888", "unknown")):
            assert served.send(alert(plate, vehicle_type=kind), IMAGES[:1]) == 200
        assert served.messages().get("not_wanted", 0) == 3 - len(taken)
    assert [event.truck_id for event in served.sightings] == taken


def test_a_recorder_sends_for_the_cameras_of_its_channels(served: Served) -> None:
    with served.running():
        for channel in ("3", "4"):
            assert served.post(*multipart(alert(channel=channel)), url="/ingest/isapi/nvr").status_code == 200
    assert [(event.camera_id, event.source) for event in served.sightings] == [("C-3", "isapi:nvr")]
    assert served.log.codes == ["unknown_channel"]


def test_bodies_that_are_too_large_are_refused(served: Served) -> None:
    with served.running(body_bytes=10_000):
        assert served.post(*multipart(alert(), [jpeg(1, 20_000)])).status_code == 413
        assert served.send(alert(), IMAGES) == 200
        assert served.faults() == {"body_too_large": 1}
    assert len(served.sightings) == 1


SETTINGS = """
cameras:
  cam-07:
    credentials: {user: admin, password: file:/run/secrets/cam-07, scheme: digest-md5}
    camera_id: C-7
    utc_offset_h: 8
    encoding: gbk
  nvr-1:
    credentials: {open: true, networks: [10.0.0.0/8]}
    channels: {1: C-8, 2: C-9}
vehicles: trucks
hold_s: 3
pictures: {count: 4, bytes_each: 1000000}
body_bytes: 4000000
"""


def test_settings_are_read() -> None:
    found, findings = read_document("c.yaml", SETTINGS.encode(), IsapiSettings)
    assert findings == []
    assert found is not None
    assert (found.cameras["nvr-1"].channels, found.cameras["cam-07"].utc_offset_h) == ({"1": "C-8", "2": "C-9"}, 8)


@pytest.mark.parametrize(
    ("wrong", "right", "code", "line"),
    [
        ("cam 07:", "cam-07:", "N010", 3),
        ("encoding: gkb", "encoding: gbk", "N011", 7),
        ("utc_offset_h: 80", "utc_offset_h: 8", "C015", 6),
        ("utc_ofset_h: 8", "utc_offset_h: 8", "C013", 6),
        ("vehicles: lorries", "vehicles: trucks", "C015", 11),
        ("hold_s: 3m", "hold_s: 3", "C015", 12),
        ("password: geheim", "password: file:/run/secrets/cam-07", "N001", 4),
    ],
)
def test_settings_that_are_wrong_are_found_at_their_place(wrong: str, right: str, code: str, line: int) -> None:
    _, findings = read_document("c.yaml", SETTINGS.replace(right, wrong).encode(), IsapiSettings)
    assert [(finding.code, finding.line) for finding in findings] == [(code, line)]
