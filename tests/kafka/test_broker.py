"""The tests' own Kafka: it keeps what it acknowledged through stops and kills, and nothing of it stays behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from haulwatch.settings import ClusterSettings
from tests.kafka.broker import Broker, fetched_jars
from tests.servers import NoServerError, unavailable

ROOT = Path(__file__).parents[2]
SESSION = """
import sys
from tests.kafka.broker import Broker
broker = Broker()
broker.start()
print(broker._process.pid, broker.folder, flush=True)
sys.stdin.read()
"""


def records(bootstrap: str, topic: str) -> list[bytes]:
    """The values of the topic's only partition."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, consumer_timeout_ms=5_000)
    place = TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    end = consumer.end_offsets([place])[place]
    found: list[bytes] = []
    while consumer.position(place) < end:
        found += [record.value for batch in consumer.poll(timeout_ms=500).values() for record in batch]
    consumer.close()
    return found


@pytest.mark.slow
@pytest.mark.kafka
def test_what_was_acknowledged_survives_a_kill(own_broker: Broker) -> None:
    admin = KafkaAdminClient(bootstrap_servers=own_broker.bootstrap)
    admin.create_topics([NewTopic("kept", 1, 1)])
    admin.close()
    address = own_broker.bootstrap
    for number, end in enumerate((own_broker.kill, own_broker.stop)):
        producer = KafkaProducer(bootstrap_servers=address, acks="all")
        producer.send("kept", value=str(number).encode()).get(timeout=30)
        producer.close()
        end()
        assert not own_broker.running
        own_broker.start()
        own_broker.wait_ready()
    assert own_broker.bootstrap == address
    assert records(address, "kept") == [b"0", b"1"]


@pytest.mark.kafka
def test_a_cluster_of_a_test_begins_empty(cluster: ClusterSettings) -> None:
    admin = KafkaAdminClient(bootstrap_servers=cluster.brokers)
    assert [name for name in admin.list_topics() if name.startswith(cluster.topic_prefix)] == []
    admin.create_topics([NewTopic(cluster.topics.observations, 2, 1)])
    admin.close()


@pytest.mark.kafka
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_session_that_is_killed_leaves_no_broker_behind() -> None:
    try:
        fetched_jars()
    except NoServerError as error:
        unavailable("Kafka", [str(error)])
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdout is not None
        pid, folder = session.stdout.readline().split()
        assert Path(f"/proc/{pid}").exists()
        session.kill()
    deadline = time.monotonic() + 10
    while (alive(int(pid)) or Path(folder).exists()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(int(pid))
    assert not Path(folder).exists()


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and waits for its parent to look does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False
