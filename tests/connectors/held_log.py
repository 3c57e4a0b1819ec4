"""A log that can be slow or away, and the gate of a connector in front of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from connectors.gate import Gate
from connectors.group_commit import GroupCommit
from haulwatch.domain.errors import WorldError
from haulwatch.domain.events import Event
from haulwatch.domain.instants import to_ms
from haulwatch.domain.registry import Registry, Truck
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter

HELD_S = 30.0
NOW = datetime(2026, 5, 1, 8, 30, 2, tzinfo=UTC)
PLATE = "浙E12345"
TRUCKS = (
    Truck(truck_id=PLATE, terminal_id="013800138000"),
    Truck(truck_id="浙E00002", terminal_id="Box-7"),
)


class HeldLog:
    """What was submitted; holds submissions while `open` is not set, refuses them while `away`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.letters: list[DeadLetter] = []
        self.calls = self.refused = 0
        self.away = False
        self.open = threading.Event()
        self.open.set()

    def submit_events(self, events: Sequence[Event], letters: Sequence[DeadLetter] = ()) -> int:
        """As both hosts have it."""
        self.calls += 1
        self.open.wait(HELD_S)
        if self.away:
            self.refused += 1
            raise WorldError(Text("磁盘已满", "the disk is full"), retryable=True)
        self.events += events
        self.letters += letters
        return len(events)

    @property
    def codes(self) -> list[str]:
        """Of the dead letters."""
        return [letter.code for letter in self.letters]


@contextmanager
def gate_to(
    log: HeldLog, trucks: Iterable[Truck] = TRUCKS, now_ms: Callable[[], int] = lambda: to_ms(NOW)
) -> Iterator[Gate]:
    """A gate into `log`, of a city with these trucks."""
    registry = Registry(trucks={truck.truck_id: truck for truck in trucks})
    commit = GroupCommit(log.submit_events)
    try:
        yield Gate(submit=commit.submit, registry=lambda: registry, pictures=None, now_ms=now_ms)
    finally:
        log.open.set()
        commit.close()
