"""The ISAPI connector's entry in the registry."""

from __future__ import annotations

from connectors.http.body import BODY_CODES
from connectors.http.credentials import DOOR_CODES
from connectors.http.multipart import MULTIPART_CODES
from connectors.http.pictures import PICTURE_CODES
from connectors.spec import Connector
from haulwatch.domain.text import Text

ISAPI = Connector(
    name="isapi",
    title=Text("海康威视 ISAPI 车牌识别相机", "Hikvision ISAPI number plate cameras"),
    section="isapi",
    guide="docs/isapi.md",
    codes=(
        *DOOR_CODES,
        *BODY_CODES,
        *PICTURE_CODES,
        *MULTIPART_CODES,
        "no_alert",
        "not_an_alert",
        "too_large",
        "bad_encoding",
        "xml_dtd",
        "bad_xml",
        "bad_json",
        "bad_time",
        "bad_plate",
        "bad_number",
        "unknown_channel",
        "picture_elsewhere",
        "waiting_damaged",
    ),
)
