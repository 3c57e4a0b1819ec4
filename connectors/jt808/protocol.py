"""JT/T 808 frames without I/O: bytes in any portions become frames and coded faults, and frames become bytes.

A frame is `7E, header, body, xor, 7E` with `7D 02` for 7E and `7D 01` for 7D in between (JT/T 808-2013 clause 4.4).
Whatever the bytes, the reader never raises, keeps at most some kilobytes, and gives the same for every split of them.

Some terminals and many recordings do not escape. What lies between two 7E and is no frame is kept for a moment as a
fault; when it is one together with what follows, that frame is given, and says how many faults it makes good.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from operator import xor
from typing import Literal

from msgspec import Struct

from haulwatch.domain.text import Text

DELIMITER = 0x7E
MAX_BODY = 0x3FF
"""Ten bits of the attributes."""
_MAX_PLAIN = 21 + MAX_BODY + 1
_MAX_ESCAPED = 2 * _MAX_PLAIN
_MIN_PLAIN = 12 + 1
_FAULT_BYTES = 64
_KEPT_PIECES = 16

Edition = Literal[2013, 2019]
"""Of the header: 2011 and 2013 have the same; 2019 is told by bit 14 of the attributes."""


class Frame(Struct, frozen=True):
    """One frame whose checksum and length are right.

    `phone` is the terminal's number as sent, 12 digits (2019: 20). `part` is (how many, which from 1) of a message in
    several frames. `made_good` is how many faults before it were in truth parts of it, unescaped.
    """

    message_id: int
    edition: Edition
    phone: str
    serial: int
    body: bytes
    part: tuple[int, int] | None = None
    made_good: int = 0


class Fault(Struct, frozen=True):
    """Bytes that are no frame: why, the beginning of them, and what their header says where it can be told."""

    code: str
    text: Text
    raw: bytes
    checksum_ok: bool = False
    message_id: int | None = None
    edition: Edition | None = None
    phone: str | None = None
    serial: int | None = None


FAULTS: dict[str, Text] = {
    "no_delimiter": Text("数据不以 7E 开头", "the data do not begin with 7E"),
    "frame_too_long": Text("超过最大帧长仍没有 7E", "longer than any frame, without a 7E"),
    "frame_too_short": Text("短于最短的帧", "shorter than any frame"),
    "frame_cut_off": Text("数据在一帧中间结束", "the data end within a frame"),
    "bad_checksum": Text("校验码不符", "wrong checksum"),
    "bad_length": Text("消息体长度与消息头不符", "the body is not as long as the header says"),
    "bad_part": Text("分包序号不在 1 与总包数之间", "number of a part that is not between 1 and their count"),
    "encrypted": Text("消息体已加密，无法读取", "the body is encrypted"),
}
"""Every code of a fault."""


class FrameReader:
    """Of one connection."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._opened = False
        self._skipping = False
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> list[Frame | Fault]:
        """The frames and faults that these bytes complete, in order."""
        return list(self.reading(data))

    def reading(self, data: bytes) -> Iterator[Frame | Fault]:
        """The same one by one; a reader whose items were not all taken must not be used again."""
        self._buffer += data
        return self._read()

    def finish(self) -> list[Frame | Fault]:
        """What is left when no more bytes come."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        if not rest or self._skipping:
            return []
        return [fault("frame_cut_off" if self._opened else "no_delimiter", rest)]

    def _read(self) -> Iterator[Frame | Fault]:
        buffer, start = self._buffer, 0
        while True:
            end = buffer.find(DELIMITER, max(start, self._searched))
            length = (end if end >= 0 else len(buffer)) - start
            if length > _MAX_ESCAPED and not self._skipping:
                yield fault("frame_too_long" if self._opened else "no_delimiter", bytes(buffer[start:]))
                self._pieces.clear()
                self._skipping = True
            if end < 0:
                break
            if not self._skipping:
                yield from self._between(bytes(buffer[start:end]))
            self._opened, self._skipping = True, False
            start = end + 1
        del buffer[: len(buffer) if self._skipping else start]
        self._searched = len(buffer)

    def _between(self, content: bytes) -> Iterator[Frame | Fault]:
        """What stands between two 7E (or before the first): mostly a frame, or nothing."""
        if not self._opened:
            if content:
                yield fault("no_delimiter", content)
            return
        if not content and not self._pieces:
            return
        found = parse(unescaped(content)) if content else fault("frame_too_short", content)
        if isinstance(found, Fault):
            found = self._as_unescaped(content) or found
        if isinstance(found, Frame):
            self._pieces.clear()
            yield found
            return
        self._keep(content)
        if content:
            yield found

    def _as_unescaped(self, content: bytes) -> Frame | None:
        """The frame that the content is as it stands, alone or together with the faulty pieces before it."""
        joined = b"\x7e".join([*self._pieces, content])
        start = 0
        for index, piece in enumerate([*self._pieces, content]):
            if _declared_length(joined, start) == len(joined) - start:
                frame = parse(joined[start:])
                if isinstance(frame, Frame):
                    made_good = sum(map(bool, self._pieces[index:]))
                    return Frame(
                        frame.message_id, frame.edition, frame.phone, frame.serial, frame.body, frame.part, made_good
                    )
            start += len(piece) + 1
        return None

    def _keep(self, content: bytes) -> None:
        self._pieces.append(content)
        while len(self._pieces) > _KEPT_PIECES or sum(map(len, self._pieces)) > _MAX_PLAIN:
            del self._pieces[0]
        while self._pieces and not self._pieces[0]:
            del self._pieces[0]


def parse(plain: bytes) -> Frame | Fault:
    """The unescaped bytes between two 7E as a frame."""
    if len(plain) < _MIN_PLAIN:
        return fault("frame_too_short", plain)
    header, phone_at = _header_length(plain, 0), 5 if plain[2] & 0x40 else 4
    edition: Edition = 2019 if plain[2] & 0x40 else 2013
    body_at = header + (4 if plain[2] & 0x20 else 0)
    message_id = int.from_bytes(plain[:2], "big")
    phone = plain[phone_at : header - 2].hex()
    serial = int.from_bytes(plain[header - 2 : header], "big")
    code = None
    checksum_ok = reduce(xor, plain) == 0
    part = (int.from_bytes(plain[header : header + 2], "big"), int.from_bytes(plain[header + 2 : body_at], "big"))
    if not checksum_ok:
        code = "bad_checksum"
    elif _declared_length(plain, 0) != len(plain):
        code = "bad_length"
    elif plain[2] & 0x1C:
        code = "encrypted"
    elif body_at > header and not 1 <= part[1] <= part[0]:
        code = "bad_part"
    if code is not None:
        return Fault(code, FAULTS[code], plain[:_FAULT_BYTES], checksum_ok, message_id, edition, phone, serial)
    return Frame(message_id, edition, phone, serial, plain[body_at:-1], part if body_at > header else None)


def _header_length(plain: bytes, start: int) -> int:
    """Up to and with the serial number."""
    return 17 if plain[start + 2] & 0x40 else 12


def _declared_length(plain: bytes, start: int) -> int:
    """How long a frame that begins at `start` is by its own header, with its checksum; 0 where there is no header."""
    if len(plain) - start < _MIN_PLAIN:
        return 0
    attributes = int.from_bytes(plain[start + 2 : start + 4], "big")
    return _header_length(plain, start) + (4 if attributes & 0x2000 else 0) + (attributes & MAX_BODY) + 1


def fault(code: str, raw: bytes) -> Fault:
    """A fault of which nothing but its bytes is known."""
    return Fault(code, FAULTS[code], raw[:_FAULT_BYTES])


def unescaped(content: bytes) -> bytes:
    """`7D 02` is 7E, `7D 01` is 7D; any other 7D was not escaped and is left as it is."""
    if 0x7D not in content:
        return content
    return content.replace(b"\x7d\x02", b"\x7e").replace(b"\x7d\x01", b"\x7d")


def escaped(plain: bytes) -> bytes:
    """The other way round."""
    return plain.replace(b"\x7d", b"\x7d\x01").replace(b"\x7e", b"\x7d\x02")


def encode(frame: Frame) -> bytes:
    """The frame as bytes, delimiters included. `phone` must have 12 digits (2019: 20), the body at most `MAX_BODY`."""
    if len(frame.body) > MAX_BODY:
        raise ValueError(f"a body of {len(frame.body)} bytes needs several frames")
    attributes = len(frame.body) | (0x4000 if frame.edition == 2019 else 0) | (0x2000 if frame.part else 0)
    plain = frame.message_id.to_bytes(2, "big") + attributes.to_bytes(2, "big")
    plain += (b"\x01" if frame.edition == 2019 else b"") + bytes.fromhex(frame.phone) + frame.serial.to_bytes(2, "big")
    if frame.part:
        plain += frame.part[0].to_bytes(2, "big") + frame.part[1].to_bytes(2, "big")
    plain += frame.body
    return b"\x7e" + escaped(plain + bytes([reduce(xor, plain)])) + b"\x7e"
