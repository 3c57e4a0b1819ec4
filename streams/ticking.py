"""When a host tells its log the time."""

from __future__ import annotations

from haulwatch.domain.instants import NEVER_MS

TICK_MS = 2_000
LIVE_WITHIN_MS = 60_000


def tick_due(clock_ms: int, now_ms: int, *, ticked: bool) -> bool:
    """Whether a log whose clock stands at `clock_ms` follows the wall clock and lags behind it by a tick.

    It follows while its last event was received within a minute of now, or while ticks are what moves it (`ticked`):
    then nobody was there to write them. Recorded traffic carries its own time and gets no ticks, so that it is decided
    the same whenever it comes.
    """
    behind_ms = now_ms - clock_ms
    return clock_ms != NEVER_MS and behind_ms >= TICK_MS and (ticked or behind_ms <= LIVE_WITHIN_MS)
