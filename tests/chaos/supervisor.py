"""What systemd does for a real cluster: whatever ends is started again, and how it ended is counted."""

from __future__ import annotations

import threading
import time
from collections import Counter

from tests.e2e.children import Child
from tests.e2e.cluster import Cluster

LOOK_S = 0.2
RESTART_S = 1.0
"""As `RestartSec=1` would."""


class Supervisor:
    """Keeps the wanted processes of a cluster running, in a thread; who changes them meanwhile holds `at_work`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopping = threading.Event()
        self._ended_at: dict[str, float] = {}
        self._killed: set[tuple[str, int]] = set()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)
        self.at_work = threading.RLock()
        self.kills: Counter[str] = Counter()
        self.unexpected: Counter[tuple[str, int]] = Counter()
        """Ends that nobody asked for, by process and exit code."""
        self.last_words: list[str] = []

    def start(self) -> None:
        """Begins to look after them."""
        self._thread.start()

    def stop(self) -> None:
        """Looks after them no longer."""
        self._stopping.set()
        self._thread.join()

    def kill(self, child: Child) -> None:
        """Takes a process away; that it is gone then is no surprise."""
        with self.at_work:
            if child.running:
                self._killed.add((child.name, child.starts))
                self.kills[child.name.partition("-")[0]] += 1
                child.kill()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_S):
            with self.at_work:
                for child in self._cluster.wanted:
                    if not child.running:
                        self._mend(child)

    def _mend(self, child: Child) -> None:
        now = time.monotonic()
        ended_at = self._ended_at.get(child.name)
        if ended_at is None:
            self._ended_at[child.name] = now
            if (child.name, child.starts) not in self._killed and child.returncode is not None:
                self.unexpected[child.name, child.returncode] += 1
                self.last_words.append(f"{child.name} ended with {child.returncode}: {child.tail()[-600:]}")
        elif now - ended_at >= RESTART_S:
            del self._ended_at[child.name]
            child.start()
