"""What the server puts up with, and for how long."""

from __future__ import annotations

import dataclasses

from connectors.jt808 import answers, messages
from connectors.jt808.limits import Limits
from haulwatch.domain.live import TerminalAnswer
from tests.connectors.jt808 import frames
from tests.connectors.jt808.terminal import ANSWER_S, PLATE, Log, Serve, Terminal, figures

QUICK = Limits(stranger_s=0.3, idle_s=0.6, frames_at_once=50, frames_a_second=1, faults_at_once=5)


def test_a_terminal_that_comes_again_replaces_itself(serve: Serve) -> None:
    server = serve()
    with Terminal(server.port) as first, Terminal(server.port) as second:
        first.enter()
        second.enter()
        assert first.hear() is None
        told = server.send_text(PLATE, "你好")
        second.answer(second.expect(answers.TEXT))
        assert told.result(ANSWER_S) == TerminalAnswer(result="done")
    assert figures(server)["jt808_closed_total{reason=replaced}"] == 1


def test_who_does_not_say_who_he_is(serve: Serve) -> None:
    server = serve(limits=QUICK)
    with Terminal(server.port) as terminal:
        assert terminal.hear() is None
    assert figures(server)["jt808_closed_total{reason=not_authenticated}"] == 1


def test_who_says_nothing_any_more(serve: Serve) -> None:
    server = serve(limits=QUICK)
    with Terminal(server.port) as terminal:
        terminal.enter()
        assert terminal.hear() is None
    assert figures(server)["jt808_closed_total{reason=idle}"] == 1


def test_who_floods(serve: Serve) -> None:
    server = serve(limits=QUICK)
    with Terminal(server.port) as terminal:
        terminal.enter()
        terminal.send_raw(frames.frame(messages.HEARTBEAT) * 200)
        while terminal.hear() is not None:
            pass
    assert figures(server)["jt808_closed_total{reason=flood}"] == 1


def test_who_sends_rubbish(serve: Serve, log: Log) -> None:
    server = serve(limits=QUICK)
    with Terminal(server.port) as terminal:
        terminal.send_raw(b"\x7e\x01\x02\x7e\x7e\x03" * 50)
        assert terminal.hear() is None
    assert figures(server)["jt808_closed_total{reason=rubbish}"] == 1
    assert log.letters == []


def test_too_many_connections(serve: Serve) -> None:
    server = serve(limits=dataclasses.replace(Limits(), connections=2))
    with Terminal(server.port) as first, Terminal(server.port) as second:
        first.enter()
        assert second.register() == 0
        with Terminal(server.port) as third:
            assert third.hear() is None
        assert first.locate() == 0


def test_too_many_strangers_do_not_shut_out_who_is_known(serve: Serve) -> None:
    server = serve(limits=dataclasses.replace(Limits(), strangers=1))
    with Terminal(server.port) as known:
        known.enter()
        with Terminal(server.port) as stranger:
            assert stranger.register() == 0
            with Terminal(server.port) as another:
                assert another.hear() is None
            assert known.locate() == 0
