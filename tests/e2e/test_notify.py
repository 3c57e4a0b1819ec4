"""A truck that is too heavy, and the message about it: through a real process to a real server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from haulwatch.dispatch.database import sqlite_url
from haulwatch.settings import ClusterSettings
from tests.connectors.notify.receiver import OK, Receiver, Reply, verify
from tests.e2e.api import figures_of
from tests.e2e.children import Child, wait_until
from tests.e2e.consoles import Consoles
from tests.e2e.embedded import Running, free_port
from tests.e2e.village import PLATE, weighing, write_village

SECRET = "whsec_" + base64.b64encode(b"thirty-two bytes of a signing key").decode()
NOTIFY = """
allow_hosts: ["127.0.0.1:{port}"]
public_url: https://console.example.org
channels:
  platform: {{type: webhook, url: "{url}/orders", http: true, secret: "file:{secret}"}}
routes:
  - {{on: [opened], category: [overweight], channels: [platform]}}
"""


def write_notify(folder: Path, receiver: Receiver) -> Path:
    """A file whose one channel leads to the receiver."""
    secret, notify = folder / "secret", folder / "notify.yaml"
    secret.write_text(SECRET)
    notify.write_text(NOTIFY.format(port=receiver.port, url=receiver.url, secret=secret))
    return notify


class Notifying(Running):
    """A system that tells of its orders."""

    def __init__(self, folder: Path, receiver: Receiver) -> None:
        notify = write_notify(folder, receiver)
        self.port = free_port()
        self.url = self.events_url = f"http://127.0.0.1:{self.port}"
        self.city, self.data = write_village(folder / "city"), folder / "data"
        where = ("--city", str(self.city), "--data", str(self.data), "--http", f"127.0.0.1:{self.port}")
        self.child = Child("run", ("run", *where, "--notify", str(notify)), self.url, folder / "run.stderr")
        self.child.start()


def test_a_heavy_truck_is_told_to_the_platform_even_across_a_kill(tmp_path: Path) -> None:
    with Receiver(Reply(503, headers={"Retry-After": "0"}), then=OK) as receiver:
        with Notifying(tmp_path, receiver) as system:
            assert system.post(json.dumps(weighing("w1")).encode())[0] == 202
            receiver.wait(1)
            system.kill()
            system.restart()
            system.wait_ready()
            *_, last = receiver.wait(2, timeout_s=40)
            wait_until(
                lambda: figures_of(system.url).get('haulwatch_notify_waiting{channel="platform"}', 0) == 0,
                "nothing waits",
                20,
            )
            [order] = system.orders()
            assert system.stop() == 0, system.child.tail()
        for request in receiver.requests:
            verify(SECRET, request)
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    told = last.json
    assert (last.path, told["type"]) == ("/orders", "haulwatch.order.opened")
    assert told["data"]["order"] == order | {"stage": "new"}
    assert told["data"]["order"]["truck_id"] == PLATE
    assert told["data"]["order_url"] == f"https://console.example.org/orders/{order['order_id']}"


@pytest.fixture
def consoles(cluster: ClusterSettings, tmp_path: Path) -> Iterator[Consoles]:
    consoles = Consoles(cluster.model_copy(update={"database": sqlite_url(tmp_path)}), tmp_path)
    yield consoles
    for child in consoles.children:
        child.kill()


@pytest.mark.kafka
def test_of_two_consoles_of_a_cluster_one_tells_and_the_other_goes_on(consoles: Consoles, tmp_path: Path) -> None:
    active = "haulwatch_notify_active"
    with Receiver() as receiver:
        consoles.deploy()
        notify = str(write_notify(tmp_path, receiver))
        first = consoles.add("--notify", notify)
        first.wait_ready()
        wait_until(lambda: figures_of(first.url)[active] == 1, "the first one tells", 30)
        second = consoles.add("--notify", notify)
        second.wait_ready()
        consoles.find(1, 2, 3)
        receiver.wait(3, timeout_s=60)
        assert figures_of(second.url)[active] == 0
        first.kill()
        consoles.find(4)
        everybody = {f"浙E{number:05d}" for number in range(1, 5)}
        # What the first one had on its way when it was killed comes twice.
        wait_until(lambda: trucks_of(receiver) == everybody, "all four are told", 60)
        wait_until(lambda: figures_of(second.url)[active] == 1, "the second one tells", 30)
        assert second.stop() == 0
    for request in receiver.requests:
        verify(SECRET, request)
    ids = {request.headers["webhook-id"] for request in receiver.requests}
    assert len(ids) == len(everybody)


def trucks_of(receiver: Receiver) -> set[str]:
    return {request.json["data"]["order"]["truck_id"] for request in receiver.requests}
