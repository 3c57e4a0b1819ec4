"""A terminal as a TCP client that speaks JT/T 808, and a log that can be slow or away."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType

from connectors.jt808 import answers, messages
from connectors.jt808.profiles import load_profiles
from connectors.jt808.protocol import Edition, Frame, FrameReader
from connectors.jt808.server import Jt808Server
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.registry import Truck
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter
from tests.connectors.jt808 import frames

ANSWER_S = 20.0
PLATE = "浙E12345"
TRUCKS = [
    Truck(truck_id=PLATE, terminal_id="13800138000", device_model="states-01"),
    Truck(truck_id="浙E00002", terminal_id="BOX-7"),
    *(Truck(truck_id=f"浙E9{n:04d}", terminal_id=f"0139{n:08d}") for n in range(100)),
]
PROFILES = load_profiles()
NOW = datetime(2026, 5, 1, 8, 30, 2, tzinfo=UTC)
Serve = Callable[..., Jt808Server]
"""Starts a server; by default with `TRUCKS`."""


class Log:
    """What was submitted; holds submissions while `open` is not set, refuses them while `away`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.letters: list[DeadLetter] = []
        self.calls = 0
        self.away = False
        self.open = threading.Event()
        self.open.set()

    def submit_events(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
        """As both hosts have it."""
        self.open.wait(ANSWER_S)
        if self.away:
            raise WorldError(Text("磁盘已满", "the disk is full"), retryable=True)
        self.calls += 1
        self.events += events
        self.letters += letters
        return len(events)


class Terminal:
    """One connection. Every `expect` has a deadline; a connection that ends is `None`."""

    def __init__(self, port: int, phone: str = frames.PHONE, edition: Edition = 2013) -> None:
        self.phone, self.edition = phone, edition
        self.code = ""
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S)
        self._reader = FrameReader()
        self._heard: list[Frame] = []
        self._serial = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def send(self, message_id: int, body: bytes = b"") -> int:
        """Sends a message; returns its serial number."""
        self._serial += 1
        self.send_raw(frames.frame(message_id, body, self._serial, self.edition, self.phone))
        return self._serial

    def send_raw(self, data: bytes) -> None:
        """Sends bytes."""
        self._socket.sendall(data)

    def hear(self) -> Frame | None:
        """The next message of the platform; None when the connection has ended."""
        while not self._heard:
            try:
                data = self._socket.recv(65536)
            except ConnectionError:
                return None
            if not data:
                return None
            self._heard += [item for item in self._reader.feed(data) if isinstance(item, Frame)]
        return self._heard.pop(0)

    def expect(self, message_id: int) -> Frame:
        """The next message, which must be this one."""
        frame = self.hear()
        assert frame is not None, "the connection has ended"
        assert frame.message_id == message_id, f"0x{frame.message_id:04X}"
        return frame

    def result_of(self, serial: int) -> int:
        """The result of the general answer to what was sent with this number."""
        body = self.expect(answers.GENERAL).body
        assert int.from_bytes(body[:2], "big") == serial
        return body[4]

    def register(self, **more: str) -> int:
        """Registers and keeps the code; returns the result."""
        version = 2019 if self.edition == 2019 else 2013
        self.send(messages.REGISTER, frames.registration(version, **more))
        body = self.expect(answers.REGISTERED).body
        self.code = body[3:].decode()
        return body[2]

    def authenticate(self) -> int:
        """Says its code; returns the result."""
        return self.result_of(self.send(messages.AUTHENTICATE, frames.authentication(self.code, self.edition)))

    def enter(self) -> Terminal:
        """Registers and authenticates."""
        assert self.register() == 0
        assert self.authenticate() == 0
        return self

    def locate(self, **more: object) -> int:
        """Sends a location and returns the result of its answer."""
        return self.result_of(self.send(messages.LOCATION, frames.location(**more)))  # type: ignore[arg-type]

    def answer(self, command: Frame, result: int = 0) -> None:
        """Says 0x0001 to a command."""
        body = command.serial.to_bytes(2, "big") + command.message_id.to_bytes(2, "big") + bytes([result])
        self.send(messages.TERMINAL_ANSWER, body)


def figures(server: Jt808Server) -> dict[str, float]:
    """What it counts, by name and labels."""
    found: dict[str, float] = {}
    for sample in server.samples():
        labels = ",".join(f"{name}={value}" for name, value in sample.labels)
        found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def heard(server: Jt808Server, locations: int) -> None:
    """Returns when the server has read so many locations."""
    deadline = time.monotonic() + ANSWER_S
    while figures(server).get("jt808_messages_total{message=0x0200}", 0) < locations:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # polling another thread; the deadline above bounds it
