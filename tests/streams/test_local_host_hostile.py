"""The embedded host among senders that mean no good, damaged files, and endings at bad moments."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from haulwatch.city import City, build_city, pack_city
from haulwatch.domain.errors import WorldError
from haulwatch.testing import position, weighing
from haulwatch.wire import MAX_EVENT_BYTES, encode_event, encode_events
from streams.local_host import LocalHost
from streams.local_log import Claim
from tests.streams.test_local_host import FILES, LOG, Clock, lines, phases


@pytest.fixture(scope="module")
def city() -> City:
    return build_city(FILES)


def started(folder: Path, city: City) -> LocalHost:
    host = LocalHost(folder / "log.sqlite", city, pack_city(FILES), now_ms=Clock(100_000.0).now_ms)
    host.start()
    return host


@pytest.fixture
def host(tmp_path: Path, city: City) -> Iterator[LocalHost]:
    host = started(tmp_path, city)
    yield host
    if not host.stopped:
        host.stop()


def test_each_bad_event_is_named_by_its_own_place(host: LocalHost) -> None:
    good, swapped = lines(LOG[0]), lines(LOG[1]).replace(b'"lat":30.86', b'"lat":95')
    tick = b'{"kind":"tick","at":"2026-05-01T00:00:00Z"}'
    future = encode_event(position(200_000, received_s=200_000, event_id="f"))
    parts = [swapped, tick, good, future]
    codes = ["out_of_range", "not_an_observation", "received_in_future"]
    array = host.submit(b"[" + b",".join(parts) + b"]", "application/json")
    assert [(e.index, e.line, e.code) for e in array.errors] == list(zip([0, 1, 3], [None] * 3, codes, strict=True))
    assert [e.event_id for e in array.errors] == ["p-浙E12345-10", None, "f"]
    for content_type in ("application/x-ndjson", "application/json"):
        told = host.submit(b"\n".join([b"", *parts]), content_type)
        assert [(e.index, e.line, e.code) for e in told.errors] == list(zip([1, 2, 4], [2, 3, 5], codes, strict=True))


def test_what_was_answered_can_be_read_again_whatever_it_was(tmp_path: Path, city: City) -> None:
    fat = encode_event(position(0, alarms=["x" * 250] * 4140, source="s" * 200))
    nearly = fat + b" " * (MAX_EVENT_BYTES - len(fat))
    assert len(nearly) == MAX_EVENT_BYTES
    host = started(tmp_path, city)
    long_id = position(1, event_id="\0" * 256, truck_id="浙" * 32)
    assert host.submit(nearly, "application/json").accepted == 1
    assert host.submit(encode_events([long_id, weighing(2, 1, lane=2**31 - 1)]), "application/json").accepted == 2
    host.stop()
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("DELETE FROM snapshots")
    host = started(tmp_path, city)
    assert host.submit(nearly, "application/json").duplicates == 1
    host.stop()


def test_the_same_id_with_other_content_is_what_came_first(host: LocalHost, tmp_path: Path) -> None:
    host.submit(encode_event(position(0, event_id="a", speed_kmh=10)), "application/json")
    again = host.submit(encode_event(position(50, event_id="a", speed_kmh=90)), "application/json")
    assert (again.accepted, again.duplicates) == (0, 1)
    host.stop()
    assert phases(tmp_path) == []


def test_nobody_waits_for_ever_when_it_stops(tmp_path: Path, city: City) -> None:
    host = started(tmp_path, city)
    ready = threading.Barrier(9)

    def send(sender: int) -> int:
        """How many events were answered as taken before the host said that it stops."""
        ready.wait()
        for n in range(10_000):
            try:
                host.submit(encode_event(position(n, event_id=f"{sender}-{n}")), "application/json")
            except WorldError:
                return n
        return 10_000

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(send, sender) for sender in range(8)]
        ready.wait()
        host.stop()
        taken = sum(answer.result(timeout=30) for answer in answers)
    rows = sqlite3.connect(tmp_path / "log.sqlite").execute("SELECT count(*) FROM log WHERE event_id IS NOT NULL")
    assert rows.fetchone() == (taken,)


def test_a_damaged_log_is_one_sentence(tmp_path: Path, city: City) -> None:
    host = started(tmp_path, city)
    host.submit(lines(*LOG), "application/x-ndjson")
    host.stop()
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("DELETE FROM snapshots")
        db.execute("UPDATE log SET event = x'ff00' WHERE log_offset = 3")
    with pytest.raises(WorldError, match="damaged"):
        started(tmp_path, city)
    with sqlite3.connect(tmp_path / "log.sqlite") as db:
        db.execute("DROP TABLE snapshots")
    with pytest.raises(WorldError, match="no such table"):
        started(tmp_path, city)


def test_one_data_folder_has_one_owner(tmp_path: Path) -> None:
    path = tmp_path / "data" / "log.sqlite"
    first = Claim(path)
    with pytest.raises(WorldError, match="in use by another process"):
        Claim(path)
    first.release()
    Claim(path).release()
    (tmp_path / "file").touch()
    with pytest.raises(WorldError, match="cannot use folder"):
        Claim(tmp_path / "file" / "log.sqlite")
