"""Which devices may send events over HTTP: those with a token; where nobody else can reach us, this machine's."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Literal

from haulwatch.domain.errors import WorldError
from haulwatch.domain.orders import Actor
from haulwatch.domain.people import BadPerson, Service, checked_roles, login_name, secret_hash
from haulwatch.domain.text import Text

EventsToken = Literal["local", "required"]
"""`local`: an event from this very machine needs no token while we are bound to a loopback address."""
MIN_TOKEN = 24
DIGEST = "sha256:"


def trusts_local(host: str, events_token: EventsToken) -> bool:
    """Whether events from this very machine are taken without a token: nobody else reaches an address of loopback."""
    try:
        bound_to_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        bound_to_loopback = False
    return bound_to_loopback and events_token == "local"


class TokenBook:
    """The tokens of a process that has no database, one a line: `NAME TOKEN [ROLE,…]`. The role is `device`
    unless said.

    `TOKEN` is the token itself, of at least 24 characters, or `sha256:` and the digest of it.
    """

    def __init__(self, lines: Iterable[str] = ()) -> None:
        self._services: dict[str, Service] = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if words and not words[0].startswith("#"):
                key, service = _entry(words, number)
                self._services[key] = service

    def service(self, token: str) -> Actor | None:
        """Whose token it is."""
        found = self._services.get(secret_hash(token))
        return None if found is None else found.actor

    def __len__(self) -> int:
        return len(self._services)


def _entry(words: list[str], number: int) -> tuple[str, Service]:
    name, token, *roles = words if len(words) in (2, 3) else ("", "")
    digest = token.removeprefix(DIGEST) if token.startswith(DIGEST) else secret_hash(token)
    try:
        if len(digest) != 64 or len(token) < MIN_TOKEN:
            raise BadPerson(Text(f"令牌至少 {MIN_TOKEN} 个字符", f"a token has at least {MIN_TOKEN} characters"))
        asked = checked_roles(roles[0].split(",") if roles else ["device"], of_service=True)
        return digest.lower(), Service(name=login_name(name), roles=asked, made_at="")
    except BadPerson as error:
        zh = f"令牌第 {number} 行应为「名称 令牌 [角色]」：{error.text.zh}"
        raise WorldError(Text(zh, f"tokens, line {number}: NAME TOKEN [ROLES]: {error.text.en}")) from error
