"""Topics of a real Mosquitto: nothing is acknowledged before our log has it, whoever is away."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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
from tests.mosquitto.server import PASSWORD, USER, Mosquitto

WAIT_S = 30.0
Address = tuple[str, int]


def settings(address: Address, name: str, folder: Path, **more: Any) -> MqttSettings:
    """One broker, one subscription of the test's own (`NAME/PLATE/gps`) under a session of its own."""
    (folder / "password").write_text(PASSWORD)
    subscription = {
        "topic": f"{more.pop('share', '')}{name}/+/gps",
        "kind": "position",
        "truck": {"level": "2"},
        "fields": GPS_FIELDS,
        "time": GPS_TIME,
        "retained": more.pop("retained", "skip"),
    }
    broker = {
        "name": "city",
        "host": address[0],
        "port": address[1],
        "user": USER,
        "password": f"file:{folder}/password",
        "client_id": name,
        "subscriptions": [subscription],
        **more,
    }
    return MqttSettings.model_validate({"brokers": [broker]})


@pytest.fixture
def name() -> str:
    return f"t{uuid.uuid4().hex[:12]}"


@contextmanager
def hearing(log: HeldLog, given: MqttSettings) -> Iterator[Mqtt]:
    with gate_to(log) as gate:
        feed = Mqtt(given, gate)
        feed.start()
        try:
            wait_until(lambda: well(feed), "it hears the broker", WAIT_S)
            yield feed
        finally:
            feed.stop()


def well(feed: Mqtt) -> bool:
    try:
        feed.check()
    except WorldError:
        return False
    return True


def figure(feed: Mqtt, wanted: str) -> float:
    return sum(one.value for one in feed.samples() if one.name == wanted)


def messages(name: str, numbers: range) -> list[tuple[str, bytes]]:
    return [(f"{name}/{PLATE}/gps", gps(AT - timedelta(seconds=5000 - number))) for number in numbers]


def ats(log: HeldLog) -> set[object]:
    return {event.at for event in log.events if isinstance(event, Position)}


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_is_published_comes_into_the_log(mosquitto: Address, name: str, tmp_path: Path, protocol: str) -> None:
    log = HeldLog()
    with (
        hearing(log, settings(mosquitto, name, tmp_path, protocol=protocol)) as feed,
        Publisher(*mosquitto[::-1]) as tracker,
    ):
        tracker.publish(messages(name, range(2000)))
        tracker.publish([(f"{name}/{PLATE}/gps", b"{"), (f"{name}/ /gps", gps())])
        tracker.publish(messages(name, range(2000, 2001)))
        wait_until(lambda: len(ats(log)) == 2001, "all of it is in the log", WAIT_S)
        wait_until(lambda: figure(feed, "mqtt_waiting") == 0, "nothing waits", WAIT_S)
        assert figure(feed, "mqtt_events_total") == 2001
    assert log.codes == ["not_json", "no_truck"]
    assert len(log.events) == 2001
    first = log.events[0]
    assert isinstance(first, Position)
    assert (first.truck_id, first.source, first.cover) == (PLATE, f"mqtt:{name}/{PLATE}/gps", "open")


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_what_the_log_does_not_have_is_sent_again(mosquitto: Address, name: str, tmp_path: Path, protocol: str) -> None:
    given = settings(mosquitto, name, tmp_path, protocol=protocol)
    held, log = HeldLog(), HeldLog()
    held.open.clear()
    with hearing(held, given) as feed, Publisher(*mosquitto[::-1]) as tracker:
        tracker.publish(messages(name, range(10)))
        wait_until(lambda: figure(feed, "mqtt_waiting") == 10, "all of it waits", WAIT_S)
    with hearing(log, given), Publisher(*mosquitto[::-1]) as tracker:
        tracker.publish(messages(name, range(10, 11)))
        wait_until(lambda: len(ats(log)) == 11, "the broker had kept it", WAIT_S)
    again = HeldLog()
    with hearing(again, given), Publisher(*mosquitto[::-1]) as tracker:
        tracker.publish(messages(name, range(11, 12)))
        wait_until(lambda: len(again.events) == 1, "what was acknowledged does not come again", WAIT_S)


