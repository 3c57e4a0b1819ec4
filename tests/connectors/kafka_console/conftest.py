"""Topics of a test's own, and an order store to go with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaProducer

from connectors.kafka_client import short_producer
from connectors.kafka_topics import create
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.settings import ClusterSettings

PARTITIONS = 3


@pytest.fixture
def topics(cluster: ClusterSettings) -> ClusterSettings:
    """A cluster whose topics are there."""
    create(cluster, PARTITIONS)
    return cluster


@pytest.fixture
def producer(topics: ClusterSettings) -> Iterator[KafkaProducer]:
    with short_producer(topics) as sending:
        yield sending


@pytest.fixture
def store(database_url: str) -> Iterator[OrderStore]:
    opened = open_store(database_url)
    yield opened
    opened.close()
