"""What stands before every route: which hosts are answered, where a change may come from, and the security headers.

Plain ASGI, so that a stream is passed through piece by piece.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haulwatch.console.problems import Problem
from haulwatch.domain.text import Text

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",  # for browsers that know no frame-ancestors
    # Other sites hear nothing. With "no-referrer" a browser calls the origin of our own forms "null", too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}
OUR_OWN = frozenset({"same-origin", "none"})
"""What a browser says of a request that our own page, or a person at the address bar, has caused."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """Refuses unknown hosts (DNS rebinding) and changes asked for by another origin's page; adds the headers."""

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str]) -> None:
        self.app = app
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Checks the request, then lets it through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["method"])
        inner = refusal.response() if refusal else self.app
        await inner(scope, receive, send_with_headers)

    def _refusal(self, headers: Headers, method: str) -> Problem | None:
        host = headers.get("host", "")
        if "*" not in self.allowed_hosts and host_name(host) not in self.allowed_hosts:
            return Problem(421, "unknown-host", Text(f"不为主机名 {host} 服务", f"Host {host} is not served here"))
        origin = headers.get("origin")
        elsewhere = headers.get("sec-fetch-site", "none") not in OUR_OWN
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            elsewhere = True
        if method not in SAFE_METHODS and elsewhere:
            return Problem(
                403, "foreign-origin", Text("不接受其他网站发来的更改", "Changes from another site are refused")
            )
        return None


def host_name(host: str) -> str:
    """The name in a Host header, without port or brackets, in lower case."""
    return (urlsplit(f"//{host}").hostname or "").lower()
