"""A shelf of cities while Kafka is away and after it came back."""

from __future__ import annotations

import pytest

from connectors.kafka_cities import CityShelf, publish_city, read_register
from connectors.kafka_topics import create
from haulwatch.city import build_city, pack_city
from haulwatch.domain.errors import WorldError
from haulwatch.settings import ClusterSettings
from haulwatch.testing import SETTINGS, city_files_of
from tests.e2e.children import wait_until
from tests.kafka.broker import Broker


def city(name: str) -> tuple[str, bytes]:
    files = city_files_of(settings=SETTINGS.replace("id: test", f"id: {name}"))
    return build_city(files).city_hash, pack_city(files)


@pytest.mark.slow
def test_what_is_known_stays_and_what_is_new_comes_when_the_broker_is_back(own_broker: Broker) -> None:
    settings = ClusterSettings(kafka=own_broker.bootstrap)
    create(settings, 2)
    first, second = city("first"), city("second")
    publish_city(settings, *first)
    told: list[str] = []
    shelf = CityShelf(settings, told.append)
    shelf.start()
    try:
        own_broker.kill()
        assert shelf.active() == first
        with pytest.raises(WorldError, match="is not available"):  # not "there is no such city"
            shelf.city(second[0])
        with pytest.raises(WorldError, match="is not available"):
            publish_city(settings, *second)
        own_broker.start()
        own_broker.wait_ready()
        publish_city(settings, *second)
        wait_until(lambda: told == [second[0]], "the shelf follows", 60.0)
        assert shelf.active() == second
        assert read_register(settings).finished
    finally:
        shelf.stop()
