"""`haulwatch synth` writes what it says, the same each time, and says what is wrong in one line."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from haulwatch.cli.main import main
from haulwatch.synthetic.truths import read_innocents, read_truths


def synth(folder: Path, *extra: str, events: str = "events.ndjson") -> int:
    return main(
        [
            "synth",
            *("--city-out", str(folder / "city"), "--events-out", str(folder / events)),
            *("--truth-out", str(folder / "truth.ndjson"), "--innocents-out", str(folder / "innocents.ndjson")),
            *("--trucks", "8", "--hours", "3", "--seed", "4", *extra),
        ]
    )


def test_it_writes_city_events_truth_and_innocents(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert synth(tmp_path, "--json") == 0
    told = msgspec.json.decode(capsys.readouterr().out)
    lines = (tmp_path / "events.ndjson").read_bytes().splitlines()
    assert told["events"] == len(lines)
    assert told["truths"] == len(read_truths(tmp_path / "truth.ndjson"))
    assert told["innocents"] == len(read_innocents(tmp_path / "innocents.ndjson"))
    assert "浙Z".encode() in lines[0]
    assert (tmp_path / "city" / "city.yaml").exists()


def test_compressed_events_are_the_same_events_and_the_same_bytes(tmp_path: Path) -> None:
    for name in ("plain", "one", "two"):
        (tmp_path / name).mkdir()
    assert synth(tmp_path / "plain") == 0
    assert synth(tmp_path / "one", events="events.ndjson.gz") == 0
    assert synth(tmp_path / "two", events="events.ndjson.gz") == 0
    packed = (tmp_path / "one" / "events.ndjson.gz").read_bytes()
    assert packed == (tmp_path / "two" / "events.ndjson.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "plain" / "events.ndjson").read_bytes()


@pytest.mark.parametrize("start", ["yesterday", "2026-05-11T08:00:00"])
def test_a_bad_start_is_one_message_and_exit_code_3(
    start: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert synth(tmp_path, "--start", start) == 3
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert start in error


def test_an_unwritable_place_is_one_message_and_exit_code_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "city").write_text("a file where the folder should be")
    assert synth(tmp_path) == 3
    assert "Traceback" not in capsys.readouterr().err
