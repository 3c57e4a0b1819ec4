"""A trace for every request: the caller's, or a new one (W3C Trace Context); told in the answer."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haulwatch import logs
from haulwatch.topics import TRACE_HEADER


class Tracing:
    """ASGI layer under which `logs.TRACEPARENT` is the request's."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Continues the caller's trace or begins one."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        parent = logs.traceparent(Headers(scope=scope).get(TRACE_HEADER))

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[TRACE_HEADER] = parent
            await send(message)

        before = logs.TRACEPARENT.set(parent)
        try:
            await self.app(scope, receive, send_traced)
        finally:
            logs.TRACEPARENT.reset(before)
