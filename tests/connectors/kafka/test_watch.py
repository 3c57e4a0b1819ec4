"""Readiness of the topics: seen at the start, seen when it changes, and when it is well again."""

from __future__ import annotations

import pytest
from kafka.admin import NewPartitions

from connectors.kafka_client import admin_client
from connectors.kafka_watch import TopicWatch
from haulwatch.domain.errors import WorldError
from haulwatch.settings import ClusterSettings
from tests.connectors.kafka.conftest import PARTITIONS
from tests.e2e.children import wait_until

WAIT_S = 60.0


def trouble(watch: TopicWatch) -> str:
    try:
        watch.check()
    except WorldError as error:
        return error.text.en
    return ""


def test_topics_that_are_missing_or_do_not_fit_are_named(made: ClusterSettings) -> None:
    watch = TopicWatch(made, every_s=0.2)
    watch.start()
    assert watch.partitions == PARTITIONS
    assert trouble(watch) == ""
    with admin_client(made) as admin:
        admin.create_partitions({made.topics.breaches: NewPartitions(PARTITIONS + 1)})
    wait_until(lambda: made.topics.breaches in trouble(watch), "the odd topic is named", WAIT_S)
    with admin_client(made) as admin:
        others = [spec.name for spec in made.topics.specs() if spec.partitioned and spec.name != made.topics.breaches]
        admin.create_partitions({name: NewPartitions(PARTITIONS + 1) for name in others})
    # All fit together again, but trucks are no longer where they were.
    wait_until(lambda: f"had {PARTITIONS} partitions" in trouble(watch), "the change is told", WAIT_S)
    watch.stop()
    elsewhere = made.model_copy(update={"topic_prefix": f"{made.topic_prefix}none"})
    with pytest.raises(WorldError, match="haulwatch topics create"):
        TopicWatch(elsewhere).start()
