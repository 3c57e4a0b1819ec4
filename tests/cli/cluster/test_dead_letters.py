"""`haulwatch dead-letters list|retry`: what is shown, what is sent again, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from kafka import KafkaProducer

from connectors.kafka_dead_letters import RETRIED_KEY, raw_bytes
from connectors.kafka_letters import write_letters
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_of, decide, position, weighing
from haulwatch.wire import DeadLetter, decode_events, encode_event, partition, printable
from tests.cli.cluster.conftest import PARTITIONS, Command, records
from tests.streams.test_processor import FAST

GOOD = encode_event(position(0))
NOT_UTF8 = b'\xff\xfe{"kind"'


def letter(code: str, source: str, raw: bytes, **place: int) -> DeadLetter:
    return DeadLetter(reason=f"因为 because {code}", code=code, source=source, raw=printable(raw), **place)


@pytest.fixture
def producer(topics: ClusterSettings) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(bootstrap_servers=topics.brokers)
    yield producer
    producer.close()


def raws(settings: ClusterSettings, topic: str) -> list[bytes]:
    return [record.value for record in records(settings, topic)]


def event_ids(settings: ClusterSettings) -> list[str]:
    logged = raws(settings, settings.topics.observations)
    return [event.event_id for value in logged for event in decode_events(value)[0]]  # type: ignore[union-attr]


def test_a_list_for_people(command: Command, topics: ClusterSettings) -> None:
    log = f"kafka:{topics.topics.observations}/1"
    long = b'{"event_id": "' + b"x" * 500 + b'"}\n\x1b[31m'
    write_letters(topics, [letter("clock_ahead", "http", GOOD, line=3), letter("not_json", log, long, offset=7)])
    told = command("dead-letters", "list").splitlines()
    assert told[0].startswith("#0  ")
    assert told[0].endswith("  clock_ahead  http line 3")
    assert told[1] == "    因为 because clock_ahead"
    assert told[2].strip() == GOOD.decode()
    assert told[3].endswith(f"  not_json  {log} @7")
    assert told[5].strip().endswith("xxx…")
    assert len(told[5]) < 180
    assert told[-1] == "2 条死信 · clock_ahead 1 · not_json 1"
    assert command("dead-letters", "list", "--lang", "en").splitlines()[-1].startswith("2 dead letters")


def test_a_list_for_programs_has_everything(command: Command, topics: ClusterSettings) -> None:
    big = bytes(11 << 20)
    write_letters(topics, [letter("too_large", f"kafka:{topics.topics.gps}/0", big, offset=1)])
    write_letters(topics, [letter("not_utf8", "http", NOT_UTF8)])
    first, second = command.json("dead-letters", "list")["letters"]
    assert raw_bytes(first["raw"]) == big
    assert raw_bytes(second["raw"]) == NOT_UTF8
    assert {name: second[name] for name in ("number", "code", "source", "line", "offset", "retried")} == {
        "number": 1,
        "code": "not_utf8",
        "source": "http",
        "line": None,
        "offset": None,
        "retried": False,
    }


def test_a_list_can_be_narrowed_and_shows_the_newest(
    command: Command, topics: ClusterSettings, producer: KafkaProducer
) -> None:
    inlet = f"kafka:{topics.topics.camera}/0"
    codes = [("a", "http"), ("b", inlet), ("a", inlet), ("c", "http")]
    write_letters(topics, [letter(code, source, GOOD) for code, source in codes])
    producer.send(topics.topics.dead_letters, b"\xffnot a letter").get(10)

    def numbers(*options: str) -> list[int]:
        return [found["number"] for found in command.json("dead-letters", "list", *options)["letters"]]

    assert numbers() == [0, 1, 2, 3, 4]
    assert numbers("--limit", "2") == [3, 4]
    assert numbers("--code", "a", "--code", "b") == [0, 1, 2]
    assert numbers("--source", "kafka:") == [1, 2]
    assert numbers("--source", "kafka:", "--code", "a", "--limit", "1") == [2]
    assert numbers("--since", "2020-01-01T00:00:00Z", "--limit", "1") == [4]
    assert numbers("--since", "2199-01-01T00:00:00Z") == []
    assert command.json("dead-letters", "list")["letters"][4]["code"] == "unreadable_letter"


def test_letters_go_back_the_way_they_came_once(command: Command, topics: ClusterSettings) -> None:
    names = topics.topics
    spaced = b"  " + GOOD
    events = [position(n, truck_id=f"浙E{n:05}") for n in range(5)]
    [breach, *_] = decide(city_of("rules:\n" + FAST), [position(0, speed_kmh=90)])
    found = msgspec.json.encode(breach)
    good = [
        *(letter("received_in_future", "http", encode_event(event), line=n) for n, event in enumerate(events)),
        letter("clock_ahead", f"kafka:{names.gps}/2", spaced, offset=9),
        letter("engine_failed", f"kafka:{names.observations}/0", encode_event(position(9)), offset=9),
        letter("not_taken", f"kafka:{names.breaches}/1", found, offset=9),
    ]
    bad = [
        letter("not_utf8", "http", NOT_UTF8),
        letter("wrong_topic", f"kafka:{names.gps}/2", encode_event(weighing(1, 9_000))),
        letter("unknown_city", f"kafka:{names.observations}/0", activation("gone")),
        letter("bad_value", f"kafka:{names.trucks}/0", b"{}"),
        letter("too_many", "http", GOOD + b"\n" + GOOD[:30]),
    ]
    write_letters(topics, [*bad[:2], *good, *bad[2:]])
    expected = {
        "retried": len(good),
        "still_bad": len(bad),
        "still_bad_by_code": {
            "no_way_back": 1,
            "not_an_observation": 1,
            "not_json": 1,
            "not_utf8": 1,
            "wrong_topic": 1,
        },
    }
    assert command.json("dead-letters", "retry", code=1) == expected
    assert raws(topics, names.gps) == [spaced]
    [sent] = records(topics, names.breaches)
    assert (sent.value, sent.key, sent.partition) == (found, breach.truck_id.encode(), 1)
    wanted = sorted(event.event_id for event in [*events, position(9)])
    assert sorted(event_ids(topics)) == wanted
    for record in records(topics, names.observations):
        assert {partition(event.truck_id, PARTITIONS) for event in decode_events(record.value)[0]} == {record.partition}  # type: ignore[union-attr]
    assert command.json("dead-letters", "retry", code=1) == expected | {"retried": 0}
    assert (len(raws(topics, names.gps)), sorted(event_ids(topics))) == (1, wanted)
    letters = command.json("dead-letters", "list")["letters"]
    assert [found["number"] for found in letters if found["retried"]] == list(range(2, 2 + len(good)))
    assert "（已重新送入）" in command("dead-letters", "list", "--code", "engine_failed")


def activation(city_hash: str) -> bytes:
    return msgspec.json.encode({"kind": "city_activated", "at": "2026-05-01T00:00:00Z", "city_hash": city_hash})


def test_a_retry_can_be_narrowed_and_limited(command: Command, topics: ClusterSettings) -> None:
    write_letters(
        topics,
        [letter("a" if n % 2 else "b", "http", encode_event(position(n))) for n in range(6)],
    )
    assert command("dead-letters", "retry", "--code", "a", "--limit", "2").splitlines() == [
        "重新送入 2 条，仍不合格 0 条"
    ]
    assert event_ids(topics) == [position(n).event_id for n in (1, 3)]
    assert command("dead-letters", "retry", "--lang", "en").splitlines() == ["4 sent again, 0 still bad"]
    marks = [record for record in records(topics, topics.topics.dead_letters) if record.key == RETRIED_KEY]
    assert [msgspec.json.decode(mark.value)["retried"] for mark in marks] == [[1, 3], [0, 2, 4, 5]]


@pytest.mark.parametrize("action", ["list", "retry"])
def test_without_topics_or_broker(action: str, command: Command) -> None:
    assert "haulwatch topics create" in command("dead-letters", action, code=3)
    assert "is not available" in command("dead-letters", action, "--kafka", "127.0.0.1:1", "--lang", "en", code=3)
    assert "RFC 3339" in command("dead-letters", action, "--since", "yesterday", code=3)


@pytest.mark.parametrize("raw", [b"", b"plain", "中文".encode(), NOT_UTF8, b"base64:", b"base64:!", bytes(range(256))])
def test_raw_bytes_come_back_exactly(raw: bytes) -> None:
    assert raw_bytes(printable(raw)) == (raw if raw != b"base64:" else b"")
