"""The way of a camera's body from bytes to sightings, for a fuzzer: raises DeviceError or nothing."""

from __future__ import annotations

from datetime import timedelta

from connectors.isapi.mapping import Seen, alerts, seen, sighting
from tests.connectors.isapi.device import AT, HEARTBEAT, alert, jpeg, multipart

TYPES = ("multipart/form-data; boundary=MIME_boundary", "multipart/mixed", "application/xml; charset=gbk", "")
NOW = AT + timedelta(seconds=2)


def read(data: bytes) -> None:
    """The first byte says under which Content-Type the rest comes, and whether the settings name an encoding."""
    choice = data[0] if data else 0
    found, _refused = alerts(data[1:], TYPES[choice % len(TYPES)], "gbk" if choice & 0x80 else "")
    for one in found:
        said = seen(one.tree, 8.0 if choice & 0x40 else None)
        if isinstance(said, Seen):
            sighting(said, "cam-07", "cam-07", (), NOW)


SEEDS = (
    b"\x00" + multipart(alert(), [jpeg(1, 40)])[0],
    b"\x01" + multipart(alert(declared="gbk").encode("gbk"), newline="\n", disposition=False)[0],
    b"\x02" + alert().encode("gbk"),
    b"\x03" + HEARTBEAT.encode(),
    b'\x03{"eventType":"ANPR","dateTime":"2026-05-01T16:30:00+08:00","ANPR":{"licensePlate":"A1234","confidenceLevel":97}}',
)
