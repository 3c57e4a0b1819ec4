"""The one way out: a POST to an allowed host, over a connection to the address that was checked.

Redirects are never followed, cookies never kept, and the whole exchange has one deadline, however slowly it drips.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import httpcore
from msgspec import Struct

from connectors.notify.addresses import Allowed, NotAllowed, Target
from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

EXCHANGE_S = 10.0
"""How long one exchange may take, from looking up the name to the end of the answer."""
MAX_ANSWER = 64 * 1024
AGENT = "haulwatch"


class Post(Struct, frozen=True):
    """A request as a channel wants it made; `plain` permits one without TLS."""

    url: str
    headers: dict[str, str]
    body: bytes
    plain: bool = False


class Reply(Struct, frozen=True):
    """What came back: status, headers (names in lower case), the first `MAX_ANSWER` bytes of the body."""

    status: int
    headers: dict[str, str]
    body: bytes


Send = Callable[[Post], Reply]
"""Makes a request. Raises NotAllowed when it must not be made, WorldError when there was no answer."""


class Outgoing:
    """Makes requests, for any number of threads."""

    def __init__(
        self,
        allowed: Allowed,
        *,
        ca_file: Path | None = None,
        proxy: str | None = None,
        exchange_s: float = EXCHANGE_S,
    ) -> None:
        """`ca_file` holds the authorities to trust instead of the system's. Raises WorldError, NotAllowed."""
        self._allowed = allowed
        self._exchange_s = exchange_s
        try:
            self._tls = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise WorldError(Text(f"读不了证书 {ca_file}：{error}", f"cannot read {ca_file}: {error}")) from error
        self._proxy: httpcore.Proxy | None = None
        if proxy is not None:
            through = allowed.url(proxy, plain=True)
            self._proxy = httpcore.Proxy(f"{through.scheme}://{_authority(through)}")

    def __call__(self, post: Post) -> Reply:
        """See `Send`."""
        target = self._allowed.url(post.url, plain=post.plain)
        backend = _Checked(self._allowed, time.monotonic() + self._exchange_s)
        url = httpcore.URL(
            scheme=target.scheme.encode(), host=target.host.encode(), port=target.port, target=target.path.encode()
        )
        headers = {"Host": _authority(target), "User-Agent": AGENT, "Connection": "close", **post.headers}
        try:
            with (
                httpcore.ConnectionPool(ssl_context=self._tls, network_backend=backend, proxy=self._proxy) as pool,
                pool.stream("POST", url, headers=_encoded(headers), content=post.body) as response,
            ):
                answered = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
                return Reply(response.status, answered, _beginning(response.iter_stream()))
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, httpcore.ProxyError) as error:
            reason = str(error) or type(error).__name__
            raise WorldError(
                Text(f"{target.host} 没有应答：{reason}", f"{target.host} does not answer: {reason}"), retryable=True
            ) from error


def _authority(target: Target) -> str:
    host = f"[{target.host}]" if ":" in target.host else target.host
    own = {"http": 80, "https": 443}[target.scheme]
    return host if target.port == own else f"{host}:{target.port}"


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def _beginning(chunks: Iterable[bytes]) -> bytes:
    kept = bytearray()
    for chunk in chunks:
        kept += chunk
        if len(kept) >= MAX_ANSWER:
            break
    return bytes(kept[:MAX_ANSWER])


class _Checked(httpcore.NetworkBackend):
    """Looks a name up once, takes the first address that is allowed, and connects to that very address."""

    def __init__(self, allowed: Allowed, deadline: float) -> None:
        self._allowed = allowed
        self._deadline = deadline
        self._plain = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the exchange's deadline counts
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host}: {error}") from error
        addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
        permitted = [one for one in addresses if self._allowed.address(ipaddress.ip_address(one))]
        if not permitted:
            shown = ", ".join(addresses)
            raise NotAllowed(
                "M005",
                Text(
                    f"{host} 指向非公网地址 {shown}，不在 allow_networks 之内",
                    f"{host} leads to {shown}, which is not public and not in allow_networks",
                ),
            )
        failure: Exception | None = None
        for address in permitted:
            try:
                stream = self._plain.connect_tcp(address, port, _left(self._deadline), local_address, socket_options)
                return _Hurried(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise httpcore.ConnectError(str(failure)) from failure


class _Hurried(httpcore.NetworkStream):
    """A stream whose every operation ends at the exchange's deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002 - as in connect_tcp
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - as in connect_tcp
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002 - as in connect_tcp
    ) -> httpcore.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Hurried(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("out of time")
    return left
