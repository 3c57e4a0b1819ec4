"""`oidc.yaml`: the identity service, and which of its groups has which role here; nobody gets one that is not named."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connectors.secret_values import Secret, SecretPlace
from haulwatch.city.documents import author_error
from haulwatch.domain.errors import did_you_mean
from haulwatch.domain.orders import ROLES, Role
from haulwatch.domain.text import Text

CALLBACK = "/login/oidc/callback"
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def _https(address: str) -> str:
    """An address over https; plain http only to this very machine."""
    parts = urlsplit(address)
    plain = parts.scheme == "http" and parts.hostname in LOOPBACK
    if not (parts.hostname and (parts.scheme == "https" or plain)) or parts.query or parts.fragment or parts.username:
        raise author_error("O001", Text(f"应为 https 地址：{address}", f"expected an https address: {address}"))
    return address


def _role(name: str) -> str:
    if name not in ROLES or name == "device":
        people = [role for role in ROLES if role != "device"]
        raise author_error("O002", Text(f"没有角色 {name}", f"there is no role {name}"), did_you_mean(name, people))
    return name


Address = Annotated[str, AfterValidator(_https)]
RoleName = Annotated[str, AfterValidator(_role)]


class Group(BaseModel):
    """What the members of a group may."""

    model_config = ConfigDict(extra="forbid")

    roles: list[RoleName] = Field(min_length=1)
    jurisdiction: list[str] = []


class OidcFile(BaseModel):
    """See the module.

    `redirect_url` is this console's own address with the path `/login/oidc/callback`, as it is registered with the
    service. Somebody in several groups has the roles of all; with one group without a jurisdiction it has the whole
    city. `hosts`: further hosts that the service's own document may name for its addresses.
    """

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

    issuer: Address
    client_id: str = Field(min_length=1)
    client_secret: Secret | None = None
    redirect_url: Address
    label: dict[str, str] = {"zh": "统一身份认证登录", "en": "Log in with single sign-on"}
    scopes: list[str] = ["openid", "profile"]
    groups_claim: str = "groups"
    name_claim: str = "name"
    squad_claim: str | None = None
    groups: dict[str, Group] = Field(min_length=1)
    hosts: list[str] = []

    @model_validator(mode="after")
    def _fits(self) -> OidcFile:
        if urlsplit(self.redirect_url).path != CALLBACK:
            raise author_error("O003", Text(f"redirect_url 的路径应为 {CALLBACK}", f"redirect_url ends in {CALLBACK}"))
        if "openid" not in self.scopes:
            raise author_error("O004", Text("scopes 应含 openid", "scopes must have openid"))
        return self

    def text(self) -> Text:
        """How the way through the service is called on the login page."""
        return Text(self.label.get("zh", "统一身份认证登录"), self.label.get("en", "Log in with single sign-on"))

    def secret(self) -> str | None:
        """The client's secret; None for a public client. Raises WorldError."""
        return self.client_secret.value() if isinstance(self.client_secret, SecretPlace) else None

    def rights(self, groups: list[str]) -> tuple[tuple[Role, ...], tuple[str, ...]]:
        """Roles and jurisdiction of somebody in these groups; no roles where none of them is known here."""
        held = [self.groups[name] for name in groups if name in self.groups]
        asked = {role for group in held for role in group.roles}
        everywhere = any(not group.jurisdiction for group in held)
        zones: set[str] = set() if everywhere else {zone for group in held for zone in group.jurisdiction}
        return tuple(role for role in ROLES if role in asked), tuple(sorted(zones))


def listed(claim: Any) -> list[str]:
    """A claim's texts: a list of them, or one."""
    if isinstance(claim, str):
        return [claim]
    return [one for one in claim if isinstance(one, str)] if isinstance(claim, list) else []
