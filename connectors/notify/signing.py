"""Signatures that receivers check. Pure.

Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.payload`, the key being the Base64 after `whsec_`. DingTalk custom
robots ("additional signature" of the vendor's guide): HMAC-SHA256 of `timestamp\\nsecret` under the secret itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

PREFIX = "whsec_"
SHORTEST_KEY, LONGEST_KEY = 24, 64
"""Bytes of a key, as the specification wants them."""


def webhook_key(secret: str) -> bytes:
    """The key in `whsec_…`. Raises WorldError that does not show it."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True) if secret.startswith(PREFIX) else b""
    except binascii.Error:
        key = b""
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise WorldError(
            Text(
                f"签名密钥应为 {PREFIX} 加 {SHORTEST_KEY} 至 {LONGEST_KEY} 字节的 Base64",
                f"a signing key is {PREFIX} and {SHORTEST_KEY} to {LONGEST_KEY} bytes in Base64",
            )
        )
    return key


def webhook_signature(key: bytes, message_id: str, timestamp_s: int, payload: bytes) -> str:
    """The header `webhook-signature`."""
    signed = f"{message_id}.{timestamp_s}.".encode() + payload
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def dingtalk_sign(secret: str, timestamp_ms: int) -> str:
    """The query parameter `sign`, not yet encoded for a URL."""
    signed = f"{timestamp_ms}\n{secret}".encode()
    return base64.b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).decode()
