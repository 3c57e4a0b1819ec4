"""An OpenID Connect provider: authorization code flow with PKCE (RFC 7636), ID tokens checked as OpenID Connect Core
1.0 §3.1.3.7 asks.

Asked over HTTPS only; the provider's document may name no other host than its own and those that the file allows.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from connectors.oidc.settings import LOOPBACK, OidcFile, listed
from haulwatch.domain.errors import WorldError
from haulwatch.domain.people import Claimed, NotVouchedFor
from haulwatch.domain.text import Text

ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
"""Signatures that only the provider can make: none with a shared secret, and never `none`."""
TIMEOUT_S = 10.0
DOCUMENT_S = 3600.0
KEYS_AGAIN_S = 30.0
"""A key that is not known is looked for at most so often."""
LEEWAY_S = 60
MAX_ANSWER_BYTES = 1024 * 1024
SUBJECT_MAX = 255


class OidcProvider:
    """One provider, for any number of threads; its document and keys are kept for a while."""

    def __init__(self, file: OidcFile, now_s: Callable[[], float] = time.time) -> None:
        self._file = file
        self._secret = file.secret()
        self._now_s = now_s
        self._hosts = {urlsplit(file.issuer).netloc, *file.hosts}
        self._lock = threading.Lock()
        self._document: tuple[float, dict[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None

    @property
    def label(self) -> Text:
        """How it is called on the login page."""
        return self._file.text()

    def address(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where the browser goes to be vouched for. Raises WorldError while the provider is away."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self._file.client_id,
            "redirect_uri": self._file.redirect_url,
            "scope": " ".join(self._file.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        endpoint = self._endpoint("authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(query)}"

    def claimed(self, *, code: str, nonce: str, verifier: str) -> Claimed:
        """Who came back with this code. Raises `NotVouchedFor`, WorldError while the provider is away."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._file.redirect_url,
            "client_id": self._file.client_id,
            "code_verifier": verifier,
        }
        auth = None if self._secret is None else httpx.BasicAuth(self._file.client_id, self._secret)
        answer = self._ask("POST", self._endpoint("token_endpoint"), data=form, auth=auth)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotVouchedFor("refused", Text("统一认证没有给出身份", "the provider named nobody"))
        return self._person(self._verified(token, nonce))

    def _person(self, claims: dict[str, Any]) -> Claimed:
        roles, jurisdiction = self._file.rights(listed(claims.get(self._file.groups_claim)))
        if not roles:
            words = Text(
                "您的账户在本系统没有角色，请联系系统管理员", "your account has no role here; ask the administrator"
            )
            raise NotVouchedFor("no-role", words)
        subject = claims["sub"]
        squad = claims.get(self._file.squad_claim) if self._file.squad_claim else None
        if "squad" in roles and not isinstance(squad, str):
            words = Text("您的账户没有所属中队，请联系系统管理员", "your account names no squad; ask the administrator")
            raise NotVouchedFor("no-squad", words)
        name = claims.get(self._file.name_claim) or claims.get("preferred_username") or subject
        return Claimed(
            issuer=self._file.issuer,
            subject=subject,
            name=str(name),
            roles=roles,
            jurisdiction=jurisdiction,
            squad_id=squad if isinstance(squad, str) else None,
        )

    def _verified(self, token: str, nonce: str) -> dict[str, Any]:
        try:
            claims = self._decoded(token).claims
            registry = jwt.JWTClaimsRegistry(
                now=lambda: int(self._now_s()),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self._file.issuer},
                aud={"essential": True, "value": self._file.client_id},
                exp={"essential": True},
                iat={"essential": True},
                sub={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            registry.validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            words = Text(f"统一认证的身份凭证无效：{error}", f"the provider's ID token is not valid: {error}")
            raise NotVouchedFor("bad-token", words) from error
        subject, party = claims["sub"], claims.get("azp", self._file.client_id)
        if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX or party != self._file.client_id:
            raise NotVouchedFor("bad-token", Text("统一认证的身份凭证无效", "the provider's ID token is not valid"))
        return dict(claims)

    def _decoded(self, token: str) -> jwt.Token:
        keys = self._key_set(None)
        try:
            return jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # Signed with a key that came after ours: providers change them.
            newer = self._key_set(keys)
            if newer is keys:
                raise
            return jwt.decode(token, newer, algorithms=ALGORITHMS)

    def _key_set(self, unfit: KeySet | None) -> KeySet:
        """The provider's keys; asked for again where those at hand do not fit, but not with every bad token."""
        with self._lock:
            now = time.monotonic()
            kept = self._keys
            if kept is not None and now - kept[0] < (DOCUMENT_S if unfit is None else KEYS_AGAIN_S):
                return kept[1]
        found = KeySet.import_key_set(self._ask("GET", self._endpoint("jwks_uri")))  # type: ignore[arg-type]
        with self._lock:
            self._keys = (now, found)
        return found

    def _endpoint(self, name: str) -> str:
        with self._lock:
            kept = self._document
        now = time.monotonic()
        if kept is None or now - kept[0] > DOCUMENT_S:
            address = f"{self._file.issuer.rstrip('/')}/.well-known/openid-configuration"
            kept = (now, self._ask("GET", address))
            if kept[1].get("issuer") != self._file.issuer:
                raise WorldError(
                    Text("统一认证的 issuer 与配置不符", "the provider's issuer is not the configured one")
                )
            with self._lock:
                self._document = kept
        endpoint = kept[1].get(name)
        parts = urlsplit(endpoint) if isinstance(endpoint, str) else None
        secure = parts is not None and (parts.scheme == "https" or parts.hostname in LOOPBACK)
        if parts is None or not secure or parts.netloc not in self._hosts:
            words = Text(
                f"统一认证的 {name} 不可用：{endpoint}", f"the provider's {name} is not to be used: {endpoint}"
            )
            raise WorldError(words)
        return str(endpoint)

    def _ask(self, method: str, address: str, **options: Any) -> dict[str, Any]:
        try:
            with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client:
                answer = client.request(method, address, headers={"Accept": "application/json"}, **options)
                found = answer.json() if len(answer.content) <= MAX_ANSWER_BYTES else None
        except (httpx.HTTPError, ValueError) as error:
            words = Text(f"统一认证连不上：{error}", f"the identity provider cannot be reached: {error}")
            raise WorldError(words, retryable=True) from error
        if answer.status_code in (400, 401, 403) and method == "POST":
            raise NotVouchedFor("refused", Text("统一认证拒绝了这次登录", "the identity provider refused this login"))
        if answer.status_code != 200 or not isinstance(found, dict):
            words = Text(f"统一认证回答 {answer.status_code}", f"the identity provider answered {answer.status_code}")
            raise WorldError(words, retryable=True)
        return found
