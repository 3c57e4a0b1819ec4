"""The one way out, against a real server."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from connectors.notify.addresses import Allowed, NotAllowed
from connectors.notify.outgoing import MAX_ANSWER, Outgoing, Post
from haulwatch.domain.errors import WorldError
from tests.connectors.notify.receiver import Receiver, Reply

LOOPBACK = [ipaddress.ip_network("127.0.0.0/8")]


def post_to(url: str) -> Post:
    return Post(url, {"Content-Type": "text/plain", "X-One": "1"}, "正文".encode(), plain=True)


def outgoing_to(receiver: Receiver, exchange_s: float = 10.0) -> Outgoing:
    return Outgoing(Allowed([f"127.0.0.1:{receiver.port}"]), exchange_s=exchange_s)


@contextmanager
def dripping(byte: bytes, head: bytes) -> Iterator[int]:
    """A server that never ends its answer: `head`, then `byte` for ever; its port."""
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(head)
                while not done.wait(0.05):
                    try:
                        connection.sendall(byte)
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        done.set()
        thread.join()


def test_a_request_as_it_was_made() -> None:
    with Receiver(Reply(202, b"yes", {"Retry-After": "7"})) as receiver:
        reply = outgoing_to(receiver)(post_to(f"{receiver.url}/x?a=%E4%B8%AD"))
        [request] = receiver.requests
    assert (reply.status, reply.body, reply.headers["retry-after"]) == (202, b"yes", "7")
    assert (request.path, request.body.decode(), request.headers["x-one"]) == ("/x?a=%E4%B8%AD", "正文", "1")
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert "cookie" not in request.headers


def test_redirects_are_not_followed() -> None:
    with Receiver(Reply(307, headers={"Location": "/elsewhere", "Set-Cookie": "a=b"})) as receiver:
        assert outgoing_to(receiver)(post_to(receiver.url)).status == 307
        assert len(receiver.requests) == 1


def test_nothing_reaches_a_host_that_is_not_listed() -> None:
    with Receiver() as receiver:
        elsewhere = Outgoing(Allowed(["example.org"]))
        with pytest.raises(NotAllowed, match="allow_hosts"):
            elsewhere(post_to(receiver.url))
        assert receiver.requests == []


def test_a_listed_name_that_leads_to_a_private_address_is_refused_unless_its_network_is_listed() -> None:
    with Receiver() as receiver:
        host = f"localhost:{receiver.port}"
        with pytest.raises(NotAllowed, match="not public") as refused:
            Outgoing(Allowed([host]))(post_to(f"http://{host}/"))
        assert refused.value.code == "M005"
        assert receiver.requests == []
        assert Outgoing(Allowed([host], LOOPBACK))(post_to(f"http://{host}/")).status == 200
        assert receiver.requests[0].headers["host"] == host


def test_nobody_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(WorldError, match="does not answer") as away:
            Outgoing(Allowed([f"127.0.0.1:{port}"]))(post_to(f"http://127.0.0.1:{port}/"))
    assert away.value.retryable


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_a_slow_answer_has_one_deadline(head: bytes) -> None:
    with dripping(b"a", head) as port:
        began = time.monotonic()
        with pytest.raises(WorldError):
            Outgoing(Allowed([f"127.0.0.1:{port}"]), exchange_s=0.5)(post_to(f"http://127.0.0.1:{port}/"))
        assert time.monotonic() - began < 5


def test_of_a_large_answer_the_beginning_is_kept() -> None:
    with Receiver(Reply(200, b"x" * (4 * MAX_ANSWER))) as receiver:
        assert len(outgoing_to(receiver)(post_to(receiver.url)).body) == MAX_ANSWER


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 999999 x\r\n\r\n", b"\0" * 100_000])
def test_who_speaks_no_http(head: bytes) -> None:
    with dripping(b"", head) as port, pytest.raises(WorldError):
        Outgoing(Allowed([f"127.0.0.1:{port}"]), exchange_s=1.0)(post_to(f"http://127.0.0.1:{port}/"))


def test_through_a_proxy_that_is_listed() -> None:
    with Receiver() as proxy:
        address = f"127.0.0.1:{proxy.port}"
        through = Outgoing(Allowed([address, "hooks.example.org"]), proxy=f"http://{address}")
        assert through(post_to("http://hooks.example.org/x")).status == 200
        assert proxy.requests[0].path == "http://hooks.example.org:80/x"
    with pytest.raises(NotAllowed):
        Outgoing(Allowed(["hooks.example.org"]), proxy="http://127.0.0.1:1")
