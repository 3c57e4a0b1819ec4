"""A JSON body as sightings, by the paths of its source. Pure: bytes and settings in, values out."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from msgspec import Struct

from connectors.camera.paths import Steps, value_at, values_at
from connectors.camera.settings import CoverAt, LoadAt, NumberAt, SourceSettings, TimeAt, WordAt
from connectors.http.multipart import parts
from connectors.http.times import instant_of
from connectors.plates import read_plate
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Image, Sighting
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.text import Text
from haulwatch.wire import decode_event

MAX_EVENTS = 1_000
MAX_VALUES = 200_000
MAX_DEPTH = 64
"""Of a body: a few bytes of JSON make a value that takes many times as much memory; pictures are one value each."""
MAX_WORD = 256
_KEPT_TEXT = 512
"""Of a text in what is kept of an event that could not be one: its pictures are not what was wrong."""


class Document(Struct, frozen=True):
    """One JSON document of a body, with the pictures that stand beside it in a multipart."""

    data: bytes
    pictures: tuple[bytes, ...] = ()


class Seen(Struct, frozen=True):
    """What one event says; `unmapped` are words that the settings do not name."""

    truck_id: str
    at: datetime
    camera_id: str
    identity: str
    resent: bool
    fields: dict[str, Any]
    pictures: tuple[bytes, ...]
    broken_pictures: int
    unmapped: int


def documents(body: bytes, content_type: str) -> tuple[list[Document], int]:
    """The documents of a body, and how many of its parts are neither JSON nor pictures.

    Pictures go to the document before them, those before the first to the first. Raises DeviceError (`no_events`, and
    those of `connectors.http.multipart`).
    """
    if "multipart" not in content_type.lower():
        return [Document(body)], 0
    found: list[tuple[bytes, list[bytes]]] = []
    early: list[bytes] = []
    strange = 0
    for part in parts(body, content_type):
        if part.kind == "json":
            found.append((part.data, early))
            early = []
        elif part.kind == "picture":
            (found[-1][1] if found else early).append(part.data)
        else:
            strange += 1
    if not found:
        raise DeviceError("no_events", Text("multipart 里没有 JSON", "the multipart has no JSON"))
    return [Document(data, tuple(pictures)) for data, pictures in found], strange


def events_of(body: bytes, source: SourceSettings) -> list[Any]:
    """The events of a body, each as its JSON value.

    Raises DeviceError (`not_json`, `too_large`, `no_events`, `too_many_events`).
    """
    if sum(body.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
        raise DeviceError("too_large", Text("JSON 里的值过多", "too many values in the JSON"))
    try:
        value = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DeviceError("not_json", Text(f"不是合法的 JSON：{error}", f"not JSON: {error}")) from error
    if _deeper(value, MAX_DEPTH):
        raise DeviceError("too_large", Text("JSON 过深", "the JSON is too deep"))
    found = value if source.events is None else value_at(value, source.events)
    if isinstance(found, dict):
        found = [found]
    if not isinstance(found, list):
        where = "" if source.events is None else ".".join(source.events)
        raise DeviceError(
            "no_events", Text(f"{where} 处没有事件", f"there are no events {'at ' + where if where else ''}")
        )
    if len(found) > MAX_EVENTS:
        raise DeviceError(
            "too_many_events", Text(f"一次最多 {MAX_EVENTS} 条事件", f"at most {MAX_EVENTS} events are taken at once")
        )
    return found


def seen(event: Any, source: SourceSettings, name: str) -> Seen | None:
    """What an event says of a truck; None where the camera saw no plate. Raises DeviceError."""
    if not isinstance(event, dict):
        raise DeviceError("not_an_object", Text("事件不是 JSON 对象", "the event is no JSON object"))
    plates = values_at(event, source.plate)
    if not plates:
        raise _missing(source.plate)
    plate = read_plate(_word(plates[0]))
    if plate is None:
        return None
    at = _instant(event, source.at)
    reader = _Reader(event)
    camera_id = name
    if source.camera_id is not None:
        camera_id = reader.word(source.camera_id) or ""
        if not camera_id:
            raise _missing(source.camera_id.path)
    fields = {
        "plate_color": plate.color,
        "plate_confidence": reader.number(source.plate_confidence),
        "vehicle_type": reader.word(source.vehicle_type),
        "direction": reader.word(source.direction),
        "speed_kmh": reader.number(source.speed_kmh),
        **reader.state("cover", source.cover),
        **reader.state("load", source.load),
    }
    color = reader.word(source.plate_color)
    if color is not None:
        fields["plate_color"] = color
    own_id = "" if source.id is None else _word(value_at(event, source.id))
    said = own_id.encode() if own_id else msgspec.json.encode(event, order="deterministic")
    pictures, broken = _pictures(event, source.images)
    return Seen(
        truck_id=plate.truck_id,
        at=at,
        camera_id=camera_id,
        identity=hashlib.sha256(f"{camera_id}|{to_ms(at)}|{plate.truck_id}|".encode() + said).hexdigest()[:24],
        resent=_Reader(event).word(source.resent) == "true",  # words for "live" need no name
        fields={key: value for key, value in fields.items() if value is not None},
        pictures=pictures,
        broken_pictures=broken,
        unmapped=reader.unmapped,
    )


def sighting(one: Seen, name: str, images: Sequence[Image], received_at: datetime) -> Sighting:
    """The event; the same sent again is the same. Raises DeviceError with the codes of `haulwatch.wire`."""
    values = {
        "kind": "sighting",
        "event_id": f"camera:{name}:{rfc3339(to_ms(one.at))}:{one.identity}",
        "truck_id": one.truck_id,
        "at": one.at,
        "received_at": received_at,
        "source": f"camera:{name}",
        "resent": one.resent,
        "camera_id": one.camera_id,
        **one.fields,
        **({"images": list(images)} if images else {}),
    }
    event = decode_event(msgspec.json.encode(values))
    assert isinstance(event, Sighting)
    return event


def without_pictures(value: Any) -> Any:
    """An event as it is kept for a person to look at: long texts cut short."""
    if isinstance(value, dict):
        return {key: without_pictures(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_pictures(one) for one in value]
    if isinstance(value, str) and len(value) > _KEPT_TEXT:
        return f"{value[:64]}… ({len(value)})"
    return value


class _Reader:
    """Reads values of one event, and counts words that the settings do not name."""

    def __init__(self, event: Any) -> None:
        self._event = event
        self.unmapped = 0

    def word(self, place: WordAt | None) -> str | None:
        if place is None:
            return None
        text = _word(value_at(self._event, place.path))
        return self._named(text, place.values) if place.values is not None else text or None

    def number(self, place: NumberAt | None) -> float | None:
        """Raises DeviceError (`bad_number`)."""
        text = "" if place is None else _word(value_at(self._event, place.path))
        if place is None or not text:
            return None
        try:
            value = float(text) * place.scale
        except ValueError:
            value = float("nan")
        if not abs(value) < float("inf"):
            where = ".".join(place.path)
            raise DeviceError("bad_number", Text(f"{where} 不是数：{text[:40]}", f"{where} is no number: {text[:40]}"))
        return round(value, 6)

    def state(self, name: str, place: CoverAt | LoadAt | None) -> dict[str, Any]:
        """The field and its confidence; nothing where the camera does not know."""
        if place is None:
            return {}
        value = self._named(_word(value_at(self._event, place.path)), place.values)
        if value is None or value == "unknown":
            return {}
        return {name: value, f"{name}_confidence": self.number(place.confidence)}

    def _named(self, text: str, values: dict[str, Any]) -> Any:
        if text and text not in values:
            self.unmapped += 1
        return values.get(text)


def _instant(event: Any, place: TimeAt) -> datetime:
    text = _word(value_at(event, place.path))
    if not text:
        raise _missing(place.path)
    if place.format == "iso":
        return instant_of(text, place.utc_offset_h)
    try:
        if "%" not in place.format:
            return datetime.fromtimestamp(float(text) / (1000 if place.format == "epoch_ms" else 1), UTC)
        at = datetime.strptime(text, place.format)
        if at.tzinfo is None:
            at = at.replace(tzinfo=timezone(timedelta(hours=place.utc_offset_h or 0)))
        return at.astimezone(UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DeviceError("bad_time", Text(f"“{text[:40]}” 不是时间", f"“{text[:40]}” is no time")) from error


def _word(value: object) -> str:
    """A JSON value as the settings would write it: `true`, `1`, `0.5`; a list or an object is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        if abs(value) >= 10**18:
            return ""
        return str(int(value)) if int(value) == value else str(value)
    return value.strip()[:MAX_WORD] if isinstance(value, str) else ""


def _pictures(event: Any, places: Sequence[Steps]) -> tuple[tuple[bytes, ...], int]:
    """What stands there as Base64, and how many were none."""
    found: list[bytes] = []
    broken = 0
    for place in places:
        for value in values_at(event, place):
            if value is None or value == "":
                continue
            try:
                text = value if isinstance(value, str) else "?"
                text = text.partition(",")[2] if text.startswith("data:") else text
                found.append(base64.b64decode("".join(text.split()), validate=True))
            except (binascii.Error, ValueError):
                broken += 1
    return tuple(found), broken


def _deeper(value: Any, levels: int) -> bool:
    """Whether it is nested more than so many levels."""
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(one, levels - 1) for one in inside)


def _missing(path: Steps) -> DeviceError:
    where = ".".join(path)
    return DeviceError("missing_field", Text(f"没有 {where}", f"there is no {where}"))
