"""What the server puts up with, and for how long."""

from __future__ import annotations

import dataclasses
import resource
import socket
import threading
import time

import pytest

from connectors.jt808 import answers, messages
from connectors.jt808.limits import Limits
from haulwatch.bootstrap.jt808 import within_reach
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


def test_a_stranger_who_sends_rubbish_is_heard_for_less_long(serve: Serve) -> None:
    server = serve(limits=dataclasses.replace(QUICK, faults_at_once=500, stranger_faults=5))
    with Terminal(server.port) as stranger, Terminal(server.port) as known:
        known.enter()
        known.send_raw(b"\x7e\x01\x02" * 50 + b"\x7e")
        assert known.result_of(known.send(messages.HEARTBEAT)) == 0
        stranger.send_raw(b"\x7e\x01\x02" * 10)
        assert stranger.hear() is None
    assert figures(server)["jt808_closed_total{reason=rubbish}"] == 1


def test_who_sends_without_pause_does_not_keep_others_waiting(serve: Serve) -> None:
    """A quarter of a megabyte of rubbish without one frame in it is read in portions."""
    server = serve(limits=Limits(faults_at_once=1e6, faults_a_second=1e6))
    with Terminal(server.port) as loud, Terminal(server.port, "013900000001") as other:
        loud.enter()
        other.enter()
        sending = threading.Thread(target=loud.send_raw, args=(b"\x7e\x7d\x01\x02" * 60_000,))
        sending.start()
        for _ in range(5):
            assert other.locate() == 0
        read = sum(number for name, number in figures(server).items() if "jt808_faults_total" in name)
        assert read < 60_000  # the others had their answers before it was through
        loud._socket.shutdown(socket.SHUT_RDWR)
        sending.join(ANSWER_S)


def test_a_silent_crowd_makes_room_for_who_comes_to_speak(serve: Serve) -> None:
    server = serve(limits=dataclasses.replace(Limits(), strangers=5, patience_s=0.2))
    silent = [Terminal(server.port) for _ in range(5)]
    with Terminal(server.port) as refused:
        assert refused.hear() is None  # they have only just come, as a fleet does after an outage
    time.sleep(0.25)  # so long nobody needs to say who he is
    with Terminal(server.port) as terminal:
        terminal.enter()
        assert silent[0].hear() is None
        assert terminal.locate() == 0
    assert figures(server)["jt808_closed_total{reason=not_authenticated}"] == 1
    for one in silent:
        one._socket.close()


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


def test_as_many_connections_as_there_may_be_files(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: given.append(pair))
    for limit, connections, strangers in ((2_000, 1_500, 750), (600, 300, 150), (1 << 20, 20_000, 5_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _which, limit=limit: (256, limit))
        limits = within_reach(Limits())
        assert (limits.connections, limits.strangers) == (connections, strangers)
        assert given[-1] == (min(limit, 20_500), limit)
    monkeypatch.undo()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)
