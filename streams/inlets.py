"""Records of foreign producers on their way into the log: checked, packed, written, and only then committed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from haulwatch.domain.errors import DeviceError
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.text import Text
from haulwatch.wire import DeadLetter, decode_events, encode_events, partition
from streams.records import admission


class Packed:
    """A pack: arrays of events by partition of the log, bad records, and where in the inlet it ends."""

    def __init__(self, assignment: int) -> None:
        self.assignment = assignment
        self.events: defaultdict[int, list[Event]] = defaultdict(list)
        self.dead: list[DeadLetter] = []
        self.ends: dict[int, int] = {}
        self.count = 0

    def records(self, at_most: int) -> list[tuple[int, bytes]]:
        """Partitions and the records to write there, at most so many events each."""
        return [
            (number, encode_events(events[start : start + at_most]))
            for number, events in sorted(self.events.items())
            for start in range(0, len(events), at_most)
        ]


class Inlet:
    """Takes the records of one inlet topic, each partition's in order; `swap` gives what has gathered.

    `next` is the next record of each partition that is read, where it is known; `done` is up to where all is written.
    """

    def __init__(self, topic: str, kind: str, partitions: int) -> None:
        self.topic = topic
        self._kind = kind
        self._partitions = partitions
        self._assignment = 0
        self._pack = Packed(0)
        self.next: dict[int, int] = {}
        self.done: dict[int, int] = {}

    def assign(self, committed: Mapping[int, int | None]) -> None:
        """These partitions are read from now on, from what is committed; what was not written is read again."""
        self._assignment += 1
        self._pack = Packed(self._assignment)
        self.next = {number: offset for number, offset in committed.items() if offset is not None}
        self.done = dict(self.next)

    def take(self, value: bytes | None, timestamp_ms: int, number: int, offset: int) -> None:
        """Adds the next record (one event, or an array) of the inlet's partition `number`."""
        good, bad = decode_events(value or b"", self._admission(timestamp_ms))
        pack = self._pack
        pack.dead += [rejected.dead_letter(f"kafka:{self.topic}/{number}", offset=offset) for rejected in bad]
        for event in good:
            pack.events[partition(event.truck_id, self._partitions)].append(event)  # type: ignore[union-attr]
        pack.ends[number] = self.next[number] = offset + 1
        pack.count += max(1, len(good))

    def swap(self) -> Packed:
        """What has gathered since the last call."""
        pack, self._pack = self._pack, Packed(self._assignment)
        return pack

    def written(self, pack: Packed) -> None:
        """The log has all of the pack."""
        if pack.assignment == self._assignment:
            self.done.update(pack.ends)

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
