"""The embedded host: durable before answered, idempotent, and the same after every kind of ending."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from haulwatch.city import City, build_city, pack_city
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event, Tick
from haulwatch.domain.instants import to_ms
from haulwatch.domain.live import Busy
from haulwatch.testing import at, city_files_of, decide, position
from haulwatch.wire import decode_logged, encode_event
from streams import local_host
from streams.local_host import LocalHost
from streams.local_log import LocalLog
from tests.streams.test_processor import FAST, STAND, rule

FILES = city_files_of("rules:\n" + FAST + STAND)


@pytest.fixture(scope="module")
def city() -> City:
    return build_city(FILES)


class Clock:
    """A wall clock that the test moves."""

    def __init__(self, t_s: float) -> None:
        self.t_s = t_s

    def now_ms(self) -> int:
        return to_ms(at(self.t_s))


@pytest.fixture
def clock() -> Clock:
    return Clock(100_000.0)  # long after what is posted: recorded events, not live ones


@pytest.fixture
def host(tmp_path: Path, city: City, clock: Clock) -> Iterator[LocalHost]:
    host = started(tmp_path, city, clock)
    yield host
    if host.failure is None and not host.stopped:
        host.stop()


def started(folder: Path, city: City, clock: Clock) -> LocalHost:
    host = LocalHost(folder / "log.sqlite", city, pack_city(FILES), now_ms=clock.now_ms)
    host.start()
    return host


def lines(*events: Event) -> bytes:
    return b"\n".join(encode_event(e) for e in events)


def phases(folder: Path) -> list[tuple[str, str]]:
    log = LocalLog(folder / "log.sqlite")
    try:
        return [(b.rule_id, b.phase) for _number, b in log.breaches_after(0, 1000)]
    finally:
        log.close()


def drive(t_s: float, speed_kmh: float) -> Event:
    return position(t_s, 120.1 + t_s * 1e-5, speed_kmh=speed_kmh, received_s=t_s)


LOG = [drive(0, 50), drive(10, 90), drive(20, 95), drive(30, 40), drive(40, 40)]


def test_what_is_answered_is_in_the_file_and_decided(host: LocalHost, tmp_path: Path) -> None:
    result = host.submit(lines(*LOG), "application/x-ndjson")
    assert (result.accepted, result.duplicates, result.errors) == (5, 0, [])
    rows = sqlite3.connect(tmp_path / "log.sqlite").execute("SELECT count(*) FROM log WHERE event_id IS NOT NULL")
    assert rows.fetchone() == (5,)
    host.stop()
    assert phases(tmp_path)[0] == ("fast", "opened")


def test_an_event_sent_again_is_taken_once(host: LocalHost) -> None:
    host.submit(lines(*LOG), "application/x-ndjson")
    again = host.submit(lines(*LOG[2:], drive(50, 40)), "application/x-ndjson")
    assert (again.accepted, again.duplicates) == (1, 3)
    within = host.submit(lines(drive(60, 40), drive(60, 40)), "application/x-ndjson")
    assert (within.accepted, within.duplicates) == (1, 1)


def test_bad_events_are_named_kept_and_do_not_stop_the_good_ones(host: LocalHost, tmp_path: Path) -> None:
    body = lines(LOG[0]) + b"\n{broken\n" + lines(LOG[1]).replace(b'"lat":30.86', b'"lat":95')
    result = host.submit(body, "application/x-ndjson")
    assert result.accepted == 1
    assert [(e.line, e.code) for e in result.errors] == [(2, "not_json"), (3, "out_of_range")]
    array = host.submit(b"[" + lines(LOG[1]) + b',{"kind":"tick","at":"2026-05-01T00:00:00Z"}]', "application/json")
    assert (array.accepted, [(e.index, e.code) for e in array.errors]) == (1, [(1, "not_an_observation")])
    letters = sqlite3.connect(tmp_path / "log.sqlite").execute("SELECT code, letter FROM dead_letters").fetchall()
    assert [code for code, _ in letters] == ["not_json", "out_of_range", "not_an_observation"]
    assert msgspec.json.decode(letters[0][1])["raw"] == "{broken"


def test_nobody_can_push_the_clock_into_the_future(host: LocalHost, clock: Clock) -> None:
    future = position(clock.t_s + 3600, received_s=clock.t_s + 3600)
    assert [e.code for e in host.submit(encode_event(future), "application/json").errors] == ["received_in_future"]


def test_events_without_received_at_get_the_servers_time(host: LocalHost, clock: Clock, tmp_path: Path) -> None:
    clock.t_s = 500.0
    host.submit(encode_event(position(498)), "application/json")
    raw = sqlite3.connect(tmp_path / "log.sqlite").execute("SELECT event FROM log WHERE event_id IS NOT NULL")
    assert msgspec.json.decode(raw.fetchone()[0])["received_at"] == "2026-05-01T02:08:20Z"
    ahead = host.submit(encode_event(position(700)), "application/json")
    assert [e.code for e in ahead.errors] == ["clock_ahead"]


def test_a_restart_goes_on_from_the_snapshot_and_the_log(tmp_path: Path, city: City, clock: Clock) -> None:
    expected = [(b.rule_id, b.phase) for b in decide(city, LOG) if b.phase == "opened"]
    for event in LOG:
        host = started(tmp_path, city, clock)
        host.submit(encode_event(event), "application/json")
        host.stop()
    assert [p for p in phases(tmp_path) if p[1] == "opened"] == expected
    # Without the snapshot the log alone gives the same, and nothing twice.
    before = phases(tmp_path)
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("DELETE FROM snapshots")
    host = started(tmp_path, city, clock)
    host.stop()
    assert phases(tmp_path) == before


def test_a_snapshot_that_cannot_be_read_is_replaced_from_the_log(tmp_path: Path, city: City, clock: Clock) -> None:
    host = started(tmp_path, city, clock)
    host.submit(lines(*LOG), "application/x-ndjson")
    host.stop()
    before = phases(tmp_path)
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("UPDATE snapshots SET state = x'00'")
    host = started(tmp_path, city, clock)
    assert host.counters["snapshot_unusable"] == 1
    host.stop()
    assert phases(tmp_path) == before


def test_another_city_takes_over_at_its_place_in_the_log(tmp_path: Path, city: City, clock: Clock) -> None:
    host = started(tmp_path, city, clock)
    host.submit(lines(*LOG[:2]), "application/x-ndjson")
    host.stop()
    strict_files = city_files_of("rules:\n" + rule("strict", "on: position\n      where: speed_kmh > 39", "speed"))
    strict = build_city(strict_files)
    host = LocalHost(tmp_path / "log.sqlite", strict, pack_city(strict_files), now_ms=clock.now_ms)
    host.start()
    host.submit(lines(*LOG[2:]), "application/x-ndjson")
    host.stop()
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("DELETE FROM snapshots")
        kinds = [msgspec.json.decode(row[0])["kind"] for row in db.execute("SELECT event FROM log")]
    assert kinds == ["city_activated", "position", "position", "city_activated", *["position"] * 3]
    before = phases(tmp_path)
    assert ("strict", "opened") in before
    # A replay of the whole log from nothing needs both cities, and finds both in the log.
    host = LocalHost(tmp_path / "log.sqlite", strict, pack_city(strict_files), now_ms=clock.now_ms)
    host.start()
    host.stop()
    assert phases(tmp_path) == before


def test_a_live_log_that_was_down_is_told_the_time_again_though_no_truck_speaks(tmp_path: Path, city: City) -> None:
    clock = Clock(100.0)
    host = started(tmp_path, city, clock)
    host.submit(encode_event(position(95, received_s=95)), "application/json")
    host.stop()
    clock.t_s = 100.0 + 600.0  # nobody was there to write ticks

    def clocks() -> list[datetime]:
        return [event.received_at or event.at for event in logged(tmp_path) if isinstance(event, Tick)]

    ticks = len(clocks())
    assert ticks >= 1
    host = started(tmp_path, city, clock)
    deadline = time.monotonic() + 30
    while len(clocks()) == ticks and time.monotonic() < deadline:
        time.sleep(0.05)  # the host's own thread ticks; the deadline bounds it
    host.stop()
    assert clocks()[-1] == at(700.0)


def logged(folder: Path) -> list[Event]:
    log = LocalLog(folder / "log.sqlite")
    try:
        return [decode_logged(raw) for _offset, raw in log.events_after(0)]
    finally:
        log.close()


def test_a_live_log_gets_ticks_and_a_recorded_one_does_not(tmp_path: Path, city: City) -> None:
    clock = Clock(100.0)
    live = LocalHost(tmp_path / "live.sqlite", city, pack_city(FILES), now_ms=clock.now_ms)
    live.start()
    live.submit(encode_event(position(95, received_s=95)), "application/json")
    live.stop()
    log = LocalLog(tmp_path / "live.sqlite")
    kinds = [msgspec.json.decode(raw)["kind"] for _offset, raw in log.events_after(0)]
    log.close()
    assert kinds.count("tick") == 1
    recorded = started(tmp_path, city, Clock(100_000.0))
    recorded.submit(encode_event(position(95, received_s=95)), "application/json")
    recorded.stop()
    log = LocalLog(tmp_path / "log.sqlite")
    kinds = [msgspec.json.decode(raw)["kind"] for _offset, raw in log.events_after(0)]
    log.close()
    assert "tick" not in kinds


def test_a_full_queue_says_so_and_takes_nothing(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_host, "QUEUE_EVENTS", 0)
    host._queued += 1
    with pytest.raises(Busy):
        host.submit(lines(*LOG), "application/x-ndjson")
    host._queued -= 1
    assert host.submit(lines(*LOG), "application/x-ndjson").accepted == 5


def test_a_disk_that_fails_is_told_to_the_sender_and_ends_the_host(host: LocalHost) -> None:
    host._log._db.execute("CREATE TRIGGER full BEFORE INSERT ON log BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    with pytest.raises(WorldError, match="disk is full"):
        host.submit(lines(*LOG), "application/x-ndjson")
    with pytest.raises(WorldError):
        host.submit(lines(*LOG), "application/x-ndjson")
    with pytest.raises(WorldError, match="disk is full"):
        host.check()
