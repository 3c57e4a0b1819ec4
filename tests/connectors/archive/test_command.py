"""`haulwatch archive` and `haulwatch replay ARCHIVE`, as a person runs them, on the log of a running system."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from haulwatch.bootstrap import archive as bootstrap_archive
from haulwatch.bootstrap.archive import Archiver, LocalSource
from haulwatch.city import build_city, city_files, pack_city
from haulwatch.cli.main import main
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_ms
from haulwatch.testing import at, city_files_of, position
from haulwatch.wire import decode_logged, encode_event
from streams.local_host import LocalHost
from streams.local_log import LOG_FILE, LocalLog
from tests.connectors.archive.logs import read_back
from tests.connectors.archive.test_writing import HOUR, files, fix
from tests.properties.traffic import PLATES, TABLES, ZONES, stream

WAIT_S = 30.0


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("city")
    for name, data in city_files_of(zones=ZONES, tables=TABLES).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def host(city: Path, tmp_path: Path) -> Iterator[LocalHost]:
    """A running system, its clock 100 s after the newest event that it was given."""
    files_of = city_files(city)
    newest = [at(0)]

    def now_ms() -> int:
        return to_ms(newest[0]) + 100

    host = LocalHost(tmp_path / "data" / LOG_FILE, build_city(files_of), pack_city(files_of), now_ms=now_ms)
    host.start()
    taken = host.submit_events

    def submit(events: list[Event]) -> int:
        newest[0] = max([newest[0], *(event.received_at or event.at for event in events)])
        return taken(events)

    host.submit_events = submit  # type: ignore[method-assign, assignment]
    yield host
    if not host.stopped:
        host.stop()


def command(*arguments: str | Path, code: int = 0) -> None:
    assert main([str(argument) for argument in arguments]) == code


def logged(data: Path) -> list[bytes]:
    log = LocalLog(data / LOG_FILE)
    whole = [raw for _offset, raw in log.events_after(0)]
    log.close()
    return whole


def traffic(seed: int) -> list[Event]:
    rng = Random(seed)
    events: list[Event] = [event for plate in PLATES for event in stream(rng, plate)]
    return sorted(events, key=lambda event: event.received_at or event.at)


def test_the_log_of_a_running_system(
    city: Path, host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Archived while it runs, again when it has gone on, and decided from there as the log says."""
    data, out = tmp_path / "data", tmp_path / "archive"
    events = traffic(3)
    host.submit_events(events[:60])
    command("archive", "--data", data, "--out", out, "--json")
    first = json.loads(capsys.readouterr().out)
    assert first["events"] >= 60
    for event in events[60:]:
        host.submit_events([event])
    host.stop()
    command("archive", "--data", data, "--out", out, "--json")
    whole = logged(data)
    observed = [raw for raw in whole if b'"city_activated"' not in raw]
    assert json.loads(capsys.readouterr().out)["events"] == len(observed) - first["events"]
    assert read_back(out) == {0: observed}

    (tmp_path / "log").write_bytes(b"".join(raw + b"\n" for raw in whole))
    results = []
    for given in (tmp_path / "log", out):
        command("replay", given, "--city", city, "--out", tmp_path / "breaches", "--orders")
        results.append((tmp_path / "breaches").read_bytes())
    assert results[0] == results[1] != b""
    command("replay", out, "--city", city, "--out", tmp_path / "breaches")
    found = {msgspec.json.decode(line)["breach_id"] for line in results[1].splitlines()}
    log = LocalLog(data / LOG_FILE)
    told = {breach.breach_id for _number, breach in log.breaches_after(0, 10_000)}
    log.close()
    assert told
    assert told <= found  # a replay also moves the clock on at the end


def test_nothing_is_changed_in_the_log_and_nothing_held_up(host: LocalHost, tmp_path: Path) -> None:
    source = LocalSource(tmp_path / "data")
    host.submit_events([fix(0, "a")])
    begun = source.records(0, 1, source.bounds(0)[1], bootstrap_archive.ArchiveStats())
    next(begun)
    host.submit_events([fix(1, "b")])  # while a reader is in the middle
    assert source.bounds(0)[1] == 4
    assert [json.loads(raw).get("event_id") for raw in logged(tmp_path / "data")] == [None, "a", "b"]


