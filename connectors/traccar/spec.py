"""The Traccar connector's entry in the registry."""

from __future__ import annotations

from connectors.http.body import BODY_CODES
from connectors.http.credentials import DOOR_CODES
from connectors.spec import Connector
from haulwatch.domain.text import Text

TRACCAR = Connector(
    name="traccar",
    title=Text("Traccar 转发的位置", "Positions forwarded by Traccar"),
    section="traccar",
    guide="docs/traccar.md",
    codes=(
        *DOOR_CODES,
        *BODY_CODES,
        "too_large",
        "not_json",
        "not_an_object",
        "no_device",
        "no_position",
        "bad_value",
        "bad_time",
        "unknown_device",
    ),
)
