"""An encrypted broker: its certificate is checked, and nothing is lost in what the encryption has read ahead."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.mqtt.feed import Mqtt
from connectors.mqtt.settings import MqttSettings
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Position
from tests.connectors.held_log import PLATE, HeldLog, gate_to
from tests.connectors.mqtt.device import AT, GPS_FIELDS, GPS_TIME, Publisher, gps
from tests.e2e.children import wait_until
from tests.mosquitto.fixtures import running_mosquitto
from tests.mosquitto.server import PASSWORD, USER, Mosquitto

OPENSSL = shutil.which("openssl")
pytestmark = [
    pytest.mark.mqtt,
    pytest.mark.skipif(OPENSSL is None, reason="needs the program openssl to make a certificate"),
]
WAIT_S = 30.0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that signs itself, with its key."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = [str(OPENSSL), "req", *made, *named, "-keyout", "-", "-out", "-"]
    file.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return file


@pytest.fixture
def broker(certificate: Path) -> Iterator[Mosquitto]:
    with running_mosquitto(certificate) as running:
        yield running


def feed_of(gate: Any, broker: Mosquitto, folder: Path, tls: dict[str, str]) -> Mqtt:
    (folder / "password").write_text(PASSWORD)
    subscription = {
        "topic": "trucks/+/gps",
        "kind": "position",
        "truck": {"level": 2},
        "fields": GPS_FIELDS,
        "time": GPS_TIME,
    }
    one = {
        "name": "city",
        "host": "127.0.0.1",
        "port": broker.port,
        "tls": tls,
        "user": USER,
        "password": f"file:{folder}/password",
        "client_id": "haulwatch-1",
        "subscriptions": [subscription],
    }
    return Mqtt(MqttSettings.model_validate({"brokers": [one]}), gate)


def test_messages_over_tls(broker: Mosquitto, certificate: Path, tmp_path: Path) -> None:
    log = HeldLog()
    with gate_to(log) as gate, Publisher(broker.port, ca_file=certificate) as tracker:
        feed = feed_of(gate, broker, tmp_path, {"ca_file": str(certificate)})
        feed.start()
        try:
            wait_until(lambda: not trouble(feed), "it hears the broker", WAIT_S)
            tracker.publish((f"trucks/{PLATE}/gps", gps(AT - timedelta(seconds=n))) for n in range(500))
            wait_until(lambda: len(log.events) >= 500, "all of it is in the log", WAIT_S)
        finally:
            feed.stop()
    assert len({event.at for event in log.events if isinstance(event, Position)}) == 500


def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(broker: Mosquitto, tmp_path: Path) -> None:
    with gate_to(HeldLog()) as gate:
        feed = feed_of(gate, broker, tmp_path, {})
        feed.start()
        try:
            wait_until(lambda: "certificate verify failed" in trouble(feed), "it says why", WAIT_S)
        finally:
            feed.stop()


def test_a_certificate_that_is_not_there_stops_the_start(broker: Mosquitto, tmp_path: Path) -> None:
    with gate_to(HeldLog()) as gate, pytest.raises(WorldError, match="city"):
        feed_of(gate, broker, tmp_path, {"ca_file": str(tmp_path / "none.pem")})


def trouble(feed: Mqtt) -> str:
    try:
        feed.check()
    except WorldError as error:
        return str(error)
    return ""
