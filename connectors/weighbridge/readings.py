"""What an indicator's bytes are taken apart into. No I/O; the same however the bytes were split on their way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

LONGEST_GARBAGE = 64
"""Bytes that belong to no frame are told in pieces of this length, so that nothing grows and no split matters."""


class Reading(Struct, frozen=True):
    """One frame: the gross weight, whether the indicator says that it moves, and the bytes.

    `trouble` names why it is no weight to judge by (out_of_range, not_zeroed, expanded, other_unit, pounds); then `kg`
    is 0 and says nothing.
    """

    kg: float
    raw: bytes
    in_motion: bool = False
    trouble: str | None = None


class Fault(Struct, frozen=True):
    """Bytes that are no reading: `garbage`, `bad_checksum`, `no_weight` (a sound frame without a number)."""

    code: str
    raw: bytes


class FrameReader(Protocol):
    """A reader of one connection."""

    def feed(self, data: bytes) -> list[Reading | Fault]:
        """What these bytes complete, in order."""
        ...


Parse = Callable[[bytes], Reading | Fault | None]


class Frames:
    """Frames of one length behind 0x02 out of a stream. `parse` gives None for bytes that are no frame after all."""

    def __init__(self, length: int, parse: Parse) -> None:
        self._length, self._parse = length, parse
        self._buffer = bytearray()
        self._garbage = bytearray()

    def feed(self, data: bytes) -> list[Reading | Fault]:
        """What these bytes complete, in order. Garbage is told when a frame follows, or when it is long."""
        self._buffer += data
        found: list[Reading | Fault] = []
        at = 0
        while at < len(self._buffer):
            start = self._buffer.find(b"\x02", at)
            self._skip(at, len(self._buffer) if start < 0 else start, found)
            at = len(self._buffer) if start < 0 else start
            if len(self._buffer) - at < self._length:
                break
            frame = bytes(self._buffer[at : at + self._length])
            item = self._parse(frame)
            if item is None:
                self._skip(at, at + 1, found)
                at += 1
                continue
            if self._garbage:
                found.append(Fault("garbage", bytes(self._garbage)))
                self._garbage.clear()
            found.append(item)
            at += len(item.raw)
        del self._buffer[:at]
        return found

    def _skip(self, start: int, end: int, found: list[Reading | Fault]) -> None:
        self._garbage += self._buffer[start:end]
        while len(self._garbage) >= LONGEST_GARBAGE:
            found.append(Fault("garbage", bytes(self._garbage[:LONGEST_GARBAGE])))
            del self._garbage[:LONGEST_GARBAGE]
