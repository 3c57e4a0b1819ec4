"""When each source of events was last heard: written by the host's thread, read by any other."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from haulwatch.domain.events import Event
from haulwatch.domain.sources import SourceNews

MAX_SOURCES = 50_000
"""Whoever submits events names their source: the board must not grow with what is made up."""


class SourceBoard:
    """See `haulwatch.domain.sources.SourceFeed`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: dict[str, tuple[int, int]] = {}

    def heard(self, events: Iterable[Event], now_ms: int) -> None:
        """Takes note of events that have just become durable."""
        with self._lock:
            for event in events:
                source = getattr(event, "source", None)
                if source is None or (source not in self._heard and len(self._heard) >= MAX_SOURCES):
                    continue
                self._heard[source] = (now_ms, self._heard.get(source, (0, 0))[1] + 1)

    def sources(self) -> list[SourceNews]:
        """Every source that was heard."""
        with self._lock:
            return [SourceNews(source=name, last_ms=at, events=n) for name, (at, n) in self._heard.items()]
