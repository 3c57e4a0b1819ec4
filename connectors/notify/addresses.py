"""Where notices may go: host names that are on the list, and addresses that are public or on the list too."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

from msgspec import Struct

from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.text import Text

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

_PORTS = {"http": 80, "https": 443}
_HOST = r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?"
_ENTRY = re.compile(rf"({_HOST}|\[[0-9a-f:.]+\])(?::([0-9]{{1,5}}))?", re.ASCII)


class NotAllowed(HaulwatchError):  # noqa: N818 - named for what is the matter
    """A request that must not be made; `code` is the finding's when a file asks for it."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


class Target(Struct, frozen=True):
    """A URL that may be asked: its parts as they were checked, `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str


class Allowed:
    """The list: `hosts` are names or addresses, exactly, with a port or for the scheme's own one.

    Addresses that are not public (private, loopback, link-local …) are reached only if they are in `hosts` as addresses
    or lie in `networks`, whatever name leads to them.
    """

    def __init__(self, hosts: Sequence[str], networks: Sequence[Network] = ()) -> None:
        """Raises NotAllowed (M001) for an entry that is no host."""
        self._hosts = frozenset(host_entry(host) for host in hosts)
        self._networks = tuple(networks)

    def url(self, url: str, *, plain: bool = False) -> Target:
        """The URL if it may be asked, with `plain` without TLS too. Raises NotAllowed; its text never shows the path,
        which may hold a token."""
        target = parse_url(url, plain=plain)
        listed = (target.host, target.port) in self._hosts
        if not listed and not ((target.host, None) in self._hosts and target.port == _PORTS[target.scheme]):
            place = f"{target.host}:{target.port}"
            raise NotAllowed(
                "M002", Text(f"{place} 不在 allow_hosts 之内", f"{place} is not on the list of allow_hosts")
            )
        return target

    def address(self, address: Address) -> bool:
        """Whether a connection may be made to this address."""
        plain = (address.ipv4_mapped or address) if isinstance(address, ipaddress.IPv6Address) else address
        if plain.is_global and not plain.is_multicast:
            return True
        if any(host == str(plain) for host, _port in self._hosts):
            return True
        return any(plain in network for network in self._networks if network.version == plain.version)


def host_entry(text: str) -> tuple[str, int | None]:
    """`host`, `host:port` or `[v6]:port` as host and port. Raises NotAllowed (M001)."""
    written = _ENTRY.fullmatch(text.lower())
    port = None if written is None or written[2] is None else int(written[2])
    if written is None or (port is not None and not 0 < port < 65536):
        raise NotAllowed(
            "M001",
            Text(f"“{text}” 不是主机名，也不是 主机名:端口", f"“{text}” is neither a host name nor HOST:PORT"),
        )
    return _plain_host(written[1].strip("[]")), port


def parse_url(url: str, *, plain: bool = False) -> Target:
    """The parts of an absolute URL. Raises NotAllowed (M003, or M004 for one without TLS)."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise _no_url()
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _no_url() from None
    host = (parts.hostname or "").lower()
    if parts.scheme not in _PORTS or not re.fullmatch(rf"{_HOST}|[0-9a-f:.]+", host, re.ASCII):
        raise _no_url()
    if "@" in parts.netloc or parts.fragment or port == 0:
        raise _no_url()
    if parts.scheme == "http" and not plain:
        raise NotAllowed(
            "M004",
            Text("地址应以 https:// 开头；确需明文时写 http: true", "needs https://; say http: true to do without TLS"),
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, _plain_host(host), port or _PORTS[parts.scheme], path)


def _plain_host(host: str) -> str:
    """Addresses in one form, names as they are."""
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return host


def _no_url() -> NotAllowed:
    return NotAllowed(
        "M003",
        Text(
            "不是可用的地址：应为 https://主机/路径，不含用户名、片段和空格",
            "not a usable URL: https://host/path, without user, fragment or blanks",
        ),
    )
