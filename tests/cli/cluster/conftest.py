"""A cluster's commands as people and scripts call them, on a real Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from connectors.kafka_client import reader, records_until
from connectors.kafka_topics import create
from haulwatch.cli.main import main
from haulwatch.settings import ClusterSettings
from haulwatch.testing import city_files_of

PARTITIONS = 3


class Command:
    """`haulwatch …` on one cluster; `json` adds `--json`. Every call says which exit code it expects."""

    def __init__(self, settings: ClusterSettings, capsys: pytest.CaptureFixture[str]) -> None:
        self.settings = settings
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, code: int = 0) -> str:
        """What was printed; of a command that failed, what it said."""
        where = [] if "--kafka" in arguments or arguments[0] == "replay" else ["--kafka", self.settings.kafka]
        return self.plain(*arguments, *where, "--topic-prefix", self.settings.topic_prefix, code=code)

    def plain(self, *arguments: str | Path, code: int = 0) -> str:
        """The same without naming the cluster."""
        assert main([str(argument) for argument in arguments]) == code
        printed = self._capsys.readouterr()
        assert "Traceback" not in printed.err
        return printed.out if printed.out else printed.err

    def json(self, *arguments: str | Path, code: int = 0) -> Any:
        """The decoded result."""
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def command(cluster: ClusterSettings, capsys: pytest.CaptureFixture[str]) -> Command:
    """Commands on an empty Kafka."""
    return Command(cluster, capsys)


@pytest.fixture
def topics(cluster: ClusterSettings) -> ClusterSettings:
    """The cluster with its topics made."""
    create(cluster, PARTITIONS)
    return cluster


@pytest.fixture
def city(tmp_path: Path) -> Callable[..., Path]:
    """Makes city folders."""

    def make(name: str = "city", rules: str | None = None) -> Path:
        folder = tmp_path / name
        for file, data in city_files_of(rules, settings=SETTINGS.format(name=name)).items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(data)
        return folder

    return make


SETTINGS = "id: {name}\nname: {{zh: 城, en: City}}\ntimezone: Asia/Shanghai\ndatum: wgs84\nlaw: [cn-2016-62, zj-2020]\n"


def records(settings: ClusterSettings, topic: str) -> list[ConsumerRecord]:
    """Everything in a topic, partition by partition."""
    with reader(settings) as consumer:
        places = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found = list(records_until(consumer, consumer.end_offsets(places)))
    return sorted(found, key=lambda record: (record.partition, record.offset))
