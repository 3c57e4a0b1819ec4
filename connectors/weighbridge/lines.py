"""The lines that indicators send over: TCP to a serial server, TCP from one that dials in, a serial port.

A `Line` is read by one thread, which waits no longer than `WAIT_S` at a time.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

WAIT_S = 0.5
CONNECT_S = 3.0
READ_BYTES = 4_096
SERIAL_BYTES = 12
"""Waited for on a serial port: about a frame, so that not every byte is a turn of its own."""
PARITIES = {"none": "N", "even": "E", "odd": "O"}
FORMS = "tcp://HOST:PORT, listen://HOST:PORT, serial:/dev/ttyS0?baud=9600&parity=none&bits=8&stop=1"
_HOST = re.compile(r"(?=.{1,253}$)[\w-]{1,63}(\.[\w-]{1,63})*", re.ASCII)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Address(Struct, frozen=True):
    """Where an indicator is: `host` and `port` of `tcp` and `listen`, `device` and its settings of `serial`."""

    kind: str
    host: str = ""
    port: int = 0
    device: str = ""
    baud: int = 9600
    parity: str = "none"
    bits: int = 8
    stop: float = 1


def read_address(text: str) -> Address:
    """Raises ValueError where it is none of `FORMS`."""
    if text.startswith("serial:"):
        return _serial_address(text.removeprefix("serial:"))
    parts = urlsplit(text)
    if parts.scheme not in ("tcp", "listen") or not parts.hostname or parts.port is None:
        raise ValueError(text)
    if ":" in parts.hostname:
        ipaddress.IPv6Address(parts.hostname)
    elif not _HOST.fullmatch(parts.hostname):
        raise ValueError(text)
    if parts.path or parts.query or parts.fragment or parts.username is not None or not parts.port:
        raise ValueError(text)
    return Address(parts.scheme, host=parts.hostname, port=parts.port)


def _serial_address(text: str) -> Address:
    device, _, query = text.partition("?")
    given = parse_qs(query, strict_parsing=True) if query else {}
    if not device.startswith("/") or not given.keys() <= {"baud", "parity", "bits", "stop"}:
        raise ValueError(text)
    said = {name: values[-1] for name, values in given.items()}
    address = Address(
        "serial",
        device=device,
        baud=int(said.get("baud", "9600")),
        parity=said.get("parity", "none"),
        bits=int(said.get("bits", "8")),
        stop=float(said.get("stop", "1")),
    )
    sound = address.parity in PARITIES and address.bits in (7, 8) and address.stop in (1, 1.5, 2)
    if not sound or not 300 <= address.baud <= 921_600:
        raise ValueError(text)
    return address


class Line(Protocol):
    """An open line."""

    def read(self) -> bytes:
        """What has come; nothing after `WAIT_S` without any. Raises OSError when the line is away."""
        ...

    def close(self) -> None:
        """Gives it back."""
        ...


class Lines(Protocol):
    """The way to one indicator; opened as often as it is lost."""

    def bind(self) -> None:
        """What must be had before anything else. Raises WorldError where an address is taken."""
        ...

    def open(self) -> Line | None:
        """The line; None when nobody has dialled in yet. Raises OSError."""
        ...

    def close(self) -> None:
        """Is not opened any more."""
        ...


def lines_to(address: Address, networks: Sequence[Network], foreign: Callable[[], None]) -> Lines:
    """The way to this address; `foreign` is told of who dials in from elsewhere than `networks`."""
    if address.kind == "listen":
        return _Listening(address, networks, foreign)
    return _Dialling(address)


class _Dialling:
    """A serial server, or a port of this machine."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def bind(self) -> None:
        """Nothing to be had."""

    def open(self) -> Line:
        """See `Lines`."""
        if self._address.kind == "serial":
            return _Serial(self._address)
        return _Socket(socket.create_connection((self._address.host, self._address.port), CONNECT_S))

    def close(self) -> None:
        """Nothing is held."""


class _Listening:
    """A port that one indicator dials; who comes later replaces who was there, as after a power cut."""

    def __init__(self, address: Address, networks: Sequence[Network], foreign: Callable[[], None]) -> None:
        self._address, self._networks, self._foreign = address, networks, foreign
        self._server: socket.socket | None = None
        self._newer: socket.socket | None = None

    def bind(self) -> None:
        """See `Lines`."""
        where = (self._address.host, self._address.port)
        family = socket.AF_INET6 if ":" in self._address.host else socket.AF_INET
        try:
            self._server = socket.create_server(where, family=family)
        except OSError as error:
            named = f"{where[0]}:{where[1]}"
            raise WorldError(Text(f"监听不了 {named}：{error}", f"cannot listen on {named}: {error}")) from error

    def open(self) -> Line | None:
        """See `Lines`."""
        newer = self._newer or self._accept(WAIT_S)
        self._newer = None
        return None if newer is None else _Socket(newer, self._replaced)

    def close(self) -> None:
        """See `Lines`."""
        for one in (self._newer, self._server):
            if one is not None:
                one.close()

    def _replaced(self) -> bool:
        self._newer = self._newer or self._accept(0.0)
        return self._newer is not None

    def _accept(self, wait_s: float) -> socket.socket | None:
        if self._server is None:
            raise OSError("not listening")
        self._server.settimeout(wait_s)
        try:
            taken, peer = self._server.accept()
        except (TimeoutError, BlockingIOError, ConnectionAbortedError):
            return None
        address = ipaddress.ip_address(peer[0].partition("%")[0])
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        if any((mapped or address) in network for network in self._networks):
            return taken
        taken.close()
        self._foreign()
        return None


class _Socket:
    """A `Line` over TCP; `replaced` says whether somebody else has dialled in meanwhile."""

    def __init__(self, taken: socket.socket, replaced: Callable[[], bool] = lambda: False) -> None:
        self._socket, self._replaced = taken, replaced
        taken.settimeout(WAIT_S)
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def read(self) -> bytes:
        """See `Line`."""
        if self._replaced():
            raise ConnectionResetError("replaced by a newer connection")
        try:
            data = self._socket.recv(READ_BYTES)
        except TimeoutError:
            return b""
        if not data:
            raise ConnectionResetError("closed by the other side")
        return data

    def close(self) -> None:
        """See `Line`."""
        self._socket.close()


class _Serial:
    """A `Line` over a serial port, which is ours alone as long as it is open."""

    def __init__(self, address: Address) -> None:
        import serial  # who has no serial port need not wait for its library

        try:
            self._port = serial.Serial(
                address.device,
                baudrate=address.baud,
                bytesize=address.bits,
                parity=PARITIES[address.parity],
                stopbits=address.stop,
                timeout=WAIT_S,
                exclusive=True,
            )
        except ValueError as error:  # this port cannot be set so
            raise OSError(str(error)) from error

    def read(self) -> bytes:
        """See `Line`."""
        return self._port.read(max(SERIAL_BYTES, min(READ_BYTES, self._port.in_waiting)))

    def close(self) -> None:
        """See `Line`."""
        self._port.close()
