"""A real `haulwatch run` as a child process: started, posted to, killed, started again."""

from __future__ import annotations

import socket
from pathlib import Path
from types import TracebackType

from tests.e2e.api import Api
from tests.e2e.children import Child


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running(Api):
    """The process and its HTTP address; `kill` is SIGKILL to the whole group."""

    def __init__(self, city: Path, data: Path) -> None:
        self.port = free_port()
        self.url = self.events_url = f"http://127.0.0.1:{self.port}"
        self.city, self.data = city, data
        arguments = ("run", "--city", str(city), "--data", str(data), "--http", f"127.0.0.1:{self.port}")
        self.child = Child("run", arguments, self.url, data.parent / f"{data.name}.stderr")
        self.child.start()

    def __enter__(self) -> Running:
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Takes the process away without a word of warning."""
        self.child.kill()

    def restart(self) -> None:
        """Starts it again on the same data; does not wait until it is ready."""
        self.child.start()

    def stop(self) -> int:
        """Asks it to end (SIGTERM) and returns its exit code."""
        return self.child.stop()

    def wait_ready(self) -> None:
        """Returns when it answers. Fails the test when it ends or takes too long."""
        self.child.wait_ready()

    def settle(self) -> None:
        """Everything that was taken in has become orders: a clean stop and start carry it through."""
        assert self.stop() == 0, self.child.tail()
        self.restart()
        self.wait_ready()
