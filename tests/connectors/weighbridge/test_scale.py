"""A scale at its line: TCP, dialled in, serial; lines that break, logs that are away, plates that come late."""

from __future__ import annotations

import logging
import os
import pty
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.gate import Gate
from connectors.weighbridge.crossing import Crossed
from connectors.weighbridge.feed import WeighbridgeFeed
from connectors.weighbridge.settings import WeighbridgeSettings
from connectors.weighbridge.unfinished import Unfinished, UnfinishedFolder
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Sighting, Weighing
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.registry import Station
from tests.connectors.held_log import PLATE, HeldLog, gate_to
from tests.connectors.weighbridge.device import KG, SerialServer, toledo, yaohua
from tests.servers import free_port

QUICK = {"samples": 3, "stable_s": 0.2, "lost_s": 1.0, "protocol": "xk3190", "station_id": "W1"}
AT_ONCE = {"camera_id": ["cam-07"], "before_s": 5, "after_s": 0, "wait_s": 0}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def until(true: Callable[[], bool], what: str, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)  # polling threads; the deadline bounds it


class Bridge:
    """A connector with one scale, and its log."""

    def __init__(self, log: HeldLog, feed: WeighbridgeFeed, gate: Gate) -> None:
        self.log, self.feed, self.gate = log, feed, gate

    def see(self, truck_id: str = PLATE) -> None:
        at = to_datetime(now_ms())
        self.gate.plates.saw([Sighting(event_id=f"{truck_id}-{at}", truck_id=truck_id, at=at, camera_id="cam-07")])

    def figure(self, name: str, **labels: str) -> float:
        wanted = {"device": "bridge-1", **labels}
        found = [
            one.value for one in self.feed.samples() if one.name == f"weighbridge_{name}" and dict(one.labels) == wanted
        ]
        return sum(found)

    @property
    def kg(self) -> list[float]:
        return [event.gross_kg for event in self.log.events if isinstance(event, Weighing)]


@contextmanager
def bridge(
    address: str,
    log: HeldLog | None = None,
    plates: dict[str, Any] = AT_ONCE,
    *,
    waiting: Path | None = None,
    **more: Any,
) -> Iterator[Bridge]:
    log = log or HeldLog()
    one = {**QUICK, "address": address, "plates": plates, **more}
    settings = WeighbridgeSettings.model_validate({"indicators": {"bridge-1": one}})
    with gate_to(log, now_ms=now_ms) as gate:
        gate = replace(gate, waiting=waiting)
        feed = WeighbridgeFeed(settings, gate)
        feed.start()
        try:
            yield Bridge(log, feed, gate)
            feed.check()
        finally:
            feed.stop()


def test_a_truck_on_a_scale_behind_a_serial_server_becomes_a_weighing() -> None:
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}") as one:
        assert scale.connected.wait(5)
        one.see()
        scale.weigh(52_900, stands_s=0.6)
        until(lambda: one.kg == [52_900], "the weighing")
        assert one.figure("connected") == 1
        until(lambda: one.figure("waiting") == 0, "nothing waits any more")
        assert one.figure("events_total", kind="weighing") == 1
        assert one.figure("readings_total") > 10
    [event] = one.log.events
    assert event.received_at is not None
    assert event.at <= event.received_at


def test_an_indicator_of_toledo_that_dials_in_is_heard_and_a_stranger_is_not() -> None:
    port = free_port()
    address, ours = f"listen://127.0.0.1:{port}", {"networks": ["127.0.0.2/32"], "protocol": "toledo"}
    with bridge(address, **ours) as one:
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.settimeout(5)
            assert stranger.recv(1) == b""
        until(lambda: one.figure("faults_total", code="foreign_address") == 1, "the stranger is counted")
        one.see()
        with socket.create_connection(("127.0.0.1", port), source_address=("127.0.0.2", 0)) as line:
            for frame in [toledo(8_000, swb=KG | 8)] * 5 + [toledo(40_000)] * 10 + [toledo(0)] * 3:
                line.sendall(frame)
                time.sleep(0.05)  # an indicator's own rate
            until(lambda: one.kg == [40_000], "the weighing")


def test_who_dials_in_anew_replaces_who_was_there() -> None:
    port = free_port()
    with bridge(f"listen://127.0.0.1:{port}", networks=["127.0.0.1/32"]) as one:
        dead = socket.create_connection(("127.0.0.1", port))
        dead.sendall(yaohua(0))
        until(lambda: one.figure("readings_total") == 1, "the first is heard")
        with dead, socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(yaohua(0))
            until(lambda: one.figure("readings_total") == 2, "the second is heard")
            dead.settimeout(5)
            assert dead.recv(1) == b""
        assert one.figure("lost_total") >= 1


