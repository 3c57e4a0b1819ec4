"""A weigh indicator and the camera of its lane into a real process: an order of an overweight truck comes of it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec

from haulwatch.testing import city_files_of
from tests.connectors.isapi.device import Camera, jpeg
from tests.connectors.weighbridge.device import WIM_SETTINGS, SerialServer, wim_body
from tests.e2e.api import Api, figures_of
from tests.e2e.children import Child, wait_until
from tests.servers import free_port

PLATE = "浙E12345"
TABLES = {
    "trucks.csv": f"truck_id,axle_count,body\n{PLATE},3,rigid\n",
    "stations.csv": "station_id,name,lon,lat,tolerance_pct,verified_until,mode\n"
    "W1,东磅,120.1,30.86,1,2099-12-31,static\n",
    "cameras.csv": "camera_id,name,lon,lat,trust\ncam-07,东磅,120.1,30.86,0.9\n",
}


class Haulwatch(Api):
    """`haulwatch run` with a scale and a camera."""

    def __init__(self, folder: Path, scale_port: int) -> None:
        for name, content in city_files_of(tables=TABLES).items():
            (folder / "city" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "city" / name).write_bytes(content)
        (folder / "secret").write_text("cam-pass\n")
        (folder / "connectors.yaml").write_text(
            f"""
isapi:
  cameras:
    cam-07: {{credentials: {{user: admin, password: file:{folder}/secret}}}}
weighbridge:
  indicators:
    bridge-1:
      protocol: xk3190
      address: tcp://127.0.0.1:{scale_port}
      station_id: W1
      lane: east
      plates: {{camera_id: [cam-07], after_s: 0.5, wait_s: 0.5}}
  wim:
   g25:
    credentials: {{token: "file:{folder}/secret"}}{WIM_SETTINGS}
"""
        )
        self.data = folder / "data"
        self.url = self.events_url = f"http://127.0.0.1:{(port := free_port())}"
        where = ("--city", folder / "city", "--data", self.data, "--connectors", folder / "connectors.yaml")
        arguments = ("run", "--http", f"127.0.0.1:{port}", *map(str, where))
        self.child = Child("run", arguments, self.url, folder / "run.stderr")

    def weighings(self) -> list[dict[str, Any]]:
        """Of the log of the process that has ended."""
        with sqlite3.connect(self.data / "log.sqlite") as log:
            rows = log.execute("SELECT event FROM log WHERE event_id IS NOT NULL").fetchall()
        events = [msgspec.json.decode(row[0]) for row in rows]
        return [event for event in events if event["kind"] == "weighing"]


def test_a_truck_of_52_9_t_on_three_axles_becomes_an_order(tmp_path: Path) -> None:
    with SerialServer() as scale:
        system = Haulwatch(tmp_path, scale.port)
        system.child.start()
        try:
            system.child.wait_ready()
            assert scale.connected.wait(20)
            camera = Camera(system.url, "cam-07", "admin", "cam-pass")
            assert camera.see(f"黄{PLATE}", datetime.now(UTC), pictures=1) == 200
            camera.close()
            scale.weigh(52_900)
            wait_until(lambda: len(system.orders()) == 1, "one order of the overweight truck", 20)
            [order] = system.orders()
            figures = figures_of(system.url)
            assert system.child.stop() == 0
        finally:
            system.child.kill()
    assert (order["truck_id"], order["category"]) == (PLATE, "overweight")
    assert figures['haulwatch_weighbridge_connected{device="bridge-1"}'] == 1
    assert figures['haulwatch_weighbridge_events_total{device="bridge-1",kind="weighing"}'] == 1
    assert figures['haulwatch_weighbridge_station_unknown{device="bridge-1"}'] == 0
    [weighing] = system.weighings()
    assert (weighing["gross_kg"], weighing["station_id"], weighing["lane"]) == (52_900, "W1", "east")
    assert weighing["plate_confidence"] == 0.97
    assert len(weighing["images"]) == 1


def test_a_truck_that_a_platform_weighed_as_it_drove_becomes_an_order(tmp_path: Path) -> None:
    system = Haulwatch(tmp_path, free_port())
    picture = jpeg(5)
    system.child.start()
    try:
        system.child.wait_ready()
        body = wim_body(f"黄{PLATE}", datetime.now(UTC), 52_900, picture=picture)
        for _ in range(2):  # the second time it is the same event
            token = {"Authorization": "Bearer cam-pass"}
            answer = httpx.post(f"{system.url}/ingest/wim/g25", json=body, headers=token, trust_env=False)
            assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "refused": []})
        wait_until(lambda: len(system.orders()) == 1, "one order of the overweight truck", 20)
        [order] = system.orders()
        figures = figures_of(system.url)
        assert system.child.stop() == 0
    finally:
        system.child.kill()
    assert (order["truck_id"], order["category"]) == (PLATE, "overweight")
    assert figures['haulwatch_weighbridge_connected{device="bridge-1"}'] == 0, "its scale is away, and that is no fault"
    [weighing] = system.weighings()
    assert (weighing["gross_kg"], weighing["axle_count"], weighing["source"]) == (52_900, 3, "wim:g25")
    [kept] = (system.data / "pictures").glob("??/*.jpg")
    assert kept.read_bytes() == picture
