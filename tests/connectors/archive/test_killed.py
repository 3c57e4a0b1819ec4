"""Whoever is killed, at whatever step: nothing is lost, nothing is there twice, and readers never see half of it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from connectors.archive import durable, writing
from connectors.archive.layout import UNFINISHED, parts_in
from connectors.archive.parts import Part
from haulwatch.domain.events import Event
from haulwatch.testing import position
from haulwatch.wire import encode_event
from streams.local_log import LOG_FILE, LocalLog
from tests.connectors.archive.logs import MemoryLog, archived, random_log, read_back

STEPS = ("sync", "make_folder", "rename", "write", "remove")


class Killed(BaseException):
    """The process is gone: nothing of it runs any more."""


class Axe:
    """Falls at the n-th step: before it, or when it is half done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = 1 << 30
        self.steps = 0
        self._after = False
        for name in STEPS:
            monkeypatch.setattr(durable, name, self._around(getattr(durable, name)))
        monkeypatch.setattr(Part, "close", self._around(Part.close))
        # A process that is gone does not tidy up.
        monkeypatch.setattr(Part, "discard", lambda _part: None)
        monkeypatch.setattr(writing.PartitionArchive, "discard", lambda _archive: None)

    def _around(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def guarded(*arguments: Any) -> Any:
            self._fall()
            result = step(*arguments)
            self._fall()
            return result

        return guarded

    def _fall(self) -> None:
        self.steps += 1
        self.left -= 1
        if self.left < 0:
            raise Killed


@pytest.fixture
def axe(monkeypatch: pytest.MonkeyPatch) -> Axe:
    return Axe(monkeypatch)


def seen(out: Path) -> list[bytes]:
    """What a reader finds, if it finds anything."""
    return read_back(out).get(0, []) if any(out.glob("_place-*")) else []


def test_at_every_step(axe: Axe, tmp_path: Path) -> None:
    log = random_log(Random(5), disorder_s=600.0)
    whole = log.events(0)
    archived(log, tmp_path / "undisturbed")
    steps = axe.steps
    assert steps >= 60
    for number in range(steps):
        out = tmp_path / f"killed-{number}"
        axe.left = number
        with pytest.raises(Killed):
            archived(log, out)
        axe.left = 1 << 30
        found = seen(out)
        assert sorted(set(found)) == sorted(found), f"twice after step {number}"
        assert set(found) <= set(whole)
        archived(log, out)
        assert seen(out) == whole, f"after step {number}"
        assert not any((out / UNFINISHED).iterdir())
        assert len(list(parts_in(out))) == len(list(parts_in(tmp_path / "undisturbed")))


def test_again_and_again(axe: Axe, tmp_path: Path) -> None:
    """Killed at a random step of every run, while the log grows, until one run gets through."""
    for seed in range(12):
        rng = Random(seed)
        log = random_log(rng, disorder_s=600.0)
        whole, records = log.events(0), log.shown[0]
        out = tmp_path / str(seed)
        for share in (0.2, 0.5, 0.9):
            log.shown[0] = int(records * share)
            axe.left = rng.randrange(120)
            try:
                archived(log, out)
            except Killed:
                found = seen(out)
                assert len(set(found)) == len(found)
        axe.left = 1 << 30
        log.shown[0] = records
        archived(log, out)
        assert seen(out) == whole


def test_what_a_killed_process_left_is_no_part_of_the_archive(axe: Axe, tmp_path: Path) -> None:
    """Files have their names, but the place behind them is not noted: readers leave them aside."""
    log = MemoryLog([[encode_event(position(n * 60, received_s=n * 60, event_id=f"e{n}")) for n in range(180)]])
    archived(log, tmp_path / "undisturbed")
    first = next(
        number
        for number in range(axe.steps)
        if (found := _after(axe, log, tmp_path / str(number), number)) and not seen(found)
    )
    out = tmp_path / str(first)
    assert list(parts_in(out))
    assert seen(out) == []


def _after(axe: Axe, log: MemoryLog, out: Path, steps: int) -> Path | None:
    """The archive of a process killed after so many steps, if it has complete files."""
    axe.left = steps
    with pytest.raises(Killed):
        archived(log, out)
    return out if list(parts_in(out)) else None


def test_a_real_process_killed_at_random(tmp_path: Path) -> None:
    log = LocalLog(tmp_path / LOG_FILE)
    whole = [encode_event(event) for event in _many()]
    log.begin()
    for number, raw in enumerate(whole):
        log.append(f"e{number}", raw)
    log.commit()
    log.close()
    out, rng = tmp_path / "out", Random(1)
    for _ in range(3):
        process = _started(tmp_path, out)
        try:
            process.wait(rng.uniform(0.0, 0.3))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        found = seen(out)
        assert found == whole[: len(found)]
    process = _started(tmp_path, out)
    assert process.wait(60) == 0
    assert seen(out) == whole


def _started(data: Path, out: Path) -> subprocess.Popen[bytes]:
    """An archiver that has begun to write a file, or has nothing to write."""
    command = [sys.executable, "-m", "haulwatch.cli.main", "archive", "--data", str(data), "--out", str(out)]
    before = {path.stat().st_mtime_ns for path in (out / UNFINISHED).glob("*")}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if {_changed(path) for path in (out / UNFINISHED).glob("*")} - before:
            break
        time.sleep(0.002)  # waiting for a real process; the deadline above bounds it
    return process


def _changed(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _many() -> list[Event]:
    return [position(n * 0.4, received_s=n * 0.4, event_id=f"e{n}", speed_kmh=float(n % 90)) for n in range(60_000)]
