"""From the bytes of real devices to orders on a cluster's console: every connector at once, on one gateway."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from connectors.jt808 import answers
from connectors.kafka_client import admin_client
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of
from tests.connectors.isapi.device import Camera
from tests.connectors.jt808 import frames
from tests.connectors.jt808.terminal import Terminal
from tests.connectors.mqtt.device import Publisher, gps
from tests.connectors.traccar.device import encoded, report, write
from tests.connectors.weighbridge.device import SerialServer
from tests.e2e.api import figures_of
from tests.e2e.children import wait_until
from tests.e2e.cluster import Cluster
from tests.e2e.test_jt808 import china_time
from tests.mosquitto.fixtures import running_mosquitto
from tests.mosquitto.server import PASSWORD, USER
from tests.postgresql.server import Databases
from tests.servers import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.postgresql, pytest.mark.mqtt]

TERMINAL_TRUCK, PHONE = "浙E00001", "013900000001"
CAMERA_TRUCK, CAMERAS, BRIDGE_CAMERA = "浙E00002", ("cam-07", "cam-08"), "cam-09"
TRACCAR_TRUCK, TRACCAR_DEVICE = "浙E00003", "13900000003"
MQTT_TRUCK, MQTT_DEVICE = "浙E00004", "13900000004"
WEIGHED_TRUCK = "浙E00005"
TRACCAR_TOPIC = "positions"
ORDER_S = 60.0
TABLES = {
    "trucks.csv": (
        "truck_id,axle_count,device_model,terminal_id\n"
        f"{TERMINAL_TRUCK},4,states-01,{PHONE[1:]}\n{CAMERA_TRUCK},4,,\n"
        f"{TRACCAR_TRUCK},4,,{TRACCAR_DEVICE}\n{MQTT_TRUCK},4,,{MQTT_DEVICE}\n{WEIGHED_TRUCK},3,,\n"
    ),
    "stations.csv": "station_id,name,tolerance_pct,verified_until,mode\nW1,东磅,1,2099-12-31,static\n",
    "cameras.csv": "camera_id,name,lon,lat,trust\n"
    + "".join(f"{c},{c},120.1,30.86,0.9\n" for c in (*CAMERAS, BRIDGE_CAMERA)),
}
CONNECTORS = """
isapi:
  hold_s: 1
  cameras:
    cam-07: {{credentials: {{user: admin, password: env:CAMERA_PASSWORD}}}}
    cam-08: {{credentials: {{user: admin, password: env:CAMERA_PASSWORD}}}}
    cam-09: {{credentials: {{user: admin, password: env:CAMERA_PASSWORD}}}}
weighbridge:
  indicators:
    bridge-1:
      protocol: xk3190
      address: tcp://127.0.0.1:{scale}
      station_id: W1
      plates: {{camera_id: [cam-09], after_s: 0.5, wait_s: 0.5}}
traccar:
  attributes:
    cover: {{from: io12, values: {{0: open, 1: closed}}}}
    load: {{from: io13, values: {{0: empty, 1: full}}}}
  kafka: {{brokers: "{kafka}", topic: {topic}, group: {topic}}}
mqtt:
  brokers:
    - name: city
      host: 127.0.0.1
      port: {mqtt}
      user: {user}
      password: env:MQTT_PASSWORD
      client_id: gateway-1
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
            load: {{from: io.load, values: {{0: empty, 1: full}}}}
            cover: {{from: io.cover, values: {{0: open, 1: closed}}}}
