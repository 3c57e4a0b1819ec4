"""Positions out of a real Kafka: nothing is committed before our log has it, whoever is away."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from kafka import KafkaConsumer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from connectors.traccar.feed import Traccar
from connectors.traccar.settings import TraccarSettings
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Position
from tests.connectors.held_log import HeldLog, gate_to
from tests.connectors.traccar.device import AT, encoded, report, write
from tests.e2e.children import wait_until
from tests.kafka.broker import Broker

WAIT_S = 40.0


def reports(numbers: range) -> list[bytes]:
    return [encoded(report(AT - timedelta(seconds=1000 - number))) for number in numbers]


def made(brokers: str) -> str:
    """A topic with one partition."""
    topic = f"traccar-{uuid.uuid4().hex[:12]}"
    admin = KafkaAdminClient(bootstrap_servers=brokers)
    try:
        admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        admin.close()
    return topic


def committed(brokers: str, topic: str) -> int:
    """The group's offset."""
    consumer = KafkaConsumer(bootstrap_servers=brokers, group_id=topic, enable_auto_commit=False)
    try:
        return consumer.committed(TopicPartition(topic, 0)) or 0
    finally:
        consumer.close()


@contextmanager
def reading(log: HeldLog, brokers: str, topic: str) -> Iterator[Traccar]:
    settings = TraccarSettings.model_validate({"kafka": {"brokers": brokers, "topic": topic, "group": topic}})
    with gate_to(log) as gate:
        feed = Traccar(settings, gate)
        feed.start()
        try:
            yield feed
        finally:
            feed.stop()


def figure(feed: Traccar, name: str) -> float:
    return sum(one.value for one in feed.samples() if one.name == name)


def well(feed: Traccar) -> bool:
    try:
        feed.check()
    except WorldError:
        return False
    return True


def ats(log: HeldLog) -> set[object]:
    return {event.at for event in log.events if isinstance(event, Position)}


def test_what_is_in_the_topic_comes_into_the_log(kafka: str) -> None:
    topic, log = made(kafka), HeldLog()
    good = reports(range(50))
    write(kafka, topic, [*good[:20], b"{", encoded(report(unique_id="555")), *good[20:]])
    with reading(log, kafka, topic) as feed:
        wait_until(lambda: len(log.events) == 50, "all of it is in the log", WAIT_S)
        wait_until(lambda: figure(feed, "traccar_lag_records") == 0 and well(feed), "nothing is behind", WAIT_S)
    assert log.codes == ["not_json", "unknown_device"]
    assert committed(kafka, topic) == 52
    again = HeldLog()
    write(kafka, topic, reports(range(50, 51)))
    with reading(again, kafka, topic):
        wait_until(lambda: len(again.events) == 1, "only what is new", WAIT_S)


def test_no_offset_is_committed_while_the_log_is_away(kafka: str) -> None:
    topic, log = made(kafka), HeldLog()
    log.away = True
    write(kafka, topic, reports(range(10)))
    with reading(log, kafka, topic) as feed:
        wait_until(lambda: log.refused >= 2 and not well(feed), "it is tried again, and said", WAIT_S)
        assert committed(kafka, topic) == 0
        log.away = False
        wait_until(lambda: len(ats(log)) == 10 and well(feed), "it is taken in", WAIT_S)
        wait_until(lambda: committed(kafka, topic) == 10, "and committed", WAIT_S)
    assert figure(feed, "traccar_retries_total") >= 2


def test_stopping_before_the_log_has_it_leaves_it_in_the_topic(kafka: str) -> None:
    topic, log = made(kafka), HeldLog()
    log.open.clear()
    write(kafka, topic, reports(range(3)))
    with reading(log, kafka, topic):
        wait_until(lambda: log.calls == 1, "it is on its way", WAIT_S)
    assert committed(kafka, topic) == 0
    with reading(HeldLog(), kafka, topic):
        wait_until(lambda: committed(kafka, topic) == 3, "another one takes it up", WAIT_S)


def test_a_topic_that_is_not_there_yet_is_waited_for(kafka: str) -> None:
    topic, log = f"traccar-{uuid.uuid4().hex[:12]}", HeldLog()
    with reading(log, kafka, topic) as feed:
        wait_until(lambda: figure(feed, "traccar_reads_failed_total") > 0, "it has looked", WAIT_S)
        with pytest.raises(WorldError, match=topic):
            feed.check()
        admin = KafkaAdminClient(bootstrap_servers=kafka)
        admin.create_topics([NewTopic(topic, 1, 1)])
        admin.close()
        write(kafka, topic, reports(range(1)))
        wait_until(lambda: len(log.events) == 1, "it is found", WAIT_S)


def test_a_broker_that_dies_and_comes_back(own_broker: Broker) -> None:
    brokers, log = own_broker.bootstrap, HeldLog()
    topic = made(brokers)
    write(brokers, topic, reports(range(10)))
    with reading(log, brokers, topic) as feed:
        wait_until(lambda: len(ats(log)) == 10, "the first ten", WAIT_S)
        own_broker.kill()
        wait_until(lambda: not well(feed), "it says that the broker is away", WAIT_S)
        own_broker.start()
        own_broker.wait_ready()
        write(brokers, topic, reports(range(10, 20)))
        wait_until(lambda: len(ats(log)) == 20 and well(feed), "the rest", WAIT_S)


def test_nobody_there_at_all_is_no_reason_not_to_start() -> None:
    with reading(HeldLog(), "127.0.0.1:9", "positions") as feed, pytest.raises(WorldError):
        feed.check()
