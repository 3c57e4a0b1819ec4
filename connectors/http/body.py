"""Bodies of requests: whole, no larger than allowed, in time, and not too many of them in memory at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

BODY_CODES = ("body_too_large", "body_too_slow", "body_cut_off", "too_many_bodies")
"""What connectors count for `refusal_code`; to be named in their codes and guides."""
BODY_S = 30.0
_CLOSE = {"Connection": "close"}
"""The rest of such a body is not listened to."""
_BY_STATUS = {413: "body_too_large", 408: "body_too_slow", 400: "body_cut_off", 429: "too_many_bodies"}


def refusal_code(error: HTTPException) -> str:
    """The code to count a refusal of `read_body` or `Bodies.of` by."""
    return _BY_STATUS[error.status_code]


async def read_body(request: Request, limit: int, *, timeout_s: float = BODY_S) -> bytes:
    """The whole body. Raises HTTPException: 413 above `limit` bytes, 408 after `timeout_s`, 400 when it is cut off."""
    async with Bodies(limit, limit, timeout_s=timeout_s).of(request) as body:
        return body


class Bodies:
    """The bodies that a connector holds at once: each at most `limit` bytes, all together at most `together`.

    A body counts from its first byte until the `async with` around it ends, so what is made of it is bounded too.
    """

    def __init__(self, limit: int, together: int, *, timeout_s: float = BODY_S) -> None:
        self._limit, self._together, self._timeout_s = limit, together, timeout_s
        self.held = 0

    @asynccontextmanager
    async def of(self, request: Request) -> AsyncIterator[bytes]:
        """The whole body of the request. Raises HTTPException as `read_body`, and 429 where too much is held."""
        if _announced(request) > self._limit:
            raise _too_large(self._limit)
        chunks: list[bytes] = []
        size = 0
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    async for chunk in request.stream():
                        size += len(chunk)
                        self.held += len(chunk)
                        if size > self._limit:
                            raise _too_large(self._limit)
                        if self.held > self._together:
                            raise HTTPException(429, "too much at once", {"Retry-After": "5"})
                        chunks.append(chunk)
            except TimeoutError as error:
                raise HTTPException(408, f"the body took more than {self._timeout_s:g} s", _CLOSE) from error
            except ClientDisconnect as error:
                raise HTTPException(400, "the body was cut off") from error
            body = b"".join(chunks)
            chunks.clear()
            yield body
        finally:
            self.held -= size


def _announced(request: Request) -> int:
    """What Content-Length says; 0 where it says nothing that could be read."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"at most {limit} bytes at once", _CLOSE)
