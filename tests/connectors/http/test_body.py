"""Bodies within limits, and what is said of those that are not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from fastapi import HTTPException, Request
from starlette.types import Message

from connectors.http.body import BODY_CODES, Bodies, read_body, refusal_code


def request(chunks: AsyncIterator[bytes], length: str | None = None) -> Request:
    """One whose body comes from `chunks`; the connection is lost where they end in ConnectionError."""

    async def receive() -> Message:
        try:
            return {"type": "http.request", "body": await anext(chunks), "more_body": True}
        except StopAsyncIteration:
            return {"type": "http.request", "body": b"", "more_body": False}
        except ConnectionError:
            return {"type": "http.disconnect"}

    headers = [] if length is None else [(b"content-length", length.encode())]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(1000)


async def stuck() -> AsyncIterator[bytes]:
    yield b"a"
    await asyncio.Event().wait()


async def lost() -> AsyncIterator[bytes]:
    yield b"a"
    raise ConnectionError


async def never() -> AsyncIterator[bytes]:
    raise AssertionError("nobody may read this")
    yield b""


def refused(make: Callable[[], Awaitable[object]]) -> str:
    async def ask() -> None:
        await make()

    with pytest.raises(HTTPException) as raised:
        asyncio.run(ask())
    assert refusal_code(raised.value) in BODY_CODES
    return refusal_code(raised.value)


def test_a_body_up_to_the_limit_is_read() -> None:
    assert asyncio.run(read_body(request(pieces(b"ab", b"", b"cd"), "4"), 4)) == b"abcd"


def test_one_byte_more_is_too_large() -> None:
    assert refused(lambda: read_body(request(pieces(b"ab", b"cde")), 4)) == "body_too_large"


def test_what_announces_too_much_is_not_read_at_all() -> None:
    assert refused(lambda: read_body(request(never(), "100000000"), 4)) == "body_too_large"


@pytest.mark.parametrize("length", ["x", "-1", "९", "", "9" * 40])
def test_a_length_that_is_none_does_not_let_more_in(length: str) -> None:
    assert refused(lambda: read_body(request(endless(), length), 4000)) == "body_too_large"


def test_a_body_that_does_not_come_is_given_up() -> None:
    assert refused(lambda: read_body(request(stuck()), 4, timeout_s=0.01)) == "body_too_slow"


def test_a_body_that_is_cut_off_is_none() -> None:
    assert refused(lambda: read_body(request(lost()), 4)) == "body_cut_off"


def test_all_bodies_together_are_bounded_and_given_back() -> None:
    bodies = Bodies(10, 15)

    async def two() -> None:
        async with bodies.of(request(pieces(b"0123456789"))) as first:
            assert (len(first), bodies.held) == (10, 10)
            with pytest.raises(HTTPException) as raised:
                async with bodies.of(request(pieces(b"0123456789"))):
                    pass
            assert refusal_code(raised.value) == "too_many_bodies"
            assert bodies.held == 10
            async with bodies.of(request(pieces(b"01234"))):
                assert bodies.held == 15

    asyncio.run(two())
    assert bodies.held == 0
