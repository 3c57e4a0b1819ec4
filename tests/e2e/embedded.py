"""A real `haulwatch run` as a child process: started, posted to, killed, started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

STARTUP_S = 60.0


def free_port() -> int:
    """A port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Running:
    """The process and its HTTP address; `kill` is SIGKILL to the whole group."""

    def __init__(self, city: Path, data: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.city, self.data = city, data
        self.process = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                sys.executable,
                *("-m", "haulwatch.cli.main", "run"),
                *("--city", str(self.city), "--data", str(self.data), "--http", f"127.0.0.1:{self.port}"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=(self.data.parent / f"{self.data.name}.stderr").open("ab"),
            start_new_session=True,
        )

    def __enter__(self) -> Running:
        self.wait_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Takes the process away without a word of warning."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Starts it again on the same data; does not wait until it is ready."""
        self.process = self._spawn()

    def stop(self) -> int:
        """Asks it to end (SIGTERM) and returns its exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def wait_ready(self) -> None:
        """Returns when it answers. Fails the test when it ends or takes too long."""
        deadline = time.monotonic() + STARTUP_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"it ended with {self.process.returncode}")
            try:
                self.get("/readyz")
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)  # polling a real process; the deadline above bounds it
            else:
                return
        raise AssertionError("not ready in time")

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def post(self, body: bytes, content_type: str = "application/x-ndjson") -> tuple[int, Any]:
        """Status and JSON answer of posting events."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/events", body, {"Content-Type": content_type}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def orders(self) -> list[dict[str, Any]]:
        """All orders, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.get(f"/api/v1/orders?limit=200{cursor}")
            found += page["orders"]
            if not page.get("next_cursor"):
                return found
            cursor = f"&cursor={page['next_cursor']}"
