"""Terminals over TCP into real processes: an order comes of it, and what was answered is in the log."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from connectors.jt808 import answers, messages
from connectors.jt808.profiles import load_profiles
from connectors.jt808.terminals import Fleet
from connectors.kafka_cities import publish_city
from connectors.kafka_topics import create
from haulwatch.bootstrap.jt808 import FleetInForce, Jt808Options, gateway_terminals
from haulwatch.bootstrap.registry_in_force import RegistryInForce
from haulwatch.city import build_city, pack_city
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of
from tests.connectors.jt808 import frames
from tests.connectors.jt808.terminal import Log, Terminal
from tests.connectors.kafka.log import logged
from tests.e2e.api import Api, figures_of
from tests.e2e.children import Child, wait_until
from tests.servers import free_port

SECRET = "a secret of sixteen characters"
CHINA = timedelta(hours=8)
PHONES = [f"0139{n:08d}" for n in range(1, 7)]
TRUCKS = "truck_id,axle_count,device_model,terminal_id\n" + "".join(
    f"浙E{n:05d},4,states-01,{phone[1:]}\n" for n, phone in enumerate(PHONES, 1)
)
KILLS = 6


def write_city(folder: Path) -> Path:
    """A district without sites, the shipped rules, and six trucks with terminals."""
    for name, content in city_files_of(tables={"trucks.csv": TRUCKS}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


class Haulwatch(Api):
    """One process that hears terminals."""

    def __init__(self, name: str, folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        http, self.port = free_port(), free_port()
        self.url = self.events_url = f"http://127.0.0.1:{http}"
        where = ("--http", f"127.0.0.1:{http}", "--jt808", f"127.0.0.1:{self.port}")
        self.child = Child(name, (name, *arguments, *where), self.url, folder / f"{name}.stderr", environment)


@contextmanager
def running(process: Haulwatch) -> Iterator[Haulwatch]:
    process.child.start()
    try:
        process.child.wait_ready()
        yield process
    finally:
        process.child.kill()


def embedded(tmp_path: Path) -> Haulwatch:
    city = write_city(tmp_path / "city")
    return Haulwatch("run", tmp_path, "--city", str(city), "--data", str(tmp_path / "data"))


def call_driver(system: Haulwatch, truck_id: str, words: str) -> Any:
    """The answer of the terminal to a text."""
    body = json.dumps({"text": words}).encode()
    url = f"{system.url}/api/v1/trucks/{quote(truck_id)}/text"
    headers = {"Content-Type": "application/json", **system.who}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return json.load(answer)


def china_time(at: datetime) -> str:
    return (at + CHINA).strftime("%y%m%d%H%M%S")


def test_a_truck_that_drives_uncovered_becomes_an_order(tmp_path: Path) -> None:
    began = datetime.now(UTC) - timedelta(seconds=100)
    with running(embedded(tmp_path)) as system, Terminal(system.port, PHONES[0]) as terminal:
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
        wait_until(lambda: len(system.orders()) == 1, "one order of the uncovered load", 30)
        [order] = system.orders()
        with ThreadPoolExecutor() as pool:
            told = pool.submit(call_driver, system, order["truck_id"], "请盖好篷布，靠边停车")
            command = terminal.expect(answers.TEXT)
            terminal.answer(command)
            assert told.result() == {"result": "done", "position": None}
        assert command.body[1:].decode("gbk") == "请盖好篷布，靠边停车"
        figures = figures_of(system.url)
        assert system.child.stop() == 0
        assert terminal.hear() is None
    assert (order["truck_id"], order["category"]) == ("浙E00001", "uncovered")
    assert figures['haulwatch_jt808_messages_total{message="0x0200"}'] == 10
    assert figures["haulwatch_jt808_terminals_listed"] == len(PHONES)
    assert (tmp_path / "data" / "jt808.key").stat().st_mode & 0o077 == 0


def test_what_was_answered_is_in_the_log_however_often_it_is_killed(tmp_path: Path) -> None:
    system = embedded(tmp_path)
    done = threading.Event()
    answered: list[set[str]] = [set() for _ in PHONES]
    began = datetime.now(UTC) - timedelta(hours=6)

    def drive(index: int) -> None:
        """Sends one location after the other, each until it is answered, through every outage."""
        phone, number = PHONES[index], 0
        while not done.is_set():
            try:
                with Terminal(system.port, phone) as terminal:
                    terminal.enter()
                    while not done.is_set():
                        time_ = china_time(began + timedelta(seconds=number))
                        assert terminal.locate(time=time_) == 0
                        answered[index].add(f"jt808:{phone}:{time_}")
                        number += 1
            except (OSError, AssertionError):
                time.sleep(0.05)  # the process is away; it is asked again until the end

    with running(system):
        drivers = [threading.Thread(target=drive, args=(index,)) for index in range(len(PHONES))]
        for driver in drivers:
            driver.start()
        rng = random.Random(7)
        for _kill in range(KILLS):
            before = [len(one) for one in answered]
            wait_until(
                lambda before=before: all(len(one) > n for one, n in zip(answered, before, strict=True)),
                "every terminal is answered again",
                60,
            )
            time.sleep(rng.uniform(0.0, 0.3))  # a random moment under load, not a wait for something
            system.child.kill()
            system.child.start()
            system.child.wait_ready()
        done.set()
        for driver in drivers:
            driver.join()
        assert system.child.stop() == 0
    with sqlite3.connect(tmp_path / "data" / "log.sqlite") as log:
        ids = [row[0] for row in log.execute("SELECT event_id FROM log WHERE event_id IS NOT NULL")]
    stored = {event_id.rpartition(":")[0] for event_id in ids}
    assert all(len(one) > KILLS for one in answered)
    assert set().union(*answered) <= stored
    assert len(ids) == len(set(ids))


@pytest.mark.kafka
def test_a_gateway_hears_the_trucks_of_the_city_in_force(cluster: ClusterSettings, tmp_path: Path) -> None:
    create(cluster, 4)
    none = city_files_of()
    publish_city(cluster, build_city(none).city_hash, pack_city(none))
    environment = {
        "HAULWATCH_KAFKA": cluster.kafka,
        "HAULWATCH_TOPIC_PREFIX": cluster.topic_prefix,
        "HAULWATCH_JT808_SECRET": SECRET,
    }
    with running(Haulwatch("gateway", tmp_path, environment=environment)) as gateway:
        with Terminal(gateway.port, PHONES[0]) as terminal:
            assert terminal.register() == 4  # nobody is on the list yet
        city = city_files_of(tables={"trucks.csv": TRUCKS})
        publish_city(cluster, build_city(city).city_hash, pack_city(city))
        listed = "haulwatch_jt808_terminals_listed"
        wait_until(lambda: figures_of(gateway.url)[listed] == len(PHONES), "the new list", 30)
        with Terminal(gateway.port, PHONES[0]) as terminal:
            terminal.enter()
            assert terminal.locate(time=china_time(datetime.now(UTC))) == 0
            jpeg = frames.media(b"\xff\xd8\xff", where=None)
            assert terminal.result_of(terminal.send(messages.MEDIA_DATA, jpeg)) == 3  # no folder for pictures
        assert gateway.child.stop() == 0
    assert [truck for _partition, truck, _event_id in logged(cluster)] == ["浙E00001"]


@pytest.mark.parametrize("secret", ["", "short"])
def test_a_gateway_without_a_secret_says_so(secret: str) -> None:
    fleet = Fleet((), load_profiles())
    with pytest.raises(WorldError, match="HAULWATCH_JT808_SECRET"):
        gateway_terminals(
            Jt808Options("127.0.0.1", 0), lambda: fleet, Log().submit_events, {"HAULWATCH_JT808_SECRET": secret}
        )


def test_a_city_that_cannot_be_had_leaves_the_list_as_it_was() -> None:
    files = city_files_of(tables={"trucks.csv": TRUCKS})
    given: list[tuple[str, bytes] | WorldError] = [("one", pack_city(files))]

    def active() -> tuple[str, bytes] | None:
        answer = given[-1]
        if isinstance(answer, WorldError):
            raise answer
        return answer

    registry = RegistryInForce(active)
    fleet = FleetInForce(registry, load_profiles())
    assert len(fleet()) == 0
    registry.refresh()
    assert len(fleet()) == len(PHONES)
    given.append(WorldError(Text("不在", "away")))
    registry.refresh()
    with pytest.raises(WorldError, match="away"):
        registry.check()
    assert len(fleet()) == len(PHONES)
    given.append(("two", pack_city(city_files_of())))
    registry.check()
    assert len(fleet()) == 0
