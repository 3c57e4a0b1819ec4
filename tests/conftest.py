"""Real servers for the tests that need them: Kafka, PostgreSQL, Mosquitto; found or started on first use, gone at the
end."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka.admin import KafkaAdminClient

from haulwatch.dispatch.database import sqlite_url
from haulwatch.settings import ClusterSettings
from tests.kafka.broker import Broker, given_kafka, new_broker
from tests.mosquitto.fixtures import mosquitto, own_mosquitto
from tests.postgresql.server import Databases, Postgres, given_postgresql
from tests.servers import NoServerError, unavailable

__all__ = ["mosquitto", "own_mosquitto"]

NEEDS = {
    "kafka": pytest.mark.kafka,
    "module_cluster": pytest.mark.kafka,
    "own_broker": pytest.mark.kafka,
    "postgres_url": pytest.mark.postgresql,
    "own_postgres": pytest.mark.postgresql,
    "mosquitto": pytest.mark.mqtt,
    "own_mosquitto": pytest.mark.mqtt,
}


def pytest_itemcollected(item: pytest.Item) -> None:
    """A test that asks for a server carries its mark, so that `-m "not kafka"` leaves out all of them."""
    names = set(getattr(item, "fixturenames", ()))
    for name in NEEDS.keys() & names:
        item.add_marker(NEEDS[name])
    if "own_broker" in names:  # starting one and waiting until everybody noticed that it went takes its time
        item.add_marker(pytest.mark.slow)


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


@contextmanager
def own_topics(kafka: str) -> Iterator[ClusterSettings]:
    """Settings with a topic prefix that nobody else has; no topic exists yet, and none is left afterwards."""
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
def cluster(kafka: str) -> Iterator[ClusterSettings]:
    """Settings with a topic prefix of the test's own."""
    with own_topics(kafka) as settings:
        yield settings


@pytest.fixture(scope="module")
def module_cluster(kafka: str) -> Iterator[ClusterSettings]:
    """The same for all tests of a module."""
    with own_topics(kafka) as settings:
        yield settings


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


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL that all tests share, where they may create databases: HAULWATCH_TEST_POSTGRESQL, else
    one by the server's programs. Where there is none the test is skipped with the reasons; under CI=true it fails."""
    given = given_postgresql()
    if given is not None:
        yield given
        return
    with _running_postgres() as server:
        yield server.url().render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_databases(postgres_url: str) -> Iterator[Databases]:
    """Empty databases on that server."""
    databases = Databases(postgres_url)
    yield databases
    databases.drop_all()


@pytest.fixture
def postgres_database(postgres_databases: Databases) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database."""
    with postgres_databases.fresh() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh, empty database: the test runs once with SQLite (in `tmp_path`) and once with PostgreSQL."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    url: str = request.getfixturevalue("postgres_database")
    return url


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this test alone, ready; the test may stop, kill and start it."""
    with _running_postgres() as server:
        yield server


@contextmanager
def _running_postgres() -> Iterator[Postgres]:
    try:
        server = Postgres()
    except NoServerError as error:
        unavailable("PostgreSQL", ["HAULWATCH_TEST_POSTGRESQL is not set", str(error)])
    try:
        server.start()
        yield server
    finally:
        server.remove()
