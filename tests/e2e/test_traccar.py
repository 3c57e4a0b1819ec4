"""Positions that Traccar forwards, over HTTP and through Kafka, into a real process: an order comes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient, NewTopic

from haulwatch.testing import city_files_of
from tests.connectors.traccar.device import encoded, post, report, write
from tests.e2e.api import Api, figures_of
from tests.e2e.children import Child, wait_until
from tests.servers import free_port

TOKEN = "the token of Traccar"
TRUCKS = "truck_id,axle_count,terminal_id\n浙E00001,4,013912345678\n"
SECTION = """
traccar:
  attributes:
    cover: {from: io12, values: {0: open, 1: closed}}
    load: {from: io13, values: {0: empty, 1: full}}
"""
HTTP = "  http: {token: 'env:TRACCAR_TOKEN'}\n"


class Haulwatch(Api):
    """`haulwatch run` with a file of connectors."""

    def __init__(self, folder: Path, connectors: str) -> None:
        city = folder / "city"
        for name, content in city_files_of(tables={"trucks.csv": TRUCKS}).items():
            (city / name).parent.mkdir(parents=True, exist_ok=True)
            (city / name).write_bytes(content)
        (folder / "connectors.yaml").write_text(connectors, encoding="utf-8")
        http = free_port()
        self.url = self.events_url = f"http://127.0.0.1:{http}"
        where = ("--city", str(city), "--data", str(folder / "data"), "--http", f"127.0.0.1:{http}")
        arguments = ("run", *where, "--connectors", str(folder / "connectors.yaml"))
        self.child = Child("run", arguments, self.url, folder / "run.stderr", {"TRACCAR_TOKEN": TOKEN})


@contextmanager
def running(system: Haulwatch) -> Iterator[Haulwatch]:
    system.child.start()
    try:
        system.child.wait_ready()
        yield system
    finally:
        system.child.kill()


def uncovered_drive() -> list[bytes]:
    """A full truck that drives uncovered, in the last hundred seconds; some of it comes twice."""
    began = datetime.now(UTC) - timedelta(seconds=100)
    attributes = {"io12": 0, "io13": 1}
    sent = [
        encoded(
            report(
                began + timedelta(seconds=10 * number),
                unique_id="13912345678",
                longitude=120.1 + number * 0.0012,
                attributes=attributes,
            )
        )
        for number in range(10)
    ]
    return sent + sent[3:5]


def test_a_truck_that_drives_uncovered_becomes_an_order(tmp_path: Path) -> None:
    with running(Haulwatch(tmp_path, SECTION + HTTP)) as system:
        address = f"{system.url}/ingest/traccar"
        assert post(address, uncovered_drive()[0])[0] == 401
        for body in uncovered_drive():
            assert post(address, body, TOKEN) == (200, {"accepted": 1, "refused": []})
        stranger = encoded(report(datetime.now(UTC), unique_id="4711"))
        assert post(address, stranger, TOKEN) == (200, {"accepted": 0, "refused": ["unknown_device"]})
        wait_until(lambda: len(system.orders()) == 1, "one order of the uncovered load", 30)
        [order] = system.orders()
        figures = figures_of(system.url)
        assert system.child.stop() == 0
    assert (order["truck_id"], order["category"]) == ("浙E00001", "uncovered")
    assert figures['haulwatch_traccar_faults_total{code="unknown_device",device="http"}'] == 1
    assert figures['haulwatch_traccar_events_total{device="http",kind="position"}'] == 12


@pytest.mark.kafka
def test_the_same_through_a_topic(kafka: str, tmp_path: Path) -> None:
    topic = f"traccar-{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics([NewTopic(topic, 2, 1)])
    admin.close()
    section = f"{SECTION}  kafka: {{brokers: '{kafka}', topic: {topic}, group: {topic}}}\n"
    write(kafka, topic, [b"{", *uncovered_drive()])
    with running(Haulwatch(tmp_path, section)) as system:
        wait_until(lambda: len(system.orders()) == 1, "one order of the uncovered load", 30)
        assert system.child.stop() == 0
