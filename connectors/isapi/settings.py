"""The section `isapi:` of `connectors.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from connectors.http.credentials import Credentials, sender_names
from connectors.http.pictures import PictureLimits
from connectors.isapi.document import known_encoding
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

MIB = 1024 * 1024


def _encoding(name: str) -> str:
    if not known_encoding(name):
        raise author_error(
            "N011", Text(f"不认识编码 {name}", f"the encoding {name} is not known"), Text("如 gbk", "for example gbk")
        )
    return name


CameraId = Annotated[str, Field(min_length=1, max_length=256)]


class CameraSettings(BaseModel):
    """One sender: a camera, or a recorder that sends for several (`channels`: its channel number → camera)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credentials: Credentials
    camera_id: CameraId | None = None
    """As in cameras.csv; the name in the address where it is left out."""
    channels: dict[str, CameraId] = {}
    utc_offset_h: float | None = Field(default=None, ge=-14, le=14)
    """Of its clock, for firmwares whose dateTime has no offset."""
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    """For firmwares whose XML is not in the encoding that it declares."""


class IsapiSettings(BaseModel):
    """Which cameras send, what of it becomes events, and how much may come at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cameras: dict[str, CameraSettings] = Field(min_length=1)
    vehicles: Literal["all", "trucks", "registered"] = "all"
    """All with a plate; without what the camera is sure is no truck; only those of trucks.csv (always taken)."""
    hold_s: float = Field(default=5.0, ge=0, le=60)
    """How long the first half of a message in two (`hasMoreData`) waits for the other."""
    pictures: PictureLimits = PictureLimits()
    body_bytes: int = Field(default=16 * MIB, ge=1024, le=256 * MIB)
    bodies_bytes: int = Field(default=128 * MIB, ge=1024, le=4096 * MIB)
    """Of all cameras together, while they are received and read."""
    body_s: float = Field(default=30.0, gt=0, le=600)

    _names = field_validator("cameras")(sender_names)
