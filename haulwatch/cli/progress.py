"""A progress line on stderr for long work; silent when stderr is not a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType


class Progress:
    """Counts and a rate, redrawn at most four times a second."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0
        self._started = time.monotonic()
        self._drawn = 0.0
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Progress:
        return self

    def advance(self, count: int) -> None:
        """Says that `count` more are done."""
        self._count += count
        now = time.monotonic()
        if self._shown and now - self._drawn >= 0.25:
            self._drawn = now
            rate = self._count / max(now - self._started, 1e-9)
            print(f"\r{self._what} {self._count:,} · {rate:,.0f}/s", end="", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
