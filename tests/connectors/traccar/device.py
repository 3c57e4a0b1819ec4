"""A Traccar server's side: what it forwards, as it writes it, over HTTP or into a topic."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from kafka import KafkaProducer

AT = datetime(2026, 5, 1, 8, 30, 0, tzinfo=UTC)
ANSWER_S = 30.0
POSITION_ATTRIBUTES: dict[str, Any] = {
    "sat": 12,
    "hdop": 0.8,
    "ignition": True,
    "motion": True,
    "distance": 211.53,
    "totalDistance": 2048123.4,
    "hours": 36000000,
    "batteryLevel": 100,
}


def instant(at: datetime) -> str:
    """As Jackson writes a `java.util.Date`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def report(
    at: datetime = AT,
    *,
    unique_id: str = "13800138000",
    name: str = "4 号车",
    device_attributes: dict[str, Any] | None = None,
    attributes: dict[str, Any] | None = None,
    **position: Any,
) -> dict[str, Any]:
    """`PositionData`: one position of one device; `position` overrides any of its values."""
    return {
        "position": {
            "id": 0,
            "attributes": POSITION_ATTRIBUTES | (attributes or {}),
            "deviceId": 7,
            "protocol": "huabao",
            "serverTime": instant(at),
            "deviceTime": instant(at),
            "fixTime": instant(at),
            "outdated": False,
            "valid": True,
            "latitude": 30.86,
            "longitude": 120.1,
            "altitude": 5.0,
            "speed": 22.4,
            "course": 91.0,
            "address": None,
            "accuracy": 0.0,
            "network": None,
            "geofenceIds": None,
            **position,
        },
        "device": {
            "id": 7,
            "attributes": device_attributes or {},
            "groupId": 0,
            "name": name,
            "uniqueId": unique_id,
            "status": "online",
            "lastUpdate": instant(at),
            "positionId": 0,
            "phone": None,
            "model": "",
            "contact": None,
            "category": "truck",
            "disabled": False,
        },
    }


def encoded(value: dict[str, Any]) -> bytes:
    """As it is sent."""
    return json.dumps(value, ensure_ascii=False).encode()


def post(url: str, body: bytes, token: str | None = None) -> tuple[int, Any]:
    """Status and JSON of posting one report to `url` (all of it, with `/ingest/traccar`)."""
    headers = {"Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, body or None, headers)
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def write(brokers: str, topic: str, values: Iterable[bytes]) -> None:
    """Into a topic as PositionForwarderKafka does: the device's number is the key."""
    producer = KafkaProducer(bootstrap_servers=brokers, acks="all")
    try:
        sent = [producer.send(topic, value, key=b"7") for value in values]
        for one in sent:
            one.get(timeout=ANSWER_S)
    finally:
        producer.close()
