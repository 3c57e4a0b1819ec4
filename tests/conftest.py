"""Real servers for the tests that need them: Kafka and PostgreSQL, found or started on first use, gone at the end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka.admin import KafkaAdminClient

from haulwatch.settings import ClusterSettings
from tests.kafka.broker import Broker, given_kafka, new_broker
from tests.servers import NoServerError, unavailable


NEEDS = {"kafka": pytest.mark.kafka, "own_broker": pytest.mark.kafka}


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that asks for a server carries its mark, so that `-m "not kafka"` leaves out all of them."""
    for name in NEEDS.keys() & set(getattr(item, "fixturenames", ())):
        item.add_marker(NEEDS[name])


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """`host:port` of a Kafka that all tests share: HAULWATCH_TEST_KAFKA, else one by Java and Maven, else by Docker.

    Where there is none the test is skipped with the reasons; under CI=true it fails.
    """
    given = given_kafka()
    if given is not None:
        yield given
        return
    with _running_broker() as broker:
        yield broker.bootstrap


@pytest.fixture
def cluster(kafka: str) -> Iterator[ClusterSettings]:
    """Settings with a topic prefix of the test's own; no topic exists yet, and none is left afterwards."""
    settings = ClusterSettings(kafka=kafka, topic_prefix=f"t{uuid.uuid4().hex[:12]}")
    yield settings
    admin = KafkaAdminClient(bootstrap_servers=settings.brokers)
    try:
        ours = [name for name in admin.list_topics() if name.startswith(f"{settings.topic_prefix}.")]
        if ours:
            admin.delete_topics(ours)
    finally:
        admin.close()


@pytest.fixture
def own_broker() -> Iterator[Broker]:
    """A broker of this test alone, ready; the test may stop, kill and start it."""
    with _running_broker() as broker:
        yield broker


@contextmanager
def _running_broker() -> Iterator[Broker]:
    try:
        broker = new_broker()
    except NoServerError as error:
        unavailable("Kafka", ["HAULWATCH_TEST_KAFKA is not set", str(error)])
    try:
        broker.start()
        broker.wait_ready()
        yield broker
    finally:
        broker.remove()
