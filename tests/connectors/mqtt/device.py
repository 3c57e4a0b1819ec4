"""The devices' side: what they publish, and a client that waits until the broker has it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tests.mosquitto.server import PASSWORD, USER

AT = datetime(2026, 5, 1, 8, 30, 0, tzinfo=UTC)
ANSWER_S = 30.0
CHINA = timedelta(hours=8)


def gps(at: datetime = AT, **changes: Any) -> bytes:
    """What a tracker of the tests says: local time, GCJ-02, speed in m/s, states as numbers."""
    value = {
        "ts": (at + CHINA).strftime("%Y-%m-%d %H:%M:%S"),
        "gps": {"lng": 120.1, "lat": 30.86, "spd": 10.0, "dir": 91},
        "acc": 1,
        "io": {"cover": 0, "hopper": 0},
        **changes,
    }
    return json.dumps(value, ensure_ascii=False).encode()


GPS_FIELDS: dict[str, Any] = {
    "at": "ts",
    "lon": "gps.lng",
    "lat": "gps.lat",
    "speed_kmh": {"from": "gps.spd", "unit": "m/s"},
    "heading_deg": "gps.dir",
    "ignition": "acc",
    "cover": {"from": "io.cover", "values": {"0": "open", "1": "closed"}},
    "lift": {"from": "io.hopper", "values": {"0": "lowered", "1": "raised"}},
}
"""How `gps` is read."""
GPS_TIME = {"format": "%Y-%m-%d %H:%M:%S", "utc_offset_h": "8"}


class Publisher:
    """A connection that publishes with QoS 1; returns when the broker has it."""

    def __init__(self, port: int, host: str = "127.0.0.1", *, ca_file: Path | None = None) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(USER, PASSWORD)
        if ca_file is not None:
            self._client.tls_set(str(ca_file))
        self._client.max_inflight_messages_set(1000)
        self._client.connect(host, port)
        self._client.loop_start()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, messages: Iterable[tuple[str, bytes]], *, qos: int = 1, retain: bool = False) -> None:
        """All of them."""
        sent = [self._client.publish(topic, payload, qos, retain) for topic, payload in messages]
        for one in sent:
            one.wait_for_publish(ANSWER_S)
            assert one.is_published(), "the broker has not taken it"
