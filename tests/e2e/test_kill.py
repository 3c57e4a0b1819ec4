"""`kill -9` at any moment loses nothing that was acknowledged and doubles nothing."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from haulwatch.cli.main import main
from tests.e2e.embedded import Running

BATCH_LINES = 400
KILLS = 30


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic city and four hours of its noisy traffic."""
    folder = tmp_path_factory.mktemp("town")
    code = main(
        [
            "synth",
            *("--city-out", str(folder / "city"), "--events-out", str(folder / "events.ndjson")),
            *("--truth-out", str(folder / "truth.ndjson")),
            *("--trucks", "100", "--hours", "4", "--seed", "20260501", "--noise", "high"),
        ]
    )
    assert code == 0
    return folder


def batches(events: Path) -> list[bytes]:
    lines = events.read_bytes().splitlines()
    return [b"\n".join(lines[n : n + BATCH_LINES]) for n in range(0, len(lines), BATCH_LINES)]


def essence(orders: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    """What an order is, whenever and under whichever number it was filed."""
    return {(o["breach_id"], o["category"], o["truck_id"], o["detected_at"], o["late"]) for o in orders}


def post_all(system: Running, bodies: list[bytes]) -> list[int]:
    """Posts everything in order, each batch until it is answered; returns the batches' indexes."""
    answered = []
    for index, body in enumerate(bodies):
        while True:
            try:
                status, answer = system.post(body)
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)  # it has just been killed; the test's own time limit bounds this
                continue
            if status in (202, 400):
                assert isinstance(answer, dict)
                answered.append(index)
                break
            assert status in (429, 503), answer
    return answered


def settled_orders(system: Running) -> list[dict[str, Any]]:
    """The orders once a clean stop and start have carried everything through."""
    assert system.stop() == 0
    system.restart()
    system.wait_ready()
    return system.orders()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_thirty_times_it_ends_with_the_orders_of_a_clean_run(town: Path, tmp_path: Path) -> None:
    bodies = batches(town / "events.ndjson")
    with Running(town / "city", tmp_path / "clean") as clean:
        post_all(clean, bodies)
        expected = settled_orders(clean)
    assert len(expected) >= 10, "the traffic must lead to orders, else nothing is shown here"

    rng = random.Random(1)
    kills = 0
    done = threading.Event()
    with Running(town / "city", tmp_path / "killed") as killed:

        def murder() -> None:
            nonlocal kills
            while kills < KILLS and not done.is_set():
                # A random moment under load, not a wait for something to be ready.
                done.wait(rng.uniform(0.1, 1.6))
                if not done.is_set():
                    killed.kill()
                    kills += 1
                    killed.restart()

        killer = threading.Thread(target=murder)
        killer.start()
        try:
            rounds = 0
            while kills < KILLS:
                # The same input again from the beginning, as a client does that lost its place.
                post_all(killed, bodies)
                rounds += 1
        finally:
            done.set()
            killer.join()
        killed.wait_ready()
        answered = post_all(killed, bodies)
        found = settled_orders(killed)

    assert essence(found) == essence(expected)
    assert len(found) == len({o["breach_id"] for o in found})
    logged = {row[0] for row in sqlite3.connect(tmp_path / "killed" / "log.sqlite").execute("SELECT event_id FROM log")}
    clean_logged = {
        row[0] for row in sqlite3.connect(tmp_path / "clean" / "log.sqlite").execute("SELECT event_id FROM log")
    }
    assert logged == clean_logged
    assert len(answered) == len(bodies)
