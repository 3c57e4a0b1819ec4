"""The server against real TCP clients: who may speak, when it answers, what it can ask for."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path

import pytest

from connectors.jt808 import answers, messages
from connectors.jt808.limits import Limits
from connectors.jt808.mapping import Mapped, Reporter, nothing
from connectors.jt808.server import Jt808Server
from connectors.jt808.terminals import Codes, Fleet
from connectors.pictures import PictureFolder
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Position, Sighting
from haulwatch.domain.live import TerminalAnswer
from tests.connectors.jt808 import frames
from tests.connectors.jt808.frames import LOCATION, PHONE
from tests.connectors.jt808.terminal import ANSWER_S, NOW, PLATE, PROFILES, TRUCKS, Log, Serve, Terminal, figures, heard


@pytest.mark.parametrize("edition", [2013, 2019])
def test_register_authenticate_locate(serve: Serve, log: Log, edition: messages.Edition) -> None:
    server = serve()
    with Terminal(server.port, edition=edition) as terminal:
        terminal.enter()
        assert terminal.result_of(terminal.send(messages.HEARTBEAT)) == 0
        assert terminal.locate(items=frames.item(0xE1, b"\x00")) == 0
        assert terminal.result_of(terminal.send(messages.LOGOUT)) == 0
    [event] = log.events
    assert isinstance(event, Position)
    assert (event.truck_id, event.source, event.cover, event.received_at) == (PLATE, f"jt808:{PHONE}", "open", NOW)


def test_a_terminal_known_by_the_id_printed_on_it(serve: Serve, log: Log) -> None:
    server = serve()
    with Terminal(server.port, "019912345678") as terminal:
        assert terminal.register(terminal_id="box-7") == 0
        code = terminal.code
    with Terminal(server.port, "019912345678") as terminal:
        terminal.code = code  # after another start it only authenticates
        assert terminal.authenticate() == 0
        assert terminal.locate() == 0
    assert [event.truck_id for event in log.events if isinstance(event, Position)] == ["浙E00002"]


def test_a_stranger_is_not_heard(serve: Serve, log: Log) -> None:
    server = serve()
    with Terminal(server.port, "010000000000") as terminal:
        assert terminal.register() == answers.Registered.NO_SUCH_TERMINAL
        terminal.send(messages.LOCATION, frames.location())
        terminal.code = Codes(b"guess").issue("010000000000", "13800138000")
        assert terminal.authenticate() == answers.Result.FAILED
        terminal.code = Codes(b"secret").issue(PHONE, "13800138000")  # another terminal's
        assert terminal.authenticate() == answers.Result.FAILED
        terminal.code = "ü"
        assert terminal.authenticate() == answers.Result.FAILED
        assert terminal.hear() is None
    assert log.events == []
    seen = figures(server)
    assert seen["jt808_faults_total{code=not_on_the_list,device=unknown}"] == 1
    assert seen["jt808_faults_total{code=not_authenticated,device=unknown}"] == 4


def test_a_truck_that_leaves_the_list_is_no_longer_heard(serve: Serve, log: Log) -> None:
    fleets = [Fleet(TRUCKS, PROFILES)]
    server = serve(fleet=lambda: fleets[-1])
    with Terminal(server.port) as terminal:
        terminal.enter()
        assert terminal.locate() == 0
        fleets.append(Fleet(TRUCKS[1:], PROFILES))
        terminal.send(messages.LOCATION, frames.location(speed_kmh=1))
        assert terminal.register() == answers.Registered.NO_SUCH_TERMINAL
    assert len(log.events) == 1


def test_no_answer_before_it_is_durable(serve: Serve, log: Log) -> None:
    server = serve()
    with Terminal(server.port) as terminal:
        terminal.enter()
        log.open.clear()
        serial = terminal.send(messages.LOCATION, frames.location())
        terminal._socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            terminal.hear()
        log.open.set()
        terminal._socket.settimeout(ANSWER_S)
        assert terminal.result_of(serial) == 0
    assert len(log.events) == 1


def test_no_answer_at_all_while_nothing_can_be_stored(serve: Serve, log: Log) -> None:
    server = serve()
    with Terminal(server.port) as terminal:
        terminal.enter()
        log.away = True
        terminal.send(messages.LOCATION, frames.location())
        assert terminal.result_of(terminal.send(messages.HEARTBEAT)) == 0
        log.away = False
        assert terminal.locate() == 0
    assert len(log.events) == 1
    assert figures(server)["jt808_unanswered_total"] == 1


def test_many_terminals_share_a_commit(serve: Serve, log: Log) -> None:
    server = serve()
    terminals = [Terminal(server.port, f"0139{n:08d}").enter() for n in range(100)]
    log.open.clear()
    serials = [terminal.send(messages.LOCATION, frames.location()) for terminal in terminals]
    heard(server, 100)
    log.open.set()
    assert [terminal.result_of(serial) for terminal, serial in zip(terminals, serials, strict=True)] == [0] * 100
    assert len(log.events) == 100
    assert log.calls <= 8
    for terminal in terminals:
        terminal._socket.close()


def test_a_batch_from_a_blind_area_is_resent_and_answered_once(serve: Serve, log: Log) -> None:
    server = serve()
    bodies = [frames.location(time=f"26050116{minute:02d}00") for minute in range(10)]
    with Terminal(server.port) as terminal:
        terminal.enter()
        assert terminal.result_of(terminal.send(messages.LOCATION_BATCH, frames.batch(bodies, kind=1))) == 0
        assert terminal.result_of(terminal.send(messages.LOCATION, bodies[3])) == 0
    assert [event.resent for event in log.events if isinstance(event, Position)] == [True] * 10 + [False]
    assert log.events[3].event_id == log.events[10].event_id  # type: ignore[union-attr]


def test_bad_bytes_between_good_ones(serve: Serve, log: Log) -> None:
    server = serve()
    broken = bytearray(LOCATION)
    broken[20] ^= 1
    with Terminal(server.port) as terminal:
        terminal.enter()
        terminal.send_raw(bytes(broken) + b"\x7e\x01\x02\x7e")
        assert terminal.result_of(terminal.send(messages.LOCATION, b"short")) == answers.Result.WRONG
        assert terminal.locate(lon=0, lat=0) == 0
        assert terminal.result_of(terminal.send(0x0704, frames.batch([frames.location()])[:-3])) == 0
        assert terminal.locate() == 0
    assert [letter.code for letter in log.letters] == [
        "bad_checksum",
        "frame_too_short",
        "body_too_short",
        "null_island",
        "batch_damaged",
    ]
    assert {letter.source for letter in log.letters} == {f"jt808:{PHONE}"}
    assert len(log.events) == 1
    assert figures(server)[f"jt808_faults_total{{code=null_island,device={PHONE}}}"] == 1


def test_a_picture_in_parts_is_a_sighting_with_its_digest(serve: Serve, log: Log, tmp_path: Path) -> None:
    server = serve()
    jpeg = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20
    body = frames.media(jpeg, where=frames.location(), media_id=99)
    with Terminal(server.port) as terminal:
        terminal.enter()
        parts = frames.frames(messages.MEDIA_DATA, body, first_serial=500)
        for number, data in enumerate(parts):
            terminal.send_raw(data)
            assert terminal.result_of(500 + number) == 0
        assert terminal.expect(answers.MEDIA_TAKEN).body == (99).to_bytes(4, "big")
    digest = hashlib.sha256(jpeg).hexdigest()
    place, seen = log.events
    assert isinstance(place, Position)
    assert isinstance(seen, Sighting)
    assert seen.images is not None
    assert [(image.uri, image.sha256) for image in seen.images] == [(f"picture:{digest}", digest)]
    assert PictureFolder(tmp_path / "pictures").path(digest).read_bytes() == jpeg


def test_pass_through_goes_to_its_hook(serve: Serve, log: Log) -> None:
    def hook(reporter: Reporter, body: bytes, received_at: datetime) -> Mapped:
        mapped = nothing()
        event = Position(
            event_id=f"hook-{body.hex()}",
            truck_id=reporter.truck_id,
            at=received_at,
            received_at=received_at,
            lon=120.1,
            lat=30.86,
        )
        mapped.events.append(event)
        return mapped

    server = serve(pass_through={0xF1: hook})
    with Terminal(server.port) as terminal:
        terminal.enter()
        assert terminal.result_of(terminal.send(messages.PASS_THROUGH, b"\xf1\x05")) == 0
        assert terminal.result_of(terminal.send(messages.PASS_THROUGH, b"\x00\x05")) == answers.Result.UNSUPPORTED
        assert terminal.result_of(terminal.send(0x0F0F)) == answers.Result.UNSUPPORTED
    assert [event.event_id for event in log.events if isinstance(event, Position)] == ["hook-05"]


@pytest.mark.parametrize("edition", [2013, 2019])
def test_a_text_to_the_driver(serve: Serve, edition: messages.Edition) -> None:
    server = serve()
    with Terminal(server.port, edition=edition) as terminal:
        terminal.enter()
        assert server.online(PLATE)
        told = server.send_text(PLATE, "请盖好篷布", urgent=True)
        command = terminal.expect(answers.TEXT)
        flags = b"\x0e\x01" if edition == 2019 else b"\x0d"
        assert command.body == flags + "请盖好篷布".encode("gbk")
        terminal.answer(command)
        assert told.result(ANSWER_S) == TerminalAnswer(result="done")
        refused = server.send_text(PLATE, "再见")
        terminal.answer(terminal.expect(answers.TEXT), result=3)
        assert refused.result(ANSWER_S) == TerminalAnswer(result="unsupported")
        with pytest.raises(ValueError, match="1000"):
            server.send_text(PLATE, "").result(ANSWER_S)


def test_where_the_truck_is_now(serve: Serve, log: Log) -> None:
    server = serve()
    with Terminal(server.port) as terminal:
        terminal.enter()
        asked = server.ask_location(PLATE)
        command = terminal.expect(answers.LOCATION_REQUEST)
        terminal.answer(command)  # some say first that they have understood
        body = command.serial.to_bytes(2, "big") + frames.location(lon=120.2)
        assert terminal.result_of(terminal.send(messages.LOCATION_ANSWER, body)) == 0
        outcome = asked.result(ANSWER_S)
    assert outcome.position is not None
    assert outcome.position.lon == 120.2
    assert log.events == [outcome.position]


def error_of(future: Future[TerminalAnswer]) -> str:
    with pytest.raises(WorldError) as raised:
        future.result(ANSWER_S)
    return raised.value.text.en


def test_commands_that_nobody_answers(serve: Serve) -> None:
    server = serve(limits=dataclasses.replace(Limits(), command_s=0.2))
    assert "not connected" in error_of(server.send_text(PLATE, "你好"))
    with Terminal(server.port) as terminal:
        terminal.enter()
        assert "in time" in error_of(server.send_text(PLATE, "你好"))
    server = serve()
    with Terminal(server.port) as terminal:
        terminal.enter()
        told = server.send_text(PLATE, "你好")
        terminal.expect(answers.TEXT)
    assert "not connected" in error_of(told)
    server.stop()
    assert "not connected" in error_of(server.send_text(PLATE, "你好"))


def test_what_was_heard_is_answered_before_the_end(serve: Serve, log: Log) -> None:
    server = serve()
    with Terminal(server.port) as terminal, Terminal(server.port, "013900000001") as idle:
        terminal.enter()
        idle.enter()
        log.open.clear()
        serial = terminal.send(messages.LOCATION, frames.location())
        heard(server, 1)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert idle.hear() is None
        log.open.set()
        assert terminal.result_of(serial) == 0
        assert terminal.hear() is None
        stopping.join(ANSWER_S)
    assert len(log.events) == 1
    with pytest.raises(WorldError):
        server.check()


def test_an_address_that_is_taken(serve: Serve, log: Log, tmp_path: Path) -> None:
    first = serve()
    second = Jt808Server(
        "127.0.0.1",
        first.port,
        fleet=lambda: Fleet(TRUCKS, PROFILES),
        secret=b"s",
        submit_events=log.submit_events,
        pictures=PictureFolder(tmp_path),
    )
    with pytest.raises(WorldError, match="cannot listen"):
        second.start()
    second.stop()
