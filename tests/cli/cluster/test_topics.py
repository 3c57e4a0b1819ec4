"""`haulwatch topics create|check`: what is made, what is found, what is mended."""

from __future__ import annotations

import time

import pytest
from kafka.admin import ConfigResource, KafkaAdminClient

from connectors.kafka_topics import TopicState, deviations, fulfils, topic_states, wanted_config
from haulwatch.cli.main import main
from haulwatch.settings import ClusterSettings
from tests.cli.cluster.conftest import PARTITIONS, Command
from tests.e2e.children import wait_until


def alter(settings: ClusterSettings, topic: str, **config: str) -> None:
    """Changes settings of a topic; returns when the broker says so too."""
    changed = {name.replace("_", "."): value for name, value in config.items()}
    admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
    admin.alter_configs([ConfigResource("TOPIC", topic, changed)])
    admin.close()
    wait_until(lambda: changed.items() <= topic_states(settings)[topic].config.items(), f"{topic}: {changed}", 10.0)


def test_topics_are_made_once(command: Command) -> None:
    names = [spec.name for spec in command.settings.topics.specs()]
    made = command("topics", "create", "--partitions", "2").splitlines()
    assert made[:-1] == [f"+ {name}" for name in names]
    assert made[-1] == f"新建 {len(names)} 个主题，已有 0 个"
    assert command("topics", "create", "--lang", "en").splitlines() == [f"0 topics made, {len(names)} were there"]
    assert command.json("topics", "check") == {"topics": len(names), "partitions": 2, "findings": []}


def test_every_deviation_is_named_and_mended(command: Command, topics: ClusterSettings) -> None:
    names = topics.topics
    alter(topics, names.observations, retention_ms="1000", message_timestamp_type="CreateTime")
    alter(topics, names.snapshots, cleanup_policy="compact,delete")
    alter(topics, names.dead_letters, max_message_bytes="1000")
    alter(topics, names.breaches, min_insync_replicas="2", retention_ms="-1")
    found = command.json("topics", "check", code=1)["findings"]
    assert {(finding["topic"], finding["setting"]) for finding in found} == {
        (names.observations, "retention.ms"),
        (names.observations, "message.timestamp.type"),
        (names.snapshots, "cleanup.policy"),
        (names.dead_letters, "max.message.bytes"),
        (names.breaches, "min.insync.replicas"),
    }
    told = command("topics", "check", "--lang", "en", code=1)
    assert f"✗ {names.observations}  retention.ms is 1000, should be ≥ 2592000000" in told
    assert f"--entity-name {names.snapshots} --add-config cleanup.policy=compact" in told
    assert "为 1000，应为 ≥ 2592000000" in command("topics", "check", code=1)
    assert "新建 0 个主题" in command("topics", "create", code=1)  # says so, mends nothing unasked
    mended = command.json("topics", "create", "--fix")
    assert (len(mended["mended"]), mended["findings"]) == (5, [])
    command("topics", "check")


def test_missing_topics_are_made_with_the_partitions_of_the_log(command: Command) -> None:
    names = command.settings.topics
    admin = KafkaAdminClient(bootstrap_servers=command.settings.brokers)
    [log] = [spec for spec in names.specs() if spec.name == names.observations]
    made = {"num_partitions": 5, "replication_factor": 1, "configs": wanted_config(log, 1)}
    admin.create_topics({log.name: made}, wait_for_metadata=True)
    findings = command.json("topics", "check", code=1)["findings"]
    assert {finding["code"] for finding in findings} == {"missing"}
    others = len(command.settings.topics.specs()) - 1
    assert len(findings) == len(command.json("topics", "create")["created"]) == others
    assert len(admin.describe_topics([names.trucks])[0]["partitions"]) == 5
    assert len(admin.describe_topics([names.cities])[0]["partitions"]) == 1
    admin.close()


def test_partitions_are_never_changed(command: Command, topics: ClusterSettings) -> None:
    refused = command("topics", "create", "--partitions", "6", "--lang", "en", code=3)
    assert f"is there with {PARTITIONS} partitions, not 6" in refused
    assert "history would stay behind" in refused
    admin = KafkaAdminClient(bootstrap_servers=topics.brokers)
    admin.create_partitions({topics.topics.breaches: PARTITIONS + 1})
    admin.close()
    wait_until(lambda: topic_states(topics)[topics.topics.breaches].partitions == 4, "four partitions", 10.0)
    assert f"{topics.topics.breaches} 已有 {PARTITIONS + 1} 个分区" in command("topics", "create", "--fix", code=3)
    [finding] = command.json("topics", "check", code=1)["findings"]
    assert (finding["code"], finding["found"], finding["expected"]) == ("partitions", "4", "3")


@pytest.mark.parametrize(("lang", "words"), [("zh", "不可用"), ("en", "is not available")])
def test_without_a_broker_it_says_so_soon(lang: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    assert main(["topics", "check", "--kafka", "127.0.0.1:1", "--lang", lang]) == 3
    assert time.monotonic() - began < 15
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("haulwatch: Kafka")
    assert words in line


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "HAULWATCH_KAFKA"),
        (["--kafka", "here:there"], "here:there"),
        (["--kafka", "127.0.0.1:1", "--topic-prefix", "/"], "'/'"),
    ],
)
def test_settings_that_cannot_be(options: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["topics", "check", *options]) == 3
    assert words in capsys.readouterr().err


def test_more_copies_than_brokers(command: Command) -> None:
    assert "无法创建主题" in command("topics", "create", "--replication", "99", code=3)


@pytest.mark.parametrize(
    ("setting", "found", "wanted", "good"),
    [
        ("retention.ms", "604800000", "604800000", True),
        ("retention.ms", "604800001", "604800000", True),
        ("retention.ms", "-1", "604800000", True),  # for ever
        ("retention.ms", "604799999", "604800000", False),
        ("max.message.bytes", "-1", "1048588", False),
        ("segment.ms", "1000", "3600000", True),
        ("segment.ms", "604800000", "3600000", False),
        ("cleanup.policy", "compact,delete", "compact", False),
        ("min.insync.replicas", "3", "2", False),  # one broker away, and nothing can be written
        ("message.timestamp.type", None, "LogAppendTime", False),
    ],
)
def test_what_fulfils_a_setting(setting: str, found: str | None, wanted: str, good: bool) -> None:
    assert fulfils(setting, found, wanted) is good


def test_three_copies_ask_for_two_acknowledgements_and_all_topics_for_as_many_copies_as_the_log() -> None:
    settings = ClusterSettings(kafka="k:1")
    states = {
        spec.name: TopicState(4 if spec.partitioned else 1, 3, wanted_config(spec, 3))
        for spec in settings.topics.specs()
    }
    assert all(state.config["min.insync.replicas"] == "2" for state in states.values())
    assert deviations(settings, states) == []
    cities, breaches = settings.topics.cities, settings.topics.breaches
    states[cities] = TopicState(1, 1, {**states[cities].config, "min.insync.replicas": "1"})
    states[breaches] = TopicState(6, 3, states[breaches].config)
    found = {(finding.topic, finding.code, finding.found, finding.expected) for finding in deviations(settings, states)}
    assert found == {(cities, "replication", "1", "3"), (breaches, "partitions", "6", "4")}
