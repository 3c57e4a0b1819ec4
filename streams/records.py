"""What a record of the observations log holds, as every reader of the log must see it: pure, so that a worker, a
replay and a check of the one against the other agree.

The log is shared with foreign producers, so nothing in it is taken on trust: what cannot be read is a dead letter, an
event that lies in another truck's partition is carried home, and no sender can move the partition clock ahead of the
time at which the broker took the record.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
from msgspec import Struct

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter, decode_events, fault_of, partition

AHEAD_OF_BROKER = timedelta(seconds=60)
"""By how much a gateway's clock may run ahead of the broker's."""


class LogRecord(Struct):
    """`events` in order; `misplaced` belong into another partition; `dead` is what could not be taken, with reasons."""

    events: list[Event]
    misplaced: list[Event]
    dead: list[DeadLetter]


def admission(timestamp_ms: int) -> Callable[[Event], Event]:
    """What a record's events must be, given the time at which the broker took it (ms): stamped, and not of the future.

    Raises DeviceError: `received_in_future`, or what `fault_of` finds once an event has its time of receipt.
    """
    taken_at = to_datetime(timestamp_ms)
    latest = taken_at + AHEAD_OF_BROKER

    def admit(event: Event) -> Event:
        received_at = event.received_at
        if received_at is None:
            event = msgspec.structs.replace(event, received_at=taken_at)
            fault = fault_of(event)
            if fault is not None:
                raise fault
        elif received_at > latest:
            text = Text(
                "received_at 晚于消息到达 Kafka 的时间", "received_at is later than the broker's time of the record"
            )
            raise DeviceError("received_in_future", text)
        return event

    return admit


class LogReader:
    """Reads the records of one partition of the log."""

    def __init__(self, topic: str, number: int, partitions: int) -> None:
        self.source = f"kafka:{topic}/{number}"
        self._number = number
        self._partitions = partitions
        self._at_home: set[str] = set()

    def read(self, value: bytes | None, timestamp_ms: int, offset: int) -> LogRecord:
        """A record's events. Never raises: what is wrong with it is in `dead`."""
        good, bad = decode_events(value or b"", admission(timestamp_ms))
        dead = [rejected.dead_letter(self.source, offset=offset) for rejected in bad]
        at_home = self._at_home
        for event in good:
            if getattr(event, "truck_id", None) not in at_home and not self._belongs(event):
                break
        else:
            return LogRecord(good, [], dead)
        events: list[Event] = []
        misplaced: list[Event] = []
        for event in good:
            (events if self._belongs(event) else misplaced).append(event)
        return LogRecord(events, misplaced, dead)

    def _belongs(self, event: Event) -> bool:
        if isinstance(event, Tick | CityActivated):
            return True
        truck_id = event.truck_id
        if truck_id in self._at_home:
            return True
        if partition(truck_id, self._partitions) != self._number:
            return False
        if len(self._at_home) >= KNOWN_TRUCKS:
            self._at_home.clear()
        self._at_home.add(truck_id)
        return True


KNOWN_TRUCKS = 200_000
"""Plates whose partition is remembered; misread plates have no end."""
