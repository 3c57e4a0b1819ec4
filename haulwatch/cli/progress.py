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
        self._total: int | None = None

    def __enter__(self) -> Progress:
        return self

    @property
    def shown(self) -> bool:
        """Whether anybody looks."""
        return self._shown

    def expect(self, total: int | None) -> None:
        """Says how many there are to be in the end, where that is known."""
        self._total = total

    def say(self, line: str) -> None:
        """A line of its own on stderr, terminal or not."""
        self._clear()
        print(line, file=sys.stderr, flush=True)

    def advance(self, count: int) -> None:
        """Says that `count` more are done."""
        self._count += count
        now = time.monotonic()
        if self._shown and now - self._drawn >= 0.25:
            self._drawn = now
            rate = self._count / max(now - self._started, 1e-9)
            of_total = "" if not self._total else f" / {self._total:,} · {min(self._count / self._total, 1):.0%}"
            print(f"\r{self._what} {self._count:,}{of_total} · {rate:,.0f}/s", end="", file=sys.stderr, flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        if self._shown and self._drawn:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
