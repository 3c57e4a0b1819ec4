"""The MQTT connector's entry in the registry."""

from __future__ import annotations

from connectors.spec import Connector
from haulwatch.domain.text import Text

MQTT = Connector(
    name="mqtt",
    title=Text("MQTT 主题", "Topics of MQTT brokers"),
    section="mqtt",
    guide="docs/mqtt.md",
    codes=(
        "not_subscribed",
        "kind_not_allowed",
        "no_truck",
        "unknown_device",
        "not_json",
        "not_an_object",
        "too_large",
        "too_many",
        "bad_value",
        "bad_time",
        "missing_field",
    ),
)
