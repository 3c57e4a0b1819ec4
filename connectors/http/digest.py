"""HTTP Digest (RFC 7616): the header as values, nonces that need no table, and what the response must be.

Nothing here reads a clock or a socket; seconds are arguments.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from collections import OrderedDict

from msgspec import Struct

MAX_HEADER = 4096
NONCE_S = 300.0
"""How long a nonce may be used; after that the sender is told that it is stale and takes the new one by itself."""
MAX_NONCES = 10_000
_WINDOW = 64
_PAIR = re.compile(r'([A-Za-z*]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))\s*(?:,|$)\s*')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class Claim(Struct, frozen=True):
    """What a `Digest` Authorization header says; `count` is `nc`, 1 for senders that know no qop (RFC 2069)."""

    user: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    qop: str
    cnonce: str
    nc: str
    count: int


def claim(header: str) -> Claim | None:
    """The header (what follows `Digest `) read; None where it is none that could be right."""
    values: dict[str, str] = {}
    place, header = 0, header.strip()
    if len(header) > MAX_HEADER:
        return None
    while place < len(header):
        pair = _PAIR.match(header, place)
        if pair is None or pair[1].lower() in values:
            return None
        quoted = pair[2]
        values[pair[1].lower()] = pair[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        place = pair.end()
    algorithm = values.get("algorithm", "MD5").upper()
    qop, nc = values.get("qop", ""), values.get("nc", "")
    wanted = ("username", "realm", "nonce", "uri", "response")
    if algorithm not in _HASHES or qop not in ("", "auth") or any(name not in values for name in wanted):
        return None
    if qop and re.fullmatch("[0-9a-fA-F]{8}", nc) is None:
        return None
    return Claim(
        user=values["username"],
        realm=values["realm"],
        nonce=values["nonce"],
        uri=values["uri"],
        response=values["response"],
        algorithm=algorithm,
        qop=qop,
        cnonce=values.get("cnonce", ""),
        nc=nc,
        count=int(nc, 16) if qop else 1,
    )


def response(said: Claim, user: str, password: str, method: str) -> str:
    """What `said.response` must be for this user."""

    def h(text: str) -> str:
        return _HASHES[said.algorithm](text.encode()).hexdigest()

    a1, a2 = h(f"{user}:{said.realm}:{password}"), h(f"{method}:{said.uri}")
    middle = f"{said.nc}:{said.cnonce}:{said.qop}:" if said.qop else ""
    return h(f"{a1}:{said.nonce}:{middle}{a2}")


def challenge(realm: str, nonce: str, algorithm: str, *, stale: bool) -> str:
    """The value of WWW-Authenticate. One challenge only: cameras read no more than the first."""
    said_stale = ", stale=true" if stale else ""
    return f'Digest realm="{realm}", qop="auth", algorithm={algorithm}, nonce="{nonce}"{said_stale}'


class Nonces:
    """Nonces that carry their own instant and mark: only those that were used rightly are remembered.

    The key is this process's own; a sender that meets another process with its nonce is told `stale` and goes on.
    """

    def __init__(self, *, lifetime_s: float = NONCE_S, at_most: int = MAX_NONCES) -> None:
        self._key = secrets.token_bytes(32)
        self._lifetime_s, self._at_most = lifetime_s, at_most
        self._used: OrderedDict[str, tuple[int, int]] = OrderedDict()
        self._first_ms = 0

    def new(self, now_s: float) -> str:
        """A nonce that begins now."""
        head = int(now_s * 1000).to_bytes(8, "big") + secrets.token_bytes(8)
        return base64.urlsafe_b64encode(head + self._mark(head)).decode()

    def fresh(self, nonce: str, now_s: float) -> bool:
        """Whether it is one of ours and not too old."""
        try:
            raw = base64.b64decode(nonce.encode("ascii"), b"-_", validate=True)
        except ValueError:
            return False
        head, mark = raw[:16], raw[16:]
        if not hmac.compare_digest(mark, self._mark(head)):
            return False
        began_ms = int.from_bytes(head[:8], "big")
        return self._first_ms <= began_ms and 0 <= now_s - began_ms / 1000 <= self._lifetime_s

    def spend(self, nonce: str, count: int) -> bool:
        """Takes use number `count` of a fresh nonce; False where it was used before or is long past.

        Requests on several connections overtake each other, so the last few numbers are looked at one by one.
        """
        highest, seen = self._used.get(nonce, (0, 0))
        if count > highest:
            seen = (seen << min(count - highest, _WINDOW) | 1) & (1 << _WINDOW) - 1
            highest = count
        else:
            bit = 1 << highest - count if highest - count < _WINDOW else 0
            if count < 1 or not bit or seen & bit:
                return False
            seen |= bit
        self._used[nonce] = (highest, seen)
        if len(self._used) > self._at_most:
            forgotten, _ = self._used.popitem(last=False)
            began = int.from_bytes(base64.urlsafe_b64decode(forgotten)[:8], "big")
            self._first_ms = max(self._first_ms, began + 1)
        return True

    def _mark(self, head: bytes) -> bytes:
        return hmac.digest(self._key, head, "sha256")[:16]
