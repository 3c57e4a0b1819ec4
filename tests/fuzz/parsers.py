"""Everything that reads bytes from outside, as functions of bytes: what they may raise is `DeviceError` and no more."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.files.csv_map import CsvMap
from connectors.files.csv_rows import read_rows
from connectors.jt808 import messages
from connectors.jt808.mapping import Reporter, positions
from connectors.jt808.parts import Assembler
from connectors.jt808.profiles import load_profiles
from connectors.jt808.protocol import Frame, FrameReader
from connectors.jt808.recorded import decode
from connectors.mapped_events import mapped_event
from connectors.mqtt.messages import Reader as MqttReader
from connectors.mqtt.settings import Subscription
from connectors.traccar.mapping import Mapper
from connectors.traccar.reports import read_report
from connectors.traccar.settings import Reading as TraccarReading
from connectors.truck_finder import TruckFinder
from connectors.weighbridge.readings import FrameReader as IndicatorReader
from connectors.weighbridge.settings import WimSource
from connectors.weighbridge.toledo import ToledoReader
from connectors.weighbridge.wim import plate_of, records_of
from connectors.weighbridge.yaohua import YaohuaReader
from haulwatch.domain.errors import AuthorError
from haulwatch.domain.registry import Registry, Truck
from haulwatch.wire import decode_body
from tests.connectors.camera import fuzzed as camera
from tests.connectors.files.test_csv import GPS as CSV_GPS
from tests.connectors.files.test_csv import HEADER as CSV_HEADER
from tests.connectors.files.test_csv import ROW as CSV_ROW
from tests.connectors.isapi import fuzzed as isapi
from tests.connectors.jt808 import frames
from tests.connectors.mqtt.device import GPS_FIELDS, GPS_TIME, gps
from tests.connectors.traccar.device import encoded, report

NOW = datetime(2026, 5, 2, tzinfo=UTC)
PROFILES = load_profiles()
AT_MS = 1_777_680_000_000


@dataclass(frozen=True)
class Parser:
    """One of them: `read` raises DeviceError or nothing; `seeds` are inputs that it understands."""

    name: str
    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    max_bytes: int = 1024


def jt808_stream(data: bytes) -> None:
    """Bytes as they come from a socket, in the pieces that the first byte asks for."""
    size = max(1, data[0]) if data else 1
    reader, assembler = FrameReader(), Assembler()
    for start in range(1, len(data), size):
        for item in reader.feed(data[start : start + size]):
            if isinstance(item, Frame):
                assembler.add(item, AT_MS + start)
    reader.finish()
    assembler.expire(AT_MS + 600_000)


def jt808_location(data: bytes) -> None:
    """The body of a location report, under the profile that the first byte asks for."""
    profile = list(PROFILES.values())[data[0] % len(PROFILES)] if data else PROFILES["standard"]
    location = messages.location(data[1:])
    positions((location,), Reporter("浙E00001", "013900000001", profile), NOW)


def jt808_bodies(data: bytes) -> None:
    """The other bodies, the one that the first byte asks for."""
    readers: tuple[Callable[[bytes], object], ...] = (
        messages.batch,
        messages.media,
        messages.terminal_answer,
        messages.location_answer,
        lambda body: messages.registration(body, 2013),
        lambda body: messages.registration(body, 2019),
        lambda body: messages.authentication_code(body, 2013),
        lambda body: messages.authentication_code(body, 2019),
    )
    readers[data[0] % len(readers) if data else 0](data[1:])


def jt808_recorded(data: bytes) -> None:
    """What `haulwatch jt808 decode` is given."""
    decode(data, PROFILES["standard"])


def traccar_report(data: bytes) -> None:
    """What Traccar posts or writes."""
    TRACCAR.event(read_report(data), AT_MS)


def mqtt_message(data: bytes) -> None:
    """A message of the topic that the first byte asks for. Its reader answers for itself and raises nothing."""
    topics = ("trucks/13800138000/gps", "events/a", "trucks//gps", "elsewhere")
    MQTT.read(topics[data[0] % len(topics) if data else 0], data[1:], AT_MS)


def csv_rows(data: bytes) -> None:
    """A CSV file. One without the columns of its map is its author's."""
    with contextlib.suppress(AuthorError):
        list(read_rows("a.csv", io.BytesIO(data), CSV))


