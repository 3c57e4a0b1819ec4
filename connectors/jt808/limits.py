"""What one connection may do, and how much of it; time is an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Of a server and each of its connections."""

    connections: int = 20_000
    """Twice the trucks of a large city: a terminal that comes again may be here before its old connection is gone."""
    strangers: int = 5_000
    """Connections that have not yet said who they are; after an outage a whole fleet comes at once."""
    stranger_s: float = 30.0
    patience_s: float = 3.0
    """A terminal says who it is within a moment: with too many strangers, who has been silent for longer makes room."""
    idle_s: float = 300.0
    """Terminals send a heartbeat every minute or so."""
    frames_a_second: float = 50.0
    frames_at_once: float = 1_000.0
    """A truck that was in a blind area sends what it kept, all at once."""
    faults_a_second: float = 1.0
    faults_at_once: float = 100.0
    stranger_faults: float = 10.0
    """The same of who has not said who he is: rubbish costs more to read than it does to send."""
    send_s: float = 30.0
    command_s: float = 30.0


class Allowance:
    """So many at once, and so many a second in the long run."""

    def __init__(self, at_once: float, a_second: float, now_s: float) -> None:
        self._at_once, self._a_second = at_once, a_second
        self._left, self._seen_s = at_once, now_s

    def spend(self, number: float, now_s: float) -> bool:
        """Takes so many; False when that is more than there was."""
        self._left = min(self._at_once, self._left + (now_s - self._seen_s) * self._a_second) - number
        self._seen_s = now_s
        return self._left >= 0
