"""`haulwatch replay`, as a person runs it: formats, bad lines, merging, exit codes."""

from __future__ import annotations

import gzip
import io
import json
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from haulwatch.cli.main import main
from haulwatch.domain.events import Event
from haulwatch.testing import city_files_of, position, sighting, weighing
from haulwatch.wire import encode_event
from tests.durable import durable_or_skip
from tests.streams.test_processor import FAST, UNCOVERED, rule
from tests.test_wire import BAD

PAIR = rule(
    "pair",
    "sequence:\n        - {as: seen, on: sighting}\n        - as: again\n          on: sighting\n"
    "          where: camera_id != seen.camera_id\n      within: 1h",
    "uncovered",
)
HEAVY = rule("heavy", "on: weighing\n      where: over_ratio(gross_kg) > 0", "overweight")
EVENTS: list[Event] = [
    position(0, speed_kmh=40, load="full", cover="open", received_s=0.5),
    sighting(5, cover="open", received_s=6),
    weighing(20, 52_900, axle_count=3, received_s=21),
    position(30, 120.102, speed_kmh=90, received_s=30.5),
    position(40, 120.104, speed_kmh=50, received_s=40.5),
    *(position(50 + n * 10, 120.106 + n * 1e-3, speed_kmh=50, received_s=50.5 + n * 10) for n in range(10)),
]


@pytest.fixture
def city(tmp_path: Path) -> Path:
    folder = tmp_path / "city"
    for name, data in city_files_of("rules:\n" + FAST + UNCOVERED + HEAVY).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def replay(city: Path, *arguments: str | Path) -> int:
    return main(["replay", *map(str, arguments), "--city", str(city)])


