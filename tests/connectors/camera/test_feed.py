"""`/ingest/camera/…`: who may send, when it is answered, and what the answers are."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from connectors.camera.feed import CameraFeed
from connectors.camera.settings import CameraSettings
from connectors.pictures import PictureFolder
from haulwatch.city.documents import read_document
from haulwatch.console import problems
from haulwatch.domain.events import Sighting
from tests.connectors.camera.device import PICTURE, SETTINGS, body_of, record
from tests.connectors.held_log import HeldLog, gate_to

URL = "/ingest/camera/falcon-eye"
TOKEN = {"Authorization": "Bearer of-falcon"}


class Served:
    """A feed at its address, and its log."""

    def __init__(self, log: HeldLog, folder: Path) -> None:
        self.log, self.folder = log, folder

    @contextmanager
    def running(self, settings: str = SETTINGS, *, pictures: bool = True) -> Iterator[Served]:
        (self.folder / "token").write_text("of-falcon\n")
        text = settings.replace("@token", f"file:{self.folder}/token")
        section, findings = read_document("c.yaml", text.encode(), CameraSettings)
        assert section is not None, findings
        with gate_to(self.log) as gate:
            if pictures:
                gate = replace(gate, pictures=PictureFolder(self.folder / "pictures"))
            self.feed = CameraFeed(section, gate)
            self.feed.start()
            app = FastAPI()
            problems.install(app)
            for router in self.feed.routers:
                app.include_router(router)
            with TestClient(app) as self.client:
                yield self
            self.feed.check()
            self.feed.stop()

    def post(self, body: bytes, url: str = URL, content_type: str = "application/json") -> httpx.Response:
        headers = TOKEN | {"Content-Type": content_type}
        answer: httpx.Response = self.client.post(url, content=body, headers=headers)
        return answer

    def figures(self, name: str, label: str) -> dict[str, float]:
        return {dict(one.labels)[label]: one.value for one in self.feed.samples() if one.name == name}

    @property
    def faults(self) -> dict[str, float]:
        return self.figures("camera_faults_total", "code")

    @property
    def sightings(self) -> list[Sighting]:
        return [event for event in self.log.events if isinstance(event, Sighting)]


@pytest.fixture
def served(tmp_path: Path) -> Served:
    return Served(HeldLog(), tmp_path)


def test_a_platform_hears_what_it_wants_to_hear_when_all_is_durable(served: Served) -> None:
    served.log.open.clear()
    with served.running(), ThreadPoolExecutor() as pool:
        answer = pool.submit(served.post, body_of([record(), record("浙E00002")]))
        assert not threading.Event().wait(0.2)
        assert not answer.done()
        served.log.open.set()
        assert answer.result().json() == {"code": 0, "msg": "success"}
    assert [event.truck_id for event in served.sightings] == ["浙E12345", "浙E00002"]
    [image] = served.sightings[0].images or []
    assert PictureFolder(served.folder / "pictures").path(image.sha256 or "").read_bytes() == PICTURE


def test_without_an_answer_of_its_own_it_hears_what_was_not_taken(served: Served) -> None:
    with served.running("".join(line for line in SETTINGS.splitlines(True) if "answer:" not in line)):
        answer = served.post(body_of([record(), record("浙"), 7])).json()
    assert answer["accepted"] == 1
    assert [(one["index"], one["code"]) for one in answer["refused"]] == [(1, "bad_plate"), (2, "not_an_object")]
    assert served.log.codes == ["bad_plate", "not_an_object"]
    assert {letter.source for letter in served.log.letters} == {"camera:falcon-eye"}


def test_nothing_is_answered_as_kept_while_the_log_is_away(served: Served) -> None:
    served.log.away = True
    with served.running():
        assert [served.post(body_of([record()])).status_code, served.post(b"{").status_code] == [503, 503]
        served.log.away = False
        assert served.post(body_of([record()])).status_code == 200
    assert len(served.sightings) == 1


def test_a_body_that_is_none_is_kept_aside_and_the_sender_goes_on(served: Served) -> None:
    with served.running():
        assert [served.post(b"{").status_code, served.post(body_of([record()])).status_code] == [200, 200]
        assert served.faults == {"not_json": 1}
    assert (len(served.sightings), [letter.raw for letter in served.log.letters]) == (1, ["{"])


@pytest.mark.parametrize("url", [URL, "/ingest/camera/nobody"])
def test_strangers_are_counted_only(served: Served, url: str) -> None:
    with served.running():
        for headers in ({}, {"Authorization": "Bearer of-hawk"}):
            assert served.client.post(url, content=body_of([record()]), headers=headers).status_code == 401
        assert served.faults == {"not_authenticated": 1}
    assert (served.log.events, served.log.letters) == ([], [])


def test_pictures_that_are_none_do_not_cost_the_event(served: Served) -> None:
    shots = [{"data": "!!"}, {"data": "aGVsbG8="}, {"data": record()["shots"][0]["data"]}]
    with served.running():
        assert served.post(body_of([record(shots=shots, cargo={"lid": "?"})])).status_code == 200
        assert served.faults == {"not_a_picture": 2, "unknown_word": 1}
    assert len(served.sightings[0].images or []) == 1


def multipart(*contents: bytes) -> bytes:
    return b"".join(b"--b\r\nContent-Type: x\r\n\r\n" + one + b"\r\n" for one in contents) + b"--b--\r\n"


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0)])
def test_pictures_beside_the_json_are_those_of_its_event(served: Served, order: tuple[int, ...]) -> None:
    contents = [body_of([record(shots=[])]), PICTURE, PICTURE[:-2] + b"!\xff\xd9"]
    with served.running():
        body = multipart(*(contents[index] for index in order), b"who knows what this is")
        assert served.post(body, content_type="multipart/mixed; boundary=b").status_code == 200
        assert served.faults == {"unknown_part": 1}
    kept = PictureFolder(served.folder / "pictures")
    images = served.sightings[0].images or []
    assert {kept.path(image.sha256 or "").read_bytes() for image in images} == set(contents[1:])


def test_pictures_beside_several_events_are_nobodys(served: Served) -> None:
    body = multipart(body_of([record(shots=[]), record("浙E00002", shots=[])]), PICTURE)
    with served.running():
        assert served.post(body, content_type='multipart/form-data; boundary="b"').status_code == 200
        assert served.faults == {"picture_of_nobody": 1}
    assert [event.images for event in served.sightings] == [None, None]


@pytest.mark.parametrize(("body", "code"), [(multipart(PICTURE), "no_events"), (b"rubbish", "bad_multipart")])
def test_a_multipart_without_json_is_kept_aside(served: Served, body: bytes, code: str) -> None:
    with served.running():
        assert served.post(body, content_type="multipart/mixed; boundary=b").status_code == 200
    assert (served.log.codes, served.log.events) == ([code], [])


def test_without_a_store_the_event_is_taken(served: Served) -> None:
    with served.running(pictures=False):
        assert served.post(body_of([record()])).status_code == 200
        assert served.faults == {"pictures_not_kept": 1}
    assert [event.images for event in served.sightings] == [None]


def test_others_than_the_listed_trucks_are_passed_over_on_request(served: Served) -> None:
    with served.running(SETTINGS + "vehicles: registered\n"):
        assert served.post(body_of([record(), record("沪A88888"), record("无牌")])).status_code == 200
        assert served.figures("camera_passed_over_total", "reason") == {"no_plate": 1, "not_registered": 1}
    assert [event.truck_id for event in served.sightings] == ["浙E12345"]


def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    with served.running(SETTINGS + "body_bytes: 20000\n"):
        assert served.post(bytes(20_001)).status_code == 413
        assert served.faults == {"body_too_large": 1}
