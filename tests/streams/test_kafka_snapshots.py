"""Snapshots in Kafka: all of one or the one before, by one writer at a time. Against a real broker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from connectors.kafka_topics import create
from haulwatch.settings import ClusterSettings
from streams.kafka_places import first_offset_from
from streams.kafka_snapshots import SnapshotClaim, SnapshotError
from streams.snapshots import Changes

pytestmark = pytest.mark.kafka


@pytest.fixture
def place(cluster: ClusterSettings) -> tuple[dict[str, Any], str]:
    create(cluster, partitions=3)
    return {"bootstrap_servers": cluster.brokers}, cluster.topics.snapshots


def parts(head: bytes, **buckets: bytes) -> Changes:
    return Changes(head, {int(name[1:]): value for name, value in buckets.items()}, set())


def test_a_snapshot_is_the_newest_of_every_part(place: tuple[dict[str, Any], str]) -> None:
    async def story() -> None:
        claim = await SnapshotClaim.take(*place, 1)
        assert await claim.read() is None
        await claim.save(10, False, parts(b"one", b1=b"a", b2=b"b"))
        await claim.save(20, True, parts(b"two", b2=b"c"))
        await claim.close()
        again = await SnapshotClaim.take(*place, 1)
        saved = await again.read()
        assert saved is not None
        assert (saved.next_offset, saved.ticked, saved.head, sorted(saved.buckets)) == (20, True, b"two", [b"a", b"c"])
        other = await SnapshotClaim.take(*place, 2)
        assert await other.read() is None
        await again.close()
        await other.close()

    asyncio.run(story())


def test_who_claims_later_shuts_out_who_claimed_before(place: tuple[dict[str, Any], str]) -> None:
    async def story() -> None:
        first = await SnapshotClaim.take(*place, 0)
        await first.save(10, False, parts(b"first", b1=b"a"))
        second = await SnapshotClaim.take(*place, 0)
        with pytest.raises(SnapshotError):
            await first.save(99, False, parts(b"zombie", b1=b"z", b7=b"z"))
        saved = await second.read()
        assert saved is not None
        assert (saved.next_offset, saved.buckets) == (10, [b"a"])
        await second.save(20, False, parts(b"second", b1=b"b"))
        saved = await second.read()
        assert saved is not None
        assert (saved.next_offset, saved.buckets) == (20, [b"b"])
        await first.close()
        await second.close()

    asyncio.run(story())


def test_half_a_snapshot_is_none(place: tuple[dict[str, Any], str]) -> None:
    connection, topic = place

    async def story() -> None:
        claim = await SnapshotClaim.take(connection, topic, 0)
        await claim.save(10, False, parts(b"whole", b1=b"a"))
        await claim.close()
        # As a worker that is killed in the middle leaves it: parts written, the transaction neither ended nor undone.
        killed = AIOKafkaProducer(**connection, transactional_id=f"{topic}-0")
        await killed.start()
        await killed.begin_transaction()
        await killed.send_and_wait(topic, b"half", key=b"b001", partition=0)
        successor = await asyncio.wait_for(SnapshotClaim.take(connection, topic, 0), 30)
        saved = await asyncio.wait_for(successor.read(), 30)
        assert saved is not None
        assert (saved.next_offset, saved.buckets) == (10, [b"a"])
        await successor.close()
        await killed.stop()

    asyncio.run(story())


def test_what_the_log_has_from_an_offset_on(place: tuple[dict[str, Any], str]) -> None:
    connection, topic = place

    async def story() -> None:
        assert await first_offset_from(connection, topic, 2, 0) is None
        claim = await SnapshotClaim.take(connection, topic, 2)
        await claim.save(1, False, parts(b"head", b1=b"a"))  # two records and the transaction's marker
        await claim.save(2, False, parts(b"head"))
        assert [await first_offset_from(connection, topic, 2, offset) for offset in range(4)] == [0, 1, 3, 3]
        await claim.close()

    asyncio.run(story())
