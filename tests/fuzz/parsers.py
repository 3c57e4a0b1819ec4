"""Everything that reads bytes from outside, as functions of bytes: what they may raise is `DeviceError` and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.jt808 import messages
from connectors.jt808.mapping import Reporter, positions
from connectors.jt808.parts import Assembler
from connectors.jt808.profiles import load_profiles
from connectors.jt808.protocol import Frame, FrameReader
from connectors.jt808.recorded import decode
from haulwatch.wire import decode_body
from tests.connectors.jt808 import frames

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PROFILES = load_profiles()
AT_MS = 1_777_593_600_000


@dataclass(frozen=True)
class Parser:
    """One of them: `read` raises DeviceError or nothing; `seeds` are inputs that it understands."""

    name: str
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    max_bytes: int = 1024


def jt808_stream(data: bytes) -> None:
    """Bytes as they come from a socket, in the pieces that the first byte asks for."""
    size = max(1, data[0]) if data else 1
    reader, assembler = FrameReader(), Assembler()
    for start in range(1, len(data), size):
        for item in reader.feed(data[start : start + size]):
            if isinstance(item, Frame):
                assembler.add(item, AT_MS + start)
    reader.finish()
    assembler.expire(AT_MS + 600_000)


def jt808_location(data: bytes) -> None:
    """The body of a location report, under the profile that the first byte asks for."""
    profile = list(PROFILES.values())[data[0] % len(PROFILES)] if data else PROFILES["standard"]
    location = messages.location(data[1:])
    positions((location,), Reporter("浙E00001", "013900000001", profile), NOW)


def jt808_bodies(data: bytes) -> None:
    """The other bodies, the one that the first byte asks for."""
    readers: tuple[Callable[[bytes], object], ...] = (
        messages.batch,
        messages.media,
        messages.terminal_answer,
        messages.location_answer,
        lambda body: messages.registration(body, 2013),
        lambda body: messages.registration(body, 2019),
        lambda body: messages.authentication_code(body, 2013),
        lambda body: messages.authentication_code(body, 2019),
    )
    readers[data[0] % len(readers) if data else 0](data[1:])


def jt808_recorded(data: bytes) -> None:
    """What `haulwatch jt808 decode` is given."""
    decode(data, PROFILES["standard"])


def seeds_of_frames() -> Iterable[bytes]:
    """Frames of every kind."""
    yield frames.LOCATION
    yield frames.frame(0x0002, edition=2019)
    yield b"".join(frames.frames(0x0704, frames.batch([frames.location()] * 3, kind=1)))


BODY = (
    b'{"kind":"position","event_id":"a","truck_id":"\xe6\xb5\x99E12345",'
    b'"at":"2026-05-01T00:00:00.000Z","lon":120.1,"lat":30.9}'
)

PARSERS: tuple[Parser, ...] = (
    Parser("jt808-stream", jt808_stream, tuple(b"\x07" + frame for frame in seeds_of_frames())),
    Parser("jt808-location", jt808_location, (b"\x00" + frames.location(),)),
    Parser("jt808-bodies", jt808_bodies, (b"\x00" + frames.batch([frames.location()] * 2, kind=0),)),
    Parser("jt808-recorded", jt808_recorded, tuple(frame.hex(" ").encode() for frame in seeds_of_frames())),
    Parser("events", decode_body, (BODY, b"[" + BODY + b"," + BODY + b"]", BODY + b"\n" + BODY)),
)
