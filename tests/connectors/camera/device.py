"""A camera platform of a maker that does not exist, and the settings that make its JSON understood: no code."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

AT = datetime(2026, 5, 1, 8, 30, 0, tzinfo=UTC)
ANSWER_S = 30.0
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8 + b"\xff\xd9"
SETTINGS = """\
sources:
  falcon-eye:
    credentials: {token: @token}
    records: payload.records
    plate: car/0.plate.text
    time: {format: epoch_ms}
    fields:
      at: capture.ms
      event_id: recordNo
      camera_id: {from: unit, values: {FE-1: cam-07, FE-2: cam-08}}
      cover: {from: cargo.lid, values: {LID_OPEN: open, LID_SHUT: closed, LID_PART: half}}
      cover_confidence: {from: cargo.lidScore, unit: "%"}
      load: {from: cargo.loaded, values: {true: full, false: empty}}
      load_confidence: cargo.loadScore
      plate_confidence: {from: /car~10/plate/score, unit: "%"}
      plate_color: {from: car/0.plate.hue, values: {3: yellow, 1: blue}}
      vehicle_type: car/0.class
      direction: heading
      speed_kmh: {from: speedMs, unit: m/s}
      resent: {from: replay, values: {1: true}}
    images: [shots.*.data]
    answer: '{"code": 0, "msg": "success"}'
"""
"""`@token` is where the token is. The key `car/0` shows how a name with a slash is written."""


def record(plate: str = "浙E12345", at: datetime = AT, **changed: Any) -> dict[str, Any]:
    """One event as this platform writes it; `changed` replaces members."""
    return {
        "recordNo": f"R-{plate}-{at.timestamp():.0f}",
        "unit": "FE-1",
        "capture": {"ms": round(at.timestamp() * 1000)},
        "car/0": {"plate": {"text": plate, "score": 97, "hue": 3}, "class": "muck-truck"},
        "cargo": {"lid": "LID_OPEN", "lidScore": 93, "loaded": True, "loadScore": 0.9},
        "heading": "north",
        "speedMs": 10.0,
        "replay": 0,
        "shots": [{"kind": "whole", "data": base64.b64encode(PICTURE).decode()}],
        **changed,
    }


def body_of(records: Sequence[Any]) -> bytes:
    """The body of one request."""
    return json.dumps({"payload": {"records": list(records)}, "vendor": "Falcon Eye"}).encode()


def post(base_url: str, token: str, records: Sequence[Any]) -> int:
    """The status of posting them. Raises URLError when nobody answers."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{base_url}/ingest/camera/falcon-eye", body_of(records), headers, method="POST")
    with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
        return int(answer.status)
