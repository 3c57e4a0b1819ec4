"""A weigh indicator's side: the frames that it sends, a truck that drives over, a serial server with a line to it."""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from functools import reduce
from operator import xor
from typing import Any

ZERO = bytes.fromhex("022b30303030303030314203")
REAL = {ZERO: 0.0, bytes.fromhex("022b30303135363030313903"): 1560.0, bytes.fromhex("022b30303136353030313903"): 1650.0}
"""Frames that real XK3190 indicators have sent, and what they showed."""
KG, LB = 0x30, 0x20


def yaohua(kg: float, decimals: int = 0) -> bytes:
    """A frame of an XK3190; `kg` is what it shows, in whatever unit."""
    body = b"%c%06d%d" % (b"-"[0] if kg < 0 else b"+"[0], round(abs(kg) * 10**decimals), decimals)
    return sealed(body)


def sealed(body: bytes) -> bytes:
    """The eight bytes of an XK3190 with what stands around them."""
    return b"\x02" + body + b"%02X" % reduce(xor, body) + b"\x03"


def toledo(
    shown: int | bytes, tare: int = 0, *, swa: int = 0x2A, swb: int = KG, swc: int = 0x20, checksum: bool = True
) -> bytes:
    """A frame of a Toledo indicator: by default kilograms, gross, standing still, no decimals."""
    digits = shown if isinstance(shown, bytes) else b"%06d" % shown
    frame = b"\x02" + bytes((swa, swb, swc)) + digits + b"%06d" % tare + b"\r"
    return frame + bytes((-sum(frame) & 0x7F,)) if checksum else frame


def crossing(kg: float, *, empty: int = 3, stands: int = 12, axles: int = 3) -> list[float]:
    """What a scale shows as a truck drives on axle by axle, stands, and leaves: each for one frame but the stand."""
    steps = [round(kg * axle / axles) for axle in range(1, axles)]
    return [0.0] * empty + steps + [kg] * stands + steps[::-1] + [0.0] * empty


class SerialServer:
    """A TCP port with an indicator behind it, as `tcp://127.0.0.1:{port}` reaches it; begins with an empty scale.

    It goes on sending the weight of the moment, `rate_hz` times a second, until it is left.
    """

    def __init__(self, frame: Callable[[float], bytes] = yaohua, rate_hz: float = 20.0) -> None:
        self._frame, self._pause_s = frame, 1 / rate_hz
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self.port: int = self._server.getsockname()[1]
        self.weight = 0.0
        self._left = threading.Event()
        self._cut = threading.Event()
        self.connected = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> SerialServer:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._left.set()
        self._thread.join()
        self._server.close()

    def show(self, weights: Iterable[float], each_s: float = 0.1) -> None:
        """The scale shows these, one after the other; returns at the last."""
        for weight in weights:
            self.weight = weight
            time.sleep(each_s)  # a truck moves in real time

    def weigh(self, kg: float, stands_s: float = 2.5) -> None:
        """A truck drives on, stands, and leaves."""
        self.show([round(kg / 3), round(kg * 2 / 3)])
        self.show([kg], stands_s)
        self.show([round(kg / 2), 0.0])

    def cut(self) -> None:
        """Ends the connection; the next one is taken."""
        self._cut.set()

    def _serve(self) -> None:
        while not self._left.is_set():
            try:
                line, _ = self._server.accept()
            except TimeoutError:
                continue
            with line:
                self._cut.clear()
                self.connected.set()
                self._send(line)
                self.connected.clear()

    def _send(self, line: socket.socket) -> None:
        try:
            while not self._left.is_set() and not self._cut.is_set():
                line.sendall(self._frame(self.weight))
                time.sleep(self._pause_s)  # indicators send at a rate of their own
        except OSError:
            return


WIM_SETTINGS = """
    records: data
    plate: plateNo
    time: {format: "%Y-%m-%d %H:%M:%S", utc_offset_h: 8}
    fields:
      at: checkTime
      station_id: siteCode
      gross_kg: {from: totalWeight, unit: t}
      axle_count: axles
      speed_kmh: speed
      plate_confidence: {from: confidence, unit: "%"}
    images: [picture]
"""
"""How `connectors.yaml` describes a platform that posts what `wim_body` makes, below its name, beside `credentials`."""


def wim_body(plate: str, at: datetime, kg: float, *, station: str = "W1", picture: bytes = b"") -> dict[str, Any]:
    """One weighing of a moving truck of three axles, as a platform posts it in JSON."""
    record = {
        "plateNo": plate,
        "checkTime": at.astimezone(timezone(timedelta(hours=8))).strftime("%Y-%m-%d %H:%M:%S"),
        "siteCode": station,
        "totalWeight": kg / 1000,
        "axles": 3,
        "speed": 42.5,
        "confidence": 96,
        "picture": base64.b64encode(picture).decode(),
    }
    return {"code": 0, "data": [record]}


def pieces(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """The bytes, cut at these places."""
    start = 0
    for cut in sorted(cut % (len(data) + 1) for cut in cuts):
        yield data[start:cut]
        start = cut
    yield data[start:]
