"""Signatures against published vectors and independent computations."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest

from connectors.notify.signing import dingtalk_sign, webhook_key, webhook_signature
from haulwatch.domain.errors import WorldError


def test_the_published_vector_of_standard_webhooks() -> None:
    key = webhook_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signature = webhook_signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_robots_signature_by_hand() -> None:
    digest = hmac.new(b"SECabc", b"1777593600000\nSECabc", hashlib.sha256).digest()
    assert dingtalk_sign("SECabc", 1_777_593_600_000) == base64.b64encode(digest).decode()


@pytest.mark.parametrize(
    "secret", ["", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "whsec_" + "QUJD" * 30]
)
def test_a_key_that_is_none(secret: str) -> None:
    with pytest.raises(WorldError) as refused:
        webhook_key(secret)
    assert secret == "" or secret not in str(refused.value) or secret == "whsec_"
