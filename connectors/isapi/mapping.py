"""An `EventNotificationAlert` as a sighting. Pure: bytes and settings in, values out.

Field names and values are those of the vendor's ISAPI guide for ANPR events. What it calls unknown is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct

from connectors.field_times import Times
from connectors.http.multipart import Part, parts
from connectors.isapi.document import Tree, child, read_json, read_xml, text_of
from connectors.plates import Plate, read_plate
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Image, Sighting
from haulwatch.domain.instants import rfc3339, to_ms
from haulwatch.domain.text import Text
from haulwatch.wire import decode_event

Yes = Literal["yes", "no", "unknown"]
ROOT = "EventNotificationAlert"
NO_TRUCKS = frozenset(
    (
        *("bus", "largeBus", "mediumBus", "minibus", "van", "nonmotorVehicle", "twoWheelVehicle", "threeWheelVehicle"),
        *("smallCar", "miniCar", "SUVMPV", "MPV", "SUV", "coupe", "hatchback", "saloon", "pedestrian"),
    )
)
"""Types that the guide gives to what is certainly no truck."""
_COLORS = {"newEnergyGreen": "green", "newEnergyYellowGreen": "yellow_green", "civilAviationGreen": "green"}


class Alert(Struct, frozen=True):
    """One document of a body, with the pictures that follow it."""

    tree: Tree
    pictures: tuple[bytes, ...]
    raw: bytes


class Refused(Struct, frozen=True):
    """One that could not be read; not worth keeping (`kept`) where it is beside a message that could."""

    error: DeviceError
    raw: bytes
    kept: bool = True


class Seen(Struct, frozen=True):
    """What an ANPR alert says: ids in the camera's own terms, and the fields of a sighting."""

    uuid: str
    at: datetime
    channel: str
    plate: Plate
    fields: dict[str, Any]
    identity: str
    resent: bool
    linked: int
    """Pictures that are elsewhere and only named by their address: nobody fetches them."""
    more_to_come: bool
    """The plate first; the same again, whole and with pictures, follows under the same UUID."""


_YES: dict[str, Yes] = {"yes": "yes", "true": "yes", "no": "no", "false": "no"}
Skipped = Literal["heartbeat", "inactive", "no_plate", "other"]


def alerts(body: bytes, content_type: str, encoding: str = "") -> tuple[list[Alert], list[Refused]]:
    """The documents of a body. Raises DeviceError where its parts cannot be told apart."""
    found: list[tuple[Tree, Part, list[bytes]]] = []
    refused: list[Refused] = []
    strange: list[bytes] = []
    early: list[bytes] = []
    for part in parts(body, content_type):
        if part.kind in ("xml", "json"):
            try:
                found.append((_alert(part, encoding), part, early))
                early = []
            except DeviceError as error:
                refused.append(Refused(error, part.data))
        elif part.kind == "picture":
            (found[-1][2] if found else early).append(part.data)
        else:
            strange.append(part.data)
    text = Text("既不是 XML、JSON 也不是图片的部分", "a part that is neither XML nor JSON nor a picture")
    refused += [Refused(DeviceError("unknown_part", text), raw, kept=not found) for raw in strange]
    if early:
        text = Text("只有图片，没有报文", "pictures without a message")
        refused.append(Refused(DeviceError("no_alert", text), b""))
    return [Alert(tree, tuple(pictures), part.data) for tree, part, pictures in found], refused


def seen(tree: Tree, utc_offset_h: float | None) -> Seen | Skipped:
    """What an alert says of a vehicle, or why it says nothing of one. Raises DeviceError."""
    event_type = text_of(tree, "eventType").lower()
    anpr = child(tree, "ANPR")
    if not anpr and event_type != "anpr":
        beats = event_type in ("heartbeat", "videoloss") and text_of(tree, "eventState") != "active"
        return "heartbeat" if beats or event_type == "heartbeat" else "other"
    if text_of(tree, "eventState").lower() == "inactive":
        return "inactive"
    written = text_of(anpr, "licensePlate") or text_of(anpr, "originalLicensePlate")
    plate = read_plate(written)
    if plate is None:
        return "no_plate"
    at = Times(utc_offset_h=utc_offset_h).instant(text_of(tree, "dateTime"), "dateTime")
    uuid, line = text_of(tree, "UUID"), text_of(anpr, "line")
    channel = text_of(tree, "channelID") or text_of(tree, "dynChannelID")
    identity = "|".join((channel, uuid, str(to_ms(at)), plate.truck_id, line))
    return Seen(
        uuid=uuid,
        at=at,
        channel=channel,
        plate=plate,
        fields=_fields(anpr, plate),
        identity=hashlib.sha256(identity.encode()).hexdigest()[:24],
        resent=text_of(anpr, "alarmDataType") == "1" or _true(text_of(tree, "isDataRetransmission")),
        linked=sum(
            isinstance(one, dict) and (text_of(one, "dataType") == "1" or bool(text_of(one, "pictureURL")))
            for one in child(anpr, "pictureInfoList").get("pictureInfo", ())
        ),
        more_to_come=_true(text_of(anpr, "hasMoreData") or text_of(tree, "hasMoreData")),
    )