def test_a_serial_port_is_read_with_its_settings() -> None:
    ours, theirs = pty.openpty()
    try:
        with bridge(f"serial:{os.ttyname(theirs)}?baud=4800&parity=even&bits=7") as one:
            until(lambda: one.figure("connected") == 1, "the port is open")
            one.see()
            for frame in [yaohua(0)] * 2 + [yaohua(31_500)] * 10 + [yaohua(0)] * 3:
                os.write(ours, frame)
                time.sleep(0.05)  # an indicator's own rate
            until(lambda: one.kg == [31_500], "the weighing")
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_line_that_breaks_is_made_again_and_both_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="connectors.weighbridge")
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}") as one:
        until(lambda: one.figure("readings_total") > 0, "it is heard")
        scale.cut()
        until(lambda: one.figure("lost_total") == 1, "the line is lost")
        before = one.figure("readings_total")
        until(lambda: one.figure("readings_total") > before, "it is heard again")
        one.feed.check()
        one.see()
        scale.weigh(20_000, stands_s=0.6)
        until(lambda: one.kg == [20_000], "the weighing")
    said = [record.message for record in caplog.records]
    assert said == ["the indicator is there", "the indicator is away", "the indicator is there"]


def test_an_indicator_that_is_away_is_no_fault_of_ours_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with bridge(f"tcp://127.0.0.1:{free_port()}") as one:
        until(lambda: "the indicator is away" in caplog.messages, "it is said")
        time.sleep(0.8)  # at least one more attempt
        one.feed.check()
        assert one.figure("connected") == 0
        assert caplog.messages.count("the indicator is away") == 1


def test_a_port_that_is_taken_is_told_at_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"listen://127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(WorldError, match="cannot listen"),
            bridge(address, networks=["127.0.0.1/32"]),
        ):
            pass


def test_weighings_wait_while_the_log_is_away_and_none_is_lost() -> None:
    log = HeldLog()
    log.away = True
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}", log) as one:
        assert scale.connected.wait(5)
        for kg in (20_000, 30_000):
            one.see()
            scale.weigh(kg, stands_s=0.6)
        until(lambda: one.figure("waiting") == 2 and log.refused >= 2, "both wait")
        one.feed.check()
        log.away = False
        until(lambda: one.kg == [20_000, 30_000], "both are in the log")
        until(lambda: one.figure("waiting") == 0, "nothing waits any more")
        assert len({event.event_id for event in log.events if isinstance(event, Weighing)}) == 2


def test_what_cannot_be_stored_before_the_end_is_written_out(caplog: pytest.LogCaptureFixture) -> None:
    log = HeldLog()
    log.away = True
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}", log) as one:
        assert scale.connected.wait(5)
        one.see()
        scale.weigh(20_000, stands_s=0.6)
        until(lambda: one.figure("waiting") == 1 and log.refused >= 1, "it waits")
    assert one.figure("faults_total", code="queue_full") == 1
    [lost] = [record for record in caplog.records if record.message == "a weighing is lost"]
    assert '"gross_kg":20000' in lost.fields["weighing"]  # type: ignore[attr-defined]


def test_what_a_process_could_not_store_the_next_one_does(tmp_path: Path) -> None:
    log = HeldLog()
    log.away = True
    with SerialServer() as scale:
        with bridge(f"tcp://127.0.0.1:{scale.port}", log, waiting=tmp_path) as one:
            assert scale.connected.wait(5)
            one.see()
            scale.weigh(20_000, stands_s=0.6)
            until(lambda: one.figure("waiting") == 1 and log.refused >= 1, "it waits")
        assert one.figure("faults_total", code="queue_full") == 0
        [file] = (tmp_path / "weighbridge" / "bridge-1").iterdir()
        log.away = False
        with bridge(f"tcp://127.0.0.1:{scale.port}", log, waiting=tmp_path) as one:
            until(lambda: one.kg == [20_000], "the weighing")
            until(lambda: not file.exists(), "its file is needed no more")


