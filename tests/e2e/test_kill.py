"""`kill -9` at any moment loses nothing that was acknowledged and doubles nothing."""

from __future__ import annotations

import random
import sqlite3
import threading
from pathlib import Path

import pytest

from tests.e2e.embedded import Running
from tests.e2e.traffic import batches, essence, post_all, synthesise

KILLS = 30


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small synthetic city and four hours of its noisy traffic."""
    return synthesise(tmp_path_factory.mktemp("town"), trucks=100, hours=4, seed=20260501, noise="high")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_thirty_times_it_ends_with_the_orders_of_a_clean_run(town: Path, tmp_path: Path) -> None:
    bodies = batches((town / "events.ndjson").read_bytes().splitlines())
    with Running(town / "city", tmp_path / "clean") as clean:
        post_all(clean, bodies)
        clean.settle()
        expected = clean.orders()
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
        killed.settle()
        found = killed.orders()

    assert essence(found) == essence(expected)
    assert len(found) == len({o["breach_id"] for o in found})
    logged = {row[0] for row in sqlite3.connect(tmp_path / "killed" / "log.sqlite").execute("SELECT event_id FROM log")}
    clean_logged = {
        row[0] for row in sqlite3.connect(tmp_path / "clean" / "log.sqlite").execute("SELECT event_id FROM log")
    }
    assert logged == clean_logged
    assert len(answered) == len(bodies)
