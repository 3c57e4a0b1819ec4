"""`haulwatch replay --to-kafka`, `--from-kafka`: what goes into a log comes out of it, and is decided the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer

from haulwatch.cli.main import main
from haulwatch.domain.events import CityActivated, Event
from haulwatch.settings import ClusterSettings
from haulwatch.testing import at, position, sighting, tick, weighing
from haulwatch.wire import decode_events, encode_event, partition
from tests.cli.cluster.conftest import PARTITIONS, Command, records
from tests.streams.test_processor import FAST, SILENT, STAND, UNCOVERED, rule

HEAVY = rule("heavy", "on: weighing\n      where: over_ratio(gross_kg) > 0", "overweight")
RULES = "rules:\n" + FAST + STAND + UNCOVERED + SILENT + HEAVY
TRUCKS = [f"浙E{number:05}" for number in range(7)]
UNTIL = "2026-05-01T04:00:00Z"


def drive(truck_id: str, start_s: float) -> list[Event]:
    """Half an hour of one truck: too fast, uncovered, overweight, standing, then silent; some of it sent twice."""
    events: list[Event] = [sighting(start_s, truck_id=truck_id, cover="open", received_s=start_s + 2)]
    for n in range(60):
        t = start_s + 5 + n * 10
        speed = 90 if n == 20 else 0 if n > 40 else 50
        events.append(position(t, 120.1 + min(n, 40) * 1e-3, truck_id=truck_id, speed_kmh=speed, received_s=t + 0.5))
    events.append(weighing(start_s + 100, 52_900, truck_id=truck_id, axle_count=3, received_s=start_s + 101))
    return [*events, events[7]]


def recorded(path: Path, events: Sequence[Event]) -> Path:
    ordered = sorted(events, key=lambda event: event.received_at or event.at)
    path.write_bytes(b"".join(encode_event(event) + b"\n" for event in ordered))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Events of seven trucks, by the time at which they were received."""
    return recorded(tmp_path / "log", [event for n, truck in enumerate(TRUCKS) for event in drive(truck, n * 40)])


def found(path: Path) -> list[Any]:
    return sorted(path.read_bytes().splitlines())


def test_what_a_cluster_must_have_found_is_what_a_file_shows(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], log: Path, tmp_path: Path
) -> None:
    folder, kafka = city(rules=RULES), topics.kafka
    command("city", "deploy", folder)
    written = command.json("replay", log, "--to-kafka", kafka)
    assert (written["events"], written["skipped"], written["dead_letters"]) == (len(TRUCKS) * 63, 0, {})
    observed = [
        (record.partition, event)
        for record in records(topics, topics.topics.observations)
        for event in decode_events(record.value)[0]
        if not isinstance(event, CityActivated)
    ]
    assert all(partition(event.truck_id, PARTITIONS) == number for number, event in observed)  # type: ignore[union-attr]
    ours, given, offline = tmp_path / "ours", tmp_path / "given", tmp_path / "offline"
    stats = command.json("replay", "--from-kafka", kafka, "--until", UNTIL, "--out", ours)
    assert (stats["total"], stats["dead_letters"]) == (len(TRUCKS) * 63 + PARTITIONS, {})
    command("replay", "--from-kafka", kafka, "--city", folder, "--until", UNTIL, "--out", given)
    command.plain("replay", log, "--city", folder, "--until", UNTIL, "--out", offline)
    assert found(ours) == found(given) == found(offline)
    opened = {breach["rule_id"] for breach in map(msgspec.json.decode, found(ours))}
    assert opened == {"fast", "uncovered", "heavy", "stand", "silent"}

    assert command.json("replay", log, "--to-kafka", kafka)["events"] == len(TRUCKS) * 63  # the same once more
    again = command.json("replay", "--from-kafka", kafka, "--until", UNTIL, "--out", ours)
    assert again["counters"]["duplicate"] >= len(TRUCKS)
    assert {breach["breach_id"] for breach in map(msgspec.json.decode, found(ours))} == {
        breach["breach_id"] for breach in map(msgspec.json.decode, found(offline))
    }


def test_a_log_ends_where_it_ends(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], log: Path
) -> None:
    """Nothing is concluded that the workers cannot have concluded yet."""
    command("city", "deploy", city(rules=RULES))
    command("replay", log, "--to-kafka", topics.kafka)
    until_now = command.json("replay", "--from-kafka", topics.kafka)["breaches"]
    later = command.json("replay", "--from-kafka", topics.kafka, "--until", UNTIL)["breaches"]
    assert until_now["speed.opened"] == later["speed.opened"] == len(TRUCKS)
    assert "tamper.opened" not in until_now
    assert later["tamper.opened"] == len(TRUCKS)


