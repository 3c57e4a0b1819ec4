"""The section `camera:` of `connectors.yaml`: for each source, where in its JSON a sighting's fields stand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.camera.paths import JsonPath
from connectors.http.credentials import Credentials, sender_names
from connectors.http.pictures import PictureLimits
from haulwatch.city.documents import author_error
from haulwatch.domain.events import Cover, Load
from haulwatch.domain.text import Text

MIB = 1024 * 1024


class _At(BaseModel):
    """Something at a path; a path alone is its short form."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    path: JsonPath


class NumberAt(_At):
    """A number, times `scale`: 0.01 for per cent, 3.6 for metres a second."""

    scale: float = Field(default=1.0, gt=0, le=1e6)


class WordAt(_At):
    """A text; with `values` only those, under the names that they have there."""

    values: dict[str, str] | None = None


class CoverAt(_At):
    """The cover: what the camera calls it, as `closed`, `half`, `open`, `unknown`."""

    values: dict[str, Cover] = Field(min_length=1)
    confidence: NumberAt | None = None


class LoadAt(_At):
    """The load: what the camera calls it, as `empty`, `half`, `full`, `unknown`."""

    values: dict[str, Load] = Field(min_length=1)
    confidence: NumberAt | None = None


def _time_format(text: str) -> str:
    if text in ("iso", "epoch_s", "epoch_ms"):
        return text
    try:
        datetime.strptime(datetime(2026, 5, 1, 16, 30, tzinfo=UTC).strftime(text), text)
    except ValueError:
        text = ""
    if "%" not in text:
        raise author_error(
            "N051",
            Text("不认识的时间写法", "this is no way of writing a time"),
            Text(
                "iso、epoch_s、epoch_ms，或如 %Y%m%d%H%M%S",
                "One of iso, epoch_s, epoch_ms, or a pattern like %Y%m%d%H%M%S",
            ),
        )
    return text


class TimeAt(_At):
    """An instant: `iso` (RFC 3339, or `2026-05-01 16:30:00`), `epoch_s`, `epoch_ms`, or a pattern of strptime.

    `utc_offset_h` is that of its clock, where the text has no offset.
    """

    format: Annotated[str, AfterValidator(_time_format)] = "iso"
    utc_offset_h: float | None = Field(default=None, ge=-14, le=14)

    @model_validator(mode="after")
    def _has_a_zone(self) -> TimeAt:
        if "%" in self.format and "%z" not in self.format and self.utc_offset_h is None:
            raise author_error(
                "N052",
                Text("这种写法没有时区，要写 utc_offset_h", "a time written so has no offset: say utc_offset_h"),
            )
        return self


class SourceSettings(BaseModel):
    """One sender."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    credentials: Credentials
    events: JsonPath | None = None
    """Where the list of events is; left out: the body is one event, or a list of them."""
    plate: JsonPath
    at: TimeAt
    camera_id: WordAt | None = None
    """Left out: the name of the source."""
    id: JsonPath | None = None
    """The sender's own id of an event, if it has one that never comes twice."""
    cover: CoverAt | None = None
    load: LoadAt | None = None
    plate_confidence: NumberAt | None = None
    plate_color: WordAt | None = None
    vehicle_type: WordAt | None = None
    direction: WordAt | None = None
    speed_kmh: NumberAt | None = None
    resent: WordAt | None = None
    """What the camera kept while we were away: `values` names which words say so with `true`."""
    images: tuple[JsonPath, ...] = ()
    """Pictures as Base64, also as `data:` addresses."""
    answer: str | None = Field(default=None, max_length=4096)
    """What the sender wants to hear when all is well, word for word; left out: what was taken and what was not."""

    @model_validator(mode="after")
    def _resent_says_true(self) -> SourceSettings:
        if self.resent is not None and not set((self.resent.values or {"": ""}).values()) <= {"true", "false"}:
            text = Text("resent 的 values 只能是 true 或 false", "the values of resent are true or false")
            raise author_error("N053", text, inside=("resent",))
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
