"""Where a Kafka for the tests comes from, and what happens where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kafka import broker as place
from tests.kafka.broker import fetched_jars, given_kafka, new_broker
from tests.postgresql import server
from tests.servers import NoServerError, unavailable


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without programs; returns the folder that is its whole PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def install(folder: Path, name: str, script: str) -> None:
    """Puts a program there."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.mark.usefixtures("nothing_installed")
def test_without_any_program_every_reason_is_told() -> None:
    with pytest.raises(NoServerError, match="no Java here; no Docker here"):
        new_broker()


def test_a_maven_that_cannot_fetch_says_why_and_leaves_nothing(
    nothing_installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "ROOT", nothing_installed)
    install(nothing_installed, "java", "exit 0")
    with pytest.raises(NoServerError, match="no Maven here"):
        fetched_jars()
    install(nothing_installed, "mvn", "echo unknown host; exit 1")
    with pytest.raises(NoServerError, match="Maven could not fetch Kafka: unknown host"):
        fetched_jars()
    assert [path.name for path in (nothing_installed / ".cache/kafka").iterdir()] == []


def test_what_maven_fetched_is_used_again(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "ROOT", nothing_installed)
    install(nothing_installed, "java", "exit 0")
    install(nothing_installed, "mvn", 'for option; do :; done; echo jar > "${option#-DoutputDirectory=}/kafka.jar"')
    jars = fetched_jars()
    assert [path.name for path in jars.iterdir()] == ["kafka.jar"]
    install(nothing_installed, "mvn", "exit 1")
    assert fetched_jars() == jars


def test_a_docker_that_does_not_answer_is_no_docker(nothing_installed: Path) -> None:
    install(nothing_installed, "docker", "echo no daemon >&2; exit 1")
    with pytest.raises(NoServerError, match="no Java here; docker info: no daemon"):
        new_broker()


def test_a_kafka_that_is_named_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAULWATCH_TEST_KAFKA", "kafka.example:9092")
    assert given_kafka() == "kafka.example:9092"
    monkeypatch.setenv("HAULWATCH_TEST_KAFKA", "")
    assert given_kafka() is None


def test_without_the_programs_of_a_server(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "DEBIAN", nothing_installed / "nowhere")
    with pytest.raises(NoServerError, match="PostgreSQL"):
        server.server_programs()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("", pytest.skip.Exception), ("false", pytest.skip.Exception), ("true", pytest.fail.Exception)]
)
def test_no_server_skips_and_in_ci_fails(monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[Exception]) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no Kafka for this test: not set; no Java here"):
        unavailable("Kafka", ["not set", "no Java here"])
