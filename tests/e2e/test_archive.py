"""An archive made beside a running system while both are killed: it is the log, and decides as the log did."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

from msgspec import structs

from haulwatch.domain.events import Observation
from haulwatch.testing import city_files_of
from haulwatch.wire import encode_event
from streams.local_log import LocalLog
from tests.connectors.archive.logs import read_back
from tests.e2e.children import wait_until
from tests.e2e.embedded import Running
from tests.properties.traffic import PLATES, TABLES, ZONES, stream

PIECES = 6


def write_city(folder: Path) -> Path:
    for name, content in city_files_of(zones=ZONES, tables=TABLES).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def traffic() -> list[Observation]:
    """By the time of receipt, over several hours."""
    events: list[Observation] = []
    for number in range(3):
        later = timedelta(hours=1.5 * number)
        for event in (event for plate in PLATES for event in stream(Random(number), plate)):
            name = f"{number}-{event.event_id}"
            received_at = (event.received_at or event.at) + later
            events.append(structs.replace(event, event_id=name, at=event.at + later, received_at=received_at))
    return sorted(events, key=lambda event: event.received_at or event.at)


def haulwatch(*arguments: str | Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "haulwatch.cli.main", *map(str, arguments)])


def test_beside_a_running_system(tmp_path: Path) -> None:
    city, data, out = write_city(tmp_path / "city"), tmp_path / "data", tmp_path / "archive"
    events = traffic()
    size = len(events) // PIECES + 1
    with Running(city, data) as system, ExitStack() as ends:
        archiver = haulwatch("archive", "--data", data, "--out", out, "--follow")
        ends.callback(lambda: archiver.kill())
        for number in range(PIECES):
            piece = events[number * size : (number + 1) * size]
            assert system.post(b"\n".join(map(encode_event, piece)))[0] == 202
            if number == 1:
                system.kill()
                system.restart()
                system.wait_ready()
            if number == 3:
                wait_until(lambda: any(out.glob("day=*/hour=*/*.parquet")), "an hour is archived", 30)
                archiver.kill()
                archiver.wait()
                archiver = haulwatch("archive", "--data", data, "--out", out, "--follow")
        wait_until(lambda: len(list(out.glob("day=*/hour=*"))) >= 2, "the next process goes on", 30)
        assert system.stop() == 0
        archiver.terminate()
        assert archiver.wait(30) == 0
    assert haulwatch("archive", "--data", data, "--out", out).wait(30) == 0
    log = LocalLog(data / "log.sqlite")
    whole = [raw for _offset, raw in log.events_after(0)]
    log.close()
    assert read_back(out) == {0: [raw for raw in whole if b'"city_activated"' not in raw]}

    (tmp_path / "log").write_bytes(b"".join(raw + b"\n" for raw in whole))
    for given, found in ((tmp_path / "log", "one"), (out, "two")):
        assert haulwatch("replay", given, "--city", city, "--out", tmp_path / found).wait(60) == 0
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes() != b""
