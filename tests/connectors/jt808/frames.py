"""What a terminal sends, as bytes: bodies and frames for tests."""

from __future__ import annotations

from connectors.jt808 import messages
from connectors.jt808.protocol import MAX_BODY, Edition, Frame, encode

PHONE = "013800138000"
AT = "260501163000"
"""2026-05-01 16:30:00 in China, 08:30:00 in UTC."""


def location(
    *,
    lon: float = 120.1,
    lat: float = 30.86,
    speed_kmh: float = 30.0,
    time: str = AT,
    status: int = 0b11,
    alarm: int = 0,
    heading_deg: int = 90,
    items: bytes = b"",
) -> bytes:
    """A 0x0200 body."""
    return (
        alarm.to_bytes(4, "big")
        + status.to_bytes(4, "big")
        + round(abs(lat) * 1e6).to_bytes(4, "big")
        + round(abs(lon) * 1e6).to_bytes(4, "big")
        + (12).to_bytes(2, "big")
        + round(speed_kmh * 10).to_bytes(2, "big")
        + heading_deg.to_bytes(2, "big")
        + bytes.fromhex(time)
        + items
    )


def item(number: int, value: bytes) -> bytes:
    """An additional item of a location."""
    return bytes([number, len(value)]) + value


def batch(bodies: list[bytes], kind: int = 0) -> bytes:
    """A 0x0704 body; kind 1 is from a blind area."""
    items = b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
    return len(bodies).to_bytes(2, "big") + bytes([kind]) + items


def registration(edition: int, *, plate: str = "浙E12345", terminal_id: str = "T-0001") -> bytes:
    """A 0x0100 body of 2011, 2013 or 2019."""
    maker, model, terminal = {2011: (5, 8, 7), 2013: (5, 20, 7), 2019: (11, 30, 30)}[edition]
    return (
        (33).to_bytes(2, "big")
        + (500).to_bytes(2, "big")
        + b"HW".ljust(maker, b"\0")
        + b"M1".ljust(model, b"\0")
        + terminal_id.encode().ljust(terminal, b"\0")
        + b"\x02"
        + plate.encode("gbk")
    )


def authentication(code: str, edition: int = 2013) -> bytes:
    """A 0x0102 body."""
    if edition == 2019:
        return bytes([len(code)]) + code.encode() + b"8" * 15 + b"V1".ljust(20, b"\0")
    return code.encode()


def media(data: bytes, *, where: bytes | None, media_id: int = 7, kind: int = 0) -> bytes:
    """A 0x0801 body of channel 1; without `where` it is of 2011."""
    return media_id.to_bytes(4, "big") + bytes([kind, 0, 0, 1]) + (where or b"") + data


def frame(message_id: int, body: bytes = b"", serial: int = 1, edition: Edition = 2013, phone: str = PHONE) -> bytes:
    """One frame."""
    return encode(Frame(message_id, edition, phone.zfill(20 if edition == 2019 else 12), serial, body))


def frames(
    message_id: int, body: bytes, first_serial: int = 1, size: int = MAX_BODY, phone: str = PHONE
) -> list[bytes]:
    """A message in as many frames as it takes."""
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    return [
        encode(Frame(message_id, 2013, phone, (first_serial + n) % 0x10000, piece, (len(pieces), n + 1)))
        for n, piece in enumerate(pieces)
    ]


LOCATION = frame(messages.LOCATION, location())
