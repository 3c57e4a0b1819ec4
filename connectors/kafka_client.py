"""How this project's plain Kafka clients (kafka-python) connect: one place for addresses, encryption and login."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)
from kafka.net.compat import KafkaNetClient

from connectors import kafka_checksums
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.topics import MAX_LETTER_BYTES, MIB

C = TypeVar("C")
CONNECT_MS = 8_000
"""How long a client looks for the first broker that answers."""
REQUEST_MS = 10_000
"""How long one request of a command may take."""
POLL_MS = 500
STALLED_S = 20.0
"""How long reading waits for a broker that has gone quiet."""

# A process that has set up its logs sees the client's messages; a command's one sentence must stay one.
logging.getLogger("kafka").addHandler(logging.NullHandler())
kafka_checksums.install()


def client_options(settings: ClusterSettings) -> dict[str, Any]:
    """Keyword arguments that kafka-python's consumers and producers take. Raises WorldError where no broker is named.

    Its admin client knows no `metrics_enabled`: see `admin_client`.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": settings.brokers,
        "client_id": "haulwatch",
        "security_protocol": settings.kafka_security,
        # Seconds, not half a minute, until a broker that came back is found again.
        "reconnect_backoff_max_ms": 2_000,
        "metrics_enabled": False,
    }
    if settings.kafka_ca_file is not None:
        options["ssl_cafile"] = str(settings.kafka_ca_file)
    if settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password,
        }
    return options


@contextmanager
def reaching(settings: ClusterSettings) -> Iterator[None]:
    """Whatever Kafka does not do inside becomes one readable WorldError."""
    try:
        yield
    except UnknownTopicOrPartitionError as error:
        raise WorldError(
            Text(
                f"Kafka 中没有前缀为 {settings.topic_prefix} 的主题：先运行 haulwatch topics create",
                f"Kafka has no topics with the prefix {settings.topic_prefix}: run haulwatch topics create first",
            )
        ) from error
    except (SaslAuthenticationFailedError, TopicAuthorizationFailedError) as error:
        raise WorldError(
            Text(f"Kafka（{settings.kafka}）拒绝访问：{error}", f"Kafka ({settings.kafka}) refuses: {error}")
        ) from error
    except KafkaError as error:
        raise _away(settings, error) from error


def _away(settings: ClusterSettings, error: Exception) -> WorldError:
    return WorldError(
        Text(f"Kafka（{settings.kafka}）不可用：{error}", f"Kafka ({settings.kafka}) is not available: {error}"),
        retryable=getattr(error, "retriable", False),
    )


def connected(settings: ClusterSettings, client: Callable[..., C], **options: Any) -> C:
    """A client that has found its broker. Raises WorldError; so also for an address or a certificate that is none."""
    options.setdefault("bootstrap_timeout_ms", CONNECT_MS)
    networks: list[KafkaNetClient] = []

    def network(**configs: Any) -> KafkaNetClient:
        networks.append(KafkaNetClient(**configs))
        return networks[-1]

    with reaching(settings):
        try:
            return client(**options, kafka_client=network)
        except (KafkaError, OSError, ValueError) as error:
            # What found no broker would keep its sockets until garbage is collected: hundreds, in a long outage.
            for unused in networks:
                unused.close()
            if isinstance(error, KafkaError):
                raise
            raise _away(settings, error) from error


@contextmanager
def admin_client(settings: ClusterSettings, connect_ms: int = CONNECT_MS) -> Iterator[KafkaAdminClient]:
    """An admin client for one piece of work. Raises WorldError."""
    options = {name: value for name, value in client_options(settings).items() if name != "metrics_enabled"}
    options |= {"bootstrap_timeout_ms": connect_ms, "request_timeout_ms": REQUEST_MS}
    admin = connected(settings, KafkaAdminClient, **options)
    try:
        with reaching(settings):
            yield admin
    finally:
        admin.close()


@contextmanager
def short_producer(settings: ClusterSettings) -> Iterator[KafkaProducer]:
    """A producer for one piece of work: records of any size that our topics take, each durable or an error."""
    options = client_options(settings) | {
        "acks": "all",
        "max_block_ms": REQUEST_MS,
        "delivery_timeout_ms": 3 * REQUEST_MS,
        "request_timeout_ms": REQUEST_MS,
        "max_request_size": MAX_LETTER_BYTES + MIB,
        "allow_auto_create_topics": False,
    }
    producer = connected(settings, KafkaProducer, **options)
    try:
        with reaching(settings):
            yield producer
    finally:
        producer.close(timeout=REQUEST_MS / 1000)


@contextmanager
def reader(settings: ClusterSettings, **more: Any) -> Iterator[KafkaConsumer]:
    """A consumer as `open_reader` gives it, for one piece of work. Raises WorldError."""
    consumer = open_reader(settings, **more)
    try:
        with reaching(settings):
            yield consumer
    finally:
        consumer.close(autocommit=False)


def open_reader(settings: ClusterSettings, **more: Any) -> KafkaConsumer:
    """A consumer without a group, for partitions that are assigned to it by hand; it commits nothing.

    To be closed by the caller. Raises WorldError.
    """
    options = client_options(settings) | {
        "request_timeout_ms": REQUEST_MS,
        "enable_auto_commit": False,
        "auto_offset_reset": "earliest",
        "allow_auto_create_topics": False,
        "max_partition_fetch_bytes": MAX_LETTER_BYTES + MIB,
    }
    return connected(settings, KafkaConsumer, **options | more)


def records_until(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> Iterator[ConsumerRecord]:
    """The records of assigned partitions from where the consumer is, up to these offsets (exclusive).

    A partition's records come in order; partitions take turns. Raises KafkaTimeoutError when nothing comes any more.
    """
    open_ends = {partition for partition, end in ends.items() if consumer.position(partition) < end}
    heard_at = time.monotonic()
    while open_ends:
        for partition, records in consumer.poll(POLL_MS).items():
            yield from (record for record in records if record.offset < ends[partition])
            heard_at = time.monotonic()  # the caller may have taken its time with them
        # Not by the last record's offset: what ends a topic may be no record but a transaction's mark.
        for partition in [partition for partition in open_ends if consumer.position(partition) >= ends[partition]]:
            open_ends.remove(partition)
            consumer.pause(partition)
            consumer.seek(partition, ends[partition])  # what came with it from behind the end is read another time
        if time.monotonic() - heard_at > STALLED_S:
            raise KafkaTimeoutError("no more records")
    consumer.resume(*ends)
