"""A terminal's messages as events: units, hemisphere, datum, time zone, profile.

Ranges are those of `haulwatch.domain.events` and nowhere else: what is out of them is refused by `haulwatch.wire` with
its codes. An event's id comes from the terminal, the time and the bytes, so what is sent again is the same event.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from connectors.dead_letters import MAX_KEPT_BYTES
from connectors.field_map import shift
from connectors.jt808.alarms import alarm_names
from connectors.jt808.messages import Location, Media, instant
from connectors.jt808.profiles import Profile, Reading
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event, Image
from haulwatch.wire import DeadLetter, decode_event

MILEAGE, FUEL, RECORDER_SPEED, SATELLITES = 0x01, 0x02, 0x03, 0x31
STANDARD_ITEMS = frozenset((0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x11, 0x12, 0x13, 0x25, 0x2A, 0x2B, 0x30, 0x31))
"""Additional items of the standard; those that say nothing of a truck's conduct are passed over."""
_LOADS = {0b00: "empty", 0b01: "half", 0b11: "full"}


class Reporter(Struct, frozen=True):
    """Who reports: the truck, the terminal's number in one form for all editions, and how its model is read."""

    truck_id: str
    phone: str
    profile: Profile

    @property
    def source(self) -> str:
        """As events name it."""
        return f"jt808:{self.phone}"


class Mapped(Struct, frozen=True):
    """What became of messages: events, what could not be one, and additional items that no profile reads."""

    events: list[Event]
    letters: list[DeadLetter]
    unknown_items: Counter[int]


def phone_number(digits: str) -> str:
    """The number of a terminal in one form: without leading zeros beyond twelve digits (2019 sends twenty)."""
    return digits.lstrip("0").zfill(12)


def nothing() -> Mapped:
    """No events."""
    return Mapped([], [], Counter())


def positions(
    locations: tuple[Location, ...], reporter: Reporter, received_at: datetime, *, resent: bool = False
) -> Mapped:
    """Positions of these locations in their order."""
    mapped = nothing()
    for location in locations:
        try:
            fields = position_fields(location, reporter.profile)
            event_id = f"{reporter.source}:{location.time}:{_digest(location.raw)}"
            mapped.events.append(_event("position", event_id, fields, reporter, received_at, resent=resent))
        except DeviceError as error:
            mapped.letters.append(letter(error, reporter.source, location.raw))
        for item, _value in location.extras:
            if item not in STANDARD_ITEMS and item not in reporter.profile.items:
                mapped.unknown_items[item] += 1
    return mapped


def sighting(media: Media, image: Image, reporter: Reporter, received_at: datetime) -> Mapped:
    """A picture as a sighting by the truck's own camera `jt808:PHONE/CHANNEL`, and the position that came with it.

    2011 sends no location with a picture; then it is of the moment at which it was received.
    """
    location = media.location
    mapped = nothing() if location is None else positions((location,), reporter, received_at)
    if mapped.letters:
        location = None  # its time or place cannot be believed
    fields: dict[str, Any] = {
        "camera_id": f"{reporter.source}/{media.channel}",
        "images": [image],
        "at": received_at if location is None else instant(location.time, reporter.profile.utc_offset_h),
    }
    content = media.media_id.to_bytes(4, "big") + (location.raw if location else b"") + str(image.sha256).encode()
    event_id = f"{reporter.source}:picture:{_digest(content)}"
    mapped.events.append(_event("sighting", event_id, fields, reporter, received_at, resent=False))
    return mapped


def position_fields(location: Location, profile: Profile) -> dict[str, Any]:
    """What a location says of a position, without ids. Raises DeviceError where its time is none."""
    status = location.status
    lat = location.lat / 1e6 * (-1 if status & 0b0100 else 1)
    lon = location.lon / 1e6 * (-1 if status & 0b1000 else 1)
    fields: dict[str, Any] = {
        "at": instant(location.time, profile.utc_offset_h),
        "lon": lon,
        "lat": lat,
        "speed_kmh": location.speed / 10,
        "heading_deg": float(location.heading_deg),
        "valid": bool(status & 0b10),
        "ignition": bool(status & 0b1),
    }
    shift(fields, profile.datum)
    load = _LOADS.get(status >> 8 & 0b11)
    if load is not None and (profile.load_bits == "all" or (profile.load_bits == "loaded" and load != "empty")):
        fields["load"] = load
    alarms = alarm_names(location.alarm)
    for item, value in location.extras:
        if item == MILEAGE and len(value) == 4:
            fields["mileage_km"] = int.from_bytes(value, "big") / 10
        elif item == SATELLITES and len(value) == 1:
            fields["satellites"] = value[0]
        for reading in profile.readings:
            if reading.tlv == item:
                _read(reading, value, fields, alarms)
    if alarms:
        fields["alarms"] = alarms
    return fields


def _read(reading: Reading, value: bytes, fields: dict[str, Any], alarms: list[str]) -> None:
    field, number = reading.field, reading.number(value)
    if number is None:
        return
    if not reading.values:
        figure = number * reading.scale + reading.base
        fields[field] = int(figure) if field == "satellites" else round(figure, 6)
    elif (meaning := reading.values.get(number)) is not None:
        if field == "alarm":
            alarms.append(meaning)
        else:
            fields[field] = meaning


def _event(
    kind: str, event_id: str, fields: dict[str, Any], reporter: Reporter, received_at: datetime, *, resent: bool
) -> Event:
    """The event, through the one definition of what an event is. Raises DeviceError."""
    values = {
        "kind": kind,
        "event_id": event_id,
        "truck_id": reporter.truck_id,
        "received_at": received_at,
        "source": reporter.source,
        "resent": resent,
        **fields,
    }
    return decode_event(msgspec.json.encode(values))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:24]


def letter(error: DeviceError, source: str, raw: bytes) -> DeadLetter:
    """What a terminal sent and cannot be an event, kept as hexadecimal digits."""
    return DeadLetter(reason=str(error), code=error.code, source=source, raw=raw[:MAX_KEPT_BYTES].hex())