def test_what_others_wrote_is_read_as_a_worker_reads_it(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], tmp_path: Path
) -> None:
    log = topics.topics.observations
    home = partition(TRUCKS[0], PARTITIONS)
    before, after, astray = (position(t, truck_id=TRUCKS[0], speed_kmh=90) for t in (0, 60, 120))
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    producer.send(log, encode_event(before), partition=home).get(10)
    command("city", "deploy", city(rules=RULES))
    for value, number in (
        (encode_event(after), home),
        (b"junk", home),
        (encode_event(astray), (home + 1) % PARTITIONS),
    ):
        producer.send(log, value, partition=number).get(10)
    gone = CityActivated(at=at(0), received_at=at(0), city_hash="gone")
    producer.send(log, encode_event(gone), partition=home).get(10)
    producer.close()
    dead = tmp_path / "dead"
    stats = command.json(
        "replay", "--from-kafka", topics.kafka, "--until", "2199-01-01T00:00:00Z", "--dead-letters", dead
    )
    assert stats["counters"]["before_city"] == 1
    assert stats["breaches"]["speed.opened"] == 1  # `before` came before any city, `astray` into another's partition
    assert stats["dead_letters"] == {"not_json": 1, "unknown_city": 1}
    letters = [msgspec.json.decode(line) for line in dead.read_bytes().splitlines()]
    assert {letter["source"] for letter in letters} == {f"kafka:{log}/{home}"}


def test_bad_lines_ticks_and_the_future_stay_out(command: Command, topics: ClusterSettings, tmp_path: Path) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    late = msgspec.structs.replace(position(1), at=tomorrow, received_at=tomorrow)
    own = position(3)
    (tmp_path / "one").write_bytes(b"\n".join([encode_event(position(0, received_s=9)), b"{", encode_event(tick(2))]))
    (tmp_path / "two").write_bytes(b"\n".join([encode_event(late), encode_event(own)]))
    dead = tmp_path / "dead"
    sources = (tmp_path / "one", tmp_path / "two")
    written = command("replay", *sources, "--to-kafka", topics.kafka, "--dead-letters", dead, "--stats")
    assert "written 2 " in written
    assert "skipped 1 · 坏记录 dead letters 2" in written
    codes = [msgspec.json.decode(line)["code"] for line in dead.read_bytes().splitlines()]
    assert sorted(codes) == ["not_json", "received_in_future"]
    [record] = records(topics, topics.topics.observations)
    logged = {event.event_id: event.received_at for event in decode_events(record.value)[0]}  # type: ignore[union-attr]
    assert logged == {position(0).event_id: at(9), own.event_id: own.at}


def test_a_speed_is_kept(command: Command, topics: ClusterSettings, tmp_path: Path) -> None:
    log = recorded(tmp_path / "log", [position(t, received_s=t) for t in range(0, 31, 5)])
    began = time.monotonic()
    written = command.json("replay", log, "--to-kafka", topics.kafka, "--speed", "20")
    assert time.monotonic() - began >= 1.5
    assert (written["events"], written["seconds"] >= 1.5) == (7, True)
    stamps = [record.timestamp for record in records(topics, topics.topics.observations)]
    assert max(stamps) - min(stamps) >= 1_000


def test_without_topics_or_broker(command: Command, log: Path) -> None:
    assert "haulwatch topics create" in command("replay", log, "--to-kafka", command.settings.kafka, code=3)
    assert "haulwatch topics create" in command("replay", "--from-kafka", command.settings.kafka, code=3)
    assert "is not available" in command("replay", log, "--to-kafka", "127.0.0.1:1", "--lang", "en", code=3)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--to-kafka", "k:1"],
        ["a", "--from-kafka", "k:1"],
        ["a", "--to-kafka", "k:1", "--from-kafka", "k:1"],
        ["a", "--to-kafka", "k:1", "--city", "c"],
        ["a", "--to-kafka", "k:1", "--out", "o"],
        ["a", "--city", "c", "--speed", "2"],
        ["a", "--to-kafka", "k:1", "--speed", "0"],
        ["a"],
        [],
    ],
)
def test_what_makes_no_sense_together(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: ")
