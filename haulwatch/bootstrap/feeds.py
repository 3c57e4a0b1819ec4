"""The connectors that a file switches on, put together and run as one."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from connectors.camera.feed import CameraFeed
from connectors.camera.settings import CameraSettings
from connectors.gate import Feed, Gate
from connectors.group_commit import GroupCommit, SubmitEvents
from connectors.isapi.receiver import IsapiFeed
from connectors.isapi.settings import IsapiSettings
from connectors.mqtt.feed import Mqtt
from connectors.mqtt.settings import MqttSettings
from connectors.pictures import PictureFolder
from connectors.plate_board import PlateBoard
from connectors.traccar.feed import Traccar
from connectors.traccar.settings import TraccarSettings
from connectors.weighbridge.feed import WeighbridgeFeed
from connectors.weighbridge.settings import WeighbridgeSettings
from haulwatch.city.documents import read_file
from haulwatch.domain.registry import Registry
from haulwatch.metrics import Sample

WAITING_FOLDER = "waiting"
"""Beside the pictures, in the one folder that is known to be kept."""


class ConnectorsFile(BaseModel):
    """`connectors.yaml`: which devices are heard, and how. A section that is absent is switched off."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    isapi: IsapiSettings | None = None
    camera: CameraSettings | None = None
    traccar: TraccarSettings | None = None
    mqtt: MqttSettings | None = None
    weighbridge: WeighbridgeSettings | None = None


MAKERS: dict[str, Callable[[Any, Gate], Feed]] = {
    "isapi": IsapiFeed,
    "camera": CameraFeed,
    "traccar": Traccar,
    "mqtt": Mqtt,
    "weighbridge": WeighbridgeFeed,
}
"""What makes the connector of each section of the file."""


def read_connectors(path: Path) -> ConnectorsFile:
    """The file checked. Raises AuthorError with every finding; WorldError where it cannot be read."""
    return read_file(path, ConnectorsFile)


class Feeds:
    """All of them: started and stopped together, with one way into the log."""

    def __init__(
        self,
        file: ConnectorsFile,
        submit_events: SubmitEvents,
        registry: Callable[[], Registry],
        pictures: Path | None,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """Raises WorldError where a secret is not where the file says."""
        named = [(name, getattr(file, name)) for name in MAKERS]
        switched_on = [(name, section) for name, section in named if section is not None]
        self._commit = GroupCommit(submit_events) if switched_on else None
        self._feeds: dict[str, Feed] = {}
        if self._commit is None:
            return
        store = None if pictures is None else PictureFolder(pictures)
        plates = PlateBoard()
        gate = Gate(
            submit=plates.noting(self._commit.submit),
            registry=registry,
            pictures=store,
            now_ms=now_ms,
            waiting=None if pictures is None else pictures / WAITING_FOLDER,
            plates=plates,
        )
        try:
            for name, section in switched_on:
                self._feeds[name] = MAKERS[name](section, gate)
        except BaseException:
            self._commit.close()
            raise

    @property
    def routers(self) -> list[APIRouter]:
        """Their addresses."""
        return [router for feed in self._feeds.values() for router in feed.routers]

    @property
    def checks(self) -> dict[str, Callable[[], None]]:
        """By name, for /readyz."""
        commit = {} if self._commit is None else {"connectors": self._commit.check}
        return commit | {name: feed.check for name, feed in self._feeds.items()}

    def samples(self) -> Iterable[Sample]:
        """The figures of all."""
        for feed in self._feeds.values():
            yield from feed.samples()

    def start(self) -> None:
        """Begins to hear devices. Raises WorldError, with all of them stopped, where one cannot."""
        with contextlib.ExitStack() as started:
            for feed in self._feeds.values():
                feed.start()
                started.callback(feed.stop)
            started.pop_all()

    def stop(self) -> None:
        """Hears nothing more, and finishes what was taken."""
        for feed in self._feeds.values():
            feed.stop()
        if self._commit is not None:
            self._commit.close()
