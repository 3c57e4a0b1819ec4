"""Who may use the system: people who log in, services with a token, and what a screen needs to know of them.

`haulwatch.dispatch.people.People` keeps them; nothing here is a secret except where it says so.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.orders import ROLES, Actor, Role
from haulwatch.domain.text import Text

MAX_NAME = 64
SERVICE = "service:"
"""Before a service's name in the audit; no person's name has a colon, so nobody can pass for one."""
LOCAL_DEVICE = Actor("local-device", frozenset(("device",)))
"""Who sends events from the very machine that takes them, where that needs no token."""

ROLE_NAMES: Mapping[Role, Text] = {
    "dispatcher": Text("派遣员", "dispatcher"),
    "duty_officer": Text("值班长", "duty officer"),
    "verifier": Text("核查员", "verifier"),
    "squad": Text("队员", "squad member"),
    "operator": Text("规则管理员", "operator"),
    "rule_approver": Text("规则审核员", "rule approver"),
    "auditor": Text("审计员", "auditor"),
    "administrator": Text("系统管理员", "administrator"),
    "wall": Text("大屏", "wall"),
    "device": Text("设备", "device"),
}
_NAME = re.compile(r"[\w.@-]+")


class Person(Struct, frozen=True, kw_only=True):
    """Somebody who may log in. `person_id` is the name to log in with, and who acts in the audit.

    `jurisdiction`: administrative zones whose orders this person sees; () is the whole city. `password_due`: the
    password is a one-time one, good until this instant, and has to be changed at the first login. `issuer`: of a person
    that an identity provider vouches for; such a one has no password here.
    """

    person_id: str
    name: str
    roles: tuple[Role, ...]
    jurisdiction: tuple[str, ...] = ()
    squad_id: str | None = None
    disabled: bool = False
    password_due: str | None = None
    issuer: str | None = None
    made_at: str
    last_login_at: str | None = None

    @property
    def actor(self) -> Actor:
        """This person as one who acts."""
        return Actor(self.person_id, frozenset(self.roles), self.jurisdiction, self.squad_id)


class Service(Struct, frozen=True, kw_only=True):
    """A program that comes with a token: a device, another platform, a script."""

    name: str
    roles: tuple[Role, ...]
    jurisdiction: tuple[str, ...] = ()
    squad_id: str | None = None
    made_at: str
    expires_at: str | None = None
    revoked_at: str | None = None
    last_used_at: str | None = None

    @property
    def actor(self) -> Actor:
        """This service as one who acts."""
        return Actor(SERVICE + self.name, frozenset(self.roles), self.jurisdiction, self.squad_id)


class Visitor(Struct, frozen=True, kw_only=True):
    """Who is logged in: `must_change` the password before anything else."""

    actor: Actor
    name: str
    must_change: bool = False


class NewSession(Struct, frozen=True, kw_only=True):
    """A session that has just begun. `token` is its secret: it goes to the browser and is kept nowhere else."""

    token: str
    visitor: Visitor
    expires_at: str
    lasts_s: int


class LoginRefused(HaulwatchError):  # noqa: N818 - named for what is the matter
    """Name and password do not belong together; the same whether the name, the password or both are wrong."""

    def __init__(self) -> None:
        super().__init__(Text("用户名或密码不对", "wrong name or password"))


class NotVouchedFor(HaulwatchError):  # noqa: N818 - named for what is the matter
    """An identity provider does not vouch for somebody, or not for anybody who may do something here."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


class LockedOut(HaulwatchError):  # noqa: N818 - named for what is the matter
    """Too many wrong attempts for this name, or from this address; nothing was tried now."""

    def __init__(self, retry_after_s: int) -> None:
        text = Text(f"尝试过多，请 {retry_after_s} 秒后再试", f"too many attempts; try again in {retry_after_s} s")
        super().__init__(text)
        self.retry_after_s = retry_after_s


class BadPerson(HaulwatchError):  # noqa: N818 - named for what is the matter
    """What was asked for a person or service cannot be done; the text says why."""


class Tokens(Protocol):
    """Who comes with a token."""

    def service(self, token: str) -> Actor | None:
        """Whose token it is; None for one that is unknown, expired or revoked."""
        ...


class PeopleDesk(Tokens, Protocol):
    """What the console asks of those who know the people; see `haulwatch.dispatch.people.People` for each."""

    def session(self, token: str, *, touch: bool = True) -> Visitor | None: ...

    def log_in(self, name: str, password: str, *, address: str, old_token: str | None = None) -> NewSession: ...

    def log_in_as(self, claimed: Claimed, *, address: str, old_token: str | None = None) -> NewSession: ...

    def log_out(self, token: str) -> None: ...

    def change_password(self, token: str, old: str, new: str, *, address: str) -> NewSession: ...


class Claimed(Struct, frozen=True, kw_only=True):
    """Who an identity provider says somebody is. `issuer` and `subject` identify, the rest describes."""

    issuer: str
    subject: str
    name: str
    roles: tuple[Role, ...]
    jurisdiction: tuple[str, ...] = ()
    squad_id: str | None = None


def login_name(text: str) -> str:
    """The one form of a name to log in with: small letters, NFKC. Raises `BadPerson` for one that cannot be."""
    name = unicodedata.normalize("NFKC", text).strip().casefold()
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise BadPerson(
            Text(
                f"用户名应为 1–{MAX_NAME} 个字母、数字、汉字或 . _ - @",
                f"a name has 1 to {MAX_NAME} letters, digits or . _ - @",
            )
        )
    return name


def secret_hash(secret: str) -> str:
    """What is kept of a secret that is random enough to need no salt."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def checked_roles(roles: Iterable[str], *, of_service: bool = False) -> tuple[Role, ...]:
    """The roles in their usual order, each once. Raises `BadPerson` for none, an unknown one, or a person as device."""
    asked = set(roles)
    found: Sequence[Role] = [role for role in ROLES if role in asked]
    unknown = asked.difference(ROLES)
    if unknown or not found:
        known = ", ".join(ROLES)
        raise BadPerson(Text(f"角色应为其中之一或几个：{known}", f"roles are one or several of {known}"))
    if "device" in asked and not of_service:
        raise BadPerson(Text("设备角色只用于服务令牌", "the role device is for service tokens only"))
    return tuple(found)
