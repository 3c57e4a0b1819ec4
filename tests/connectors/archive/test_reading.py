"""Of an archive only what is wanted is read, in the order of the log."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from random import Random

import pyarrow.parquet as pq
import pytest

from connectors.archive import parts
from connectors.archive.layout import parts_in
from connectors.archive.reading import Archive
from connectors.recorded import Recorded
from connectors.shares import Share
from connectors.window import Window
from haulwatch.domain.errors import WorldError
from haulwatch.domain.instants import to_ms
from haulwatch.testing import at, position
from haulwatch.wire import Rejected, decode_event, decode_lines, encode_event
from tests.connectors.archive.logs import MemoryLog, archived, random_log, read_back

HOUR_MS = 3_600_000


def of_window(log: MemoryLog, window: Window) -> dict[int, list[bytes]]:
    """What the definition says: each event by its own time of receipt, the log's order kept."""
    found: dict[int, list[bytes]] = {}
    for number in range(log.partitions):
        for raw in log.events(number):
            event = decode_event(raw)
            if window.from_ms <= to_ms(event.received_at or event.at) < window.to_ms:
                found.setdefault(number, []).append(raw)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_any_window_of_any_log(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BATCH_ROWS", 5)
    monkeypatch.setattr(parts, "GROUP_ROWS", 10)
    rng = Random(seed)
    log = random_log(rng, 2, disorder_s=3_000.0)
    archived(log, tmp_path)
    start_ms = to_ms(at(0))
    for _ in range(12):
        from_ms, to = sorted(start_ms + rng.choice((0, 1_800_000, rng.randrange(12_000_000))) for _ in range(2))
        window = Window(from_ms, to)
        found = {number: events for number, events in read_back(tmp_path, window).items() if events}
        assert found == of_window(log, window)
        rows = Recorded([str(tmp_path)], window).total()
        assert rows is not None
        assert rows >= sum(map(len, found.values()))


def test_only_the_files_and_row_groups_of_the_window_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "BATCH_ROWS", 10)
    monkeypatch.setattr(parts, "GROUP_ROWS", 10)
    fixes = [position(n * 60, received_s=n * 60, event_id=f"e{n}") for n in range(240)]
    archived(MemoryLog([[encode_event(fix) for fix in fixes]]), tmp_path)
    for part in parts_in(tmp_path):
        if part.path.parent.name != "hour=03":
            part.path.write_bytes(b"nobody reads this")
    window = Window(to_ms(at(3_600 + 600)), to_ms(at(3_600 + 1_200)))
    archive = Archive([tmp_path], window)
    assert archive.count() == 10
    assert read_back(tmp_path, window) == {0: [encode_event(fix) for fix in fixes[70:80]]}


def test_days_and_hours_by_themselves(tmp_path: Path) -> None:
    fixes = [encode_event(position(n * 3600, received_s=n * 3600, event_id=f"e{n}")) for n in range(30)]
    archived(MemoryLog([fixes]), tmp_path)
    assert read_back(tmp_path / "day=2026-05-01") == {0: fixes[:22]}
    assert read_back(tmp_path / "day=2026-05-02" / "hour=00") == {0: fixes[22:23]}
    both = Recorded([str(tmp_path / "day=2026-05-02"), str(tmp_path), str(tmp_path / "day=2026-05-01")])
    assert both.total() == 30  # what is named twice is read once
    assert [len(list(log)) for log in both.logs().values()] == [30]


def test_files_alone_are_an_archive_too(tmp_path: Path) -> None:
    """Copied without the places: all files count."""
    log = random_log(Random(1), 2, disorder_s=600.0)
    archived(log, tmp_path)
    for place in tmp_path.glob("_place-*"):
        place.unlink()
    assert read_back(tmp_path) == {number: log.events(number) for number in range(2) if log.events(number)}


def test_a_folder_that_is_no_archive(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="no event archive"):
        Recorded([str(tmp_path)])


def test_a_damaged_file_is_an_error_and_not_half_a_result(tmp_path: Path) -> None:
    fixes = [encode_event(position(n, received_s=n, event_id=f"e{n}")) for n in range(50)]
    archived(MemoryLog([fixes]), tmp_path)
    (part,) = parts_in(tmp_path)
    whole = part.path.read_bytes()
    flipped = bytearray(whole)
    flipped[200] ^= 1  # in the compressed events: the page's checksum tells
    for damaged in (whole[:-20], whole[:100], bytes(flipped), b""):
        part.path.write_bytes(damaged)
        with pytest.raises(WorldError, match="part-00"):
            read_back(tmp_path)


def test_a_row_that_is_no_event_is_handed_back_with_its_reason(tmp_path: Path) -> None:
    """Nothing of ours writes one; somebody's repair may."""
    fixes = [encode_event(position(n, received_s=n, event_id=f"e{n}")) for n in range(3)]
    archived(MemoryLog([fixes]), tmp_path)
    (part,) = parts_in(tmp_path)
    table = pq.ParquetFile(part.path).read()
    events = table["event"].to_pylist()
    events[1] = b"{"
    pq.write_table(table.set_column(0, table.schema.field("event"), [events]), part.path)
    (records,) = (list(log) for log in Recorded([str(tmp_path)]).logs().values())
    assert [record.error.code if isinstance(record, Rejected) else None for record in records] == [
        None,
        "not_json",
        None,
    ]


def test_a_window_of_a_file_goes_by_receipt_and_keeps_what_nobody_can_read() -> None:
    early = position(0, received_s=100, event_id="early")
    bare = position(50, event_id="bare")
    (bad,) = decode_lines(b"{\n")[1]
    window = Window(to_ms(at(50)), to_ms(at(50) + timedelta(milliseconds=1)))
    assert list(window.of([early, bare, bad])) == [bare, bad]
    assert list(Window().of([early, bare, bad])) == [early, bare, bad]


@pytest.mark.parametrize("seed", range(6))
def test_a_share_of_the_trucks_is_read_as_it_is_cut_from_the_whole(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "BATCH_ROWS", 5)
    monkeypatch.setattr(parts, "GROUP_ROWS", 10)
    rng = Random(seed)
    archived(random_log(rng, 2, disorder_s=3_000.0), tmp_path)
    start_ms = to_ms(at(0))
    windows = [Window(), Window(start_ms + rng.randrange(4_000_000), start_ms + 4_000_000 + rng.randrange(4_000_000))]
    for window in windows:
        archive = Archive([tmp_path], window)
        for number in range(3):
            share = Share(number, 3)
            cut = {name: list(share.of_log(log)) for name, log in archive.logs().items()}
            assert {name: list(log) for name, log in archive.logs(share).items()} == cut
