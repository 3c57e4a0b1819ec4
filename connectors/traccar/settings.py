"""The section `traccar` of connectors.yaml: how a Traccar server is heard, and how its positions are read."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from connectors.field_map import FieldMap, Kind, Source, check_fields
from connectors.http.credentials import Credentials
from connectors.secret_values import Secret
from geofences.datum import Datum
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text
from haulwatch.settings import SaslMechanism, SecurityProtocol

POSITIONS: tuple[Kind, ...] = ("position",)


class Reading(BaseModel):
    """How positions are read: by what a device's truck is found (`truck_attribute` names one of the device), the datum
    of its coordinates, and which `attributes` of a position are which of our fields."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    truck: Literal["terminal_id", "name", "attribute"] = "terminal_id"
    truck_attribute: str | None = None
    datum: Datum = "wgs84"
    attributes: dict[str, Source] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _attribute(self) -> Reading:
        if (self.truck == "attribute") != (self.truck_attribute is not None):
            text = Text(
                "truck: attribute 和 truck_attribute 要一起写", "truck: attribute and truck_attribute belong together"
            )
            raise author_error("N020", text)
        check_fields(self.attributes, POSITIONS, key="attributes")
        if "at" in self.attributes or "event_id" in self.attributes or "truck_id" in self.attributes:
            text = Text("时刻、编号和车辆不取自 attributes", "neither instant, id nor truck is taken from attributes")
            raise author_error("N023", text, inside=("attributes",))
        return self

    @property
    def map(self) -> FieldMap:
        """The attributes as fields of positions."""
        return FieldMap(fields=self.attributes)


class KafkaTopic(BaseModel):
    """The topic that Traccar writes to (`forward.type` kafka), and how its brokers let us in."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    brokers: str = Field(min_length=1)
    topic: str = Field(min_length=1, max_length=249)
    group: str = Field("haulwatch-traccar", min_length=1, max_length=255)
    security: SecurityProtocol = "PLAINTEXT"
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str = ""
    password: Secret | None = None
    ca_file: Path | None = None

    @model_validator(mode="after")
    def _login(self) -> KafkaTopic:
        if self.security.startswith("SASL") != (bool(self.username) and self.password is not None):
            text = Text(
                "security 为 SASL_… 时必须写 username 和 password，否则不写",
                "SASL_… needs username and password, and nothing else does",
            )
            raise author_error("N021", text, inside=("security",))
        return self


class TraccarSettings(Reading):
    """At least one of the two ways in."""

    http: Credentials | None = None
    kafka: KafkaTopic | None = None

    @model_validator(mode="after")
    def _way(self) -> TraccarSettings:
        if self.http is None and self.kafka is None:
            raise author_error("N022", Text("写 http、kafka 或两者", "say http, kafka, or both"))
        return self
