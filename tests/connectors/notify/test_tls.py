"""Who the other side is: certificates are checked, by the system's authorities or the file's."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from connectors.notify.addresses import Allowed
from connectors.notify.outgoing import Outgoing, Post
from haulwatch.domain.errors import WorldError
from tests.connectors.notify.receiver import Receiver

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="needs the program openssl to make a certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    made = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    named = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([str(OPENSSL), "req", *made, *named, *files], check=True, capture_output=True)
    return certificate, key


@pytest.fixture
def receiver(certificate: tuple[Path, Path]) -> Receiver:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return Receiver(tls=context)


def send(receiver: Receiver, host: str, **options: object) -> int:
    authority = f"{host}:{receiver.port}"
    allowed = Allowed([authority, "127.0.0.1"])
    post = Post(f"https://{authority}/x", {}, b"x")
    return Outgoing(allowed, **options)(post).status  # type: ignore[arg-type]


def test_an_authority_of_the_file_is_trusted(receiver: Receiver, certificate: tuple[Path, Path]) -> None:
    with receiver:
        assert send(receiver, "127.0.0.1", ca_file=certificate[0]) == 200


def test_nobody_else_is(receiver: Receiver) -> None:
    with receiver:
        with pytest.raises(WorldError, match="certificate verify failed"):
            send(receiver, "127.0.0.1")
        assert receiver.requests == []


def test_the_certificate_must_be_that_of_the_name(receiver: Receiver, certificate: tuple[Path, Path]) -> None:
    with receiver:
        with pytest.raises(WorldError, match=r"certificate verify failed|Hostname mismatch"):
            send(receiver, "localhost", ca_file=certificate[0])
        assert receiver.requests == []


def test_authorities_that_are_none(tmp_path: Path) -> None:
    for content in (None, "no certificate"):
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)
        with pytest.raises(WorldError, match=r"ca\.pem"):
            Outgoing(Allowed([]), ca_file=path)
