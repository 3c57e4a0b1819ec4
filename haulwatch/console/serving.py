"""The console's own HTTP server: uvicorn, ending the live streams first so that it can stop at once."""

from __future__ import annotations

import socket

import uvicorn
from fastapi import FastAPI

GRACE_S = 5


class ConsoleServer(uvicorn.Server):
    """A server whose shutdown does not wait for browsers that listen for ever."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the live streams, then stops."""
        app = self.config.app
        if isinstance(app, FastAPI):
            app.state.hub.close()
        await super().shutdown(sockets)


def console_server(app: FastAPI, host: str = "127.0.0.1", port: int = 8080) -> ConsoleServer:
    """A server for `app`, not yet started: `run()` blocks, `serve()` is a coroutine; loopback unless told otherwise."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return ConsoleServer(config)
