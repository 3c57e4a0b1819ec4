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
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of
from tests.connectors.jt808 import frames
from tests.connectors.jt808.terminal import Terminal
from tests.e2e.api import figures_of
from tests.e2e.children import wait_until
from tests.e2e.cluster import Cluster
from tests.e2e.test_jt808 import china_time
from tests.postgresql.server import Databases
from tests.servers import free_port

pytestmark = [pytest.mark.kafka, pytest.mark.postgresql]

TERMINAL_TRUCK, PHONE = "浙E00001", "013900000001"
ORDER_S = 60.0


@dataclass
class Devices:
    """A cluster and where its gateway hears devices."""

    cluster: Cluster
    terminals: int

    def order_of(self, truck_id: str) -> dict[str, Any]:
        """The one order of a truck, when it is there."""

        def found() -> list[dict[str, Any]]:
            return [order for order in self.cluster.orders() if order["truck_id"] == truck_id]

        wait_until(lambda: len(found()) == 1, f"one order of {truck_id}", ORDER_S)
        return found()[0]


def write_city(folder: Path) -> Path:
    """A district without sites, the shipped rules, and what stands in it."""
    tables = {"trucks.csv": f"truck_id,axle_count,device_model,terminal_id\n{TERMINAL_TRUCK},4,states-01,{PHONE[1:]}\n"}
    for name, content in city_files_of(tables=tables).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def devices(
    module_cluster: ClusterSettings, postgres_databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Devices]:
    folder = tmp_path_factory.mktemp("devices")
    terminals = free_port()
    gateway = ("--jt808", f"127.0.0.1:{terminals}", "--pictures", str(folder / "pictures"))
    secrets = {"HAULWATCH_JT808_SECRET": "a secret of sixteen characters"}
    with (
        postgres_databases.fresh() as database,
        Cluster(
            write_city(folder / "city"),
            folder / "cluster",
            module_cluster.kafka,
            database,
            prefix=module_cluster.topic_prefix,
            gateway=gateway,
            secrets=secrets,
        ) as cluster,
    ):
        yield Devices(cluster, terminals)


def call_driver(cluster: Cluster, order_id: str, **body: Any) -> Any:
    """What the terminal says to the console."""
    request = urllib.request.Request(
        f"{cluster.url}/api/v1/orders/{quote(order_id)}/driver",
        json.dumps({"actor": "李四", **body}).encode(),
        {"Content-Type": "application/json"},
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
