"""`notify.yaml`: which channels there are, which order changes go to which of them, and where they may lead."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, IPvAnyNetwork, model_validator

from connectors.notify.addresses import Allowed, NotAllowed, host_entry, parse_url
from connectors.notify.steps import STEPS, Step
from connectors.secret_values import Secret, SecretPlace
from haulwatch.city.documents import author_error
from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.orders import Urgency
from haulwatch.domain.text import Text

ChannelType = Literal["webhook", "dingtalk", "wecom", "sms"]
Languages = Literal["zh", "en", "both"]
RATES: dict[ChannelType, int] = {"webhook": 600, "dingtalk": 20, "wecom": 20, "sms": 30}
"""Messages a minute where a channel does not say; the robots' own limit is 20 (both vendors' guides)."""
SQUAD = "squad"
"""In a route's channels: the channel of the squad that has the order (squads.csv)."""
TEXT_FIELDS = (
    "step",
    "title",
    "summary",
    "truck",
    "severity",
    "time",
    "place",
    "navigation",
    "order_id",
    "squad",
    "link",
    "count",
)
"""What a template may name."""
GATEWAY_FIELDS = ("text", "phones", "phone_list", "order_id", "message_id")
"""What the fields of an SMS gateway's request may name."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)
_MENTIONED: dict[ChannelType, re.Pattern[str]] = {
    "dingtalk": re.compile(r"all|\+?[0-9]{5,15}", re.ASCII),
    "wecom": re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII),
}
_OF_TYPE: dict[str, tuple[ChannelType, ...]] = {
    "secret": ("webhook", "dingtalk"),
    "phones": ("sms",),
    "fields": ("sms",),
    "form": ("sms",),
    "success": ("sms",),
    "template": ("dingtalk", "wecom", "sms"),
    "bundle": ("dingtalk", "wecom", "sms"),
    "mention": ("dingtalk", "wecom"),
}
"""Settings that only these types of channels have."""


def _url(value: Any) -> str | SecretPlace:
    """A URL, or where it is kept."""
    kind, _, name = str(value).partition(":")
    return SecretPlace(kind, name) if kind in ("file", "env") and name else str(value)


def _template(allowed: tuple[str, ...]) -> BeforeValidator:
    def check(value: Any) -> str:
        try:
            named = [(name, spec, how) for _, name, spec, how in Formatter().parse(str(value)) if name is not None]
        except ValueError as error:
            raise author_error("M008", Text(f"大括号不成对：{error}", f"unbalanced braces: {error}")) from error
        for name, spec, how in named:
            if name not in allowed or spec or how:
                hint = did_you_mean(name, allowed) or Text(
                    f"可用：{', '.join(allowed)}", f"Known: {', '.join(allowed)}"
                )
                raise author_error("M008", Text(f"未知的字段 {{{name}}}", f"unknown field {{{name}}}"), hint)
        return str(value)

    return BeforeValidator(check)


class Success(BaseModel):
    """How an SMS gateway says in a JSON answer that it took the message: `field` has one of `values`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    field: str
    values: Annotated[tuple[str, ...], Field(min_length=1)]


