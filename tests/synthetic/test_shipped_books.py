"""The shipped rule books against the synthetic city: they find what can be found, and nothing else."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connectors.files.reading import read_events
from haulwatch.bootstrap import load_runtime
from haulwatch.synthetic.folder import write_city
from haulwatch.synthetic.scoring import Score, score
from haulwatch.synthetic.world import World
from streams.replay import Replay

TARGET = 0.98
START_MS = 1_778_457_600_000
"""2026-05-11, 08:00 in Hekou."""


def measured(folder: Path, seed: int, trucks: int, hours: float, noise: str, start_ms: int = START_MS) -> Score:
    world = World(seed, trucks, hours, start_ms, noise)
    write_city(folder, seed, trucks, date.fromtimestamp(start_ms / 1000))
    events = folder / "events.ndjson"
    with events.open("wb") as stream:
        stream.writelines(arrival.line + b"\n" for arrival in world.arrivals())
    replay = Replay(load_runtime(folder))
    return score(list(replay.run({"events": read_events(str(events))})), world.truths)


def check(result: Score) -> None:
    for row in result.categories:
        table = f"{result.table('en')}\nmissed {row.missed}\nfalse {row.false_findings}"
        assert row.recall is None or row.recall >= TARGET, table
        assert row.precision is None or row.precision >= TARGET, table
        assert row.duplicates == 0, table


def test_a_morning_with_usual_noise(tmp_path: Path) -> None:
    result = measured(tmp_path, seed=1, trucks=40, hours=5.0, noise="low")
    assert result.total.truths >= 12
    check(result)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "noise"), [(12, "low"), (11, "high")])
def test_a_day_of_a_fleet(seed: int, noise: str, tmp_path: Path) -> None:
    check(measured(tmp_path, seed, trucks=90, hours=7.0, noise=noise))


@pytest.mark.slow
def test_a_night(tmp_path: Path) -> None:
    check(measured(tmp_path, 13, 80, 7.0, "low", START_MS + 12 * 3_600_000))
