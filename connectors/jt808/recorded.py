"""Recorded frames, for people: hexadecimal text or raw bytes in, one plain value a frame out. Never raises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from connectors.jt808 import messages
from connectors.jt808.mapping import position_fields
from connectors.jt808.parts import Assembler
from connectors.jt808.profiles import Profile
from connectors.jt808.protocol import Edition, Fault, Frame, FrameReader
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.text import Text

_BETWEEN = re.compile(r"0x|[\s,;:|-]", re.IGNORECASE)
_HEX = re.compile(r"(?:[0-9a-f]{2})+", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
"""In bytes that happen to be UTF-8; never in text."""
_QUOTED = 80


class Decoded(Struct, frozen=True, kw_only=True):
    """One frame (contract: docs/contracts.md, `haulwatch jt808 decode`).

    `version` is the edition that the header tells, 2013 or 2019, and 2011 where a registration tells that. `error` has
    `code` and `text`; the positions before what is wrong are there.
    """

    message_id: str | None
    phone: str | None
    version: int | None
    serial: int | None
    checksum_ok: bool
    positions: list[dict[str, Any]] = []
    error: dict[str, Any] | None = None
    part: tuple[int, int] | None = None
    detail: dict[str, Any] | None = None


def decode(data: bytes, profile: Profile) -> list[Decoded]:
    """Every frame of a recording: hexadecimal text, a frame or several a line, or the bytes themselves."""
    decoder = _Decoder(profile)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return decoder.read([data])
    if _CONTROL.search(text):
        return decoder.read([data])
    found: list[Decoded] = []
    for line in _lines(text):
        digits = _BETWEEN.sub("", line)
        if _HEX.fullmatch(digits):
            found += decoder.read([_delimited(bytes.fromhex(digits))])
        else:
            found.append(_not_hex(line))
    return found


def _lines(text: str) -> Iterator[str]:
    """The lines of a recording; a frame that goes on in the next line is joined."""
    held = ""
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if held and line.lower().startswith(("7e", "0x7e")):
            yield held
            held = ""
        held += line
        if not held.lower().startswith(("7e", "0x7e")) or (len(held) > 4 and held.lower().endswith("7e")):
            yield held
            held = ""
    if held:
        yield held


def _delimited(frame: bytes) -> bytes:
    """Some recordings leave the 7E away."""
    if 0x7E in (frame[0], frame[-1]):
        return frame
    return b"\x7e" + frame + b"\x7e"


def _not_hex(line: str) -> Decoded:
    text = Text(f"不是十六进制：{line[:_QUOTED]}", f"not hexadecimal: {line[:_QUOTED]}")
    return Decoded(
        message_id=None, phone=None, version=None, serial=None, checksum_ok=False, error=_error("not_hex", text)
    )


class _Decoder:
    """Keeps parts of messages from one frame to the next."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._assembler = Assembler()

    def read(self, chunks: Iterable[bytes]) -> list[Decoded]:
        reader = FrameReader()
        items: list[Frame | Fault] = []
        for chunk in chunks:
            items += reader.feed(chunk)
        found: list[Frame | Fault] = []
        for item in [*items, *reader.finish()]:
            if isinstance(item, Frame) and item.made_good:
                del found[len(found) - item.made_good :]
            found.append(item)
        return [self._decoded(item) for item in found]

    def _decoded(self, item: Frame | Fault) -> Decoded:
        if isinstance(item, Fault):
            return Decoded(
                message_id=_id(item.message_id),
                phone=item.phone,
                version=item.edition,
                serial=item.serial,
                checksum_ok=item.checksum_ok,
                error=_error(item.code, item.text),
                detail={"raw": item.raw.hex()},
            )
        whole, faults = self._assembler.add(item, 0)
        said = _Said()
        if whole is not None:
            try:
                self._read(whole.frame, said)
            except DeviceError as error:
                said.error = said.error or _error(error.code, error.text)
        elif faults:
            said.error = _error(faults[0].code, faults[0].text)
        return Decoded(
            message_id=_id(item.message_id),
            phone=item.phone,
            version=said.version or item.edition,
            serial=item.serial,
            checksum_ok=True,
            positions=said.positions,
            error=said.error,
            part=item.part,
            detail=said.detail,
        )

    def _read(self, frame: Frame, said: _Said) -> None:
        body = frame.body
        if frame.message_id == messages.LOCATION:
            self._locations([messages.location(body)], said, resent=False)
        elif frame.message_id == messages.LOCATION_ANSWER:
            self._locations([messages.location_answer(body)[1]], said, resent=False)
        elif frame.message_id == messages.LOCATION_BATCH:
            batch = messages.batch(body)
            if batch.cut or batch.unread:
                text = Text("批量上报中有读不出的位置", "the batch has locations that cannot be read")
                said.error = _error("batch_damaged", text)
            self._locations(batch.locations, said, resent=batch.resent)
        else:
            self._other(frame, said)

    def _other(self, frame: Frame, said: _Said) -> None:
        body, edition = frame.body, frame.edition
        if frame.message_id == messages.REGISTER:
            said.version = 2011 if messages.is_2011(body, edition) else None
            said.detail = _plain(messages.registration(body, edition))
        elif frame.message_id == messages.AUTHENTICATE:
            said.detail = {"code": messages.authentication_code(body, edition)}
        elif frame.message_id == messages.TERMINAL_ANSWER:
            said.detail = _plain(messages.terminal_answer(body))
        elif frame.message_id == messages.MEDIA_DATA:
            media = messages.media(body)
            said.detail = {**_plain(media), "data": len(media.data), "location": None}
            if media.location is not None:
                self._locations([media.location], said, resent=False)
        elif body:
            said.detail = {"body": body.hex()}

    def _locations(self, locations: Sequence[messages.Location], said: _Said, *, resent: bool) -> None:
        for location in locations:
            try:
                said.positions.append(_position(location, self._profile, resent=resent))
            except DeviceError as error:
                said.error = said.error or _error(error.code, error.text)
            if location.cut is not None:
                text = Text(f"附加项 0x{location.cut:02X} 超出消息体", f"item 0x{location.cut:02X} overruns the body")
                said.error = said.error or _error("item_overrun", text)


class _Said:
    """What a message says, as far as it could be read."""

    def __init__(self) -> None:
        self.positions: list[dict[str, Any]] = []
        self.error: dict[str, Any] | None = None
        self.detail: dict[str, Any] | None = None
        self.version: Edition | int | None = None


def _position(location: messages.Location, profile: Profile, *, resent: bool) -> dict[str, Any]:
    fields = position_fields(location, profile)
    at: datetime = fields.pop("at")
    other = {
        f"0x{item:02X}": value.hex()
        for item, value in location.extras
        if item not in profile.items and item not in (0x01, 0x31)
    }
    return {
        "at": rfc3339(to_ms(at)),
        **fields,
        "altitude_m": location.altitude_m,
        "resent": resent,
        "status": f"0x{location.status:08X}",
        **({"items": other} if other else {}),
    }


def _plain(value: Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def _error(code: str, text: Text) -> dict[str, Any]:
    return {"code": code, "text": text}


def _id(message_id: int | None) -> str | None:
    return None if message_id is None else f"0x{message_id:04X}"