class Channel(BaseModel):
    """Where messages go, and how. See docs/notify.md for what each type has."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    type: ChannelType
    url: Annotated[str | SecretPlace, BeforeValidator(_url)]
    http: bool = False
    token: Secret | None = None
    secret: Secret | None = None
    rate_per_minute: Annotated[int, Field(ge=1, le=600)] | None = None
    bundle: Annotated[int, Field(ge=1, le=20)] = 3
    lang: Languages | None = None
    mask_plates: bool | None = None
    template: Annotated[str, _template(TEXT_FIELDS)] | None = None
    mention: tuple[str, ...] = ()
    phones: tuple[str, ...] = ()
    fields: dict[str, Annotated[str, _template(GATEWAY_FIELDS)]] = {}
    form: bool = False
    success: Success | None = None

    @property
    def rate(self) -> int:
        """Messages a minute."""
        return self.rate_per_minute or RATES[self.type]

    @model_validator(mode="after")
    def _fits_its_type(self) -> Channel:
        for name, types in _OF_TYPE.items():
            if name in self.model_fields_set and self.type not in types:
                text = Text(f"{self.type} 没有 “{name}”", f"{self.type} has no “{name}”")
                raise author_error("M006", text, inside=(name,), at_key=True)
        if self.type == "webhook" and self.secret is None:
            text = Text(
                "webhook 需要签名密钥：secret: file:… 或 env:…",
                "a webhook needs its signing key: secret: file:… or env:…",
            )
            raise author_error("M006", text)
        if self.type == "sms" and not (self.phones and self.fields):
            raise author_error("M006", Text("sms 需要 phones 和 fields", "sms needs phones and fields"))
        for number, person in enumerate(self.mention):
            if not _MENTIONED[self.type].fullmatch(person) or (self.type, person) == ("wecom", "all"):
                text = Text(
                    f"“{person}” 不能被 @：钉钉写手机号或 all，企业微信写成员的 userid",
                    f"“{person}” cannot be mentioned: a phone number or all (DingTalk), a userid (WeCom)",
                )
                raise author_error("M006", text, inside=("mention", number))
        for number, phone in enumerate(self.phones):
            if not re.fullmatch(r"\+?[0-9]{5,15}", phone, re.ASCII):
                text = Text(f"“{phone}” 不是电话号码", f"“{phone}” is no phone number")
                raise author_error("M006", text, inside=("phones", number))
        return self


class Route(BaseModel):
    """Changes with one of the steps `on`, of orders that fit everything given, go to `channels`.

    With `after_min` they go that much later, and only if the order is still in the stage that it had reached.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    on: Annotated[tuple[Step, ...], Field(min_length=1)]
    category: tuple[Category, ...] = ()
    severity: tuple[Severity, ...] = ()
    urgency: tuple[Urgency, ...] = ()
    zones: tuple[str, ...] = ()
    squads: tuple[str, ...] = ()
    late: bool | None = None
    after_min: Annotated[int, Field(ge=1, le=7 * 24 * 60)] | None = None
    channels: Annotated[tuple[str, ...], Field(min_length=1)]


class NotifyFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    allow_hosts: tuple[str, ...]
    allow_networks: tuple[IPvAnyNetwork, ...] = ()
    ca_file: Path | None = None
    proxy: str | None = None
    public_url: str | None = None
    lang: Languages = "zh"
    mask_plates: bool = False
    give_up_after_h: Annotated[int, Field(ge=1, le=30 * 24)] = 24
    squads_on: tuple[Step, ...] = (
        "dispatched",
        "rework",
        "on_hold",
        "resumed",
        "void",
        "merged",
        "transferred",
        "reminder",
        "overdue",
    )
    channels: Annotated[dict[str, Channel], Field(min_length=1)]
    routes: tuple[Route, ...] = ()

    @property
    def allowed(self) -> Allowed:
        """Where messages may go."""
        return Allowed(self.allow_hosts, self.allow_networks)

    @model_validator(mode="after")
    def _fits_together(self) -> NotifyFile:
        for number, host in enumerate(self.allow_hosts):
            _located(lambda host=host: host_entry(host), "allow_hosts", number)
        if self.proxy is not None:
            proxy = self.proxy
            _located(lambda: self.allowed.url(proxy, plain=True), "proxy")
        if self.public_url is not None:
            public = self.public_url
            _located(lambda: parse_url(public, plain=True), "public_url")
        for name, channel in self.channels.items():
            if not _NAME.fullmatch(name) or name == SQUAD:
                text = Text(
                    f"通道名 “{name}” 应由小写字母、数字、- 和 _ 组成，且不是 {SQUAD}",
                    f"a channel's name is made of a-z, 0-9, - and _, and is not {SQUAD}",
                )
                raise author_error("M007", text, inside=("channels", name), at_key=True)
            if isinstance(channel.url, str):
                url, plain = channel.url, channel.http
                _located(lambda url=url, plain=plain: self.allowed.url(url, plain=plain), "channels", name, "url")
        self._check_routes()
        return self

    def _check_routes(self) -> None:
        known = [*self.channels, SQUAD]
        for number, route in enumerate(self.routes):
            for place, name in enumerate(route.channels):
                if name not in known:
                    text = Text(f"没有通道 “{name}”", f"there is no channel “{name}”")
                    inside = ("routes", number, "channels", place)
                    raise author_error("M007", text, did_you_mean(name, known), inside=inside)

    def language(self, channel: Channel) -> Languages:
        """The language of the channel's texts."""
        return channel.lang or self.lang

    def masks(self, channel: Channel) -> bool:
        """Whether plates are hidden from the channel."""
        return self.mask_plates if channel.mask_plates is None else channel.mask_plates


def _located(check: Any, *inside: str | int) -> None:
    try:
        check()
    except NotAllowed as error:
        raise author_error(error.code, error.text, inside=inside) from error


assert set(STEPS) == set(get_args(Step))