def test_while_the_log_is_away_no_more_is_heard_than_fits(mosquitto: Address, name: str, tmp_path: Path) -> None:
    log = HeldLog()
    log.away = True
    with (
        hearing(log, settings(mosquitto, name, tmp_path, in_flight="15")) as feed,
        Publisher(*mosquitto[::-1]) as tracker,
    ):
        tracker.publish(messages(name, range(300)))
        wait_until(lambda: log.refused > 1 and not well(feed), "it is tried again, and said", WAIT_S)
        assert figure(feed, "mqtt_waiting") <= 30
        assert log.events == []
        log.away = False
        wait_until(lambda: len(ats(log)) == 300 and well(feed), "all of it is taken in", WAIT_S)
    assert len(log.events) == 300, "nothing was sent twice"


def test_messages_without_quality_of_service_are_bounded_too(mosquitto: Address, name: str, tmp_path: Path) -> None:
    log = HeldLog()
    log.open.clear()
    with (
        hearing(log, settings(mosquitto, name, tmp_path, in_flight="10")) as feed,
        Publisher(*mosquitto[::-1]) as tracker,
    ):
        tracker.publish(messages(name, range(500)), qos=0)
        wait_until(lambda: figure(feed, "mqtt_waiting") == 20, "it is full", WAIT_S)
        log.open.set()
        wait_until(lambda: len(ats(log)) == 500, "TCP holds back the rest", WAIT_S)


def test_what_is_retained_is_old(mosquitto: Address, name: str, tmp_path: Path) -> None:
    with Publisher(*mosquitto[::-1]) as tracker:
        tracker.publish(messages(name, range(1)), retain=True)
    for number, (protocol, retained, taken) in enumerate(
        [("5", "skip", 0), ("3.1.1", "skip", 0), ("5", "take", 1), ("3.1.1", "take", 1)]
    ):
        log = HeldLog()
        given = settings(
            mosquitto, f"{name}", tmp_path, protocol=protocol, retained=retained, client_id=f"{name}-{number}"
        )
        with hearing(log, given), Publisher(*mosquitto[::-1]) as tracker:
            tracker.publish(messages(name, range(1, 2)))
            wait_until(lambda log=log, taken=taken: len(ats(log)) == 1 + taken, f"{protocol} {retained}", WAIT_S)
    with Publisher(*mosquitto[::-1]) as tracker:
        tracker.publish([(f"{name}/{PLATE}/gps", b"")], retain=True)


def test_a_broker_that_dies_and_comes_back(own_mosquitto: Mosquitto, name: str, tmp_path: Path) -> None:
    log = HeldLog()
    address = ("127.0.0.1", own_mosquitto.port)
    with hearing(log, settings(address, name, tmp_path)) as feed:
        done = 0
        for end in (own_mosquitto.kill, own_mosquitto.stop):
            with Publisher(own_mosquitto.port) as tracker:
                tracker.publish(messages(name, range(done, done + 20)))
            done += 20
            wait_until(lambda done=done: len(ats(log)) == done, "they are heard", WAIT_S)
            end()
            wait_until(lambda: not well(feed), "it says that the broker is away", WAIT_S)
            own_mosquitto.start()
            wait_until(lambda: well(feed), "it is there again", WAIT_S)
        with Publisher(own_mosquitto.port) as tracker:
            tracker.publish(messages(name, range(done, done + 20)))
        wait_until(lambda: len(ats(log)) == done + 20, "they are heard again", WAIT_S)
        assert figure(feed, "mqtt_disconnects_total") >= 2


