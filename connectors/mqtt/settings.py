"""The section `mqtt` of connectors.yaml: brokers, and what is read from which of their topics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connectors.field_map import FieldMap, Kind, Source, check_fields, check_paths, required_fields
from connectors.field_times import Times
from connectors.json_paths import is_path, no_path
from connectors.secret_values import Secret
from geofences.datum import Datum
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

KINDS: tuple[Kind, ...] = ("position", "weighing", "sighting", "manifest")
SHARED = re.compile(r"\$share/[^/+#]+/(.+)", re.DOTALL)
"""A subscription that several clients take turns in (MQTT 5, 4.8.2)."""


class TruckBy(BaseModel):
    """Where a message names its truck: a `level` of the topic (the first is 1), a path `from` the payload, or always
    the same `value`; and whether that `is` a plate or a `terminal_id` of trucks.csv."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    level: int | None = Field(None, ge=1)
    from_: str | None = Field(None, alias="from", min_length=1)
    value: str | None = Field(None, min_length=1)
    is_: Literal["plate", "terminal_id"] = Field("plate", alias="is")

    @model_validator(mode="after")
    def _one_place(self) -> TruckBy:
        if sum(place is not None for place in (self.level, self.from_, self.value)) != 1:
            raise author_error("N040", Text("写 level、from、value 之一", "say one of level, from, value"))
        return self


class Subscription(BaseModel):
    """One topic filter. `format: event` is our own event JSON (one, an array, or lines); `format: map` takes `fields`
    from any JSON object (or an array of them)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str = Field(min_length=1, max_length=1024)
    format: Literal["event", "map"] = "map"
    kind: Kind | None = None
    truck: TruckBy | None = None
    fields: dict[str, Source] = Field(default_factory=dict)
    time: Times = Times()
    datum: Datum = "wgs84"
    retained: Literal["skip", "take"] = "skip"

    @field_validator("topic")
    @classmethod
    def _filter(cls, topic: str) -> str:
        levels = plain_filter(topic).split("/")
        wild = [level for level in levels if ("#" in level or "+" in level) and level not in ("#", "+")]
        if wild or "#" in levels[:-1] or "\0" in topic:
            raise author_error("N041", Text(f"主题写法不对：{topic}", f"{topic} is no topic filter"))
        return topic

    @model_validator(mode="after")
    def _whole(self) -> Subscription:
        levels = plain_filter(self.topic).split("/")
        if self.truck is not None and (self.truck.level or 0) > len(levels) and levels[-1] != "#":
            text = Text(f"主题只有 {len(levels)} 级", f"the topic has {len(levels)} levels only")
            raise author_error("N042", text, inside=("truck", "level"))
        if self.format == "event":
            if self.fields:
                text = Text("format: event 不写 fields", "format: event has no fields")
                raise author_error("N043", text, inside=("fields",), at_key=True)
            return self
        if self.kind is None or self.truck is None:
            text = Text("format: map 要写 kind、truck 和 fields", "format: map needs kind, truck and fields")
            raise author_error("N043", text)
        check_fields(self.fields, (self.kind,), required_fields(self.kind))
        check_paths(self.fields, "fields")
        if self.truck.from_ is not None and not is_path(self.truck.from_):
            raise no_path("truck", "from")
        return self

    @property
    def map(self) -> FieldMap:
        """The fields with their times and places."""
        return FieldMap(fields=self.fields, time=self.time, datum=self.datum)


class Tls(BaseModel):
    """Encryption: which authorities are believed (default: the system's), and a certificate of our own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


class Broker(BaseModel):
    """One broker. The session under `client_id` (`{host}` in it is this machine's name) is kept there for
    `session_days` while we are away; `in_flight` messages may be unacknowledged at once."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    host: str = Field(min_length=1)
    port: int = Field(1883, ge=1, le=65535)
    tls: Tls | None = None
    user: str | None = None
    password: Secret | None = None
    client_id: str = Field(min_length=1, max_length=128)
    protocol: Literal["5", "3.1.1"] = "5"
    keepalive_s: int = Field(30, ge=5, le=3600)
    session_days: float = Field(7.0, gt=0, le=365)
    in_flight: int = Field(200, ge=1, le=10_000)
    subscriptions: tuple[Subscription, ...]

    @field_validator("subscriptions")
    @classmethod
    def _some(cls, subscriptions: tuple[Subscription, ...]) -> tuple[Subscription, ...]:
        if not subscriptions:
            raise author_error("N046", Text("至少写一个订阅", "say at least one subscription"))
        return subscriptions

    @model_validator(mode="after")
    def _login(self) -> Broker:
        if (self.user is None) != (self.password is None):
            raise author_error("N044", Text("user 和 password 要一起写", "user and password belong together"))
        if self.protocol != "5" and any(SHARED.fullmatch(one.topic) for one in self.subscriptions):
            text = Text("$share 需要 protocol: 5", "$share needs protocol: 5")
            raise author_error("N044", text, inside=("protocol",))
        return self


class MqttSettings(BaseModel):
    """All brokers."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    brokers: tuple[Broker, ...]

    @field_validator("brokers")
    @classmethod
    def _names(cls, brokers: tuple[Broker, ...]) -> tuple[Broker, ...]:
        if not brokers:
            raise author_error("N046", Text("至少写一个服务器", "say at least one broker"))
        names = [broker.name for broker in brokers]
        for number, name in enumerate(names):
            if name in names[:number]:
                text = Text(f"名称 {name} 重复", f"the name {name} is there twice")
                raise author_error("N045", text, inside=(number, "name"))
        return brokers


def plain_filter(topic: str) -> str:
    """The filter that topics are compared with: without `$share/GROUP/`."""
    shared = SHARED.fullmatch(topic)
    return topic if shared is None else shared[1]
