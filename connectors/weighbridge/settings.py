"""The section `weighbridge:` of `connectors.yaml`: indicators, and platforms that post what they weighed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, model_validator

from connectors.field_map import required_fields
from connectors.http.credentials import sender_names
from connectors.http.pictures import PictureLimits
from connectors.http.records import PostedRecords
from connectors.weighbridge.crossing import WeighingRule
from connectors.weighbridge.lines import FORMS, Address, read_address
from connectors.weighbridge.readings import FrameReader
from connectors.weighbridge.toledo import ToledoReader
from connectors.weighbridge.yaohua import Unit, YaohuaReader
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

MIB = 1024 * 1024
Id = Annotated[str, Field(min_length=1, max_length=256)]


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return read_address(value)
    except ValueError:
        raise author_error("N061", Text(f"地址应写作：{FORMS}", f"an address is one of: {FORMS}")) from None


def _encoding(name: str) -> str:
    try:
        "a".encode(name)
    except LookupError:
        raise author_error("N011", Text(f"不认识编码 {name}", f"the encoding {name} is not known")) from None
    return name


class PlateWindow(BaseModel):
    """Which sightings name the truck of a weighing: by these cameras, around its crossing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    camera_id: tuple[Id, ...] = Field(min_length=1)
    around: Literal["crossing", "arrival", "departure"] = "crossing"
    before_s: float = Field(default=20, ge=0, le=600)
    after_s: float = Field(default=5, ge=0, le=600)
    wait_s: float = Field(default=5, ge=0, le=600)
    """For sightings that are on their way, after the window has passed."""
    min_confidence: float = Field(default=0, ge=0, le=1)
    registered: bool = False
    """Only plates of trucks.csv count: of other vehicles in the lane nothing is said."""


class Indicator(WeighingRule):
    """One scale: how it is reached, what it speaks, which station it is, whose cameras see its lane."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    protocol: Literal["xk3190", "toledo"]
    address: Annotated[Address, BeforeValidator(_address)]
    networks: tuple[IPvAnyNetwork, ...] = ()
    station_id: Id
    lane: Annotated[str, Field(max_length=256)] | None = None
    plates: PlateWindow
    unit: Unit = "kg"
    """Of xk3190: what the indicator shows; its frames do not say."""
    checksum: bool = True
    pounds: Literal["convert", "refuse"] = "refuse"
    power_up: Literal["refuse", "ignore"] = "refuse"
    """These three of toledo."""
    silent_s: float = Field(default=30, ge=2, le=3_600)
    """A line without a byte for so long is made anew: indicators send without a pause."""

    @model_validator(mode="after")
    def _dialled(self) -> Indicator:
        if (self.address.kind == "listen") != bool(self.networks):
            text = Text(
                "listen:// 要用 networks 写明谁可以连入，其他方式不写",
                "listen:// needs networks that may dial in, other addresses have none",
            )
            raise author_error("N062", text, inside=("networks",) if self.networks else ())
        return self

    def reader(self) -> FrameReader:
        """Of a new connection."""
        if self.protocol == "xk3190":
            return YaohuaReader(self.unit)
        return ToledoReader(checksum=self.checksum, pounds=self.pounds, power_up=self.power_up)


class WimSource(PostedRecords):
    """A weigh-in-motion platform that posts weighings: a table of records, and which value is which field."""

    format: Literal["json", "csv"] = "json"
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8-sig"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    """Of csv; its first line has the names."""
    pictures: PictureLimits = PictureLimits()

    @model_validator(mode="after")
    def _whole(self) -> WimSource:
        self.check("weighing", required_fields("weighing"), json=self.format == "json")
        if self.records is not None and self.format == "csv":
            raise author_error(
                "N063", Text("format: csv 没有 records", "format: csv has no records"), inside=("records",), at_key=True
            )
        return self


class WeighbridgeSettings(BaseModel):
    """All of both."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    indicators: Annotated[dict[str, Indicator], AfterValidator(sender_names)] = {}
    wim: Annotated[dict[str, WimSource], AfterValidator(sender_names)] = {}
    body_bytes: int = Field(default=16 * MIB, ge=1024, le=256 * MIB)
    bodies_bytes: int = Field(default=64 * MIB, ge=1024, le=4096 * MIB)
    """Of all platforms together, while they are received and read."""

    @model_validator(mode="after")
    def _some(self) -> WeighbridgeSettings:
        if not self.indicators and not self.wim:
            raise author_error("N064", Text("写 indicators 或 wim", "say indicators or wim"))
        for name in self.wim:
            if name in self.indicators:
                text = Text(f"名称 {name} 已是仪表", f"{name} is an indicator already")
                raise author_error("N064", text, inside=("wim", name), at_key=True)
        return self
