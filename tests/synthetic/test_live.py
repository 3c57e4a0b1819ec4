"""The demo's traffic: something to see at once, in order, and it never ends."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from pathlib import Path

import pytest

from connectors.files.reading import read_events
from haulwatch.bootstrap import load_runtime
from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Weighing
from haulwatch.synthetic.folder import write_city
from haulwatch.synthetic.live import live_events
from haulwatch.synthetic.plan import city_plan
from haulwatch.wire import decode_event
from streams.replay import Replay

START = datetime(2026, 11, 3, 5, 30, tzinfo=UTC)
LOCAL_DAY = START.date()


def first(minutes: float, seed: int = 7, trucks: int = 120, noise: str = "low") -> list[tuple[bytes, datetime]]:
    end = START + timedelta(minutes=minutes)
    events = live_events(city_plan(), seed, START, trucks, noise)
    return list(takewhile(lambda event: event[1] <= end, events))


@pytest.fixture(scope="module")
def half_hour() -> list[tuple[bytes, datetime]]:
    return first(30.0)


def findings(events: list[tuple[bytes, datetime]], folder: Path, seed: int = 7, trucks: int = 120) -> list[Breach]:
    write_city(folder, seed, trucks, LOCAL_DAY)
    path = folder / "events.ndjson"
    path.write_bytes(b"".join(line + b"\n" for line, _ in events))
    replay = Replay(load_runtime(folder))
    return [breach for breach in replay.run({"live": read_events(str(path))}) if breach.phase == "opened"]


def test_events_come_in_order_from_the_start_on(half_hour: list[tuple[bytes, datetime]]) -> None:
    assert half_hour[0][1] >= START
    assert all(a[1] <= b[1] for a, b in pairwise(half_hour))
    assert len(half_hour) > 10_000


def test_an_overloaded_truck_is_weighed_after_three_seconds() -> None:
    events = [decode_event(line) for line, _ in first(0.2, noise="none")]
    heavy = [event for event in events if isinstance(event, Weighing) and event.gross_kg > 36_000]
    assert any(abs((event.at - START).total_seconds() - 3.0) < 0.5 for event in heavy)


def test_the_same_seed_gives_the_same_traffic() -> None:
    assert first(2.0, trucks=15) == first(2.0, trucks=15)


def test_the_rules_find_something_within_seconds_and_go_on(
    half_hour: list[tuple[bytes, datetime]], tmp_path: Path
) -> None:
    found = findings(half_hour, tmp_path)
    seconds = [(datetime.fromisoformat(breach.detected_at) - START).total_seconds() for breach in found]
    assert min(seconds) <= 10
    dumping = [s for s, breach in zip(seconds, found, strict=True) if breach.category == "dumping"]
    assert min(dumping) <= 60
    assert len(found) >= 15
    assert len(Counter(breach.category for breach in found)) >= 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_seed_begins_with_a_finding(seed: int, tmp_path: Path) -> None:
    found = findings(first(0.5, seed=seed, trucks=40), tmp_path, seed, 40)
    assert found
    assert (datetime.fromisoformat(found[0].detected_at) - START).total_seconds() <= 10
