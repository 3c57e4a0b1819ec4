"""A forwarded position as an event: knots, metres, times, the truck, the device's own attributes.

Names and units are those of traccar/traccar, src/main/java/org/traccar/model/Position.java: `speed` in knots,
`odometer` and `totalDistance` in metres, `accuracy` in metres with 0 for none. Ranges are those of `haulwatch.wire`.

A terminal that speaks without a fix is given the last one (BaseProtocolDecoder.getLastLocation): `outdated` is true,
`fixTime`, place and speed are old, `deviceTime` and `attributes` are new. It becomes a position of `deviceTime` that is
not valid, so that its sensors are heard and the truck is not moved.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any, TypeGuard

import msgspec

from connectors.field_map import FieldMap, shift
from connectors.traccar.reports import Report
from connectors.traccar.settings import Reading
from connectors.truck_finder import TruckFinder
from geofences.datum import Datum
from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_datetime, to_ms
from haulwatch.domain.text import Text
from haulwatch.wire import decode_event

KMH_A_KNOT = 1.852
ALARMS = {
    "sos": "emergency",
    "fatigueDriving": "fatigue",
    "gpsAntennaCut": "gnss_antenna_cut",
    "powerCut": "power_cut",
    "lowPower": "power_undervoltage",
    "accident": "collision",
    "fallDown": "rollover",
    "tow": "illegal_displacement",
}
"""Traccar's names (`ALARM_*` of Position.java) for what terminals of JT/T 808 report, too; others stay as they are."""


class Mapper:
    """Makes events of reports; knows which truck a device is on."""

    def __init__(self, reading: Reading, finder: TruckFinder) -> None:
        self._reading, self._map, self._finder = reading, reading.map, finder

    def event(self, report: Report, received_ms: int) -> Event | None:
        """The position, None where the report has none. Raises DeviceError; WorldError while no trucks are known."""
        if report.position is None:
            return None
        fields = position_fields(report.position, self._reading.datum, self._map)
        digest = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()[:24]
        source = f"traccar:{report.unique_id}"
        values = {
            "kind": "position",
            "event_id": f"{source}:{to_ms(fields['at'])}:{digest}",
            "truck_id": self._truck_of(report),
            "received_at": to_datetime(received_ms),
            "source": source,
            **fields,
        }
        return decode_event(msgspec.json.encode(values))

    def _truck_of(self, report: Report) -> str:
        reading = self._reading
        if reading.truck == "terminal_id":
            return self._finder.of_terminal(report.unique_id)
        name = report.device.get("name")
        if reading.truck == "attribute":
            attributes = report.device.get("attributes")
            name = attributes.get(reading.truck_attribute) if isinstance(attributes, dict) else None
        if not isinstance(name, str):
            raise DeviceError("no_device", Text("设备没有写明车牌", "the device does not say its plate"))
        return self._finder.registered(name)


def position_fields(position: dict[str, Any], datum: Datum, own: FieldMap) -> dict[str, Any]:
    """What a forwarded position says, without ids; its `own` attributes go before the standard ones.

    Raises DeviceError: `bad_time` where its time is none, `bad_value` of an own attribute. Values of a wrong type or
    out of range are left for `decode_event` to tell.
    """
    outdated = position.get("outdated") is True
    fields: dict[str, Any] = {"at": _instant(position, "deviceTime" if outdated else "fixTime")}
    for name, longer in (("lon", "longitude"), ("lat", "latitude")):
        fields[name] = value if _is_number(value := position.get(longer)) else None
    shift(fields, datum)
    if outdated:
        fields["valid"] = False
    else:
        _motion(position, fields)
    attributes = position.get("attributes")
    if isinstance(attributes, dict):
        _standard_attributes(attributes, fields)
        fields |= own.read("position", attributes.get)
    return fields


def _motion(position: dict[str, Any], fields: dict[str, Any]) -> None:
    if isinstance(valid := position.get("valid"), bool):
        fields["valid"] = valid
    if _is_number(speed := position.get("speed")):
        fields["speed_kmh"] = round(speed * KMH_A_KNOT, 3)
    if _is_number(course := position.get("course")):
        fields["heading_deg"] = float(course)
    if _is_number(accuracy := position.get("accuracy")) and accuracy > 0:
        fields["accuracy_m"] = float(accuracy)


def _standard_attributes(attributes: dict[str, Any], fields: dict[str, Any]) -> None:
    """Those that Traccar itself names; what is not of their type says nothing."""
    if isinstance(ignition := attributes.get("ignition"), bool):
        fields["ignition"] = ignition
    if _is_number(satellites := attributes.get("sat")):
        fields["satellites"] = satellites
    for name in ("odometer", "totalDistance"):
        if _is_number(metres := attributes.get(name)):
            fields["mileage_km"] = round(metres / 1000, 3)
            break
    if attributes.get("archive") is True:
        fields["resent"] = True
    if isinstance(alarm := attributes.get("alarm"), str):
        names = [name.strip() for name in alarm.split(",")]
        fields["alarms"] = [ALARMS.get(name, name) for name in names if name]


def _instant(position: dict[str, Any], name: str) -> datetime:
    """Text as Traccar's JSON has it (RFC 3339 with offset), or milliseconds since 1970 as its addresses have."""
    value = position.get(name)
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None:
                return at.astimezone(UTC)
        elif _is_number(value):
            return to_datetime(round(value))
    except (ValueError, OverflowError, OSError):
        pass
    raise DeviceError("bad_time", Text(f"{name} 不是时刻", f"{name} is no instant"))


def _is_number(value: Any) -> TypeGuard[float]:
    """Numbers that every further step can hold; JSON knows longer ones."""
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e15 < value < 1e15
