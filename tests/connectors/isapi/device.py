"""A number plate camera's side: the messages it writes, the bodies it makes of them, and how it posts them."""

from __future__ import annotations

import io
import itertools
import struct
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from xml.sax.saxutils import escape

import httpx

AT = datetime(2026, 5, 1, 8, 30, 0, tzinfo=UTC)
CHINA = timezone(timedelta(hours=8))
HIKVISION = "http://www.hikvision.com/ver20/XMLSchema"
ISAPI_ORG = "http://www.isapi.org/ver20/XMLSchema"
ANSWER_S = 30.0
_numbers = itertools.count(1)


def jpeg(number: int = 1, size: int = 2_000) -> bytes:
    """Bytes that begin and end as a JPEG; another number, another picture. Line ends and dashes are in it too."""
    noise = bytes((number * 131 + index * 7) % 256 for index in range(size))
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + noise + b"\r\n--not-a-boundary\r\n" + b"\xff\xd9"


def png(width: int = 1, height: int = 1) -> bytes:
    """A PNG whose header claims these pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\x00")) + chunk(b"IEND", b"")


def alert(
    plate: str = "黄浙E12345",
    at: datetime | str = AT,
    *,
    uuid: str = "a0fe72d4-3652-464a-aebd-3f9190010236",
    cover_plate: str = "unknown",
    carries: str = "unknown",
    tarpaulin: str = "unknown",
    more: str = "",
    in_anpr: str = "",
    pictures: Sequence[str] = ("licensePlatePicture.jpg", "detectionPicture.jpg"),
    namespace: str = ISAPI_ORG,
    declared: str = "UTF-8",
    confidence: str = "97",
    vehicle_type: str = "slagTruck",
    channel: str = "1",
) -> str:
    """The XML of one vehicle. `more` goes to the end of the message, `in_anpr` to that of its ANPR block."""
    when = at if isinstance(at, str) else at.astimezone(CHINA).isoformat(timespec="seconds")
    xmlns = f' xmlns="{namespace}"' if namespace else ""
    listed = "".join(
        f"<pictureInfo><fileName>{name}</fileName><type>{name.split('.')[0]}</type><dataType>0</dataType></pictureInfo>"
        for name in pictures
    )
    return f"""<?xml version="1.0" encoding="{declared}"?>
<EventNotificationAlert version="2.0"{xmlns}>
<ipAddress>192.0.2.64</ipAddress>
<portNo>80</portNo>
<protocol>HTTP</protocol>
<macAddress>00:00:5e:00:53:01</macAddress>
<channelID>{channel}</channelID>
<dateTime>{when}</dateTime>
<activePostCount>1</activePostCount>
<eventType>ANPR</eventType>
<eventState>active</eventState>
<eventDescription>ANPR</eventDescription>
<channelName>{escape("东门卡口")}</channelName>
<ANPR>
<country>59</country>
<licensePlate>{escape(plate)}</licensePlate>
<line>1</line>
<direction>forward</direction>
<confidenceLevel>{confidence}</confidenceLevel>
<plateType>92TypeCivil</plateType>
<plateColor>yellow</plateColor>
<licenseBright>0</licenseBright>
<vehicleType>{vehicle_type}</vehicleType>
<alarmDataType>0</alarmDataType>
<vehicleInfo>
<index>1</index><colorDepth>1</colorDepth><color>green</color><speed>41</speed><length>0</length>
<CarBodyFeature><sparetire>unknown</sparetire><slagTruckCoverPlate>{cover_plate}</slagTruckCoverPlate></CarBodyFeature>
<vehicleCarryFeature><isCarry>{carries}</isCarry><isTarpaulin>{tarpaulin}</isTarpaulin></vehicleCarryFeature>
</vehicleInfo>
<pictureInfoList>{listed}</pictureInfoList>{in_anpr}
</ANPR>
<UUID>{uuid}</UUID>
<picNum>{len(pictures)}</picNum>{more}
</EventNotificationAlert>
"""


HEARTBEAT = """<EventNotificationAlert version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">
<ipAddress>192.0.2.64</ipAddress><channelID>1</channelID><dateTime>2026-05-01T16:30:00+08:00</dateTime>
<activePostCount>0</activePostCount><eventType>videoloss</eventType><eventState>inactive</eventState>
<eventDescription>videoloss alarm</eventDescription>
</EventNotificationAlert>
"""


def multipart(
    xml: str | bytes,
    pictures: Sequence[bytes] = (),
    *,
    boundary: str = "MIME_boundary",
    newline: str = "\r\n",
    disposition: bool = True,
    xml_type: str = "application/xml",
) -> tuple[bytes, str]:
    """A body and its Content-Type."""
    out = io.BytesIO()

    def part(name: str, kind: str, data: bytes) -> None:
        said = f'Content-Disposition: form-data; name="{name}"; filename="{name}"{newline}' if disposition else ""
        out.write(f"--{boundary}{newline}{said}Content-Type: {kind}{newline}".encode())
        out.write(f"Content-Length: {len(data)}{newline}{newline}".encode() + data + newline.encode())

    part("anpr.xml", xml_type, xml.encode() if isinstance(xml, str) else xml)
    for number, picture in enumerate(pictures, 1):
        part(f"picture_{number}.jpg", "image/jpeg", picture)
    out.write(f"--{boundary}--{newline}".encode())
    return out.getvalue(), f"multipart/form-data; boundary={boundary}"


class Camera:
    """One that posts with HTTP Digest, as it is set in a camera's "alarm server"; every request is answered in time."""

    def __init__(self, base_url: str, name: str, user: str, password: str) -> None:
        self._url = f"{base_url}/ingest/isapi/{name}"
        self._client = httpx.Client(auth=httpx.DigestAuth(user, password), timeout=ANSWER_S, trust_env=False)

    def close(self) -> None:
        """Hangs up."""
        self._client.close()

    def post(self, body: bytes, content_type: str) -> httpx.Response:
        """One request. Raises httpx.TransportError when nobody answers."""
        return self._client.post(self._url, content=body, headers={"Content-Type": content_type})

    def see(self, plate: str, at: datetime, pictures: int = 2, **said: str) -> int:
        """A vehicle that passes: the status of the answer. `said` are values of `alert`; every one has its own UUID."""
        number = next(_numbers)
        xml = alert(plate, at, **{"uuid": f"{number:08d}-1dd1-11b2-9c0b-e8ad94177b80", **said})
        return self.post(*multipart(xml, [jpeg(number * 10 + one) for one in range(pictures)])).status_code
