"""Cameras over HTTP into a real process: an order comes of what they saw, and what was answered is in the log."""

from __future__ import annotations

import base64
import contextlib
import json
import select
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.testing import city_files_of
from tests.connectors.isapi.device import Camera, alert, jpeg, multipart
from tests.e2e.api import Api, figures_of
from tests.e2e.children import Child, wait_until
from tests.servers import free_port

PLATE = "浙E12345"
CAMERAS = ("cam-07", "cam-08")
KILLS = 3


class Haulwatch(Api):
    """`haulwatch run` of a district without sites, one listed truck, two cameras."""

    def __init__(self, folder: Path) -> None:
        tables = {
            "trucks.csv": f"truck_id,axle_count\n{PLATE},4\n",
            "cameras.csv": "camera_id,name,lon,lat,trust\n" + "".join(f"{c},{c},120.1,30.86,0.9\n" for c in CAMERAS),
        }
        for name, content in city_files_of(tables=tables).items():
            (folder / "city" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "city" / name).write_bytes(content)
        (folder / "secret").write_text("cam-pass\n")
        credentials = f"{{user: admin, password: file:{folder}/secret}}"
        settings = "isapi:\n  hold_s: 1\n  body_s: 1\n  cameras:\n"
        settings += "".join(f"    {name}: {{credentials: {credentials}}}\n" for name in CAMERAS)
        (folder / "connectors.yaml").write_text(settings)
        self.data = folder / "data"
        self.url = self.events_url = f"http://127.0.0.1:{(port := free_port())}"
        where = ("--city", folder / "city", "--data", self.data, "--connectors", folder / "connectors.yaml")
        arguments = ("run", "--http", f"127.0.0.1:{port}", *map(str, where))
        self.child = Child("run", arguments, self.url, folder / "run.stderr")

    def camera(self, name: str) -> Camera:
        return Camera(self.url, name, "admin", "cam-pass")

    def logged(self) -> list[str]:
        """Event ids in the log of the process that has ended."""
        with sqlite3.connect(self.data / "log.sqlite") as log:
            return [row[0] for row in log.execute("SELECT event_id FROM log WHERE event_id IS NOT NULL")]


def attacked(system: Haulwatch) -> list[int]:
    """What is answered: a stranger's large body, a camera's of 100 MB, one that never comes, one that drips."""
    url, right = f"{system.url}/ingest/isapi/{CAMERAS[0]}", httpx.BasicAuth("admin", "cam-pass")

    def drops() -> Iterator[bytes]:
        while True:
            yield b"<"
            time.sleep(0.05)  # slower than anybody waits

    with httpx.Client(trust_env=False, timeout=20) as client:
        stranger = client.post(url, content=bytes(20_000_000))
        large = client.post(url, content=bytes(100_000_000), auth=right)
    _, _, address = system.url.rpartition("/")
    host, port = address.split(":")
    answers = []
    for chunks in (iter([b""]), drops()):
        with socket.create_connection((host, int(port)), timeout=20) as connection:
            head = f"POST /ingest/isapi/{CAMERAS[0]} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5000\r\n"
            login = base64.b64encode(b"admin:cam-pass").decode()
            connection.sendall(f"{head}Authorization: Basic {login}\r\n\r\n".encode())
            with contextlib.suppress(OSError):  # it hangs up while we are dripping
                for chunk in chunks:
                    connection.sendall(chunk)
                    if select.select([connection], [], [], 0)[0]:
                        break
            answers.append(int(connection.recv(4096).split()[1]))
    return [stranger.status_code, large.status_code, *answers]


def test_a_truck_that_two_cameras_see_uncovered_becomes_an_order(tmp_path: Path) -> None:
    system = Haulwatch(tmp_path)
    system.child.start()
    try:
        system.child.wait_ready()
        began = datetime.now(UTC) - timedelta(seconds=20)
        fix = {"kind": "position", "event_id": "fix-1", "truck_id": PLATE, "at": rfc3339(to_ms(began)), "speed_kmh": 40}
        assert system.post(json.dumps(fix | {"lon": 120.1, "lat": 30.86, "load": "full"}).encode())[0] == 202
        picture = jpeg(7, 300_000)
        for number, name in enumerate(CAMERAS):
            camera = system.camera(name)
            xml = alert(f"黄{PLATE}", began + timedelta(seconds=5 + number), cover_plate="no", carries="yes", uuid=name)
            for _ in range(2):  # the second time it is the same event
                assert camera.post(*multipart(xml, [picture])).status_code == 200
            camera.close()
        wait_until(lambda: len(system.orders()) == 1, "one order of the uncovered load", 20)
        [order] = system.orders()
        figures = figures_of(system.url)
        attacks = attacked(system)
        camera = system.camera(CAMERAS[0])
        assert camera.see(f"黄{PLATE}", began) == 200
        camera.close()
        assert system.child.stop() == 0
    finally:
        system.child.kill()
    assert (order["truck_id"], order["category"]) == (PLATE, "uncovered")
    assert figures['haulwatch_isapi_events_total{device="cam-07",kind="sighting"}'] == 2
    assert attacks == [401, 413, 408, 408]
    assert picture in [kept.read_bytes() for kept in (system.data / "pictures").glob("??/*.jpg")]
    assert len(system.logged()) == len(set(system.logged())) == 4


def test_what_was_answered_is_in_the_log_however_often_it_is_killed(tmp_path: Path) -> None:
    system = Haulwatch(tmp_path)
    done = threading.Event()
    answered: list[list[str]] = [[] for _ in CAMERAS]
    began = datetime.now(UTC) - timedelta(hours=6)

    def watch(index: int) -> None:
        """One vehicle after the other, each until it is answered; every third is told in a first half only."""
        number = 0
        camera = system.camera(CAMERAS[index])
        while not done.is_set():
            at = began + timedelta(seconds=number)
            half = "<hasMoreData>true</hasMoreData>" if number % 3 == 2 else ""
            try:
                status = camera.see(f"黄{PLATE}", at, pictures=1, uuid=f"{index}-{number}", in_anpr=half)
            except httpx.TransportError:
                time.sleep(0.05)  # the process is away; it is asked again until the end
                continue
            if status == 200:
                answered[index].append(rfc3339(to_ms(at.replace(microsecond=0))))
                number += 1

    def more_than(counts: list[int]) -> Callable[[], bool]:
        return lambda: all(len(one) > count for one, count in zip(answered, counts, strict=True))

    system.child.start()
    watchers = [threading.Thread(target=watch, args=(index,)) for index in range(len(CAMERAS))]
    try:
        system.child.wait_ready()
        for watcher in watchers:
            watcher.start()
        for _kill in range(KILLS):
            wait_until(more_than([len(one) + 3 for one in answered]), "every camera is answered again", 30)
            system.child.kill()
            system.child.start()
            system.child.wait_ready()
        done.set()
        for watcher in watchers:
            watcher.join()
        folder = system.data / "pictures" / "waiting" / "isapi"
        wait_until(lambda: not list(folder.glob("*.json")), "no first half waits any more", 20)
        assert system.child.stop() == 0
    finally:
        done.set()
        system.child.kill()
    ids = system.logged()
    assert len(ids) == len(set(ids))
    for name, one in zip(CAMERAS, answered, strict=True):
        stored = {
            event_id.removeprefix(f"isapi:{name}:")[:24] for event_id in ids if event_id.startswith(f"isapi:{name}:")
        }
        assert len(one) > KILLS
        assert set(one) <= stored
