"""A JSON body as sightings, by the paths of its source. Pure: bytes and settings in, values out."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from msgspec import Struct

from connectors.camera.settings import SourceSettings
from connectors.http.multipart import parts
from connectors.json_paths import at_path, records_at, values_at
from connectors.json_text import decode_json
from connectors.mapped_events import mapped_event, source_name
from connectors.plates import Plate, read_plate
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Sighting
from haulwatch.domain.text import Text
from haulwatch.wire import BOM

MAX_EVENTS = 1_000
MAX_VALUES = 200_000
MAX_DEPTH = 64
"""Of a body: a few bytes of JSON make a value that takes many times as much memory; pictures are one value each."""
_KEPT_TEXT = 512
"""Of a text in what is kept of an event that could not be one: its pictures are not what was wrong."""


class Document(Struct, frozen=True):
    """One JSON document of a body, with the pictures that stand beside it in a multipart."""

    data: bytes
    pictures: tuple[bytes, ...] = ()


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
    value = decode_json(body.removeprefix(BOM))
    if _deeper(value, MAX_DEPTH):
        raise DeviceError("too_large", Text("JSON 过深", "the JSON is too deep"))
    found = records_at(value, source.records)
    if found is None:
        where = source.records or ""
        raise DeviceError(
            "no_events", Text(f"{where} 处没有事件", f"there are no events {'at ' + where if where else ''}")
        )
    if len(found) > MAX_EVENTS:
        raise DeviceError(
            "too_many_events", Text(f"一次最多 {MAX_EVENTS} 条事件", f"at most {MAX_EVENTS} events are taken at once")
        )
    return found


def plate_of(event: Any, source: SourceSettings) -> Plate | None:
    """Whose event it is; None where the camera saw no plate. Raises DeviceError."""
    if not isinstance(event, dict):
        raise DeviceError("not_an_object", Text("事件不是 JSON 对象", "the event is no JSON object"))
    where = source.plate.from_
    if where is not None and not values_at(event, where):
        raise _missing(where)
    try:
        written = source.plate.raw(partial(at_path, event))
    except ValueError:
        written = None
    return read_plate("" if written is None else str(written))


def sighting(
    event: dict[str, Any], plate: Plate, source: SourceSettings, name: str, received_at: datetime
) -> tuple[Sighting, int]:
    """The event without its pictures, and how many of its words the settings do not name; the same sent again is the
    same. Raises DeviceError, also with the codes of `haulwatch.wire`."""
    unnamed: list[str] = []
    fields = source.map.read("sighting", partial(at_path, event), unnamed)
    if "camera_id" not in source.fields:
        fields["camera_id"] = name
    elif "camera_id" not in fields:
        raise _missing(source.fields["camera_id"].from_ or "camera_id")
    if plate.color is not None:
        fields = {"plate_color": plate.color, **fields}
    made = mapped_event(
        "sighting", fields, truck_id=plate.truck_id, source=source_name("camera", name), received_at=received_at
    )
    assert isinstance(made, Sighting)
    return made, len(unnamed)


def without_pictures(value: Any) -> Any:
    """An event as it is kept for a person to look at: long texts cut short."""
    if isinstance(value, dict):
        return {key: without_pictures(one) for key, one in value.items()}
    if isinstance(value, list):
        return [without_pictures(one) for one in value]
    if isinstance(value, str) and len(value) > _KEPT_TEXT:
        return f"{value[:64]}… ({len(value)})"
    return value


def _deeper(value: Any, levels: int) -> bool:
    """Whether it is nested more than so many levels."""
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper(one, levels - 1) for one in inside)


def _missing(where: str) -> DeviceError:
    return DeviceError("missing_field", Text(f"没有 {where}", f"there is no {where}"))
