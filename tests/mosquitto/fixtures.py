"""Mosquitto for the tests that need one, found or started on first use, gone at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.mosquitto.server import Mosquitto, given_mosquitto
from tests.servers import NoServerError, unavailable


@pytest.fixture(scope="session")
def mosquitto() -> Iterator[tuple[str, int]]:
    """Host and port of a Mosquitto that all tests share: HAULWATCH_TEST_MQTT, else the program.

    Where there is none the test is skipped with the reasons; under CI=true it fails.
    """
    given = given_mosquitto()
    if given is not None:
        yield given
        return
    with running_mosquitto() as broker:
        yield "127.0.0.1", broker.port


@pytest.fixture
def own_mosquitto() -> Iterator[Mosquitto]:
    """A broker of this test alone, ready; the test may stop, kill and start it."""
    with running_mosquitto() as broker:
        yield broker


@contextmanager
def running_mosquitto(certificate: Path | None = None) -> Iterator[Mosquitto]:
    """One with the ordinary settings; it speaks TLS with a `certificate` (a PEM file, its key in it)."""
    try:
        broker = Mosquitto(certificate=certificate)
    except NoServerError as error:
        unavailable("Mosquitto", ["HAULWATCH_TEST_MQTT is not set", str(error)])
    try:
        broker.start()
        yield broker
    finally:
        broker.remove()
