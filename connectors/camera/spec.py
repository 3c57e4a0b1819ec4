"""The entry of cameras that post JSON in the registry of connectors."""

from __future__ import annotations

from connectors.http.body import BODY_CODES
from connectors.http.credentials import DOOR_CODES
from connectors.http.multipart import MULTIPART_CODES
from connectors.http.pictures import PICTURE_CODES
from connectors.spec import Connector
from haulwatch.domain.text import Text

CAMERA = Connector(
    name="camera",
    title=Text("发送 JSON 的相机和平台", "Cameras and platforms that post JSON"),
    section="camera",
    guide="docs/camera.md",
    codes=(
        *DOOR_CODES,
        *BODY_CODES,
        *PICTURE_CODES,
        *MULTIPART_CODES,
        "not_json",
        "too_large",
        "no_events",
        "too_many_events",
        "not_an_object",
        "missing_field",
        "bad_plate",
        "bad_time",
        "bad_value",
        "unknown_word",
        "picture_of_nobody",
    ),
)
