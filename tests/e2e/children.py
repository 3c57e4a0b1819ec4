"""Real `haulwatch` processes as children: started, killed, started again; what they say is kept in files."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.e2e.api import answer_of
from tests.logins import bearer_at

STARTUP_S = 60.0
STOP_S = 60.0
TAIL_CHARACTERS = 3_000


class Child:
    """One process; `kill` is SIGKILL to its whole group. What it says (on standard error) is kept in the file `log`."""

    def __init__(
        self, name: str, arguments: Sequence[str], url: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.url, self.log = name, url, log
        self._arguments = tuple(arguments)
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None

    @functools.cached_property
    def who(self) -> dict[str, str]:
        """The header of a service that may do everything, made in its order store when first asked for."""
        if "--data" in self._arguments:
            return bearer_at(Path(self._arguments[self._arguments.index("--data") + 1]))
        return bearer_at(self._environment["HAULWATCH_DATABASE"])

    def get(self, path: str) -> Any:
        """The JSON answer of a GET."""
        return answer_of(self.url + path, self.who)

    def start(self) -> None:
        """Starts it; does not wait until it is ready."""
        self.starts += 1
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "haulwatch.cli.main", *self._arguments],
                stdout=subprocess.DEVNULL,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def returncode(self) -> int | None:
        """How it ended; None while it runs (or was never started)."""
        return None if self.process is None else self.process.poll()

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Takes the process away without a word of warning."""
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait()

    def freeze(self) -> None:
        """Lets it do nothing (SIGSTOP), as a machine that swaps or a virtual one that is moved."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def stop(self) -> int:
        """Asks it to end (SIGTERM) and returns its exit code."""
        assert self.process is not None, f"{self.name} was never started"
        self.process.terminate()
        try:
            return self.process.wait(timeout=STOP_S)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{self.name} does not end when asked to:\n{self.tail()}") from error

    def wait_ready(self, timeout_s: float = STARTUP_S) -> None:
        """Returns when /readyz says so. Fails with the end of its log when it ends or takes too long."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.returncode is not None:
                raise AssertionError(f"{self.name} ended with {self.returncode}:\n{self.tail()}")
            if self.ready():
                return
            time.sleep(0.05)  # polling a real process; the deadline above bounds it
        raise AssertionError(f"{self.name} is not ready in time:\n{self.tail()}")

    def ready(self) -> bool:
        """Whether it says that it is ready, and that nothing is away."""
        try:
            return "problems" not in answer_of(f"{self.url}/readyz")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def tail(self) -> str:
        """The end of what it wrote."""
        if not self.log.exists():
            return "(nothing written)"
        return self.log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARACTERS:]


def wait_until(true: Callable[[], bool], what: str, timeout_s: float, poll_s: float = 0.1) -> None:
    """Returns when `true` is; fails naming `what` did not come about in time."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(poll_s)  # polling real processes; the deadline above bounds it
