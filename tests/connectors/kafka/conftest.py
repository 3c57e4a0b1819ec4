"""A cluster with its topics made, on the Kafka that all tests share."""

from __future__ import annotations

import pytest

from connectors.kafka_topics import create
from haulwatch.settings import ClusterSettings

PARTITIONS = 4


@pytest.fixture
def made(cluster: ClusterSettings) -> ClusterSettings:
    """Settings of a cluster whose topics exist, with `PARTITIONS` partitions."""
    create(cluster, PARTITIONS)
    return cluster
