"""What was decided from a log is decided from its archive, byte for byte."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.recorded import Recorded
from haulwatch.city import City
from haulwatch.domain.instants import to_ms
from haulwatch.testing import at
from streams.log_replay import LogReplay
from streams.replay import Replay
from streams.runtime import CityRuntime
from tests.connectors.archive.logs import TOPIC, MemoryLog, archived, random_log, read_back
from tests.properties.traffic import city

UNTIL_MS = to_ms(at(90_000))


@cache
def town() -> City:
    return city()


def of_the_log(log: MemoryLog) -> list[bytes]:
    runtime = CityRuntime(town())
    replay = LogReplay(TOPIC, log.partitions, lambda _hash: None, instead=runtime)
    return sorted(
        msgspec.json.encode(breach)
        for number in range(log.partitions)
        for breach in replay.run(number, log.logged(number), until_ms=UNTIL_MS)
    )


def of_the_archive(out: Path, partitions: int = 1) -> list[bytes]:
    replay = Replay(CityRuntime(town()), partitions=partitions)
    return sorted(msgspec.json.encode(breach) for breach in replay.run(Recorded([str(out)]).logs(), until_ms=UNTIL_MS))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32), partitions=st.integers(1, 4), disorder_s=st.sampled_from((0.0, 2.0, 30.0, 600.0)))
def test_any_log(seed: int, partitions: int, disorder_s: float) -> None:
    log = random_log(Random(seed), partitions, disorder_s=disorder_s)
    with TemporaryDirectory() as folder:
        out = Path(folder)
        for share in (0.3, 0.31, 0.8, 1.0):  # runs of the archive at some moments of the log's life
            log.shown = [int(share * len(log.logged(number))) for number in range(partitions)]
            archived(log, out)
        whole = {number: log.events(number) for number in range(partitions)}
        assert read_back(out) == {number: events for number, events in whole.items() if events}
        expected = of_the_log(log)
        assert of_the_archive(out) == expected
        assert of_the_archive(out, partitions) == expected


def test_the_logs_are_worth_looking_at() -> None:
    """They lead to breaches, some of them late, and their order matters: sorted by receipt they give others."""
    differ = 0
    found: set[str] = set()
    late = 0
    for seed in range(20):
        log = random_log(Random(seed), disorder_s=30.0)
        breaches = of_the_log(log)
        decoded = [msgspec.json.decode(breach) for breach in breaches]
        found |= {breach["rule_id"] for breach in decoded}
        late += sum(breach["late"] for breach in decoded)
        records = [event for value, _ms, _offset in log.logged(0) for event in msgspec.json.decode(value)]
        records.sort(key=lambda event: event.get("received_at", event["at"]))
        differ += of_the_log(MemoryLog([[msgspec.json.encode(records)]])) != breaches
    assert len(found) >= 8
    assert late >= 5
    assert differ >= 3
