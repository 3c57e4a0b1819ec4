"""Logging in through a real identity provider on this machine, and everything that must not get anybody in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from connectors.oidc import provider as protocol
from connectors.oidc.provider import OidcProvider
from connectors.oidc.settings import OidcFile
from haulwatch.bootstrap.identity import identity_provider
from haulwatch.console.access import COOKIE
from haulwatch.console.app import create_app
from haulwatch.console.testing import SteeredFeed, SteeredIntake, small_city
from haulwatch.dispatch.database import sqlite_url
from haulwatch.dispatch.store import OrderStore, open_store
from haulwatch.domain.errors import AuthorError, WorldError
from tests.connectors.oidc.served import CLIENT, SECRET, Claims, Provider, provider

REDIRECT = "http://localhost/login/oidc/callback"
GROUPS = """\
groups:
  dispatch: {roles: [dispatcher], jurisdiction: [D-1]}
  chiefs: {roles: [duty_officer, verifier]}
  squads: {roles: [squad]}
squad_claim: squad
"""


@pytest.fixture
def service() -> Iterator[tuple[Provider, str]]:
    with provider() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OrderStore]:
    opened = open_store(sqlite_url(tmp_path))
    yield opened
    opened.close()


@pytest.fixture
def file(service: tuple[Provider, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OIDC_SECRET", SECRET)
    path = tmp_path / "oidc.yaml"
    head = f"issuer: {service[1]}\nclient_id: {CLIENT}\nclient_secret: env:OIDC_SECRET\nredirect_url: {REDIRECT}\n"
    path.write_text(head + GROUPS)
    return path


@pytest.fixture
def client(file: Path, store: OrderStore) -> TestClient:
    identity = identity_provider(file)
    app = create_app(store, store.people(), SteeredFeed(), SteeredIntake(), small_city(), identity=identity)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def log_in(client: TestClient, service: Provider, place: str = "/") -> Any:
    """What the browser gets in the end."""
    answer = client.get("/login/oidc", params={"next": place})
    assert answer.status_code == 303
    return client.get(service.authorize(answer.headers["location"]))


def test_there_and_back(client: TestClient, service: tuple[Provider, str], store: OrderStore) -> None:
    assert "/login/oidc?next=" in client.get("/login").text
    begun = client.get("/login/oidc", params={"next": "/orders/HW-1"})
    kept = begun.headers["set-cookie"].lower()
    assert "httponly" in kept
    assert "samesite=lax" in kept
    before = client.cookies.get(COOKIE)
    answer = client.get(service[0].authorize(begun.headers["location"]))
    assert (answer.status_code, before) == (200, None)
    assert 'content="0;url=/orders/HW-1"' in answer.text
    me = client.get("/api/v1/me").json()
    assert (me["name"], me["roles"], me["jurisdiction"]) == ("王芳", ["dispatcher"], ["D-1"])
    [person] = store.people().list()
    assert (person.issuer, person.roles) == (service[1], ("dispatcher",))
    assert client.cookies.get("haulwatch_oidc") is None
    first = client.cookies.get(COOKIE)
    service[0].person = {**service[0].person, "groups": ["chiefs"]}
    log_in(client, service[0])
    assert client.cookies.get(COOKIE) != first, "another session, and the old one has ended"
    me = client.get("/api/v1/me").json()
    assert (me["roles"], me["jurisdiction"]) == (["duty_officer", "verifier"], []), "rights are those of today"
    assert len(store.people().list()) == 1
    assert store.verify().problem is None


@pytest.mark.parametrize(
    ("place", "lands"), [("//evil.example/", "/"), ("https://evil.example", "/"), ("/\\evil.example", "/")]
)
def test_nobody_is_sent_elsewhere(client: TestClient, service: tuple[Provider, str], place: str, lands: str) -> None:
    assert f'content="0;url={lands}"' in log_in(client, service[0], place).text


def set_claim(**claims: object) -> Callable[[Provider], None]:
    def spoil(found: Provider) -> None:
        found.spoil = lambda made: made.update(claims)

    return spoil


def without(name: str) -> Callable[[Provider], None]:
    def spoil(found: Provider) -> None:
        found.spoil = lambda made: made.pop(name, None)  # type: ignore[arg-type,return-value]

    return spoil


def signed_by(how: str) -> Callable[[Provider], None]:
    def spoil(found: Provider) -> None:
        found.sign = getattr(found, how)

    return spoil


def by_another_key(found: Provider) -> None:
    other = Provider()
    other.key = type(found.key).generate_key(2048, {"kid": found.key.kid})
    found.sign = other.signed


@pytest.mark.parametrize(
    "spoil",
    [
        set_claim(iss="https://other.example"),
        set_claim(aud="another-client"),
        set_claim(nonce="another"),
        set_claim(exp=1_000_000_000),
        set_claim(iat=9_999_999_999),
        set_claim(azp="another-client"),
        set_claim(sub=""),
        set_claim(sub=7),
        set_claim(sub="x" * 300),
        *(without(name) for name in ("iss", "aud", "nonce", "exp", "iat", "sub")),
        signed_by("by_shared_secret"),
        signed_by("unsigned"),
        by_another_key,
        lambda found: setattr(found, "sign", lambda _claims: "not a token"),
        set_claim(groups=[]),
        set_claim(groups=["strangers"]),
        set_claim(groups={"dispatch": True}),
        without("groups"),
        set_claim(groups=["squads"]),
    ],
)
def test_who_is_not_let_in(
    client: TestClient, service: tuple[Provider, str], store: OrderStore, spoil: Callable[[Provider], None]
) -> None:
    spoil(service[0])
    answer = log_in(client, service[0])
    assert answer.status_code == 401, answer.text
    assert 'role="alert"' in answer.text
    assert client.cookies.get(COOKIE) is None
    assert store.people().list() == []


def test_an_answer_that_fits_no_attempt(client: TestClient, service: tuple[Provider, str]) -> None:
    begun = client.get("/login/oidc")
    back = service[0].authorize(begun.headers["location"])
    assert client.get(back.replace("state=", "state=x")).status_code == 400
    assert client.get(back).status_code == 400, "an attempt is good for one answer"
    begun = client.get("/login/oidc")
    back = service[0].authorize(begun.headers["location"])
    other = TestClient(client.app, base_url="http://localhost", follow_redirects=False)
    assert other.get(back).status_code == 400, "another browser's"
    assert client.get(back).status_code == 200
    again = client.get("/login/oidc")
    state = service[0].authorize(again.headers["location"]).partition("state=")[2]
    used = back.partition("code=")[2].partition("&")[0]
    assert client.get(f"/login/oidc/callback?code={used}&state={state}").status_code == 401, "a code is good once"
    assert client.get("/login/oidc/callback?error=access_denied").status_code == 400
    for cookie in ("", "zz", "7b7d", "ff" * 3000):
        client.cookies.set("haulwatch_oidc", cookie)
        assert client.get(f"/login/oidc/callback?code=x&state={state}").status_code == 400
        client.cookies.clear()


def test_a_code_without_the_verifier_that_belongs_to_it(service: tuple[Provider, str], file: Path) -> None:
    identity = identity_provider(file)
    assert identity is not None
    address = identity.address(state="s", nonce="n", verifier="v" * 50)
    code = service[0].authorize(address).partition("code=")[2].partition("&")[0]
    with pytest.raises(protocol.NotVouchedFor):
        identity.claimed(code=code, nonce="n", verifier="w" * 50)


def test_keys_that_change(client: TestClient, service: tuple[Provider, str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_in(client, service[0]).status_code == 200
    service[0].new_key()
    monkeypatch.setattr(protocol, "KEYS_AGAIN_S", 0.0)
    assert log_in(client, service[0]).status_code == 200
    monkeypatch.setattr(protocol, "KEYS_AGAIN_S", 3600.0)
    service[0].asked.clear()
    service[0].sign = service[0].unsigned
    for _ in range(5):
        assert log_in(client, service[0]).status_code == 401
    assert service[0].asked == [], "bad tokens do not make us ask again and again"


def test_a_provider_that_is_away(client: TestClient, service: tuple[Provider, str]) -> None:
    service[0].broken = True
    answer = client.get("/login/oidc", headers={"Accept-Language": "en"})
    assert answer.status_code == 503
    assert "the identity provider answered 503" in answer.text
    service[0].broken = False
    assert log_in(client, service[0]).status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://other.example"},
        {"authorization_endpoint": "https://evil.example/authorize"},
        {"authorization_endpoint": "ftp://127.0.0.1/x"},
        {"authorization_endpoint": None},
    ],
)
def test_a_document_that_leads_elsewhere(client: TestClient, service: tuple[Provider, str], document: Claims) -> None:
    service[0].document = document
    assert client.get("/login/oidc").status_code == 503


def test_a_disabled_account_stays_out(client: TestClient, service: tuple[Provider, str], store: OrderStore) -> None:
    log_in(client, service[0])
    [person] = store.people().list()
    store.people().disable(person.person_id)
    answer = log_in(client, service[0])
    assert (answer.status_code, client.get("/api/v1/me").status_code) == (401, 401)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("issuer: http://idp.example\n", "O001"),
        ("groups: {x: {roles: [boss]}}\n", "O002"),
        ("groups: {x: {roles: [device]}}\n", "O002"),
        ("redirect_url: https://console.example/elsewhere\n", "O003"),
        ("scopes: [profile]\n", "O004"),
        ("client_secret: hunter2\n", "N001"),
    ],
)
def test_a_file_with_mistakes(tmp_path: Path, text: str, code: str) -> None:
    lines = {
        "issuer": "issuer: https://idp.example\n",
        "client_id": "client_id: x\n",
        "redirect_url": "redirect_url: https://console.example/login/oidc/callback\n",
        "groups": "groups: {x: {roles: [dispatcher]}}\n",
    }
    lines[text.partition(":")[0]] = text
    path = tmp_path / "oidc.yaml"
    path.write_text("".join(lines.values()))
    with pytest.raises(AuthorError) as wrong:
        identity_provider(path)
    [finding] = wrong.value.findings
    assert (finding.code, finding.file) == (code, path.as_posix())
    assert finding.line > 0


def test_no_provider_at_all() -> None:
    found = OidcFile.model_validate(
        {
            "issuer": "http://127.0.0.1:1",
            "client_id": "x",
            "redirect_url": REDIRECT,
            "groups": {"x": {"roles": ["wall"]}},
        }
    )
    with pytest.raises(WorldError) as away:
        OidcProvider(found).address(state="s", nonce="n", verifier="v")
    assert away.value.retryable
