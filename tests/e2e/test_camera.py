"""A platform's JSON into a real process: an order comes of one sighting, by settings alone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.testing import city_files_of
from tests.connectors.camera.device import PICTURE, SETTINGS, post, record
from tests.e2e.api import Api, figures_of
from tests.e2e.children import Child, wait_until
from tests.servers import free_port

PLATE = "浙E12345"
TOKEN = "of-falcon"


class Haulwatch(Api):
    """`haulwatch run` of a district without sites, one listed truck, one platform."""

    def __init__(self, folder: Path) -> None:
        tables = {"trucks.csv": f"truck_id,axle_count\n{PLATE},4\n", "cameras.csv": "camera_id,trust\ncam-07,0.9\n"}
        for name, content in city_files_of(tables=tables).items():
            (folder / "city" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "city" / name).write_bytes(content)
        (folder / "token").write_text(f"{TOKEN}\n")
        section = SETTINGS.replace("@token", f"file:{folder}/token")
        (folder / "connectors.yaml").write_text("camera:\n" + "".join(f"  {line}\n" for line in section.splitlines()))
        self.data = folder / "data"
        self.url = self.events_url = f"http://127.0.0.1:{(port := free_port())}"
        where = ("--city", folder / "city", "--data", self.data, "--connectors", folder / "connectors.yaml")
        arguments = ("run", "--http", f"127.0.0.1:{port}", *map(str, where))
        self.child = Child("run", arguments, self.url, folder / "run.stderr")


def test_a_truck_that_a_platform_sees_uncovered_becomes_an_order(tmp_path: Path) -> None:
    system = Haulwatch(tmp_path)
    system.child.start()
    try:
        system.child.wait_ready()
        began = datetime.now(UTC) - timedelta(minutes=4)
        fix = {"kind": "position", "event_id": "fix-1", "truck_id": PLATE, "at": rfc3339(to_ms(began)), "speed_kmh": 40}
        assert system.post(json.dumps(fix | {"lon": 120.1, "lat": 30.86, "load": "full"}).encode())[0] == 202
        seen = record(PLATE, began + timedelta(seconds=10))
        assert [post(system.url, TOKEN, [seen, record("浙")]) for _ in range(2)] == [200, 200]
        wait_until(lambda: len(system.orders()) == 1, "one order of the uncovered load", 20)
        [order] = system.orders()
        figures = figures_of(system.url)
        assert system.child.stop() == 0
    finally:
        system.child.kill()
    assert (order["truck_id"], order["category"]) == (PLATE, "uncovered")
    assert figures['haulwatch_camera_faults_total{code="bad_plate",device="falcon-eye"}'] == 2
    [kept] = (system.data / "pictures").glob("??/*.jpg")
    assert kept.read_bytes() == PICTURE
