"""What a Traccar server forwards, taken apart: a position and the device that it is of. No I/O.

Three forms, as traccar/traccar writes them (src/main/java/org/traccar/forward): `PositionData` is
`{"position": {…}, "device": {…}}` (PositionForwarderJson over HTTP, PositionForwarderKafka as a record's value);
`EventData` has an `event` beside them, and its position only where there is one (EventForwarderJson);
PositionForwarderUrl puts single values into the query of an address, instants as milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from connectors.json_text import decode_json
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.text import Text

MAX_REPORT_BYTES = 256 * 1024
"""Far above any position with its attributes, and all of it fits into a dead letter."""
LONGEST_ID = 128
"""As Traccar's own table allows (tc_devices.uniqueid)."""
NUMBERS = ("latitude", "longitude", "altitude", "speed", "course", "accuracy")
INSTANTS = ("fixTime", "deviceTime")
FLAGS = ("valid", "outdated")


class Report(Struct, frozen=True):
    """One forwarded thing: `position` is None in an event that has none (a device that went offline)."""

    position: dict[str, Any] | None
    device: dict[str, Any]

    @property
    def unique_id(self) -> str:
        """What the terminal calls itself (`device.uniqueId`): an IMEI, a phone number."""
        unique_id: str = self.device["uniqueId"]
        return unique_id


def read_report(raw: bytes) -> Report:
    """A body or a record's value. Raises DeviceError: too_large, not_json, not_an_object, no_device, no_position."""
    if len(raw) > MAX_REPORT_BYTES:
        raise DeviceError("too_large", Text(f"报文过大（{len(raw)} 字节）", f"report too large ({len(raw)} bytes)"))
    value = decode_json(raw)
    if not isinstance(value, dict):
        raise DeviceError("not_an_object", Text("不是 JSON 对象", "not a JSON object"))
    position = value.get("position")
    if not isinstance(position, dict):
        if not isinstance(value.get("event"), dict):
            raise DeviceError("no_position", Text("没有 position", "no position in it"))
        position = None
    return Report(position, _device(value.get("device")))


def read_query(query: Mapping[str, str]) -> Report:
    """The query of an address, its names those of Traccar's placeholders. Raises DeviceError as `read_report`, and
    bad_value for what is no number."""
    position: dict[str, Any] = {name: _number(name, query[name]) for name in NUMBERS if query.get(name)}
    position |= {name: _number(name, query[name]) for name in INSTANTS if query.get(name)}
    position |= {name: query[name] == "true" for name in FLAGS if query.get(name)}
    if attributes := query.get("attributes"):
        try:
            position["attributes"] = msgspec.json.decode(attributes)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise DeviceError("not_json", Text("attributes 不是 JSON", "attributes is not JSON")) from error
    if "latitude" not in position or "longitude" not in position:
        raise DeviceError("no_position", Text("没有 latitude、longitude", "no latitude and longitude in it"))
    return Report(position, _device({"uniqueId": query.get("uniqueId"), "name": query.get("name")}))


def _device(device: Any) -> dict[str, Any]:
    unique_id = device.get("uniqueId") if isinstance(device, dict) else None
    if not isinstance(unique_id, str) or not 0 < len(unique_id) <= LONGEST_ID or not unique_id.isprintable():
        raise DeviceError("no_device", Text("没有 device.uniqueId", "no device.uniqueId in it"))
    found: dict[str, Any] = device
    return found


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise DeviceError("bad_value", Text(f"{name} 不是数字", f"{name} is not a number")) from None
