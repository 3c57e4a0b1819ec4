"""A server that hears terminals, and the log that it writes to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.jt808.limits import Limits
from connectors.jt808.server import Jt808Server
from connectors.jt808.terminals import Fleet
from connectors.pictures import PictureFolder
from haulwatch.domain.registry import Truck
from tests.connectors.jt808.terminal import NOW, PROFILES, TRUCKS, Log, Serve


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def serve(log: Log, tmp_path: Path) -> Iterator[Serve]:
    started: list[Jt808Server] = []

    def start(trucks: list[Truck] = TRUCKS, limits: Limits | None = None, **more: object) -> Jt808Server:
        fleet = Fleet(trucks, PROFILES)
        server = Jt808Server(
            "127.0.0.1",
            0,
            fleet=more.pop("fleet", lambda: fleet),  # type: ignore[arg-type]
            secret=b"secret",
            submit_events=log.submit_events,
            pictures=PictureFolder(tmp_path / "pictures"),
            limits=limits,
            now=lambda: NOW,
            **more,  # type: ignore[arg-type]
        )
        server.start()
        started.append(server)
        return server

    yield start
    log.open.set()
    for server in started:
        server.stop()