def wim_body(data: bytes) -> None:
    """What a weigh-in-motion platform posts, in the format that the first byte asks for."""
    source = WIM[data[0] % len(WIM) if data else 0]
    for row in records_of(data[1:], source):
        if row.fault is None:
            fields = source.map.read("weighing", row.lookup)
            mapped_event("weighing", fields, truck_id=plate_of(row, source), source="wim:a", received_at=NOW)


def indicator(reader: Callable[[], IndicatorReader]) -> Callable[[bytes], None]:
    """A weigh indicator's line, in the pieces that the first byte asks for."""

    def read(data: bytes) -> None:
        size = max(1, data[0]) if data else 1
        frames_of = reader()
        for start in range(1, len(data), size):
            frames_of.feed(data[start : start + size])

    return read


def seeds_of_frames() -> Iterable[bytes]:
    """Frames of every kind."""
    yield frames.LOCATION
    yield frames.frame(0x0002, edition=2019)
    yield b"".join(frames.frames(0x0704, frames.batch([frames.location()] * 3, kind=1)))


BODY = (
    b'{"kind":"position","event_id":"a","truck_id":"\xe6\xb5\x99E12345",'
    b'"at":"2026-05-01T00:00:00.000Z","lon":120.1,"lat":30.9}'
)

TRUCKS = Registry(trucks={"浙E12345": Truck(truck_id="浙E12345", terminal_id="13800138000")})
FINDER = TruckFinder(lambda: TRUCKS)
CSV = CsvMap.model_validate(CSV_GPS)
_COVER = {"cover": {"from": "io12", "values": {"0": "open"}}}
TRACCAR = Mapper(TraccarReading.model_validate({"attributes": _COVER}), FINDER)
MQTT = MqttReader(
    [
        Subscription.model_validate(
            {
                "topic": "trucks/+/gps",
                "kind": "position",
                "truck": {"level": 2, "is": "terminal_id"},
                "time": GPS_TIME,
                "fields": GPS_FIELDS,
            }
        ),
        Subscription.model_validate({"topic": "events/#", "format": "event"}),
    ],
    FINDER,
)
_WEIGHING = {
    "credentials": {"token": "env:TOKEN"},
    "plate": "plate",
    "time": {"format": "epoch_ms"},
    "fields": {
        "at": "time",
        "station_id": {"value": "S-1"},
        "gross_kg": {"from": "gross", "unit": "t"},
        "axle_count": "axles",
    },
}
WIM = tuple(WimSource.model_validate({**_WEIGHING, "format": kind}) for kind in ("json", "csv"))
_WIM_JSON = b'{"plate":"\xe6\xb5\x99E12345","time":1777593600000,"gross":52.9,"axles":3}'
_WIM_CSV = "\x01plate,time,gross,axles\n浙E12345,1777593600000,52.9,3\n".encode()

PARSERS: tuple[Parser, ...] = (
    Parser("jt808-stream", jt808_stream, tuple(b"\x07" + frame for frame in seeds_of_frames())),
    Parser("jt808-location", jt808_location, (b"\x00" + frames.location(),)),
    Parser("jt808-bodies", jt808_bodies, (b"\x00" + frames.batch([frames.location()] * 2, kind=0),)),
    Parser("jt808-recorded", jt808_recorded, tuple(frame.hex(" ").encode() for frame in seeds_of_frames())),
    Parser("isapi", isapi.read, tuple(isapi.SEEDS), 8192),
    Parser("camera-json", camera.read, tuple(camera.SEEDS), 4096),
    Parser("traccar", traccar_report, (encoded(report()),), 4096),
    Parser("mqtt", mqtt_message, (b"\x00" + gps(), b"\x01" + BODY)),
    Parser("csv", csv_rows, ((CSV_HEADER + CSV_ROW).encode(),)),
    Parser("wim", wim_body, (b"\x00" + _WIM_JSON, _WIM_CSV)),
    Parser("xk3190", indicator(YaohuaReader), (b"\x0c" + bytes.fromhex("022b30303135363030313903") * 3,), 256),
    Parser("toledo", indicator(ToledoReader), (b"\x11" + b"\x02\x2a\x30\x20001560000000\r" * 3,), 256),
    Parser("events", decode_body, (BODY, b"[" + BODY + b"," + BODY + b"]", BODY + b"\n" + BODY)),
)
