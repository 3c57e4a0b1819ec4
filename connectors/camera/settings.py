"""The section `camera:` of `connectors.yaml`: for each source, where in its JSON a sighting's fields stand."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.field_map import required_fields
from connectors.http.credentials import sender_names
from connectors.http.pictures import PictureLimits
from connectors.http.records import PostedRecords

MIB = 1024 * 1024


class SourceSettings(PostedRecords):
    """One sender; without a field `camera_id` its name is the camera's."""

    answer: str | None = Field(default=None, max_length=4096)
    """What the sender wants to hear when all is well, word for word; left out: what was taken and what was not."""

    @model_validator(mode="after")
    def _whole(self) -> SourceSettings:
        self.check("sighting", (name for name in required_fields("sighting") if name != "camera_id"))
        return self


class CameraSettings(BaseModel):
    """All of them, and how much may come at once."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, SourceSettings] = Field(min_length=1)
    vehicles: Literal["all", "registered"] = "all"
    """All with a plate, or only those of trucks.csv."""
    pictures: PictureLimits = PictureLimits()
    body_bytes: int = Field(default=24 * MIB, ge=1024, le=256 * MIB)
    bodies_bytes: int = Field(default=128 * MIB, ge=1024, le=4096 * MIB)
    """Of all sources together, while they are received and read."""
    body_s: float = Field(default=30.0, gt=0, le=600)

    _names = field_validator("sources")(sender_names)