def breaches(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def ndjson(events: list[Event]) -> bytes:
    return b"".join(encode_event(e) + b"\n" for e in events)


def as_rows(events: list[Event]) -> list[dict[str, Any]]:
    return [json.loads(encode_event(e)) for e in events]


def test_every_format_gives_the_same_bytes(city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = ndjson(EVENTS)
    (tmp_path / "a.ndjson").write_bytes(plain)
    (tmp_path / "b.ndjson.gz").write_bytes(gzip.compress(plain))
    (tmp_path / "c.ndjson.zst").write_bytes(zstandard.compress(plain))
    pq.write_table(pa.Table.from_pylist([{"event": json.dumps(r)} for r in as_rows(EVENTS)]), tmp_path / "d.parquet")
    columns = sorted({key for row in as_rows(EVENTS) for key in row})
    wide = [{key: row.get(key) for key in columns} for row in as_rows(EVENTS)]
    pq.write_table(pa.Table.from_pylist(wide), tmp_path / "e.parquet")
    results = []
    for name in ("a.ndjson", "b.ndjson.gz", "c.ndjson.zst", "d.parquet", "e.parquet"):
        assert replay(city, tmp_path / name, "--out", tmp_path / "out") == 0
        results.append((tmp_path / "out").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(plain)))
    assert replay(city, "-", "--out", tmp_path / "out") == 0
    results.append((tmp_path / "out").read_bytes())
    assert len(set(results)) == 1
    opened = {b["rule_id"] for b in breaches(tmp_path / "out") if b["phase"] == "opened"}
    assert opened == {"fast", "uncovered", "heavy"}


def test_the_known_case_of_52900_kg_is_told_with_its_arithmetic(city: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(ndjson(EVENTS))
    replay(city, tmp_path / "a", "--out", tmp_path / "out")
    heavy = next(b for b in breaches(tmp_path / "out") if b["rule_id"] == "heavy")
    suggestion = heavy["law"]["suggestion"]
    assert (suggestion["limit_kg"], suggestion["raw_excess_kg"], int(suggestion["raw_excess_pct"])) == (
        27_000,
        25_900,
        95,
    )
    assert "52,900 kg" in heavy["summary"]["zh"]


def test_the_order_of_files_does_not_matter(city: Path, tmp_path: Path) -> None:
    first, second = ndjson(EVENTS[::2]), ndjson(EVENTS[1::2])
    (tmp_path / "one").write_bytes(first)
    (tmp_path / "two").write_bytes(second)
    (tmp_path / "all").write_bytes(ndjson(EVENTS))
    outs = []
    for names in (("one", "two"), ("two", "one"), ("all",)):
        replay(city, *(tmp_path / n for n in names), "--out", tmp_path / "out")
        outs.append((tmp_path / "out").read_bytes())
    assert len(set(outs)) == 1


def test_a_log_with_every_kind_of_bad_line_loses_none_and_stops_nothing(city: Path, tmp_path: Path) -> None:
    rng = random.Random(3)
    good = [line for line in ndjson(EVENTS).split(b"\n") if line]
    bad = [raw for raw, _code in BAD if raw and b"\n" not in raw]
    lines: list[bytes] = list(good)
    for raw in bad:
        lines.insert(rng.randrange(len(lines) + 1), raw)
    (tmp_path / "mixed").write_bytes(b"\n".join(lines) + b"\n")
    assert replay(city, tmp_path / "mixed", "--out", tmp_path / "out", "--dead-letters", tmp_path / "dead") == 0
    letters = breaches(tmp_path / "dead")
    assert len(letters) == len(bad)
    codes = dict(BAD)
    for letter in letters:
        raw = lines[letter["line"] - 1]
        assert letter["code"] == codes[raw]
        assert letter["reason"]
        assert letter["source"].endswith("mixed")
    (tmp_path / "clean").write_bytes(ndjson(EVENTS))
    replay(city, tmp_path / "clean", "--out", tmp_path / "expected")
    # Those positions of the list that are good by themselves do not matter here: it holds none.
    assert (tmp_path / "out").read_bytes() == (tmp_path / "expected").read_bytes()


def test_partitions_make_no_difference(city: Path, tmp_path: Path) -> None:
    fleet = [e for n in range(9) for e in _of_truck(f"浙E0000{n}")]
    fleet.sort(key=lambda e: (e.received_at, e.event_id))  # type: ignore[union-attr, return-value]
    (tmp_path / "a").write_bytes(ndjson(fleet))
    found = []
    for n in ("1", "2", "7"):
        replay(city, tmp_path / "a", "--out", tmp_path / "out", "--partitions", n)
        found.append(sorted((tmp_path / "out").read_bytes().splitlines()))
    assert found[0] == found[1] == found[2]
    assert len({json.loads(line)["truck_id"] for line in found[0]}) == 9


def _of_truck(truck_id: str) -> list[Event]:
    return [
        position(0, speed_kmh=40, cover="open", truck_id=truck_id, received_s=1),
        sighting(5, cover="open", truck_id=truck_id, received_s=6),
        position(30, 120.102, speed_kmh=90, truck_id=truck_id, received_s=31),
    ]


def test_until_moves_the_clock_on(city: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(ndjson(EVENTS[:2]))
    replay(city, tmp_path / "a", "--out", tmp_path / "out")
    assert breaches(tmp_path / "out") == []
    replay(city, tmp_path / "a", "--out", tmp_path / "out", "--until", "2026-05-01T02:01:05Z")
    assert [b["phase"] for b in breaches(tmp_path / "out")] == ["opened", "ended"]


def test_the_result_is_readable_by_machines(city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a").write_bytes(ndjson(EVENTS) + b"{\n")
    assert replay(city, tmp_path / "a", "--json", "--orders") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["total"] == len(EVENTS)
    assert result["dead_letters"] == {"not_json": 1}
    assert result["orders"] == 3
    assert result["events_per_s"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["missing.ndjson"], 3, "missing.ndjson"),
        (["-", "--until", "soon"], 3, "soon"),
        (["-", "--truth", "missing.truth"], 3, "missing.truth"),
    ],
)
def test_errors_are_one_sentence_and_a_code(
    city: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(city, *arguments) == code
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_a_truncated_archive_is_an_error_and_not_half_a_result(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packers: dict[str, Callable[[bytes], bytes]] = {"cut.gz": gzip.compress, "cut.zst": zstandard.compress}
    for name, packed in packers.items():
        (tmp_path / name).write_bytes(packed(ndjson(EVENTS))[:-20])
        assert replay(city, tmp_path / name) == 3
        assert name in capsys.readouterr().err


def test_archives_written_in_pieces_are_read_to_the_end(city: Path, tmp_path: Path) -> None:
    halves = ndjson(EVENTS[:7]), ndjson(EVENTS[7:])
    (tmp_path / "two.zst").write_bytes(b"".join(zstandard.compress(half) for half in halves))
    (tmp_path / "two.gz").write_bytes(b"".join(gzip.compress(half) for half in halves))
    (tmp_path / "whole").write_bytes(b"".join(halves))
    outs = []
    for name in ("two.zst", "two.gz", "whole"):
        assert replay(city, tmp_path / name, "--out", tmp_path / "out") == 0
        outs.append((tmp_path / "out").read_bytes())
    assert len(set(outs)) == 1


def test_a_broken_city_is_told_with_all_its_places(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_bytes(ndjson(EVENTS))
    (city / "city.yaml").write_text("id: x\nlateness: 3\n", encoding="utf-8")
    assert replay(city, tmp_path / "a") == 2
    assert "city.yaml:2" in capsys.readouterr().err


def on_the_second_engine(city: Path) -> None:
    settings = city / "city.yaml"
    settings.write_text(settings.read_text(encoding="utf-8") + "rules_engine: durable\n", encoding="utf-8")


def test_an_engine_that_is_not_installed_is_refused_and_not_replaced(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(ndjson(EVENTS))
    on_the_second_engine(city)
    monkeypatch.delitem(sys.modules, "rules.durable_book", raising=False)
    monkeypatch.setitem(sys.modules, "durable_rules_engine", None)  # as Python notes what cannot be imported
    assert replay(city, tmp_path / "a") == 3
    assert "haulwatch[durable]" in capsys.readouterr().err


def test_the_second_engine_gives_the_same_breaches(city: Path, tmp_path: Path) -> None:
    durable_or_skip()
    (tmp_path / "a").write_bytes(ndjson(EVENTS))
    assert replay(city, tmp_path / "a", "--out", tmp_path / "native") == 0
    on_the_second_engine(city)
    assert replay(city, tmp_path / "a", "--out", tmp_path / "durable") == 0
    native, durable = (
        [breach | {"city_hash": None} for breach in breaches(tmp_path / engine)] for engine in ("native", "durable")
    )
    assert native
    assert durable == native


def test_what_the_second_engine_cannot_express_is_told_at_its_place(
    city: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").write_bytes(ndjson(EVENTS))
    on_the_second_engine(city)
    (city / "rules" / "pair.yaml").write_text("rules:\n" + PAIR, encoding="utf-8")
    assert replay(city, tmp_path / "a") == 2
    told = capsys.readouterr().err
    assert re.search(r"rules/pair\.yaml:\d+:18 +error\[E043\]", told)
    assert "camera_id != seen.camera_id" in told