def test_a_weighing_whose_process_ended_before_it_had_a_truck_is_a_dead_letter(tmp_path: Path) -> None:
    crossed = Crossed(kg=20_000, at_ms=1_000, from_ms=500, to_ms=5_000, reason="left", frames=(yaohua(20_000),))
    UnfinishedFolder(tmp_path / "weighbridge", "bridge-1").keep(Unfinished("1", crossed=crossed))
    (tmp_path / "weighbridge" / "bridge-1" / "2.json").write_text("{")
    with bridge(f"tcp://127.0.0.1:{free_port()}", waiting=tmp_path) as one:
        until(lambda: one.log.codes == ["no_plate"], "the dead letter")
        assert one.figure("faults_total", code="waiting_damaged") == 1
    assert msgspec.json.decode(one.log.letters[0].raw)["gross_kg"] == 20_000
    assert [path.name for path in (tmp_path / "weighbridge" / "bridge-1").iterdir()] == ["2.damaged"]


def test_a_folder_that_cannot_be_used_stops_no_weighing(tmp_path: Path) -> None:
    (tmp_path / "weighbridge").write_text("in the way")
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}", waiting=tmp_path) as one:
        assert scale.connected.wait(5)
        one.see()
        scale.weigh(20_000, stands_s=0.6)
        until(lambda: one.kg == [20_000], "the weighing")
        assert one.figure("faults_total", code="not_kept") >= 1


def test_of_too_many_that_wait_the_last_is_written_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("connectors.weighbridge.outbox.MAX_WAITING", 1)
    log = HeldLog()
    log.away = True
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}", log) as one:
        assert scale.connected.wait(5)
        for kg in (20_000, 30_000):
            one.see()
            scale.weigh(kg, stands_s=0.6)
        until(lambda: one.figure("faults_total", code="queue_full") == 1, "one is too many")
        log.away = False
        until(lambda: one.kg == [20_000], "the one that waited")
    [lost] = [record for record in caplog.records if record.message == "a weighing is lost"]
    assert lost.fields["weighing"].startswith("30000 kg at ")  # type: ignore[attr-defined]


def test_a_plate_that_comes_after_the_truck_has_left_is_waited_for() -> None:
    plates = {**AT_ONCE, "after_s": 1, "wait_s": 1}
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}", plates=plates) as one:
        assert scale.connected.wait(5)
        scale.weigh(20_000, stands_s=0.6)
        one.see()
        until(lambda: one.kg == [20_000], "the weighing")


@pytest.mark.parametrize(("trucks", "code"), [((), "no_plate"), ((PLATE, "浙E00002"), "ambiguous_plate")])
def test_a_weighing_of_nobody_is_kept_with_its_frames(trucks: tuple[str, ...], code: str) -> None:
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}") as one:
        assert scale.connected.wait(5)
        for truck_id in trucks:
            one.see(truck_id)
        scale.weigh(20_000, stands_s=0.6)
        until(lambda: one.log.codes == [code], "the dead letter")
        assert one.figure("faults_total", code=code) == 1
    raw = msgspec.json.decode(one.log.letters[0].raw)
    assert raw["gross_kg"] == 20_000
    assert bytes.fromhex(raw["frames"][-1]) == yaohua(20_000)
    assert {plate["truck_id"] for plate in raw["plates"]} == set(trucks)


def test_a_truck_that_never_stands_still_is_kept_with_its_frames() -> None:
    with SerialServer() as scale, bridge(f"tcp://127.0.0.1:{scale.port}", stable_s=2) as one:
        assert scale.connected.wait(5)
        scale.weigh(20_000, stands_s=0.3)
        until(lambda: one.log.codes == ["never_stable"], "the dead letter")
    assert msgspec.json.decode(one.log.letters[0].raw)["highest_kg"] == 20_000


def test_bad_frames_are_counted_by_what_is_wrong_and_by_scale() -> None:
    port = free_port()
    with bridge(f"listen://127.0.0.1:{port}", networks=["127.0.0.1/32"]) as one:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(b"\xff" * 64 + yaohua(7).replace(b"7", b"8", 1) + yaohua(0))
            until(lambda: one.figure("readings_total") == 1, "the good frame")
        assert one.figure("faults_total", code="bad_checksum") == 1
        assert one.figure("faults_total", code="garbage") == 1


def test_a_station_that_the_city_does_not_know_is_in_the_figures() -> None:
    settings = WeighbridgeSettings.model_validate(
        {"indicators": {"bridge-1": {**QUICK, "address": "tcp://127.0.0.1:1", "plates": AT_ONCE}}}
    )
    with gate_to(HeldLog()) as gate:
        known = msgspec.structs.replace(gate.registry(), stations={"W1": Station(station_id="W1")})
        for registry, unknown in ((gate.registry(), 1), (known, 0)):
            feed = WeighbridgeFeed(settings, replace(gate, registry=lambda registry=registry: registry))
            assert Bridge(HeldLog(), feed, gate).figure("station_unknown") == unknown
            feed.stop()