def sighting(one: Seen, sender: str, camera_id: str, images: Sequence[Image], received_at: datetime) -> Sighting:
    """The event. The same message sent again, live or from the camera's memory, has the same id; a first half its own.

    Raises DeviceError with the codes of `haulwatch.wire`.
    """
    source = f"isapi:{sender}"
    half = ":plate" if one.more_to_come else ""
    values = {
        "kind": "sighting",
        "event_id": f"{source}:{rfc3339(to_ms(one.at))}:{one.identity}{half}",
        "truck_id": one.plate.truck_id,
        "at": one.at,
        "received_at": received_at,
        "source": source,
        "resent": one.resent,
        "camera_id": camera_id,
        **one.fields,
        **({"images": list(images)} if images else {}),
    }
    event = decode_event(msgspec.json.encode(values))
    assert isinstance(event, Sighting)
    return event


def cover_of(cover_plate: Yes, carries: Yes, tarpaulin: Yes) -> Literal["open", "closed"] | None:
    """What the camera says of the cover; None where it does not say, or says two things.

    Open: a muck truck without its cover plate, or a load without tarpaulin. A tarpaulin over a truck said to have no
    cover plate, and a bare load under a cover plate, contradict themselves.
    """
    if cover_plate == "no":
        return None if tarpaulin == "yes" else "open"
    if cover_plate == "yes":
        return None if tarpaulin == "no" and carries == "yes" else "closed"
    if tarpaulin == "yes":
        return "closed"
    return "open" if tarpaulin == "no" and carries == "yes" else None


def _fields(anpr: Tree, plate: Plate) -> dict[str, Any]:
    info = child(anpr, "vehicleInfo")
    feature = child(info, "vehicleCarryFeature")
    carries = _yes(text_of(feature, "isCarry"))
    cover = cover_of(
        _yes(text_of(info, "CarBodyFeature", "slagTruckCoverPlate")), carries, _yes(text_of(feature, "isTarpaulin"))
    )
    color = _known(text_of(anpr, "plateColor"))
    kind = _known(text_of(anpr, "vehicleType")) or _known(text_of(info, "vehicleType"))
    speed_kmh = _number(text_of(info, "speed"), "speed")
    confidence = _number(text_of(anpr, "confidenceLevel"), "confidenceLevel")
    fields = {
        "cover": cover,
        "load": {"yes": "full", "no": "empty"}.get(carries),
        "plate_confidence": None if confidence is None else round(confidence / 100, 4),
        "plate_color": _COLORS.get(color, color) or plate.color,
        "vehicle_type": None if kind.isdecimal() else kind or None,
        "speed_kmh": speed_kmh or None,  # 0 where nothing measures it
        "direction": _known(text_of(anpr, "direction")) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _alert(part: Part, encoding: str) -> Tree:
    if part.kind == "xml":
        name, tree = read_xml(part.data, part.charset, encoding=encoding)
        if name != ROOT:
            raise DeviceError("not_an_alert", Text(f"不是 {ROOT}：{name[:64]}", f"not an {ROOT}: {name[:64]}"))
        return tree
    tree = read_json(part.data)
    tree = child(tree, ROOT) or tree
    if not text_of(tree, "eventType"):
        raise DeviceError("not_an_alert", Text("JSON 里没有 eventType", "the JSON has no eventType"))
    return tree


def _yes(text: str) -> Yes:
    return _YES.get(text.lower(), "unknown")


def _true(text: str) -> bool:
    return text.lower() in ("true", "1")


def _known(text: str) -> str:
    return "" if text.lower() in ("unknown", "other") else text[:256]


def _number(text: str, name: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if value != value or abs(value) == float("inf"):
        raise DeviceError("bad_number", Text(f"{name} 不是数：{text[:40]}", f"{name} is no number: {text[:40]}"))
    return value
