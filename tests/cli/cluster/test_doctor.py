"""`haulwatch doctor`: every check in its good and its bad case, and none hides another."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import CommitFailedError, RebalanceInProgressError
from kafka.structs import OffsetAndMetadata

from haulwatch.bootstrap import doctor_machine, open_order_store
from haulwatch.bootstrap.doctor import Check, ask, well
from haulwatch.cli.main import main
from haulwatch.dispatch.database import ORDERS_FILE, sqlite_url
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_of, decide, position
from haulwatch.wire import encode_event
from streams.kafka_snapshots import HEAD_KEY, Mark
from streams.snapshots import SNAPSHOT_VERSION, Head, encode
from tests.cli.cluster.conftest import PARTITIONS, Command
from tests.streams.test_processor import FAST

OF_KAFKA = ("kafka", "topics", "workers", "intake", "snapshots", "city", "clock")
OF_ALL = (*OF_KAFKA, "database", "names", "python", "packages")


def states(command: Command, *options: str | Path, code: int = 1) -> dict[str, str]:
    return {check["name"]: check["state"] for check in command.json("doctor", *options, code=code)["checks"]}


def text_of(command: Command, name: str, *options: str | Path) -> str:
    [check] = [check for check in command.json("doctor", *options, code=1)["checks"] if check["name"] == name]
    return f"{check['text']['en']} -> {check['mend']['en']}"


def acknowledged(consumer: KafkaConsumer, ends: dict[TopicPartition, OffsetAndMetadata]) -> bool:
    """Whether a consumer that has its partitions could commit; while its group forms anew, it cannot."""
    consumer.poll(200)
    if not consumer.assignment():
        return False
    try:
        consumer.commit(ends)
    except (RebalanceInProgressError, CommitFailedError):
        return False
    return True


@contextmanager
def member(settings: ClusterSettings, group: str, topic: str) -> Iterator[None]:
    """A live member of a consumer group that has acknowledged all of a topic."""
    consumer = KafkaConsumer(
        bootstrap_servers=settings.brokers,
        group_id=f"{settings.topic_prefix}-{group}",
        enable_auto_commit=False,
        metadata_max_age_ms=500,  # the topic is new
    )
    deadline = time.monotonic() + 120  # the group may form slowly beside other tests
    # A leader that has not heard of the partitions yet would give itself none, and not ask again.
    while not consumer.partitions_for_topic(topic):
        assert time.monotonic() < deadline
    consumer.subscribe([topic])
    places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
    ends = {place: OffsetAndMetadata(end, "", -1) for place, end in consumer.end_offsets(places).items()}
    while not acknowledged(consumer, ends):
        assert time.monotonic() < deadline
    yield
    consumer.close(autocommit=False)


@pytest.fixture
def producer(topics: ClusterSettings) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    yield producer
    producer.close()


def save(settings: ClusterSettings, producer: KafkaProducer, city_hash: str, next_offset: int) -> None:
    """A snapshot of every partition, of an empty state."""
    head = encode(Head(SNAPSHOT_VERSION, 0, city_hash, {}))
    mark = msgspec.msgpack.encode(Mark(next_offset, False, head))
    for number in range(PARTITIONS):
        producer.send(settings.topics.snapshots, mark, key=HEAD_KEY, partition=number).get(10)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """A folder with an order store of one order."""
    store = open_order_store(sqlite_url(tmp_path))
    store.intake(decide(city_of("rules:\n" + FAST), [position(0, speed_kmh=90)]))
    store.close()
    return tmp_path


def test_a_cluster_that_is_well(
    command: Command, topics: ClusterSettings, city: Callable[..., Path], producer: KafkaProducer, store: Path
) -> None:
    city_hash = command.json("city", "deploy", city())["city_hash"]
    save(topics, producer, city_hash, 1)
    with member(topics, "worker", topics.topics.observations), member(topics, "intake", topics.topics.breaches):
        options = ("--database", sqlite_url(store), "--data", store)
        found = command.json("doctor", *options)
        told = command("doctor", *options, "--lang", "en").splitlines()
    assert [check["name"] for check in found["checks"]] == [*OF_ALL, "disk"]
    assert {check["state"] for check in found["checks"]} == {"well"}
    assert (found["well"], found["ill"], found["unknown"]) == (12, 0, 0)
    assert [line.split()[:2] for line in told] == [["✓", check["name"]] for check in found["checks"]]
    assert f"{city_hash} is in force" in "\n".join(told)
    assert "1 workers, 0 records and 0 s behind" in "\n".join(told)


@pytest.mark.usefixtures("topics")
def test_a_cluster_without_processes_and_city(command: Command) -> None:
    found = states(command)
    assert [name for name in OF_ALL if found[name] == "ill"] == ["workers", "intake", "city"]
    assert (found["clock"], found["database"], found["snapshots"]) == ("unknown", "unknown", "well")
    told = command("doctor", code=1)
    assert "✗ city       还没有启用任何城市\n    → haulwatch city deploy DIR" in told
    assert "→ 启动 haulwatch worker" in told


def test_a_worker_that_saves_nothing(
    command: Command,
    topics: ClusterSettings,
    city: Callable[..., Path],
    producer: KafkaProducer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    producer.send(topics.topics.observations, encode_event(position(0)), partition=1).get(10)
    city_hash = command.json("city", "deploy", city())["city_hash"]
    save(topics, producer, "another", 1)
    monkeypatch.setattr("haulwatch.bootstrap.doctor_cluster.STALE_MS", -60_000)
    monkeypatch.setattr("haulwatch.bootstrap.doctor_cluster.BEHIND_MS", -60_000)
    assert "those of 1 are behind the log" in text_of(command, "snapshots")
    assert f"{city_hash} is in force, but not in the snapshots of: 0: another, 1: another" in text_of(command, "city")
    with member(topics, "worker", topics.topics.breaches):
        assert "1 workers, 4 records and " in text_of(command, "workers")


def test_a_writer_whose_clock_runs_ahead(command: Command, topics: ClusterSettings, producer: KafkaProducer) -> None:
    producer.send(topics.topics.observations, encode_event(position(0, received_s=1e9)), partition=1).get(10)
    assert "ms ahead of Kafka's -> set the clocks by NTP" in text_of(command, "clock")


def test_without_topics(command: Command) -> None:
    found = states(command)
    assert (found["kafka"], found["topics"], found["workers"]) == ("well", "ill", "unknown")


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_answers(lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    database = "postgresql://u:secret@127.0.0.1:2/orders"
    assert main(["doctor", "--kafka", "127.0.0.1:1", "--database", database, "--lang", lang]) == 3
    assert time.monotonic() - began < 15
    printed = capsys.readouterr()
    lines = [line.split()[:2] for line in printed.out.splitlines() if not line.startswith(" ")]
    assert lines[:8] == [["✗", "kafka"], *(["–", name] for name in OF_KAFKA[1:]), ["✗", "database"]]
    assert ("Kafka 连不上" in printed.out) is (lang == "zh")
    assert "secret" not in printed.out + printed.err


def test_a_missing_broker_does_not_hide_the_database(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--kafka", "127.0.0.1:1", "--database", sqlite_url(store), "--lang", "en"]) == 1
    assert "✓ database   sqlite, schema " in capsys.readouterr().out


def test_with_nothing_to_ask(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--lang", "en"]) == 0
    assert "– kafka      no Kafka given (--kafka)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE alembic_version SET version_num = '0001'", "schema 0001, should be "),
        ("UPDATE ledger SET audit_hash = 'x'", "the audit's last entry is not as its head says"),
    ],
)
def test_a_database_that_is_not_as_it_should_be(
    harm: str, words: str, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(store / ORDERS_FILE)) as connection:
        connection.execute(harm)
        connection.commit()
    before = (store / ORDERS_FILE).read_bytes()
    assert main(["doctor", "--database", sqlite_url(store), "--lang", "en"]) == 1
    assert words in capsys.readouterr().out
    assert (store / ORDERS_FILE).read_bytes() == before  # looked at, not upgraded


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--database", sqlite_url(tmp_path), "--lang", "en"]) == 3
    assert "there is no order store" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_an_import_name_that_another_distribution_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rules.py").write_text("")
    info = tmp_path / "business_rules-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: business-rules\nVersion: 1\n")
    (info / "RECORD").write_text("rules.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = doctor_machine.names()
    assert (found.state, "rules: business-rules" in found.text.en) == ("ill", True)


def test_a_package_that_is_not_the_locked_one(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("msgspec==0.0.1 \\\nnot-installed==1 \\\n")
    found = doctor_machine.packages(lock)
    assert (found.state, found.text.en) == ("ill", f"not as locked: msgspec {msgspec.__version__} ≠ 0.0.1")
    lock.write_text(f"msgspec==0.0.1 ; python_version < '3.0' \\\nmsgspec=={msgspec.__version__} \\\n")
    assert doctor_machine.packages(lock).state == "well"
    assert doctor_machine.packages(tmp_path / "nothing").state == "unknown"


def test_a_folder_that_is_not_there() -> None:
    assert doctor_machine.disk(Path("/nonexistent")).state == "ill"


def test_a_check_that_hangs_or_breaks_is_a_finding_and_the_rest_goes_on() -> None:
    def hangs() -> Check:
        time.sleep(60)  # in a daemon thread that nobody waits for
        return well("hangs", Text("", ""))

    def breaks() -> Any:
        raise KeyError("oops")

    answers = ask([("hangs", hangs), ("breaks", breaks), ("fine", lambda: well("fine", Text("好", "fine")))], 0.2)
    assert [(answer.name, answer.state) for answer in answers] == [
        ("hangs", "ill"),
        ("breaks", "ill"),
        ("fine", "well"),
    ]
    assert "no answer within 0.2 s" in answers[0].text.en
    assert "oops" in answers[1].text.en
