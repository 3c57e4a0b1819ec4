"""A real Mosquitto of the tests' own: a broker in a folder of its own, started, stopped and killed at will."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from tests.servers import NoServerError, Watch, free_port

DEBIAN = Path("/usr/sbin/mosquitto")
USER, PASSWORD = "haulwatch", "p@ss wörd:1"
READY_S = 20.0
STOP_S = 20.0


def server_program() -> Path:
    """The broker: of the PATH, else where Debian puts it. Raises NoServerError."""
    found = shutil.which("mosquitto")
    if found is not None:
        return Path(found)
    if DEBIAN.exists():
        return DEBIAN
    raise NoServerError("no program mosquitto here")


class Mosquitto:
    """One broker on 127.0.0.1 that asks for `USER` and `PASSWORD`; its address and folder stay the same.

    What it has taken for clients with a session survives `stop`, and `kill` up to what it has last written down (it
    writes with every change). With `certificate` (a PEM file, its key in it) it speaks TLS. Nothing runs before
    `start`.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.program = server_program()
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="haulwatch-mosquitto-"))
        self._certificate = certificate
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: Watch | None = None

    def start(self) -> None:
        """Starts it, or starts it again on what it had, and waits until it listens."""
        configuration = self.folder / "mosquitto.conf"
        if not configuration.exists():
            self._configure(configuration)
        with (self.folder / "log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal is for pytest, which then ends the broker last.
            self._process = subprocess.Popen(
                [self.program, "-c", configuration],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._watch = Watch(self.folder, pid=self._process.pid)
        deadline = time.monotonic() + READY_S
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise AssertionError(f"Mosquitto is not ready: {self.log()[-2000:]}")
            time.sleep(0.02)

    def _configure(self, configuration: Path) -> None:
        passwords = self.folder / "passwords"
        tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
        subprocess.run([tool, "-b", "-c", passwords, USER, PASSWORD], check=True, capture_output=True)
        lines = {
            "listener": f"{self.port} 127.0.0.1",
            "allow_anonymous": "false",
            "password_file": str(passwords),
            "persistence": "true",
            "persistence_location": f"{self.folder}/",
            # Everything is written down at once: then a kill loses no more than a disk that fails would.
            "autosave_on_changes": "true",
            "autosave_interval": "1",
            "max_queued_messages": "0",
        }
        if os.geteuid() == 0:
            lines["user"] = "root"  # else it gives its rights away, and its folder is not its own
        if self._certificate is not None:
            lines |= {"certfile": str(self._certificate), "keyfile": str(self._certificate)}
        configuration.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))

    def _listens(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """Ends it in order: it writes down what it has."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Takes it away without a word of warning."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Lets it do nothing, as behind a network that is down."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Lets it go on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=STOP_S)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def remove(self) -> None:
        """Kills it where it runs, and removes what it stored."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def given_mosquitto() -> tuple[str, int] | None:
    """The broker that HAULWATCH_TEST_MQTT names (`host:port`), which lets in `USER` with `PASSWORD`."""
    given = os.environ.get("HAULWATCH_TEST_MQTT")
    if not given:
        return None
    host, _, port = given.rpartition(":")
    return host, int(port)
