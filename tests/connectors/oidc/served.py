"""A small OpenID Connect provider on this machine: keys, codes that are good once, PKCE; and ways to misbehave."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "haulwatch", "only-in-tests"
Claims = dict[str, Any]


class Provider:
    """Who logs in here is whoever `person` says. `spoil` changes the claims, `sign` makes the token of them."""

    def __init__(self) -> None:
        self.person: Claims = {"sub": "u-1", "name": "王芳", "groups": ["dispatch"]}
        self.spoil: Callable[[Claims], None] = lambda _claims: None
        self.sign: Callable[[Claims], str] = self.signed
        self.document: Claims = {}
        self.broken = False
        self.codes: dict[str, dict[str, str]] = {}
        self.key = self.new_key()
        self.asked: list[str] = []

    def new_key(self) -> RSAKey:
        """Another key pair; only the newest is published."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig"})
        return self.key

    def signed(self, claims: Claims) -> str:
        """As it should be."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def by_shared_secret(self, claims: Claims) -> str:
        """Signed with the public key as if it were a shared secret."""
        head = ".".join(encoded(one) for one in ({"alg": "HS256", "kid": self.key.kid}, claims))
        made = hmac.digest(self.key.as_pem(private=False), head.encode(), "sha256")
        return f"{head}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"

    def unsigned(self, claims: Claims) -> str:
        """Not signed at all."""
        return ".".join(encoded(one) for one in ({"alg": "none"}, claims)) + "."

    def authorize(self, address: str) -> str:
        """What the provider's page does when the person has logged in: where the browser is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"


def encoded(part: Claims) -> str:
    """A part of a token."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


@contextmanager
def provider() -> Iterator[tuple[Provider, str]]:
    """A running provider and its issuer."""
    found = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            if found.broken:
                self._answer(503, {"error": "away"})
            elif self.path == "/.well-known/openid-configuration":
                self._answer(200, endpoints(issuer) | found.document)
            elif self.path == "/jwks":
                self._answer(200, {"keys": [found.key.as_dict(private=False)]})
            else:
                self._answer(404, {})

        def do_POST(self) -> None:
            form = {
                name: values[0]
                for name, values in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()
            }
            begun = found.codes.pop(form.get("code", ""), None)
            digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            good = begun is not None and challenge == begun["code_challenge"]
            if not good or self.headers.get("Authorization") != f"Basic {basic}" or begun is None:
                self._answer(400, {"error": "invalid_grant"})
                return
            now = int(time.time())
            claims = {"iss": issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": begun["nonce"]}
            claims |= found.person
            found.spoil(claims)
            self._answer(200, {"access_token": "x", "token_type": "Bearer", "id_token": found.sign(claims)})

        def _answer(self, status: int, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found, issuer
    finally:
        server.shutdown()
        server.server_close()


def endpoints(issuer: str) -> Claims:
    """The provider's document."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
    }
