"""What the throw-away servers of the tests share: free ports, why there is none, and that none outlives its session."""

from __future__ import annotations

import os
import random
import socket
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

PORTS = range(20_000, 32_000)
"""Below the ports from which systems take those of outgoing connections: a server that was stopped finds its own free
when it comes back."""

_AFTER_US = 'cat >/dev/null; {end}; rm -rf "$1"'


class NoServerError(Exception):
    """There is no such server here, with the reason."""


def unavailable(what: str, reasons: list[str]) -> NoReturn:
    """Skips the test with the `reasons`; where everything has to run (CI=true), fails it."""
    message = f"no {what} for this test: " + "; ".join(reasons)
    if os.environ.get("CI") == "true":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    for port in random.SystemRandom().sample(PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise NoServerError("no free port")


class Watch:
    """Ends a server and removes its folder when this process is gone, however it went: its end of a pipe closes."""

    def __init__(self, folder: Path, *, pid: int | None = None, end: str = 'kill -9 "$2"') -> None:
        command = ["sh", "-c", _AFTER_US.format(end=end), "watch", str(folder), str(pid)]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True
        )

    def cancel(self) -> None:
        """The server was ended in the ordinary way."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
