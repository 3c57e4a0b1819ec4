"""A running `haulwatch demo`, as a newcomer starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.embedded import free_port


@dataclass
class Demo:
    """What it printed: its address, that of the squads' page and their password, other accounts' passwords.

    Of the squads' accounts only those of the first line are among them.
    """

    url: str
    squad_url: str = ""
    squad_password: str = ""
    passwords: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> None:
        """Takes in one line of what it prints."""
        if squads := re.search(r"(http://\S+/squad) · .* ([\w-]{19})$", line):
            self.squad_url, self.squad_password = squads[1], squads[2]
        elif row := re.match(r"(\w+) +([\w-]{19}) .*·", line):
            self.passwords[row[1]] = row[2]
        elif self.squad_url:
            self.passwords |= dict.fromkeys(re.findall(r"(q-\w+) \S", line), self.squad_password)


@contextmanager
def running_demo(folder: Path) -> Iterator[Demo]:
    """One that has printed its logins; ended at the end."""
    port = free_port()
    arguments = ["demo", "--no-browser", "--port", str(port), "--data", str(folder)]
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "haulwatch.cli.main", *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True
        )
    assert process.stdout is not None
    try:
        demo = Demo(f"http://127.0.0.1:{port}")
        assert f"{demo.url}/" in process.stdout.readline()
        for line in process.stdout:
            demo.read(line.rstrip())
            if any(account.startswith("q-") for account in demo.passwords):
                break
        yield demo
    finally:
        process.terminate()
        process.wait()
