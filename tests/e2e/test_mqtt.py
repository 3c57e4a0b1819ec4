"""Messages over a real Mosquitto into a real process: an order comes of it, and a kill loses nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from haulwatch.testing import city_files_of
from tests.connectors.mqtt.device import Publisher, gps
from tests.e2e.api import Api, figures_of
from tests.e2e.children import Child, wait_until
from tests.mosquitto.server import PASSWORD, USER, Mosquitto
from tests.servers import free_port

TRUCKS = "truck_id,axle_count,terminal_id\n浙E00001,4,013912345678\n浙E00002,4,\n"
CONNECTORS = """
mqtt:
  brokers:
    - name: city
      host: 127.0.0.1
      port: {port}
      user: {user}
      password: env:MQTT_PASSWORD
      client_id: haulwatch-1
      subscriptions:
        - topic: trucks/+/gps
          kind: position
          truck: {{level: 2, is: terminal_id}}
          time: {{format: "%Y-%m-%d %H:%M:%S", utc_offset_h: 8}}
          fields:
            at: ts
            lon: gps.lng
            lat: gps.lat
            speed_kmh: {{from: gps.spd, unit: m/s}}
            ignition: acc
            load: {{from: io.load, values: {{0: empty, 1: full}}}}
            cover: {{from: io.cover, values: {{0: open, 1: closed}}}}
        - topic: scales/+
          format: event
          kind: weighing
"""


class Haulwatch(Api):
    """`haulwatch run` with a file of connectors."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        city = folder / "city"
        for name, content in city_files_of(tables={"trucks.csv": TRUCKS}).items():
            (city / name).parent.mkdir(parents=True, exist_ok=True)
            (city / name).write_bytes(content)
        connectors = folder / "connectors.yaml"
        connectors.write_text(CONNECTORS.format(port=broker.port, user=USER), encoding="utf-8")
        http = free_port()
        self.url = self.events_url = f"http://127.0.0.1:{http}"
        where = ("--city", str(city), "--data", str(folder / "data"), "--http", f"127.0.0.1:{http}")
        arguments = ("run", *where, "--connectors", str(connectors))
        self.child = Child("run", arguments, self.url, folder / "run.stderr", {"MQTT_PASSWORD": PASSWORD})


@contextmanager
def running(system: Haulwatch) -> Iterator[Haulwatch]:
    system.child.start()
    try:
        system.child.wait_ready()
        yield system
    finally:
        system.child.kill()


def test_a_truck_that_drives_uncovered_becomes_an_order(own_mosquitto: Mosquitto, tmp_path: Path) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    drive = [
        (
            "trucks/13912345678/gps",
            gps(
                began + timedelta(seconds=10 * number),
                gps={"lng": 120.1 + number * 0.0012, "lat": 30.86, "spd": 11.5},
                io={"cover": 0, "load": 1},
            ),
        )
        for number in range(10)
    ]
    with running(Haulwatch(tmp_path, own_mosquitto)) as system, Publisher(own_mosquitto.port) as devices:
        devices.publish(drive[:4])
        devices.publish([("trucks/13912345678/gps", b"\x00"), ("trucks/4711/gps", drive[0][1])])
        wait_until(lambda: heard(system) == 4, "the first of it is heard", 30)
        system.child.kill()
        devices.publish(drive[4:])  # the broker keeps them for the session
        system.child.start()
        system.child.wait_ready()
        wait_until(lambda: len(system.orders()) == 1, "one order of the uncovered load", 30)
        [order] = system.orders()
        assert heard(system) >= 6
        assert system.child.stop() == 0
    assert (order["truck_id"], order["category"]) == ("浙E00001", "uncovered")


def heard(system: Haulwatch) -> float:
    return figures_of(system.url).get('haulwatch_mqtt_events_total{device="city",kind="position"}', 0)
