"""A receiver at its address, before a log that can be away, under a clock that is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from fastapi.testclient import TestClient

from connectors.isapi.receiver import IsapiFeed
from connectors.isapi.settings import IsapiSettings
from connectors.pictures import PictureFolder
from haulwatch.console import problems
from haulwatch.domain.events import Sighting
from haulwatch.domain.instants import to_ms
from haulwatch.metrics import Sample
from tests.connectors.held_log import NOW, HeldLog, gate_to
from tests.connectors.isapi.device import jpeg, multipart

AUTH = httpx.BasicAuth("admin", "cam-pass")
URL = "/ingest/isapi/cam-07"
MORE = "<hasMoreData>true</hasMoreData>"
IMAGES = [jpeg(1), jpeg(2)]


class Served:
    """A receiver at its address, its log, its clock."""

    def __init__(self, log: HeldLog, folder: Path) -> None:
        self.log, self.folder = log, folder
        self.now_ms = to_ms(NOW)

    @contextmanager
    def running(self, *, store: bool = True, **settings: Any) -> Iterator[Served]:
        """`settings` are those of the section beside its cameras."""
        (self.folder / "password").write_text("cam-pass\n")
        credentials = {"user": "admin", "password": f"file:{self.folder}/password"}
        cameras = {
            "cam-07": {"credentials": credentials},
            "nvr": {"credentials": credentials, "channels": {"3": "C-3"}},
        }
        section = IsapiSettings.model_validate({"cameras": cameras, **settings})
        with gate_to(self.log, now_ms=lambda: self.now_ms) as gate:
            if store:
                folder = self.folder / "pictures"
                gate = replace(gate, pictures=PictureFolder(folder), waiting=folder / "waiting")
            self.feed = IsapiFeed(section, gate)
            app = FastAPI()
            problems.install(app)
            for router in self.feed.routers:
                app.include_router(router)
            with TestClient(app) as self.client:
                yield self
            self.feed.check()
            self.feed.stop()

    def post(self, body: bytes, content_type: str, url: str = URL) -> httpx.Response:
        answer: httpx.Response = self.client.post(url, content=body, headers={"Content-Type": content_type}, auth=AUTH)
        return answer

    def send(self, xml: str, images: list[bytes] | None = None) -> int:
        return self.post(*multipart(xml, images or [])).status_code

    def faults(self) -> dict[str, float]:
        return by_label(self.feed.samples(), "isapi_faults_total", "code")

    def messages(self) -> dict[str, float]:
        return by_label(self.feed.samples(), "isapi_messages_total", "message")

    @property
    def sightings(self) -> list[Sighting]:
        return [event for event in self.log.events if isinstance(event, Sighting)]

    def waiting(self) -> list[Path]:
        return sorted((self.folder / "pictures" / "waiting" / "isapi").glob("*"))


def by_label(samples: Sequence[Sample], name: str, label: str) -> dict[str, float]:
    return {dict(one.labels)[label]: one.value for one in samples if one.name == name}
