"""What the platform says to terminals: bodies of the messages downwards (clauses of JT/T 808-2013)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

from connectors.jt808.protocol import Edition

GENERAL = 0x8001
ASK_PARTS = 0x8003
TIME = 0x8004
REGISTERED = 0x8100
LOCATION_REQUEST = 0x8201
TEXT = 0x8300
MEDIA_TAKEN = 0x8800

MAX_TEXT_BYTES = 1_000
URGENT, DISPLAY, SPEAK = 0x01, 0x04, 0x08
"""Flags of a text (table 38): what a terminal does with it."""
_NOTICE_TYPE = 1


class Result(IntEnum):
    """Of a general answer (clause 8.2)."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    UNSUPPORTED = 3


class Registered(IntEnum):
    """Of an answer to a registration (clause 8.6)."""

    DONE = 0
    VEHICLE_TAKEN = 1
    NO_SUCH_VEHICLE = 2
    TERMINAL_TAKEN = 3
    NO_SUCH_TERMINAL = 4


def general(serial: int, message_id: int, result: Result) -> bytes:
    """0x8001: to the message with this serial number."""
    return serial.to_bytes(2, "big") + message_id.to_bytes(2, "big") + bytes([result])


def registered(serial: int, result: Registered, code: str = "") -> bytes:
    """0x8100: with the authentication code where all is well."""
    return serial.to_bytes(2, "big") + bytes([result]) + (code.encode("ascii") if result is Registered.DONE else b"")


def ask_parts(first_serial: int, numbers: Sequence[int], edition: Edition) -> bytes:
    """0x8003 (clause 8.4): these parts of a message again; at most 255. 2019 counts in two bytes."""
    numbers = numbers[:255]
    count = len(numbers).to_bytes(2 if edition == 2019 else 1, "big")
    return first_serial.to_bytes(2, "big") + count + b"".join(n.to_bytes(2, "big") for n in numbers)


def time(now: datetime) -> bytes:
    """0x8004 (2019, clause 8.6): what time it is, in UTC."""
    return bytes.fromhex(now.strftime("%y%m%d%H%M%S"))


def media_taken(media_id: int) -> bytes:
    """0x8800 (clause 8.55): all of it is here and kept."""
    return media_id.to_bytes(4, "big")


def text(words: str, edition: Edition, *, urgent: bool) -> bytes:
    """0x8300 (clause 8.31): shown and read out to the driver; GBK, what does not fit into it is `?`.

    Raises ValueError where it is longer than `MAX_TEXT_BYTES`.
    """
    encoded = words.encode("gbk", "replace")
    if not encoded or len(encoded) > MAX_TEXT_BYTES:
        raise ValueError(f"a text has 1 to {MAX_TEXT_BYTES} bytes, not {len(encoded)}")
    if edition == 2019:
        return bytes([(0x02 if urgent else 0x01) | DISPLAY | SPEAK, _NOTICE_TYPE]) + encoded
    return bytes([(URGENT if urgent else 0) | DISPLAY | SPEAK]) + encoded
