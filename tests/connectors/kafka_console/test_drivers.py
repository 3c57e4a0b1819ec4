"""A console speaks to the driver of a truck whose terminal is connected to some gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from kafka import KafkaProducer

from connectors.kafka_drivers import DriverCommands, KafkaDriverLine
from haulwatch.console.testing import SteeredLine
from haulwatch.domain.errors import WorldError
from haulwatch.domain.live import TerminalAnswer
from haulwatch.domain.text import Text
from haulwatch.settings import ClusterSettings
from haulwatch.testing import position
from tests.connectors.kafka_console.records import until, write

ANSWER_S = 20.0


class Nobody(SteeredLine):
    """A gateway without terminals."""

    def online(self, truck_id: str) -> bool:
        """None is connected."""
        return truck_id == ""


@contextmanager
def gateway(settings: ClusterSettings, terminals: SteeredLine) -> Iterator[DriverCommands]:
    commands = DriverCommands(settings, terminals)
    commands.start()
    try:
        yield commands
    finally:
        commands.stop()


@pytest.fixture
def line(topics: ClusterSettings) -> Iterator[KafkaDriverLine]:
    opened = KafkaDriverLine(topics)
    opened.start()
    yield opened
    opened.stop()


@pytest.mark.kafka
def test_the_gateway_that_has_the_terminal_answers(topics: ClusterSettings, line: KafkaDriverLine) -> None:
    here, elsewhere = SteeredLine(), Nobody()
    with gateway(topics, elsewhere), gateway(topics, here):
        assert line.send_text("浙E12345", "请盖好篷布", urgent=True).result(ANSWER_S) == TerminalAnswer(result="done")
        where = position(0, lon=120.2)
        here.answer = TerminalAnswer(result="done", position=where)
        assert line.ask_location("浙E12345").result(ANSWER_S).position == where
    assert here.asked == [("浙E12345", "请盖好篷布", True), ("浙E12345",)]
    assert elsewhere.asked == []


@pytest.mark.kafka
def test_why_a_terminal_did_not_answer_is_told(topics: ClusterSettings, line: KafkaDriverLine) -> None:
    here = SteeredLine()
    here.answer = WorldError(Text("终端没有按时应答", "too slow"), retryable=True)
    with gateway(topics, here), pytest.raises(WorldError, match="too slow"):
        line.ask_location("浙E12345").result(ANSWER_S)


@pytest.mark.kafka
def test_a_truck_that_is_connected_nowhere_is_known_soon(topics: ClusterSettings, line: KafkaDriverLine) -> None:
    with gateway(topics, Nobody()), pytest.raises(WorldError, match="not connected"):
        line.ask_location("浙E12345").result(ANSWER_S)


@pytest.mark.kafka
def test_what_nobody_can_read_disturbs_nobody(
    topics: ClusterSettings, line: KafkaDriverLine, producer: KafkaProducer
) -> None:
    here = SteeredLine()
    with gateway(topics, here):
        write(producer, topics.topics.drivers, (None, b"\xff"), ("a", None), ("a", b'{"phase": "sung"}'))
        assert line.send_text("浙E12345", "请返回").result(ANSWER_S).result == "done"
        line.follower.check()


@pytest.mark.kafka
def test_an_outdated_command_is_not_carried_out(topics: ClusterSettings, line: KafkaDriverLine) -> None:
    here = SteeredLine()
    commands = DriverCommands(topics, here, now_ms=lambda: 4_000_000_000_000)
    commands.start()
    try:
        line.send_text("浙E12345", "请返回")
        until(lambda: any(sample.value for sample in commands.samples()))
        assert [sample.labels for sample in commands.samples()] == [(("outcome", "outdated"),)]
        assert here.asked == []
    finally:
        commands.stop()


@pytest.mark.kafka
def test_a_text_that_no_terminal_takes_is_refused_at_once(line: KafkaDriverLine) -> None:
    with pytest.raises(ValueError, match="1"):
        line.send_text("浙E12345", "").result(0)
