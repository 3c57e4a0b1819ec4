"""Records of foreign producers on their way into the log: checked, packed, written, and only then acknowledged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Generic, TypeVar

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter, decode_events, encode_events, partition
from streams.records import admission

Token = TypeVar("Token")
"""What the consumer wants back once a record's events are in the log."""


class Packed(Generic[Token]):
    """A pack: arrays of events by partition, bad records, and the tokens of the records they came in."""

    def __init__(self) -> None:
        self.events: defaultdict[int, list[Event]] = defaultdict(list)
        self.dead: list[DeadLetter] = []
        self.tokens: list[Token] = []
        self.headers: list[tuple[str, bytes]] = []
        self.count = 0

    def records(self, at_most: int) -> list[tuple[int, bytes]]:
        """Partitions and the records to write there, at most so many events each."""
        return [
            (number, encode_events(events[start : start + at_most]))
            for number, events in sorted(self.events.items())
            for start in range(0, len(events), at_most)
        ]


class Inlet(Generic[Token]):
    """Takes the records of one inlet topic, one after the other; `swap` gives what has gathered."""

    def __init__(self, topic: str, kind: str, partitions: int) -> None:
        self._topic = topic
        self._kind = kind
        self._partitions = partitions
        self._pack: Packed[Token] = Packed()

    def take(self, value: bytes | None, timestamp_ms: int, number: int, offset: int, token: Token) -> None:
        """Adds a record (one event, or an array) of the inlet's partition `number`."""
        good, bad = decode_events(value or b"", self._admission(timestamp_ms))
        pack = self._pack
        pack.dead += [rejected.dead_letter(f"kafka:{self._topic}/{number}", offset=offset) for rejected in bad]
        for event in good:
            pack.events[partition(event.truck_id, self._partitions)].append(event)  # type: ignore[union-attr]
        pack.tokens.append(token)
        pack.count += max(1, len(good))

    def swap(self) -> Packed[Token]:
        """What has gathered since the last call."""
        pack, self._pack = self._pack, Packed()
        return pack

    @property
    def waiting(self) -> int:
        """Events that have gathered."""
        return self._pack.count

    def _admission(self, timestamp_ms: int) -> Callable[[Event], Event]:
        stamped = admission(timestamp_ms)

        def admit(event: Event) -> Event:
            if isinstance(event, Tick | CityActivated):
                text = Text("该事件只能由系统写入", "only the system itself writes this event")
                raise DeviceError("not_an_observation", text)
            if type(event).__struct_config__.tag != self._kind:
                text = Text(f"这个主题只收 {self._kind}", f"this topic takes only {self._kind}")
                raise DeviceError("wrong_topic", text)
            return stamped(event)

        return admit
