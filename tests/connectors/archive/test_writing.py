"""Which event goes into which file, what is in a file, and when it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest

from connectors.archive import parts, writing
from connectors.archive.layout import hour_name, parts_in, places_in
from haulwatch.bootstrap.archive import Archiver
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import CityActivated, Event
from haulwatch.testing import PLATE, at, position, sighting, tick
from haulwatch.wire import encode_event, encode_events
from tests.connectors.archive.logs import MemoryLog, archived, one_partition, read_back

HOUR = 3_600.0


def fix(t_s: float, event_id: str) -> Event:
    return position(t_s, received_s=t_s, event_id=event_id)


def log_of(*events: Event) -> MemoryLog:
    return MemoryLog([[encode_event(event) for event in events]])


def files(out: Path) -> dict[str, list[str | None]]:
    """The ids in each file, by its path."""
    return {
        str(part.path.relative_to(out)): pq.ParquetFile(part.path).read(["event_id"])["event_id"].to_pylist()
        for part in sorted(parts_in(out))
    }


def take(archive: writing.PartitionArchive, *records: tuple[int, Event]) -> None:
    for offset, event in records:
        raw = encode_event(event)
        archive.take(offset, raw, [(event, raw)])


def test_a_row_has_the_event_whole_and_what_one_searches_by(tmp_path: Path) -> None:
    seen = sighting(1.5, received_s=2.25, source="isapi:cam-07", event_id="s1", vehicle_type="渣土车")
    archived(MemoryLog([[encode_events([tick(0)]), encode_events([seen, fix(9, "p2")])]]), tmp_path)
    (part,) = parts_in(tmp_path)
    assert part.path == tmp_path / "day=2026-05-01" / "hour=02" / "part-00-000000000000.parquet"
    rows = pq.ParquetFile(part.path).read().to_pylist()
    assert rows[1] == {
        "event": encode_event(seen),
        "kind": "sighting",
        "truck_id": PLATE,
        "at": datetime(2026, 5, 1, 2, 0, 1, 500_000, tzinfo=UTC),
        "received_at": datetime(2026, 5, 1, 2, 0, 2, 250_000, tzinfo=UTC),
        "event_id": "s1",
        "source": "isapi:cam-07",
        "partition": 0,
        "offset": 1,
        "item": 0,
    }
    assert [(row["offset"], row["item"], row["kind"]) for row in rows] == [
        (0, 0, "tick"),
        (1, 0, "sighting"),
        (1, 1, "position"),
    ]
    assert (rows[0]["truck_id"], rows[0]["event_id"]) == (None, None)


def test_the_hour_is_that_of_receipt_in_utc(tmp_path: Path) -> None:
    late = position(10, received_s=HOUR, event_id="received an hour later")
    archived(log_of(fix(HOUR - 0.001, "last"), late, fix(23 * HOUR, "next day")), tmp_path)
    assert files(tmp_path) == {
        "day=2026-05-01/hour=02/part-00-000000000000.parquet": ["last"],
        "day=2026-05-01/hour=03/part-00-000000000001.parquet": ["received an hour later"],
        "day=2026-05-02/hour=01/part-00-000000000002.parquet": ["next day"],
    }


def test_what_has_no_time_of_receipt_goes_by_its_own(tmp_path: Path) -> None:
    bare = msgspec.structs.replace(fix(HOUR, "bare"), received_at=None)
    archive = one_partition(tmp_path)
    take(archive, (0, bare))
    archive.flush()
    assert list(files(tmp_path)) == ["day=2026-05-01/hour=03/part-00-000000000000.parquet"]


def test_an_hour_is_written_when_the_clock_is_past_it_and_what_comes_later_in_a_further_part(tmp_path: Path) -> None:
    archive = one_partition(tmp_path)
    take(archive, (0, fix(0, "a")), (1, fix(HOUR + 299.9, "b")))
    assert files(tmp_path) == {}
    take(archive, (2, fix(HOUR - 1, "out of order")), (3, fix(HOUR + 300, "c")))
    assert files(tmp_path) == {"day=2026-05-01/hour=02/part-00-000000000000.parquet": ["a", "out of order"]}
    assert archive.place.next_offset == 1  # from here on the next process reads the log again
    assert archive.place.hours == {"2026-05-01T02": 4}
    take(archive, (4, fix(30, "very late")), (5, fix(HOUR + 599, "d")))
    assert len(files(tmp_path)) == 1
    take(archive, (6, fix(HOUR + 600, "e")))
    assert files(tmp_path)["day=2026-05-01/hour=02/part-00-000000000004.parquet"] == ["very late"]
    archive.flush()
    assert files(tmp_path)["day=2026-05-01/hour=03/part-00-000000000001.parquet"] == ["b", "c", "d", "e"]
    assert (archive.place.next_offset, archive.place.hours) == (7, {})


def test_the_next_process_goes_on_where_an_hour_is_missing_and_doubles_none(tmp_path: Path) -> None:
    first = one_partition(tmp_path)
    log = [(0, fix(0, "a")), (1, fix(HOUR, "b")), (2, fix(1, "c")), (3, fix(HOUR + 300, "d"))]
    take(first, *log)
    first.discard()
    second = one_partition(tmp_path)
    assert second.read_from == 1
    take(second, *log[1:], (4, fix(2, "e")))
    second.flush()
    assert files(tmp_path) == {
        "day=2026-05-01/hour=02/part-00-000000000000.parquet": ["a", "c"],
        "day=2026-05-01/hour=03/part-00-000000000001.parquet": ["b", "d"],
        "day=2026-05-01/hour=02/part-00-000000000004.parquet": ["e"],
    }
    assert second.place.events == 5


def test_files_have_an_end_and_so_has_their_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "MAX_ROWS", 3)
    archived(log_of(*(fix(n, f"e{n}") for n in range(7))), tmp_path / "long")
    assert sorted(len(ids) for ids in files(tmp_path / "long").values()) == [1, 3, 3]
    monkeypatch.setattr(writing, "MAX_OPEN", 2)
    archive = one_partition(tmp_path / "jumping")
    for n in range(9):
        take(archive, (n, fix(-n * HOUR, f"e{n}")))
        assert len(list((tmp_path / "jumping" / "_unfinished").iterdir())) <= 2
    archive.flush()
    assert sorted(ids[0] or "" for ids in files(tmp_path / "jumping").values()) == [f"e{n}" for n in range(9)]


def test_many_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BATCH_ROWS", 10)
    monkeypatch.setattr(parts, "GROUP_ROWS", 20)
    log = log_of(*(fix(n, f"e{n}") for n in range(95)))
    archived(log, tmp_path)
    (part,) = parts_in(tmp_path)
    assert [pq.ParquetFile(part.path).metadata.row_group(n).num_rows for n in range(5)] == [20, 20, 20, 20, 15]
    assert read_back(tmp_path) == {0: log.events(0)}


def test_activations_stay_in_the_log(tmp_path: Path) -> None:
    """They carry the time 1970 in a new log, and say nothing that a replay could use."""
    activated = CityActivated(at=datetime(1970, 1, 1, tzinfo=UTC), city_hash="c")
    stats = archived(log_of(activated, fix(0, "a"), activated), tmp_path)
    assert stats.events == 1
    assert list(tmp_path.glob("day=*")) == [tmp_path / "day=2026-05-01"]
    assert places_in(tmp_path)[0].next_offset == 3


def test_what_others_wrote_into_the_log_is_counted_and_left_out(tmp_path: Path) -> None:
    log = MemoryLog([[b"junk", encode_event(fix(0, "a"))], [encode_event(fix(0, "b")), b"[{},3]"]])
    stats = archived(log, tmp_path)
    kept = list(files(tmp_path).values())
    assert kept in ([["a"]], [["b"]])  # the truck is at home in one of the two partitions
    assert stats.misplaced == 1
    assert stats.dead_letters == {"not_json": 1, "unknown_kind": 1, "not_an_object": 1}


def test_another_log_is_refused(tmp_path: Path) -> None:
    log = log_of(fix(0, "a"), fix(1, "b"))
    archived(log, tmp_path)
    with pytest.raises(WorldError, match="made anew"):
        archived(log_of(fix(0, "a")), tmp_path)
    with pytest.raises(WorldError, match="made anew"):
        archived(log_of(fix(0, "a"), fix(1, "other"), fix(2, "c")), tmp_path)
    with pytest.raises(WorldError, match="another log"):
        archived(MemoryLog([[], []]), tmp_path)
    assert read_back(tmp_path) == {0: log.events(0)}


def test_two_processes_do_not_write_one_archive(tmp_path: Path) -> None:
    log = log_of(fix(0, "a"))
    first = Archiver(log, tmp_path)
    with pytest.raises(WorldError, match="another process"):
        Archiver(log, tmp_path)
    first.run()
    assert archived(log, tmp_path).events == 0


def test_files_without_their_place_are_not_touched(tmp_path: Path) -> None:
    log = log_of(fix(0, "a"))
    archived(log, tmp_path)
    (tmp_path / "_place-00.json").unlink()
    with pytest.raises(WorldError, match="_place-00"):
        archived(log, tmp_path)
    assert read_back(tmp_path) == {0: log.events(0)}
    (tmp_path / "_place-00.json").write_text("{", encoding="utf-8")
    with pytest.raises(WorldError, match="damaged"):
        archived(log, tmp_path)


def test_what_the_log_forgot_before_it_was_archived_is_said(tmp_path: Path) -> None:
    log = log_of(*(fix(n, f"e{n}") for n in range(10)))
    log.shown = [3]
    archived(log, tmp_path)
    log.shown, log.begins = [10], [5]
    stats = archived(log, tmp_path)
    assert (stats.events, stats.missed) == (5, 2)
    assert archived(log, tmp_path).missed == 0
    fresh = archived(log, tmp_path / "fresh")
    assert (fresh.events, fresh.missed) == (5, 0)  # what was gone before there was an archive is not its gap


def test_hours_have_names() -> None:
    assert hour_name(int(at(0).timestamp()) // 3600) == "2026-05-01T02"