def test_an_acknowledgement_never_goes_over_another_connection(
    own_mosquitto: Mosquitto, name: str, tmp_path: Path
) -> None:
    log = HeldLog()
    log.open.clear()
    with hearing(log, settings(("127.0.0.1", own_mosquitto.port), name, tmp_path)) as feed:
        with Publisher(own_mosquitto.port) as tracker:
            tracker.publish(messages(name, range(5)))
        wait_until(lambda: figure(feed, "mqtt_waiting") == 5, "they wait", WAIT_S)
        own_mosquitto.stop()
        wait_until(lambda: not well(feed), "the connection is lost", WAIT_S)
        own_mosquitto.start()
        wait_until(lambda: figure(feed, "mqtt_waiting") == 10, "the broker sends them again", WAIT_S)
        log.open.set()
        wait_until(lambda: figure(feed, "mqtt_waiting") == 0, "all are durable", WAIT_S)
    assert len(log.events) == 10
    assert len({event.event_id for event in log.events if isinstance(event, Position)}) == 5


def test_a_wrong_password_is_said(own_mosquitto: Mosquitto, name: str, tmp_path: Path) -> None:
    given = settings(("127.0.0.1", own_mosquitto.port), name, tmp_path)
    (tmp_path / "password").write_text("guessed")
    with gate_to(HeldLog()) as gate:
        feed = Mqtt(given, gate)
        feed.start()
        try:
            wait_until(lambda: figure(feed, "mqtt_disconnects_total") >= 1, "it has tried", WAIT_S)
            with pytest.raises(WorldError, match="refuses"):
                feed.check()
        finally:
            feed.stop()


def test_it_stops_where_it_was_never_started(name: str, tmp_path: Path) -> None:
    with gate_to(HeldLog()) as gate:
        feed = Mqtt(settings(("127.0.0.1", 9), name, tmp_path), gate)
        with pytest.raises(WorldError):
            feed.check()
        feed.stop()
        feed.stop()


def test_a_broker_that_says_nothing_any_more_is_left(own_mosquitto: Mosquitto, name: str, tmp_path: Path) -> None:
    log = HeldLog()
    given = settings(("127.0.0.1", own_mosquitto.port), name, tmp_path, keepalive_s="5")
    with hearing(log, given) as feed:
        own_mosquitto.freeze()
        try:
            wait_until(lambda: not well(feed), "the silence is noticed", WAIT_S)
        finally:
            own_mosquitto.thaw()
        with Publisher(own_mosquitto.port) as tracker:
            tracker.publish(messages(name, range(3)))
        wait_until(lambda: len(ats(log)) == 3 and well(feed), "it is heard again", WAIT_S)


def test_a_topic_that_may_not_be_read_is_said(name: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door, gate_to(HeldLog()) as gate:
        given = settings(("127.0.0.1", door.getsockname()[1]), name, tmp_path, protocol="3.1.1")
        feed = Mqtt(given, gate)
        feed.start()
        try:
            door.settimeout(WAIT_S)
            line, _address = door.accept()
            with line:
                line.settimeout(WAIT_S)
                assert line.recv(4096)[0] == 0x10, "CONNECT"
                line.sendall(bytes.fromhex("20020000"))  # CONNACK: accepted
                subscribe = line.recv(4096)
                assert subscribe[0] == 0x82, "SUBSCRIBE"
                line.sendall(bytes.fromhex("9003") + subscribe[2:4] + b"\x80")  # SUBACK: failure (3.9.3)
                wait_until(lambda: f"{name}/+/gps" in trouble(feed), "it says which topic", WAIT_S)
        finally:
            feed.stop()


def trouble(feed: Mqtt) -> str:
    try:
        feed.check()
    except WorldError as error:
        return str(error)
    return ""


def test_gateways_share_a_topic(mosquitto: Address, name: str, tmp_path: Path) -> None:
    logs = [HeldLog(), HeldLog()]
    given = [settings(mosquitto, name, tmp_path, client_id=f"{name}-{n}", share=f"$share/{name}/") for n in (1, 2)]
    with hearing(logs[0], given[0]), hearing(logs[1], given[1]), Publisher(*mosquitto[::-1]) as tracker:
        tracker.publish(messages(name, range(300)))
        wait_until(lambda: len(ats(logs[0]) | ats(logs[1])) == 300, "all of it is in one log or the other", WAIT_S)
    assert ats(logs[0])
    assert ats(logs[1])
    assert not ats(logs[0]) & ats(logs[1])
