"""The way of a platform's body from bytes to sightings, for a fuzzer: raises DeviceError or nothing."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from connectors.camera.mapping import documents, events_of, plate_of, sighting, without_pictures
from connectors.camera.settings import CameraSettings
from connectors.http.pictures import pictures_at
from connectors.json_paths import at_path
from haulwatch.city.documents import read_document
from tests.connectors.camera.device import AT, SETTINGS, body_of, record

NOW = AT + timedelta(seconds=2)


def _source() -> CameraSettings:
    found, findings = read_document("c.yaml", SETTINGS.replace("@token", "env:TOKEN").encode(), CameraSettings)
    assert found is not None, findings
    return found


FALCON = _source().sources["falcon-eye"]


def read(data: bytes) -> None:
    """A body of the platform of `device`: JSON, or a multipart where it begins as one."""
    content_type = "multipart/mixed; boundary=b" if data.startswith(b"--") else "application/json"
    for document in documents(data, content_type)[0]:
        for one in events_of(document.data, FALCON):
            without_pictures(one)
            plate = plate_of(one, FALCON)
            if plate is not None:
                sighting(one, plate, FALCON, "falcon-eye", NOW)
                pictures_at(partial(at_path, one), FALCON.images)


SEEDS = (
    body_of([record()]),
    body_of([record("浙A12345"), {"unit": "FE-2"}]),
    b"--b\r\nContent-Type: application/json\r\n\r\n" + body_of([record()]) + b"\r\n--b--\r\n",
)
