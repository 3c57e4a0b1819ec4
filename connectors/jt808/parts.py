"""Messages that come in several frames (JT/T 808-2013 clause 4.4.3): put together, within bounds and time.

A terminal sends one message of a kind after the other, so there is at most one unfinished of each kind. Parts may come
in any order and twice. Time is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct

from connectors.jt808.protocol import Fault, Frame
from haulwatch.domain.text import Text

MAX_BYTES = 4 << 20
"""A picture of a terminal has some hundred kilobytes."""
PART_BYTES = 256
"""What a part takes in memory besides its body: parts of nothing are not for nothing."""
MAX_MESSAGES = 8
TIMEOUT_MS = 120_000
ASK_AGAIN_MS = 15_000
"""A message that rests for so long lacks something: its parts are asked for once more."""

PART_FAULTS: dict[str, Text] = {
    "parts_incomplete": Text("分包消息没有收全", "not all parts of a message came"),
    "parts_too_large": Text("分包消息过大", "a message in parts is too large"),
}


class Whole(Struct, frozen=True):
    """A complete message: one frame (`part` is None), and the serial numbers of all that it came in."""

    frame: Frame
    serials: tuple[int, ...]


class Missing(Struct, frozen=True):
    """Parts to ask for again: the message, the serial number of its first part, the numbers of the lacking ones."""

    frame: Frame
    first_serial: int
    numbers: tuple[int, ...]


@dataclass
class _Unfinished:
    total: int
    latest: Frame
    touched_ms: int
    asked: bool = False
    size: int = 0
    parts: dict[int, Frame] = field(default_factory=dict)

    def put(self, number: int, frame: Frame) -> None:
        """Keeps a part, in place of what came under its number before."""
        before = self.parts.get(number)
        self.size += len(frame.body) + PART_BYTES if before is None else len(frame.body) - len(before.body)
        self.parts[number] = self.latest = frame

    def fits(self, frame: Frame) -> bool:
        """Whether the frame is a part of this message, rather than of the next one of its kind."""
        assert frame.part is not None
        total, number = frame.part
        known = self.parts.get(number)
        return total == self.total and (known is None or known.serial == frame.serial)


class Assembler:
    """The unfinished messages of one connection."""

    def __init__(
        self, max_bytes: int = MAX_BYTES, max_messages: int = MAX_MESSAGES, timeout_ms: int = TIMEOUT_MS
    ) -> None:
        self._max_bytes, self._max_messages, self._timeout_ms = max_bytes, max_messages, timeout_ms
        self._unfinished: dict[tuple[str, int], _Unfinished] = {}

    @property
    def unfinished(self) -> bool:
        """Whether there are any."""
        return bool(self._unfinished)

    def add(self, frame: Frame, now_ms: int) -> tuple[Whole | None, list[Fault]]:
        """The message that a frame completes, if it does, and what had to be given up for it."""
        if frame.part is None:
            return Whole(frame, (frame.serial,)), []
        key = (frame.phone, frame.message_id)
        faults: list[Fault] = []
        message = self._unfinished.get(key)
        if message is not None and not message.fits(frame):
            faults.append(self._give_up(key, "parts_incomplete"))
            message = None
        if message is None:
            if len(self._unfinished) >= self._max_messages:
                faults.append(self._give_up(next(iter(self._unfinished)), "parts_incomplete"))
            message = self._unfinished[key] = _Unfinished(frame.part[0], frame, now_ms)
        message.put(frame.part[1], frame)
        message.touched_ms = now_ms
        if len(message.parts) == message.total:
            del self._unfinished[key]
            return _whole(message), faults
        if sum(one.size for one in self._unfinished.values()) > self._max_bytes:
            faults.append(self._give_up(key, "parts_too_large"))
        return None, faults

    def expire(self, now_ms: int) -> tuple[list[Missing], list[Fault]]:
        """What to ask for again now, and what is given up because nothing came of it for too long."""
        old = [key for key, one in self._unfinished.items() if now_ms - one.touched_ms > self._timeout_ms]
        faults = [self._give_up(key, "parts_incomplete") for key in old]
        return [_missing(one) for one in self._unfinished.values() if not one.asked and _rests(one, now_ms)], faults

    def _give_up(self, key: tuple[str, int], code: str) -> Fault:
        message = self._unfinished.pop(key)
        frame = message.latest
        return Fault(
            code, PART_FAULTS[code], frame.body[:64], True, frame.message_id, frame.edition, frame.phone, frame.serial
        )


def _rests(message: _Unfinished, now_ms: int) -> bool:
    return now_ms - message.touched_ms > ASK_AGAIN_MS


def _missing(message: _Unfinished) -> Missing:
    message.asked = True
    some = next(iter(message.parts.values()))
    assert some.part is not None
    first = (some.serial - some.part[1] + 1) % 0x10000
    lacking = tuple(number for number in range(1, min(message.total, 0xFFFF) + 1) if number not in message.parts)
    return Missing(message.latest, first, lacking[:255])


def _whole(message: _Unfinished) -> Whole:
    latest = message.latest
    parts = [message.parts[number] for number in sorted(message.parts)]
    body = b"".join(part.body for part in parts)
    frame = Frame(latest.message_id, latest.edition, latest.phone, latest.serial, body)
    return Whole(frame, tuple(part.serial for part in parts))