"""
SECRETS = {
    "HAULWATCH_JT808_SECRET": "a secret of sixteen characters",
    "CAMERA_PASSWORD": "cam-pass",
    "MQTT_PASSWORD": PASSWORD,
}


@dataclass
class Devices:
    """A cluster and where its gateway hears devices."""

    cluster: Cluster
    terminals: int
    topic: str
    mqtt: int
    scale: SerialServer

    def order_of(self, truck_id: str) -> dict[str, Any]:
        """The one order of a truck, when it is there."""

        def found() -> list[dict[str, Any]]:
            return [order for order in self.cluster.orders() if order["truck_id"] == truck_id]

        wait_until(lambda: len(found()) == 1, f"one order of {truck_id}", ORDER_S)
        return found()[0]


def write_city(folder: Path) -> Path:
    """A district without sites, the shipped rules, and what stands in it."""
    for name, content in city_files_of(tables=TABLES).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def devices(
    module_cluster: ClusterSettings, postgres_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Devices]:
    folder = tmp_path_factory.mktemp("devices")
    terminals, topic = free_port(), f"{module_cluster.topic_prefix}.{TRACCAR_TOPIC}"
    with running_mosquitto() as broker, SerialServer() as scale, postgres_databases.fresh() as database:
        with admin_client(module_cluster) as admin:
            admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}})
            admin.wait_for_topics([topic])
        ports = {"mqtt": broker.port, "scale": scale.port}
        connectors = CONNECTORS.format(kafka=module_cluster.kafka, topic=topic, user=USER, **ports)
        (folder / "connectors.yaml").write_text(connectors, encoding="utf-8")
        options = {"--jt808": f"127.0.0.1:{terminals}", "--connectors": folder / "connectors.yaml"}
        options["--pictures"] = folder / "pictures"
        with Cluster(
            write_city(folder / "city"),
            folder / "cluster",
            module_cluster.kafka,
            database,
            prefix=module_cluster.topic_prefix,
            gateway=[str(word) for option in options.items() for word in option],
            secrets=SECRETS,
        ) as cluster:
            yield Devices(cluster, terminals, topic, broker.port, scale)


def call_driver(cluster: Cluster, order_id: str, **body: Any) -> Any:
    """What the terminal says to the console."""
    request = urllib.request.Request(
        f"{cluster.url}/api/v1/orders/{quote(order_id)}/driver",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **cluster.who},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_a_terminals_truck_becomes_an_order_and_its_driver_is_called(devices: Devices) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    with Terminal(devices.terminals, PHONE) as terminal:
        terminal.enter()
        for number in range(10):
            result = terminal.locate(
                lon=120.1 + number * 0.0012,
                speed_kmh=41.5,
                status=0b11 | 0b11 << 8,
                time=china_time(began + timedelta(seconds=10 * number)),
                items=frames.item(0xE1, b"\x00"),
            )
            assert result == 0
        order = devices.order_of(TERMINAL_TRUCK)
        assert order["category"] == "uncovered"
        with ThreadPoolExecutor() as pool:
            told = pool.submit(call_driver, devices.cluster, order["order_id"], ask="text", text="请盖好篷布")
            command = terminal.expect(answers.TEXT)
            terminal.answer(command)
            assert told.result() == {"result": "done", "position": None}
        assert command.body[1:].decode("gbk") == "请盖好篷布"
    detail = devices.cluster.get(f"/api/v1/orders/{order['order_id']}")["detail"]
    assert [entry["action"] for entry in detail["audit"]][-2:] == ["driver_text", "driver_answered"]
    figures = figures_of(devices.cluster.events_url)
    assert figures['haulwatch_driver_commands_total{outcome="taken"}'] == 1


def test_a_truck_that_two_cameras_see_uncovered(devices: Devices) -> None:
    began = datetime.now(UTC) - timedelta(seconds=20)
    fix = {"kind": "position", "event_id": "fix-1", "truck_id": CAMERA_TRUCK, "load": "full"}
    body = json.dumps(fix | {"at": began.isoformat(), "speed_kmh": 40, "lon": 120.1, "lat": 30.86}).encode()
    assert devices.cluster.post(body)[0] == 202
    for number, name in enumerate(CAMERAS):
        camera = Camera(devices.cluster.events_url, name, "admin", "cam-pass")
        seen = camera.see(f"黄{CAMERA_TRUCK}", began + timedelta(seconds=5 + number), cover_plate="no", carries="yes")
        assert seen == 200
        camera.close()
    order = devices.order_of(CAMERA_TRUCK)
    assert order["category"] == "uncovered"
    evidence = devices.cluster.get(f"/api/v1/orders/{order['order_id']}")["detail"]["breach"]["evidence"]
    assert sum(len(record["payload"].get("images", ())) for record in evidence) >= 2


def test_a_truck_that_traccar_follows(devices: Devices) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    drive = [
        report(
            began + timedelta(seconds=10 * number),
            unique_id=TRACCAR_DEVICE,
            longitude=120.1 + number * 0.0012,
            attributes={"io12": 0, "io13": 1},
        )
        for number in range(10)
    ]
    write(devices.cluster.settings.kafka, devices.topic, map(encoded, drive))
    assert devices.order_of(TRACCAR_TRUCK)["category"] == "uncovered"


def test_a_truck_whose_tracker_publishes(devices: Devices) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    with Publisher(devices.mqtt) as tracker:
        tracker.publish(
            (
                f"trucks/{MQTT_DEVICE}/gps",
                gps(
                    began + timedelta(seconds=10 * number),
                    gps={"lng": 120.1 + number * 0.0012, "lat": 30.86, "spd": 11.5},
                    io={"cover": 0, "load": 1},
                ),
            )
            for number in range(10)
        )
    assert devices.order_of(MQTT_TRUCK)["category"] == "uncovered"


def test_a_truck_of_52_9_t_on_three_axles_that_a_camera_names(devices: Devices) -> None:
    assert devices.scale.connected.wait(30)
    camera = Camera(devices.cluster.events_url, BRIDGE_CAMERA, "admin", "cam-pass")
    assert camera.see(f"黄{WEIGHED_TRUCK}", datetime.now(UTC), pictures=1) == 200
    camera.close()
    devices.scale.weigh(52_900)
    order = devices.order_of(WEIGHED_TRUCK)
    assert order["category"] == "overweight"
    assert "52,900" in order["summary"]["zh"]
