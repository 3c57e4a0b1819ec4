"""The processes' own HTTP server: uvicorn, ended in good order by signals, its failures one sentence."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from haulwatch.domain.errors import WorldError
from haulwatch.domain.text import Text

GRACE_S = 5


class ConsoleServer(uvicorn.Server):
    """A server that first says that it ends: to browsers that listen for ever, to requests that wait for others."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending
        self._listening: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, then tells who waits for that."""
        await super().startup(sockets)
        if self._listening is not None and self.started:
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Says so, then stops; what is still going on has `GRACE_S`."""
        self._ending()
        await super().shutdown(sockets)

    def serve_until_told(self, listening: Callable[[], None] | None = None) -> None:
        """Serves until SIGTERM, SIGINT or `should_exit`; calls `listening` once connections are taken.

        Raises WorldError when the address is taken.
        """
        self._listening = listening
        # The server ends in good order on these signals, then sends them on; by then they have had their effect.
        # One that comes before the server listens for them must not be lost.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "should_exit", True))
        try:
            self.run()
        except SystemExit as error:
            address = f"{self.config.host}:{self.config.port}"
            raise WorldError(Text(f"无法监听 {address}", f"cannot listen on {address}")) from error


def console_server(app: FastAPI, host: str = "127.0.0.1", port: int = 8080) -> ConsoleServer:
    """A server for the console, not yet started: `run()` blocks, `serve()` is a coroutine."""
    return http_server(app, host, port, app.state.hub.close)


def http_server(app: FastAPI, host: str, port: int, ending: Callable[[], None]) -> ConsoleServer:
    """A server for any of our apps, not yet started; `ending` is called when it begins to stop."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    return ConsoleServer(config, ending)
