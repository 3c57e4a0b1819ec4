"""Outputs of a worker: with the broker when `send`'s future is done, in order, across a broker that dies."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from kafka import KafkaConsumer, TopicPartition

from connectors.kafka_topics import create
from haulwatch.settings import ClusterSettings
from streams.kafka_outputs import Outgoing, Outputs
from tests.kafka.broker import Broker

pytestmark = pytest.mark.kafka


def values(settings: ClusterSettings, topic: str) -> list[bytes]:
    place = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=settings.brokers, auto_offset_reset="earliest")
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    found: list[bytes] = []
    while consumer.position(place) < end:
        found += [record.value for records in consumer.poll(500).values() for record in records]
    consumer.close()
    return found


def test_a_broker_that_dies_and_comes_back_costs_nothing_but_time(own_broker: Broker) -> None:
    settings = ClusterSettings(kafka=own_broker.bootstrap)
    create(settings, partitions=1)
    topic = settings.topics.breaches

    async def story() -> None:
        outputs = Outputs({"bootstrap_servers": settings.brokers}, 1 << 20)
        await outputs.start()
        done = [await outputs.send(Outgoing(topic, b"%d" % n, partition=0)) for n in range(200)]
        await asyncio.gather(*done)
        await asyncio.to_thread(own_broker.kill)
        later = [await outputs.send(Outgoing(topic, b"%d" % n, partition=0)) for n in range(200, 400)]
        assert outputs.waiting == 200
        await asyncio.to_thread(own_broker.start)
        await asyncio.wait_for(asyncio.gather(*later), 60)
        assert outputs.waiting == 0
        await outputs.stop()

    asyncio.run(story())
    assert values(settings, topic) == [b"%d" % n for n in range(400)]


def test_when_the_producer_itself_fails_what_it_held_is_written_again_in_order(cluster: ClusterSettings) -> None:
    create(cluster, partitions=1)
    topic = cluster.topics.breaches

    async def story() -> None:
        outputs = Outputs({"bootstrap_servers": cluster.brokers}, 1 << 20)
        await outputs.start()
        await (await outputs.send(Outgoing(topic, b"0", partition=0)))
        producer = outputs._producer
        assert producer is not None
        # As after an error of the protocol that the client cannot mend (a sequence the broker does not know).
        producer._sender._txn_manager._sequence_numbers[TopicPartition(topic, 0)] = 77
        done = [await outputs.send(Outgoing(topic, b"%d" % n, partition=0)) for n in range(1, 300)]
        await asyncio.wait_for(asyncio.gather(*done), 60)
        assert outputs.counters["producer_replaced"] >= 1
        await outputs.stop()

    asyncio.run(story())
    numbers = [int(value) for value in values(cluster, topic)]
    assert sorted(set(numbers)) == list(range(300))
    first_seen = list(dict.fromkeys(numbers))
    assert all(a < b for a, b in pairwise(first_seen)), "nothing is overtaken by what was written after it"


def test_a_record_that_no_broker_takes_does_not_hold_up_the_rest(cluster: ClusterSettings) -> None:
    create(cluster, partitions=1)
    topic = cluster.topics.breaches

    async def story() -> None:
        outputs = Outputs({"bootstrap_servers": cluster.brokers}, 16 << 20)
        await outputs.start()
        done = [
            await outputs.send(Outgoing(topic, b"small", partition=0)),
            await outputs.send(Outgoing(topic, b"x" * (10 << 20), partition=0)),
            await outputs.send(Outgoing(topic, b"after", partition=0)),
        ]
        await asyncio.wait_for(asyncio.gather(*done), 60)
        assert outputs.counters["too_large"] == 1
        await outputs.stop()

    asyncio.run(story())
    assert values(cluster, topic) == [b"small", b"after"]
