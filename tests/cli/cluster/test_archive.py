"""`haulwatch archive --kafka`: every partition, what is committed, and the same findings from it as from the log."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from kafka import KafkaProducer

from connectors.kafka_topics import create
from haulwatch.bootstrap import archive as bootstrap_archive
from haulwatch.bootstrap.archive import Archiver, KafkaSource
from haulwatch.domain.events import CityActivated
from haulwatch.settings import ClusterSettings
from haulwatch.testing import position
from haulwatch.wire import decode_events, encode_event, encode_events, partition
from tests.cli.cluster.conftest import PARTITIONS, Command, records
from tests.connectors.archive.logs import random_log, read_back
from tests.connectors.archive.test_command import until
from tests.connectors.archive.test_writing import HOUR, files, fix
from tests.kafka.broker import Broker

UNTIL = "2026-05-03T00:00:00Z"


def whole_log(settings: ClusterSettings) -> dict[int, list[bytes]]:
    """The events in the log, partition by partition."""
    found: dict[int, list[bytes]] = {}
    for record in records(settings, settings.topics.observations):
        for event in decode_events(record.value)[0]:
            if not isinstance(event, CityActivated):
                found.setdefault(record.partition, []).append(encode_event(event))
    return found


def lines(path: Path) -> list[bytes]:
    return sorted(path.read_bytes().splitlines())


def test_a_whole_cluster(command: Command, topics: ClusterSettings, city: Callable[..., Path], tmp_path: Path) -> None:
    """Disordered, late and in several partitions: its archive leads to the same breaches, and into another cluster."""
    folder, out = city(), tmp_path / "archive"
    command("city", "deploy", folder)
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    log = random_log(Random(2), PARTITIONS, disorder_s=60.0)
    for number in range(PARTITIONS):
        for value, _taken_ms, _offset in log.logged(number):
            producer.send(topics.topics.observations, value, partition=number)
    producer.flush()
    stats = command.json("archive", "--out", out)
    whole = whole_log(topics)
    assert (stats["events"], stats["missed"]) == (sum(map(len, whole.values())), 0)
    assert read_back(out) == whole

    from_log, from_archive = tmp_path / "log", tmp_path / "from-archive"
    command("replay", "--from-kafka", topics.kafka, "--city", folder, "--until", UNTIL, "--out", from_log)
    command.plain("replay", out, "--city", folder, "--until", UNTIL, "--out", from_archive)
    assert lines(from_log) == lines(from_archive) != []

    written = command.json("replay", out, "--to-kafka", topics.kafka, "--to", "2026-05-01T03:00:00Z")
    in_the_hour = [
        event for own in read_back(out).values() for event in own if b'"received_at":"2026-05-01T02' in event
    ]
    assert written["events"] == sum(b'"kind":"tick"' not in event for event in in_the_hour)
    assert written["events"] > 0
    assert command.json("archive", "--out", out)["events"] == written["events"]
    producer.close()


def test_what_is_not_committed_is_not_there(command: Command, topics: ClusterSettings, tmp_path: Path) -> None:
    home = partition("浙E12345", PARTITIONS)
    plain = KafkaProducer(bootstrap_servers=topics.brokers)
    careful = KafkaProducer(bootstrap_servers=topics.brokers, transactional_id=f"{topics.topic_prefix}-x")
    careful.init_transactions()
    for name, ends in (("given up", careful.abort_transaction), ("committed", careful.commit_transaction)):
        careful.begin_transaction()
        careful.send(topics.topics.observations, encode_event(fix(0, name)), partition=home)
        careful.flush()
        ends()
    for value, number in (
        (encode_events([fix(1, "plain"), fix(2, "more")]), home),
        (b"junk", home),
        (encode_event(fix(3, "astray")), (home + 1) % PARTITIONS),
    ):
        plain.send(topics.topics.observations, value, partition=number).get(10)
    out = tmp_path / "archive"
    stats = command.json("archive", "--out", out)
    assert list(files(out).values()) == [["committed", "plain", "more"]]
    assert (stats["dead_letters"], stats["misplaced"]) == ({"not_json": 1}, 1)
    careful.begin_transaction()
    careful.send(topics.topics.observations, encode_event(fix(4, "open")), partition=home)
    careful.flush()
    plain.send(topics.topics.observations, encode_event(fix(5, "behind")), partition=home).get(10)
    assert command.json("archive", "--out", out)["events"] == 0
    careful.commit_transaction()
    assert command.json("archive", "--out", out)["events"] == 2
    assert list(files(out).values())[1] == ["open", "behind"]
    careful.close()
    plain.close()


def test_follow(topics: ClusterSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap_archive, "POLL_S", 0.05)
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    out = tmp_path / "archive"
    archiver = Archiver(KafkaSource(topics), out)
    thread = threading.Thread(target=archiver.follow)
    thread.start()
    plates = [next(p for p in (f"浙E{n:05}" for n in range(999)) if partition(p, PARTITIONS) == k) for k in range(2)]
    try:
        for number, plate in enumerate(plates):
            for t_s in (0.0, HOUR - 1, HOUR + 301):
                event = position(t_s, truck_id=plate, received_s=t_s, event_id=f"{number}-{t_s:g}")
                producer.send(topics.topics.observations, encode_event(event), partition=number).get(10)
        until(lambda: len(files(out)) == 2)
    finally:
        archiver.stop()
        thread.join(30)
        producer.close()
    assert not thread.is_alive()
    assert sorted(files(out).values()) == [["0-0", "0-3599"], ["1-0", "1-3599"]]


def test_topics_made_anew_are_another_log(command: Command, topics: ClusterSettings, tmp_path: Path) -> None:
    home = partition("浙E12345", PARTITIONS)
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    producer.send(topics.topics.observations, encode_event(fix(0, "a")), partition=home).get(10)
    producer.close()
    out = tmp_path / "archive"
    command("archive", "--out", out)
    place = out / f"_place-{home:02}.json"
    place.write_bytes(place.read_bytes().replace(b'"offset": 0', b'"offset": 7'))
    assert "made anew" in command("archive", "--out", out, "--lang", "en", code=3)
    another = command.plain(
        "archive", "--kafka", topics.kafka, "--topic-prefix", "another", "--out", out, "--lang", "en", code=3
    )
    assert "topics create" in another


def test_a_broker_that_goes_away_is_waited_for(
    own_broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap_archive, "POLL_S", 0.05)
    monkeypatch.setattr(bootstrap_archive, "AGAIN_S", 0.2)
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="away")
    create(settings, PARTITIONS)
    home = partition("浙E12345", PARTITIONS)
    out = tmp_path / "archive"
    told: list[str] = []
    archiver = Archiver(KafkaSource(settings), out, tell=lambda text: told.append(text.en))
    thread = threading.Thread(target=archiver.follow)
    thread.start()

    def write(*ids_at: tuple[str, float]) -> None:
        producer = KafkaProducer(bootstrap_servers=settings.brokers)
        for name, t_s in ids_at:
            producer.send(settings.topics.observations, encode_event(fix(t_s, name)), partition=home).get(30)
        producer.close()

    try:
        write(("a", 0), ("b", HOUR + 300), ("c", HOUR + 301))
        until(lambda: len(files(out)) == 1)
        own_broker.kill()
        until(lambda: any("is not available" in line for line in told))
        own_broker.start()
        own_broker.wait_ready()
        write(("d", HOUR + 302), ("e", 2 * HOUR + 300))
        until(lambda: len(files(out)) == 2)
    finally:
        archiver.stop()
        thread.join(30)
    assert not thread.is_alive()
    assert list(files(out).values()) == [["a"], ["b", "c", "d"]]
    assert sum("is not available" in line for line in told) <= 3  # said once, not with every attempt
