"""What terminals say, message by message: bodies of frames as values, nothing judged and nothing converted yet.

Clauses and tables of JT/T 808-2013; where 2011 or 2019 differ, it is said. Every function takes any bytes and raises
`DeviceError` (`body_too_short`, `batch_too_large`, `bad_time`) where they cannot be read; strings are GBK.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from connectors.jt808.protocol import Edition
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text

TERMINAL_ANSWER = 0x0001
HEARTBEAT = 0x0002
LOGOUT = 0x0003
TIME_REQUEST = 0x0004
REGISTER = 0x0100
AUTHENTICATE = 0x0102
LOCATION = 0x0200
LOCATION_ANSWER = 0x0201
LOCATION_BATCH = 0x0704
MEDIA_EVENT = 0x0800
MEDIA_DATA = 0x0801
PASS_THROUGH = 0x0900

LOCATION_BYTES = 28
MAX_BATCH = 5_000
"""Items of one batch: 150 KB at least, where terminals send some dozen."""


class Registration(Struct, frozen=True):
    """0x0100 (clause 8.5). `plate` is empty for a truck without one; `terminal_id` may have blanks in some."""

    province: int
    county: int
    maker: str
    model: str
    terminal_id: str
    plate_color: int
    plate: str


class Location(Struct, frozen=True):
    """0x0200 (clause 8.18) as sent: degrees in millionths with the hemisphere in `status`, speed in tenths of km/h.

    `extras` are the additional items (id, value) up to the first that overruns the body; then `cut` is that one's id.
    `time` are the twelve digits yymmddhhmmss in the terminal's time; `raw` the whole body.
    """

    alarm: int
    status: int
    lat: int
    lon: int
    altitude_m: int
    speed: int
    heading_deg: int
    time: str
    extras: tuple[tuple[int, bytes], ...]
    raw: bytes
    cut: int | None = None


class Batch(Struct, frozen=True):
    """0x0704 (clause 8.50): locations, and whether they were kept from a blind area (`resent`).

    `unread` counts items that could not be read as locations; `cut` says that the body ends within one.
    """

    resent: bool
    locations: tuple[Location, ...]
    unread: int
    cut: bool


class Media(Struct, frozen=True):
    """0x0801 (clause 8.54): a picture (`kind` 0), sound (1) or film (2). 2011 has no location in it."""

    media_id: int
    kind: int
    format: int
    event: int
    channel: int
    location: Location | None
    data: bytes


class Answer(Struct, frozen=True):
    """0x0001 (clause 8.1): what a terminal says to a message of ours; 0 done, 1 failed, 2 wrong, 3 unsupported."""

    serial: int
    message_id: int
    result: int


def registration(body: bytes, edition: Edition) -> Registration:
    """0x0100. 2019 has longer fields; 2011 a model of 8 bytes, told by where the colour and plate then are."""
    maker, model, terminal = (11, 30, 30) if edition == 2019 else (5, 20, 7)
    if edition == 2013 and len(body) < 4 + maker + model + terminal + 1:
        model = 8
    ends = [4, 4 + maker, 4 + maker + model, 4 + maker + model + terminal]
    _need(body, ends[-1] + 1)
    return Registration(
        _u16(body, 0),
        _u16(body, 2),
        text_of(body[ends[0] : ends[1]]),
        text_of(body[ends[1] : ends[2]]),
        text_of(body[ends[2] : ends[3]]),
        body[ends[3]],
        text_of(body[ends[3] + 1 :]),
    )


def is_2011(body: bytes, edition: Edition) -> bool:
    """Whether a registration is of the 2011 edition, whose frames are those of 2013."""
    return edition == 2013 and len(body) < 4 + 5 + 20 + 7 + 1


def authentication_code(body: bytes, edition: Edition) -> str:
    """0x0102 (clause 8.8): the code that registering gave. 2019 says its length, then IMEI and software version."""
    if edition == 2019 and body:
        return text_of(body[1 : 1 + body[0]])
    return text_of(body)


def location(body: bytes) -> Location:
    """0x0200, with or without additional items."""
    _need(body, LOCATION_BYTES)
    extras, cut = _extras(body[LOCATION_BYTES:])
    return Location(
        int.from_bytes(body[0:4], "big"),
        int.from_bytes(body[4:8], "big"),
        int.from_bytes(body[8:12], "big"),
        int.from_bytes(body[12:16], "big"),
        _u16(body, 16),
        _u16(body, 18),
        _u16(body, 20),
        body[22:28].hex(),
        extras,
        body,
        cut,
    )


def _extras(data: bytes) -> tuple[tuple[tuple[int, bytes], ...], int | None]:
    found: list[tuple[int, bytes]] = []
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if end > len(data):
            return tuple(found), data[at]
        found.append((data[at], data[at + 2 : end]))
        at = end
    return tuple(found), data[at] if at < len(data) else None


def batch(body: bytes) -> Batch:
    """0x0704. What can be read of it is read, whatever its count says."""
    _need(body, 3)
    count, resent = _u16(body, 0), body[2] == 1
    if count > MAX_BATCH:
        text = Text(f"一批 {count} 个位置，最多 {MAX_BATCH} 个", f"a batch of {count} locations, at most {MAX_BATCH}")
        raise DeviceError("batch_too_large", text)
    found: list[Location] = []
    unread, at = 0, 3
    while at + 2 <= len(body) and len(found) + unread < count:
        end = at + 2 + _u16(body, at)
        item = body[at + 2 : end]
        if len(item) < LOCATION_BYTES:
            unread += 1
        else:
            found.append(location(item))
        if end > len(body):
            return Batch(resent, tuple(found), unread, True)
        at = end
    return Batch(resent, tuple(found), unread, len(found) + unread < count)


def media(body: bytes) -> Media:
    """0x0801. That a picture begins where 2013 has its location tells the 2011 edition."""
    _need(body, 8)
    head = (int.from_bytes(body[0:4], "big"), body[4], body[5], body[6], body[7])
    if body[8:11] == b"\xff\xd8\xff" or len(body) < 8 + LOCATION_BYTES:
        return Media(*head, None, body[8:])
    return Media(*head, location(body[8 : 8 + LOCATION_BYTES]), body[8 + LOCATION_BYTES :])


def terminal_answer(body: bytes) -> Answer:
    """0x0001."""
    _need(body, 5)
    return Answer(_u16(body, 0), _u16(body, 2), body[4])


def location_answer(body: bytes) -> tuple[int, Location]:
    """0x0201 (clause 8.20): the serial number of our request, and where the truck is."""
    _need(body, 2 + LOCATION_BYTES)
    return _u16(body, 0), location(body[2:])


def instant(digits: str, utc_offset_h: float) -> datetime:
    """yymmddhhmmss of a clock that is `utc_offset_h` ahead of UTC, as an aware UTC datetime."""
    try:
        if len(digits) != 12 or not (digits.isascii() and digits.isdigit()):
            raise ValueError(digits)
        # By hand: strptime takes longer than all the rest of a location.
        year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
        local = datetime(year + (2000 if year < 69 else 1900), month, day, hour, minute, second, tzinfo=UTC)
    except ValueError as error:
        raise DeviceError("bad_time", Text(f"时间 {digits} 不是日期时间", f"{digits} is no time")) from error
    return local - timedelta(hours=utc_offset_h)


def text_of(data: bytes) -> str:
    """A GBK string up to its NUL, without blanks around; what is not GBK is replaced."""
    return data.split(b"\0", 1)[0].decode("gbk", "replace").strip()


def _u16(body: bytes, at: int) -> int:
    return body[at] << 8 | body[at + 1]


def _need(body: bytes, length: int) -> None:
    if len(body) < length:
        raise DeviceError(
            "body_too_short",
            Text(
                f"消息体只有 {len(body)} 字节，至少应有 {length}",
                f"body of {len(body)} bytes, at least {length} needed",
            ),
        )