def test_from_and_to(city: Path, host: LocalHost, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out, log = tmp_path / "data", tmp_path / "archive", tmp_path / "log"
    host.submit_events(traffic(3))
    host.stop()
    command("archive", "--data", data, "--out", out)
    log.write_bytes(b"".join(raw + b"\n" for raw in logged(data)))
    window = ("--from", "2026-05-01T10:10:00+08:00", "--to", "2026-05-01T02:40:00Z")
    capsys.readouterr()
    results = []
    for given in (log, out):
        command("replay", given, "--city", city, "--json", "--out", tmp_path / "breaches", *window)
        stats = json.loads(capsys.readouterr().out)
        results.append((stats["events"], (tmp_path / "breaches").read_bytes()))
    assert results[0] == results[1]
    wanted = [decode_logged(raw) for raw in logged(data)]
    assert sum(results[0][0].values()) == sum(at(600) <= (e.received_at or e.at) < at(2_400) for e in wanted)
    with pytest.raises(SystemExit):
        main(["replay", "--from-kafka", "127.0.0.1:1", "--from", "2026-05-01T02:10:00Z"])
    command("replay", out, "--city", city, "--to", "yesterday", code=3)


def test_follow(host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap_archive, "POLL_S", 0.01)
    out = tmp_path / "archive"
    host.submit_events([fix(0, "a"), fix(HOUR - 1, "b")])
    told: list[str] = []
    archiver = Archiver(LocalSource(tmp_path / "data"), out, tell=lambda text: told.append(text.en))
    thread = threading.Thread(target=archiver.follow)
    thread.start()
    try:
        host.submit_events([fix(HOUR + 301, "c")])
        until(lambda: files(out) != {})
        (ids,) = files(out).values()
        assert [one for one in ids if one] == ["a", "b"]
        until(lambda: any("wrote" in line for line in told))
        monkeypatch.setattr(bootstrap_archive, "IDLE_S", 0.0)
        until(lambda: len(files(out)) == 2)
    finally:
        archiver.stop()
        thread.join(WAIT_S)
    assert not thread.is_alive()
    host.stop()
    command("archive", "--data", tmp_path / "data", "--out", out)
    assert read_back(out) == {0: [raw for raw in logged(tmp_path / "data") if b'"city_activated"' not in raw]}


def until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # polling a thread; the deadline above bounds it


def test_a_process_that_follows_ends_when_asked_to(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "archive"
    log = LocalLog(data / LOG_FILE)
    log.begin()
    for n, event in enumerate([fix(0, "a"), fix(HOUR + 300, "b")]):
        log.append(str(n), encode_event(event))
    log.commit()
    log.close()
    arguments = ("archive", "--data", str(data), "--out", str(out), "--follow", "--json")
    process = subprocess.Popen([sys.executable, "-m", "haulwatch.cli.main", *arguments], stdout=subprocess.PIPE)
    try:
        until(lambda: files(out) != {})
        process.send_signal(signal.SIGTERM)
        printed, _ = process.communicate(timeout=WAIT_S)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(printed)["events"] == 1
    assert not list((out / "_unfinished").iterdir())
    command("archive", "--data", data, "--out", out)
    assert sorted(files(out).values()) == [["a"], ["b"]]


def test_whole_days_are_deleted_when_that_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.now(UTC)
    log = LocalLog(tmp_path / LOG_FILE)
    log.begin()
    for days in (0, 1, 2, 3, 40):
        at_ = now - timedelta(days=days)
        event = msgspec.structs.replace(position(0, event_id=f"e{days}"), at=at_, received_at=at_)
        log.append(f"e{days}", encode_event(event))
    log.commit()
    log.close()
    out = tmp_path / "archive"
    command("archive", "--data", tmp_path, "--out", out)
    assert len(list(out.glob("day=*"))) == 5
    command("archive", "--data", tmp_path, "--out", out, "--keep", "2", "--lang", "en", "--json")
    printed = capsys.readouterr()
    gone = [(now - timedelta(days=days)).date().isoformat() for days in (40, 3)]
    assert json.loads(printed.out.splitlines()[-1])["days_removed"] == gone
    assert all(f"removed {out}/day={day}" in printed.err for day in gone)
    assert len(list(out.glob("day=*"))) == 3
    assert len(read_back(out)[0]) == 3
    command("archive", "--data", tmp_path, "--out", out, "--json")
    assert json.loads(capsys.readouterr().out)["events"] == 0  # what was deleted does not come back


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--data", "nowhere"], 3, "no event log in nowhere"),
        ([], 3, "no Kafka given"),
    ],
)
def test_errors_are_one_sentence_and_a_code(
    arguments: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("HAULWATCH_KAFKA", raising=False)
    command("archive", *arguments, "--out", tmp_path / "out", "--lang", "en", code=code)
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    LocalLog(tmp_path / LOG_FILE).close()
    (tmp_path / "file").write_bytes(b"")
    command("archive", "--data", tmp_path, "--out", tmp_path / "file" / "out", "--lang", "en", code=3)
    assert "cannot write archive" in capsys.readouterr().err
    (tmp_path / LOG_FILE).write_bytes(b"no database" * 100)
    command("archive", "--data", tmp_path, "--out", tmp_path / "out", "--lang", "en", code=3)
    assert "cannot read the event log" in capsys.readouterr().err


def test_one_log_at_a_time(tmp_path: Path) -> None:
    for wrong in (["--data", str(tmp_path), "--kafka", "h:1"], ["--data", str(tmp_path), "--keep", "0"]):
        with pytest.raises(SystemExit):
            main(["archive", "--out", str(tmp_path / "out"), *wrong])
