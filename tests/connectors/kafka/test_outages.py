"""The broker goes away in every way it can: what was acknowledged is in the log, the rest is refused in time, and work
goes on by itself when it is back.
"""

from __future__ import annotations

import gc
import logging
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.kafka_producer import PackingProducer
from connectors.kafka_topics import create
from haulwatch.domain.errors import WorldError
from haulwatch.settings import ClusterSettings
from haulwatch.testing import position
from tests.connectors.kafka.conftest import PARTITIONS
from tests.connectors.kafka.log import logged
from tests.kafka.broker import Broker

BACK_S = 90.0
ACK_S = 3.0
KILLS = 4
SENDERS = 6


@pytest.fixture
def settings(own_broker: Broker) -> ClusterSettings:
    settings = ClusterSettings(kafka=own_broker.bootstrap, topic_prefix="away")
    create(settings, PARTITIONS)
    return settings


@pytest.fixture
def producer(settings: ClusterSettings) -> Iterator[PackingProducer]:
    producer = PackingProducer(settings, PARTITIONS, ack_timeout_s=ACK_S, stall_s=1.0)
    yield producer
    producer.close(1.0)


def send(producer: PackingProducer, name: str) -> int:
    events = [position(n, truck_id=f"浙E{n:05d}", event_id=f"{name}-{n}") for n in range(8)]
    return producer.submit(events).result(30)


def send_until_taken(producer: PackingProducer, name: str) -> None:
    """As senders do: again, until it is acknowledged."""
    until(lambda: taken(producer, name))


def taken(producer: PackingProducer, name: str) -> bool:
    try:
        return send(producer, name) == 8
    except WorldError:
        return False


def until(done: Callable[[], bool], timeout_s: float = BACK_S) -> None:
    deadline = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # asking a real process; the deadline bounds it


def works(producer: PackingProducer) -> bool:
    try:
        producer.check()
    except WorldError:
        return False
    return True


def ids(settings: ClusterSettings) -> list[str]:
    return [event_id for _, _, event_id in logged(settings)]


def test_while_it_is_away_senders_are_told_and_when_it_is_back_work_goes_on(
    own_broker: Broker, settings: ClusterSettings, producer: PackingProducer
) -> None:
    send_until_taken(producer, "before")
    for round_ in range(2):
        own_broker.stop()
        began = time.monotonic()
        with pytest.raises(WorldError, match="Kafka") as refused:
            send(producer, f"lost{round_}")
        assert refused.value.retryable
        assert ACK_S - 0.5 < time.monotonic() - began < ACK_S + 10
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(WorldError, match="Kafka"):
                producer.submit([position(0)])
        assert time.monotonic() - began < ACK_S, "known to be away, it says so at once"
        with pytest.raises(WorldError):
            producer.check()
        own_broker.start()
        until(lambda: works(producer))
        send_until_taken(producer, f"after{round_}")
    assert {"before-0", "after0-0", "after1-7"} <= set(ids(settings))
    figures = {sample.name: sample.value for sample in producer.samples()}
    assert figures["gateway_broker_away_seconds_total"] > 2.0
    assert figures["gateway_queue_events"] == figures["gateway_queue_bytes"] == 0


def test_a_short_absence_is_not_noticed_by_who_can_wait(own_broker: Broker, settings: ClusterSettings) -> None:
    producer = PackingProducer(settings, PARTITIONS, ack_timeout_s=BACK_S, stall_s=BACK_S)
    answers = []
    for end in (own_broker.stop, own_broker.kill):
        assert send(producer, end.__name__) == 8
        end()
        events = [position(n, truck_id=f"浙E{n}", event_id=f"{end.__name__}-meanwhile-{n}") for n in range(20)]
        answers.append(producer.submit(events))
        own_broker.start()
        assert answers[-1].result(BACK_S) == 20
    producer.close()
    log = ids(settings)
    assert len(log) == len(set(log)) == 2 * 28


def test_a_broker_that_hangs_is_away(own_broker: Broker, settings: ClusterSettings, producer: PackingProducer) -> None:
    if own_broker._process is None:
        pytest.skip("a broker in a container has no process of ours to stop")
    send_until_taken(producer, "before")
    os.kill(own_broker._process.pid, signal.SIGSTOP)
    try:
        with pytest.raises(WorldError, match="in time"):
            send(producer, "hanging")
        with pytest.raises(WorldError):
            producer.submit([position(0)])
    finally:
        os.kill(own_broker._process.pid, signal.SIGCONT)
    until(lambda: works(producer))
    send_until_taken(producer, "after")
    assert "after-0" in ids(settings)


def test_nothing_piles_up_over_many_absences(
    own_broker: Broker, producer: PackingProducer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "kafka")  # kept records keep what they tell of
    send_until_taken(producer, "before")
    own_broker.kill()
    with pytest.raises(WorldError):
        send(producer, "lost")
    threads, files = threading.active_count(), open_files()
    # Each attempt to reach the broker is a client of its own: the next ones must not add to the first ones.
    attempts = time.monotonic() + 12.0
    most = 0
    while time.monotonic() < attempts:
        most = max(most, threading.active_count())
        time.sleep(0.1)
    assert most <= threads + 2
    assert open_files() <= files + 6


def open_files() -> int:
    gc.collect()  # kafka-python leaves a refused connection's socket to the garbage collector
    return len(list(Path("/proc/self/fd").iterdir()))


def test_asked_to_end_while_the_broker_is_away_it_ends(own_broker: Broker, producer: PackingProducer) -> None:
    own_broker.kill()
    waiting = producer.submit([position(0)])
    began = time.monotonic()
    producer.close(1.0)
    assert time.monotonic() - began < 15.0
    with pytest.raises(WorldError):
        waiting.result(0)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_killed_under_load_it_has_every_event_that_was_acknowledged(
    own_broker: Broker, settings: ClusterSettings, producer: PackingProducer
) -> None:
    done = threading.Event()
    acknowledged: list[str] = []
    refusals: list[str] = []

    def keep_sending(sender: int) -> None:
        number = 0
        while not done.is_set():
            events = [position(number + n, truck_id=f"浙E{n}", event_id=f"{sender}-{number + n}") for n in range(20)]
            number += 20
            try:
                producer.submit(events).result(30)
            except WorldError as error:
                refusals.append(error.text.en)
                done.wait(0.05)
            else:
                acknowledged.extend(event.event_id for event in events)

    senders = [threading.Thread(target=keep_sending, args=(sender,)) for sender in range(SENDERS)]
    for thread in senders:
        thread.start()
    rng = random.Random(7)
    for kill in range(KILLS):
        before = len(acknowledged)
        until(lambda before=before: len(acknowledged) > before + 200)
        done.wait(rng.uniform(0.1, 1.0))  # a random moment under load, not a wait for something to be ready
        own_broker.kill()
        done.wait(0 if kill % 2 else ACK_S)  # once short, once longer than senders are kept waiting
        own_broker.start()
    before = len(acknowledged)
    until(lambda: len(acknowledged) > before + 200)
    done.set()
    for thread in senders:
        thread.join(60)
    producer.close()
    assert refusals, "it was away longer than senders are kept waiting"
    assert set(acknowledged) - set(ids(settings)) == set()
