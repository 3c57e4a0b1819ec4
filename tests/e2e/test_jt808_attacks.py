"""Terminals go on being heard, and what was answered is in the log, whatever others do to the same port."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from haulwatch.testing import city_files_of
from tests.connectors.jt808.attackers import ATTACKS
from tests.connectors.jt808.crowd import Crowd
from tests.e2e.api import figures_of
from tests.e2e.test_jt808 import Haulwatch, running

GOOD, SPARE = 100, 30
SECONDS, INTERVAL_S = 3.0, 1.0
ANSWER_S = 20.0
PHONES = [f"0139{n:08d}" for n in range(1, GOOD + SPARE + 1)]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("attacked") / "data"


@pytest.fixture(scope="module")
def system(data: Path) -> Iterator[Haulwatch]:
    """One process for all attacks: what one leaves behind, the next one's victims meet."""
    folder = data.parent
    rows = "".join(f"浙E{n:05d},4,{phone[1:]}\n" for n, phone in enumerate(PHONES, 1))
    for name, content in city_files_of(tables={"trucks.csv": f"truck_id,axle_count,terminal_id\n{rows}"}).items():
        (folder / "city" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "city" / name).write_bytes(content)
    with running(Haulwatch("run", folder, "--city", str(folder / "city"), "--data", str(data))) as system:
        yield system


@contextmanager
def attacked(name: str, port: int) -> Iterator[None]:
    arguments = [sys.executable, "-m", "tests.connectors.jt808.attackers", name, str(port), *PHONES[GOOD:]]
    process = subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        yield
        assert process.poll() is None, "the attacker gave up"
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ATTACKS)
def test_the_others_are_heard(system: Haulwatch, data: Path, name: str) -> None:
    async def crowd() -> Crowd:
        members = Crowd(system.port, PHONES[:GOOD])
        await members.enter()
        attacking = False
        with attacked(name, system.port):
            while not attacking:  # the attacker's process takes a moment to begin
                before = closings(system) + connections(system)
                await members.report(INTERVAL_S, INTERVAL_S)
                attacking = closings(system) + connections(system) != before
            await members.report(SECONDS, INTERVAL_S)
            assert await members.settle(ANSWER_S) == 0
        members.leave()
        return members

    members = asyncio.run(crowd())
    assert (members.refused, members.reconnects) == (0, 0)
    assert all(len(member.answered) >= SECONDS / INTERVAL_S for member in members.members)
    with sqlite3.connect(f"file:{data}/log.sqlite?mode=ro", uri=True) as log:
        stored = {row[0].rpartition(":")[0] for row in log.execute("SELECT event_id FROM log WHERE event_id LIKE 'j%'")}
    assert members.answered() <= stored
    assert system.child.running


def closings(system: Haulwatch) -> float:
    figures = figures_of(system.url)
    return sum(number for name, number in figures.items() if name.startswith("haulwatch_jt808_closed_total"))


def connections(system: Haulwatch) -> float:
    return figures_of(system.url)["haulwatch_jt808_connections"]
