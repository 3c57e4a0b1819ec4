"""Who may send over HTTP: a user with a password (Basic, Digest), a token, or, said explicitly, a whole network.

`Credentials` stand in the settings of a sender, `Doorkeeper` holds those of all senders of a connector.
"""

from __future__ import annotations

import base64
import hmac
import ipaddress
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, NoReturn, TypeAlias, TypeVar
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from msgspec import Struct
from pydantic import BaseModel, ConfigDict, IPvAnyNetwork, model_validator

from connectors.gate import Tally
from connectors.http import digest
from connectors.secret_values import Secret
from haulwatch.city.documents import author_error
from haulwatch.domain.text import Text

DOOR_CODES = ("not_authenticated", "foreign_address", "too_many_attempts")
"""What the doorkeeper counts; to be named in the codes and the guide of every connector that has one."""
FAILURES_AT_ONCE = 20
FAILURES_A_SECOND = 0.2
"""Wrong attempts of one address at one sender; after that it waits, whether it is right or not."""
MAX_ADDRESSES = 10_000
Scheme = Literal["any", "basic", "digest-md5", "digest-sha-256"]
Model = TypeVar("Model", bound=BaseModel)
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Credentials(BaseModel):
    """How a sender shows who it is: exactly one of `user` with `password`, `token`, `open: true` with `networks`.

    `scheme` narrows what is taken of a user: `any` asks for Digest with MD5, which every camera knows, and takes Basic.
    `networks` may be given with all three: then requests come from there or are refused.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    user: str | None = None
    password: Secret | None = None
    scheme: Scheme = "any"
    token: Secret | None = None
    open: bool = False
    networks: tuple[IPvAnyNetwork, ...] = ()

    @model_validator(mode="after")
    def _one_way(self) -> Credentials:
        if (self.user is None) != (self.password is None):
            raise author_error("N002", Text("user 和 password 要一起写", "user and password belong together"))
        if (self.user is not None) + (self.token is not None) + self.open != 1:
            raise author_error(
                "N003",
                Text(
                    "写明发送方如何证明身份：user 和 password、token、或 open: true 三者之一",
                    "say how the sender shows who it is: one of user and password, token, open: true",
                ),
            )
        if self.open and not self.networks:
            raise author_error(
                "N004", Text("open: true 必须用 networks 限定网段", "open: true needs networks from where it is open")
            )
        if self.user is not None and not re.fullmatch(r"[!#-9;-\[\]-~]{1,64}", self.user):
            raise author_error(
                "N005",
                Text('user 只用可打印的 ASCII 字符，不含 : " \\', 'user is printable ASCII without : " \\'),
                inside=("user",),
            )
        return self


def sender_names(senders: dict[str, Model]) -> dict[str, Model]:
    """For a field of senders by their names: these stand in addresses and in figures."""
    for name in senders:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
            text = Text(
                f"“{name}” 不能作地址：只用字母、数字、点、减号、下划线",
                f"“{name}” cannot stand in an address: letters, digits, dots, hyphens, underscores only",
            )
            raise author_error("N010", text, inside=(name,), at_key=True)
    return senders


class _Sender(Struct, frozen=True):
    """A sender with its secret read."""

    scheme: str
    user: str = ""
    secret: str = ""
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


class Doorkeeper:
    """Admits requests of configured senders. Safe to use from several threads; kept for a process's life.

    Reads every secret once, when it is made: raises WorldError where one is not at its place.
    """

    def __init__(
        self,
        senders: Mapping[str, Credentials],
        tally: Tally,
        *,
        realm: str = "haulwatch",
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self._senders = {name: _opened(credentials) for name, credentials in senders.items()}
        # A name that nobody has is refused like a wrong password, so that names cannot be found out.
        self._nobody = _Sender("any", secrets.token_hex(16), secrets.token_hex(16))
        self._tally, self._realm, self._now_s = tally, realm, now_s
        self._nonces = digest.Nonces()
        self._attempts = _Attempts()
        self._lock = threading.Lock()

    def admit(self, sender: str, request: Request) -> None:
        """Returns when the request is from `sender`. Raises HTTPException: 401 with a challenge, 403, or 429.

        Refusals are counted as `DOOR_CODES`; a first request without credentials is no fault.
        """
        one = self._senders.get(sender, self._nobody)
        address = _address(request)
        if one.networks and not any(address in network for network in one.networks if address is not None):
            self._tally.fault(sender, "foreign_address")
            raise HTTPException(403, "this address may not send here")
        if one.scheme == "open":
            return
        given = request.headers.get("authorization", "")
        if one.scheme == "token" and not given:
            token = request.query_params.get("token")
            given = "" if token is None else f"Bearer {token}"
        key = (_neighbourhood(address), sender if sender in self._senders else "")
        with self._lock:
            self._judge(sender, one, given, request, key)

    def _judge(self, sender: str, one: _Sender, given: str, request: Request, key: tuple[str, str]) -> None:
        now_s = self._now_s()
        if not given:
            self._refuse(one, now_s)
        wait_s = self._attempts.wait_s(key, now_s)
        if wait_s:
            self._tally.fault(sender, "too_many_attempts")
            raise HTTPException(429, "too many wrong attempts", {"Retry-After": str(wait_s)})
        right, stale = self._right(one, given, request, now_s)
        if right:
            return
        if not stale:
            self._attempts.failed(key, now_s)
            self._tally.fault(sender, "not_authenticated")
        self._refuse(one, now_s, stale=stale)

    def _right(self, one: _Sender, given: str, request: Request, now_s: float) -> tuple[bool, bool]:
        """Whether it is right, and if not, whether only the nonce was no good any more."""
        kind, _, rest = given.partition(" ")
        kind = kind.lower()
        if one.scheme == "token":
            return kind == "bearer" and _same(rest.strip(), one.secret), False
        if kind == "basic" and one.scheme in ("any", "basic"):
            return _same(_basic(rest), f"{one.user}:{one.secret}"), False
        if kind == "digest" and one.scheme != "basic":
            return self._digest_right(one, rest, request, now_s)
        return False, False

    def _digest_right(self, one: _Sender, header: str, request: Request, now_s: float) -> tuple[bool, bool]:
        said = digest.claim(header)
        if said is None or said.realm != self._realm or not _same_target(said.uri, request):
            return False, False
        if one.scheme != "any" and one.scheme != f"digest-{said.algorithm.lower()}":
            return False, False
        wanted = digest.response(said, one.user, one.secret, request.method)
        if not (_same(said.response.lower(), wanted) & _same(said.user, one.user)):
            return False, False
        good = self._nonces.fresh(said.nonce, now_s) and self._nonces.spend(said.nonce, said.count)
        return good, not good

    def _refuse(self, one: _Sender, now_s: float, *, stale: bool = False) -> NoReturn:
        if one.scheme == "token":
            said = f'Bearer realm="{self._realm}"'
        elif one.scheme == "basic":
            said = f'Basic realm="{self._realm}", charset="UTF-8"'
        else:
            algorithm = "SHA-256" if one.scheme == "digest-sha-256" else "MD5"
            said = digest.challenge(self._realm, self._nonces.new(now_s), algorithm, stale=stale)
        raise HTTPException(401, "who is sending?", {"WWW-Authenticate": said})


class _Attempts:
    """Wrong attempts by whom: a bucket each, of as many addresses as fit."""

    def __init__(self) -> None:
        self._owed: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def wait_s(self, key: tuple[str, str], now_s: float) -> int:
        """Whole seconds until it may try again; 0 now."""
        over = self._owing(key, now_s) - (FAILURES_AT_ONCE - 1)
        return 0 if over <= 0 else int(over / FAILURES_A_SECOND) + 1

    def failed(self, key: tuple[str, str], now_s: float) -> None:
        """One more wrong attempt."""
        self._owed[key] = (self._owing(key, now_s) + 1, now_s)
        self._owed.move_to_end(key)
        if len(self._owed) > MAX_ADDRESSES:
            self._owed.popitem(last=False)

    def _owing(self, key: tuple[str, str], now_s: float) -> float:
        count, seen_s = self._owed.get(key, (0.0, now_s))
        return max(0.0, count - max(0.0, now_s - seen_s) * FAILURES_A_SECOND)


def _opened(one: Credentials) -> _Sender:
    if one.user is not None and one.password is not None:
        return _Sender(one.scheme, one.user, one.password.value(), one.networks)
    if one.token is not None:
        return _Sender("token", "", one.token.value(), one.networks)
    return _Sender("open", networks=one.networks)


def _same(given: str, wanted: str) -> bool:
    """Compared in a time that says nothing about `wanted`."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode("utf-8", "replace"))


def _basic(rest: str) -> str:
    """`user:password`, or what nobody can be called."""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode()
    except ValueError:
        return ""


def _same_target(uri: str, request: Request) -> bool:
    """Whether a Digest was made for this address: as path with query, whole address, or (some senders) path alone."""
    path = request.scope.get("raw_path", request.scope["path"].encode()).decode("latin-1").partition("?")[0]
    query = request.scope.get("query_string", b"").decode("latin-1")
    try:
        said = urlsplit(uri)
    except ValueError:
        return False
    return said.path == path and said.query in ("", query)


def _address(request: Request) -> _Address | None:
    try:
        address = ipaddress.ip_address("" if request.client is None else request.client.host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _neighbourhood(address: _Address | None) -> str:
    """By whom attempts are counted: an IPv6 sender has 2^64 addresses."""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
