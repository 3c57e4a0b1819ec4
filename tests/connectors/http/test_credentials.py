"""Who is let in: each scheme as real clients speak it, and what is refused, how often, and how it is counted."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from connectors.gate import Tally
from connectors.http import digest
from connectors.http.credentials import FAILURES_AT_ONCE, Credentials, Doorkeeper
from haulwatch.city.documents import read_document
from haulwatch.domain.errors import WorldError

HERE = ("10.1.2.3", 5000)


class Senders(BaseModel):
    senders: dict[str, Credentials]


class Door:
    """A doorkeeper before one address, and its clock."""

    def __init__(self, tmp_path: Path, settings: str, *names: str) -> None:
        for name in ("password", "token"):
            (tmp_path / name).write_text("海康 12345\n" if name == "password" else "T0ken\n", encoding="utf-8")
        text = "senders:\n" + "".join(f"  {name}: {{{settings}}}\n" for name in names or ("cam-07",))
        found, findings = read_document("c.yaml", text.replace("@", f"file:{tmp_path.as_posix()}/").encode(), Senders)
        assert found is not None, findings
        self.now_s = 1_800_000_000.0
        self.tally = Tally("test", found.senders, lambda: 0)
        self.keeper = Doorkeeper(found.senders, self.tally, now_s=lambda: self.now_s)
        app = FastAPI()

        @app.post("/ingest/{sender}")
        def ingest(sender: str, request: Request) -> str:
            self.keeper.admit(sender, request)
            return "in"

        self.app = app

    def client(self, address: tuple[str, int] = HERE) -> TestClient:
        return TestClient(self.app, client=address)

    def faults(self) -> dict[tuple[str, str], float]:
        return {
            (s.labels[1][1], s.labels[0][1]): s.value for s in self.tally.samples() if s.name.endswith("faults_total")
        }


USER = "user: admin, password: '@password'"


@pytest.mark.parametrize("scheme", ["any", "digest-md5", "digest-sha-256"])
def test_a_digest_client_is_let_in(tmp_path: Path, scheme: str) -> None:
    door = Door(tmp_path, f"{USER}, scheme: {scheme}")
    auth = httpx.DigestAuth("admin", "海康 12345")
    with door.client() as client:
        answers = [client.post("/ingest/cam-07?x=1", content=b"body", auth=auth) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert door.faults() == {}


@pytest.mark.parametrize("scheme", ["any", "basic"])
def test_a_basic_client_is_let_in(tmp_path: Path, scheme: str) -> None:
    door = Door(tmp_path, f"{USER}, scheme: {scheme}")
    with door.client() as client:
        assert client.post("/ingest/cam-07", auth=("admin", "海康 12345")).status_code == 200
        assert client.post("/ingest/cam-07", auth=("admin", "12345")).status_code == 401
        assert client.post("/ingest/cam-07", auth=("root", "海康 12345")).status_code == 401


def test_a_token_is_taken_from_the_header_and_from_the_address(tmp_path: Path) -> None:
    door = Door(tmp_path, "token: '@token'")
    with door.client() as client:
        assert client.post("/ingest/cam-07", headers={"Authorization": "Bearer T0ken"}).status_code == 200
        assert client.post("/ingest/cam-07?token=T0ken").status_code == 200
        for answer in (client.post("/ingest/cam-07?token=T0keN"), client.post("/ingest/cam-07?token=")):
            assert answer.status_code == 401
        assert client.post("/ingest/cam-07").headers["WWW-Authenticate"] == 'Bearer realm="haulwatch"'
        assert client.post("/ingest/cam-07?token=T0ken", headers={"Authorization": "Bearer no"}).status_code == 401


def test_what_is_open_is_open_to_its_networks_only(tmp_path: Path) -> None:
    door = Door(tmp_path, "open: true, networks: [10.1.0.0/16, '2001:db8::/32']")
    for address, status in [
        ("10.1.9.9", 200),
        ("::ffff:10.1.9.9", 200),
        ("2001:db8::1", 200),
        ("10.2.0.1", 403),
        ("2001:db9::1", 403),
        ("testclient", 403),
    ]:
        with door.client((address, 1)) as client:
            assert client.post("/ingest/cam-07").status_code == status, address
    assert door.faults() == {("cam-07", "foreign_address"): 3}


def test_networks_narrow_those_with_a_password_too(tmp_path: Path) -> None:
    door = Door(tmp_path, f"{USER}, networks: [10.9.0.0/16]")
    with door.client() as client:
        assert client.post("/ingest/cam-07", auth=("admin", "海康 12345")).status_code == 403


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ("basic", httpx.DigestAuth("admin", "海康 12345")),
        ("digest-md5", httpx.BasicAuth("admin", "海康 12345")),
        ("digest-sha-256", httpx.BasicAuth("admin", "海康 12345")),
    ],
)
def test_another_scheme_than_the_one_asked_for_is_refused(tmp_path: Path, scheme: str, auth: httpx.Auth) -> None:
    door = Door(tmp_path, f"{USER}, scheme: {scheme}")
    with door.client() as client:
        assert client.post("/ingest/cam-07", auth=auth).status_code == 401


def test_names_cannot_be_found_out(tmp_path: Path) -> None:
    door = Door(tmp_path, USER)
    with door.client() as client:
        answers = [client.post(f"/ingest/{name}", auth=("admin", "x")) for name in ("cam-07", "nobody")]
        challenges = [re.sub('nonce="[^"]*"', "", answer.headers["WWW-Authenticate"]) for answer in answers]
    assert challenges[0] == challenges[1]
    assert answers[0].status_code == answers[1].status_code == 401
    assert answers[0].json() == answers[1].json()
    assert door.faults() == {("cam-07", "not_authenticated"): 1, ("unknown", "not_authenticated"): 1}


def test_one_camera_is_not_another(tmp_path: Path) -> None:
    door = Door(tmp_path, "token: '@token'", "cam-07")
    other = Door(tmp_path, "token: 'env:PATH'", "cam-08")
    with other.client() as client:
        assert client.post("/ingest/cam-08?token=T0ken").status_code == 401
    with door.client() as client:
        assert client.post("/ingest/cam-08?token=T0ken").status_code == 401


class Digester:
    """A digest client whose every value can be made wrong."""

    def __init__(self, door: Door, algorithm: str = "MD5") -> None:
        self.door, self.algorithm = door, algorithm
        with door.client() as client:
            header = client.post("/ingest/cam-07").headers["WWW-Authenticate"]
        self.nonce = header.split('nonce="')[1].split('"')[0]

    def header(self, **changed: str) -> str:
        values = {
            "username": "admin",
            "realm": "haulwatch",
            "nonce": self.nonce,
            "uri": "/ingest/cam-07",
            "qop": "auth",
            "nc": "00000001",
            "cnonce": "c",
            "algorithm": self.algorithm,
            **changed,
        }
        said = digest.Claim(
            user=values["username"],
            realm=values["realm"],
            nonce=values["nonce"],
            uri=values["uri"],
            response="",
            algorithm="MD5",
            qop=values["qop"],
            cnonce=values["cnonce"],
            nc=values["nc"],
            count=1,
        )
        wanted = digest.response(said, "admin", "海康 12345", "POST")
        values = {"response": wanted, **values}
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in values.items() if value)

    def post(self, **changed: str) -> httpx.Response:
        with self.door.client() as client:
            answer: httpx.Response = client.post("/ingest/cam-07", headers={"Authorization": self.header(**changed)})
            return answer


def test_a_request_that_was_recorded_cannot_be_sent_again(tmp_path: Path) -> None:
    sender = Digester(Door(tmp_path, USER))
    assert sender.post().status_code == 200
    again = sender.post()
    assert again.status_code == 401
    assert "stale=true" in again.headers["WWW-Authenticate"]
    assert sender.post(nc="00000002").status_code == 200


def test_requests_that_overtake_each_other_count_once_each(tmp_path: Path) -> None:
    sender = Digester(Door(tmp_path, USER))
    numbers = [1, 3, 2, 7, 2, 5, 7, 0x100, 0x40]
    answers = [sender.post(nc=f"{number:08x}").status_code for number in numbers]
    assert answers == [200, 200, 200, 200, 401, 200, 401, 200, 401]


def test_a_nonce_grows_old(tmp_path: Path) -> None:
    sender = Digester(Door(tmp_path, USER))
    sender.door.now_s += digest.NONCE_S + 1
    answer = sender.post()
    assert answer.status_code == 401
    assert "stale=true" in answer.headers["WWW-Authenticate"]
    assert sender.door.faults() == {}


def test_a_sender_without_qop_gets_one_request_from_a_nonce(tmp_path: Path) -> None:
    sender = Digester(Door(tmp_path, USER))
    assert [sender.post(qop="", nc="", cnonce="").status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    "changed",
    [
        {"response": "0" * 32},
        {"username": "root"},
        {"realm": "elsewhere"},
        {"uri": "/ingest/cam-08"},
        {"uri": "/ingest/cam-07?x=2"},
        {"uri": "http://[/"},
        {"algorithm": "SHA-512"},
        {"qop": "auth-int"},
        {"nc": "1"},
    ],
)
def test_a_digest_that_is_not_right_is_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    sender = Digester(Door(tmp_path, USER))
    answer = sender.post(**changed)
    assert answer.status_code == 401
    assert "stale" not in answer.headers["WWW-Authenticate"]
    assert sender.door.faults() == {("cam-07", "not_authenticated"): 1}


@pytest.mark.parametrize("nonce", ["AAAA", "不", "=", base64.urlsafe_b64encode(bytes(40)).decode()])
def test_a_nonce_of_another_process_is_only_stale(tmp_path: Path, nonce: str) -> None:
    sender = Digester(Door(tmp_path, USER))
    said = sender.header(nonce=nonce).encode()
    with sender.door.client() as client:
        answer = client.post("/ingest/cam-07", headers={b"Authorization": said})
    assert answer.status_code == 401
    assert sender.door.faults() in ({}, {("cam-07", "not_authenticated"): 1})


def test_who_guesses_has_to_wait_and_nobody_else(tmp_path: Path) -> None:
    door = Door(tmp_path, USER, "cam-07", "cam-08")
    right = ("admin", "海康 12345")
    with door.client() as client:
        for _ in range(FAILURES_AT_ONCE):
            assert client.post("/ingest/cam-07", auth=("admin", "guess")).status_code == 401
        answer = client.post("/ingest/cam-07", auth=right)
        assert answer.status_code == 429
        assert client.post("/ingest/cam-08", auth=right).status_code == 200
    with door.client(("10.1.2.4", 1)) as client:
        assert client.post("/ingest/cam-07", auth=right).status_code == 200
    door.now_s += int(answer.headers["Retry-After"])
    with door.client() as client:
        assert client.post("/ingest/cam-07", auth=right).status_code == 200
    assert door.faults() == {("cam-07", "not_authenticated"): FAILURES_AT_ONCE, ("cam-07", "too_many_attempts"): 1}


def test_the_addresses_of_one_ipv6_network_are_one_guesser(tmp_path: Path) -> None:
    door = Door(tmp_path, USER)
    statuses = []
    for number in range(FAILURES_AT_ONCE + 1):
        with door.client((f"2001:db8::{number:x}", 1)) as client:
            statuses.append(client.post("/ingest/cam-07", auth=("admin", "guess")).status_code)
    assert statuses == [401] * FAILURES_AT_ONCE + [429]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ("user: a", "N002"),
        ("password: env:A", "N002"),
        ("open: false", "N003"),
        ("token: env:A, open: true, networks: [10.0.0.0/8]", "N003"),
        ("open: true", "N004"),
        ("user: 'a:b', password: env:A", "N005"),
        ("user: 'a b', password: env:A", "N005"),
        ("user: 管理员, password: env:A", "N005"),
        ("user: '', password: env:A", "N005"),
        ("user: a, password: secret", "N001"),
        ("open: true, networks: [10.0.0.0/99]", "C015"),
        ("tokn: env:A", "C013"),
    ],
)
def test_settings_that_do_not_fit_are_found_at_their_place(settings: str, code: str) -> None:
    _, findings = read_document("c.yaml", f"senders:\n  cam-07: {{{settings}}}\n".encode(), Senders)
    assert code in [finding.code for finding in findings]
    assert {finding.line for finding in findings} == {2}


def test_a_secret_that_is_not_there_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="nowhere"):
        Door(tmp_path, "token: 'file:/nowhere'")


def test_a_table_of_nonces_that_is_full_makes_the_oldest_stale() -> None:
    nonces = digest.Nonces(at_most=2)
    made = [nonces.new(now_s) for now_s in (1.0, 2.0, 3.0)]
    assert all(nonces.fresh(nonce, 3.0) and nonces.spend(nonce, 1) for nonce in made)
    assert [nonces.fresh(nonce, 3.0) for nonce in made] == [False, True, True]


@given(st.text())
def test_any_header_is_read_or_refused(text: str) -> None:
    said = digest.claim(text)
    assert said is None or said.response is not None


@given(st.binary(max_size=80))
def test_no_bytes_are_a_nonce(raw: bytes) -> None:
    assert not digest.Nonces().fresh(raw.decode("latin-1"), 1.0)


@pytest.mark.parametrize(
    "make", [lambda: "Digest " + "a=1, " * 2000, lambda: "Digest", lambda: "Basic ***", lambda: "?"]
)
def test_rubbish_is_refused(tmp_path: Path, make: Callable[[], str]) -> None:
    with Door(tmp_path, USER).client() as client:
        assert client.post("/ingest/cam-07", headers={"Authorization": make()}).status_code == 401
