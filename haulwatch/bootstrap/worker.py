"""A cluster's worker: the processor on Kafka, under Faust."""

from __future__ import annotations

import gc
import ssl

from connectors.kafka_cities import CityShelf
from connectors.kafka_topics import partitions_of
from haulwatch.city import build_city, unpack_city
from haulwatch.settings import ClusterSettings
from streams.faust_host import FaustHost, KafkaAccess
from streams.runtime import CityRuntime

GC_THRESHOLDS = (50_000, 50, 1_000)
"""The states of a hundred thousand trucks are no garbage, and looking through them all takes a second."""


def kafka_access(settings: ClusterSettings) -> KafkaAccess:
    """How Faust and aiokafka reach the Kafka of the settings."""
    tls = None
    if settings.kafka_security.endswith("SSL"):
        cafile = str(settings.kafka_ca_file) if settings.kafka_ca_file is not None else None
        tls = ssl.create_default_context(cafile=cafile)
    sasl = settings.kafka_security.startswith("SASL")
    return KafkaAccess(
        settings.brokers,
        settings.kafka_security,
        settings.kafka_mechanism if sasl else None,
        settings.kafka_username if sasl else None,
        settings.kafka_password if sasl else None,
        tls,
    )


def worker(settings: ClusterSettings, web_host: str, web_port: int) -> FaustHost:
    """Puts a worker together. Raises WorldError where Kafka or its topics are not there."""
    topics = settings.topics
    partitions = partitions_of(settings, topics.observations)
    shelf = CityShelf(settings)
    shelf.start()

    def city_of(city_hash: str) -> CityRuntime | None:
        packed = shelf.city(city_hash)
        return None if packed is None else CityRuntime(build_city(unpack_city(packed)))

    gc.set_threshold(*GC_THRESHOLDS)
    return FaustHost(
        kafka_access(settings),
        topics,
        partitions,
        city_of,
        web_host=web_host,
        web_port=web_port,
        on_stop=shelf.stop,
    )
