"""One partition of the log: its processor, how far it has come, and what is yet to be saved and told. No I/O.

The position is kept with the state, not by the consumer: a record below it has been applied and changes nothing, one
beyond it means that something was skipped. So no commit, rebalance or stale buffer can lose or double a record.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from msgspec import Struct

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import CityActivated, Event, Tick
from haulwatch.domain.instants import NEVER_MS
from haulwatch.domain.live import TruckPosition
from haulwatch.wire import DeadLetter, decode_events, encode_event, printable
from streams import ticking
from streams.live_trucks import position_of
from streams.processor import PartitionProcessor
from streams.records import LogReader
from streams.runtime import CityRuntime
from streams.snapshots import Changes

TICK_LOST_MS = 30_000
"""A tick that has not come back after this long is written again."""

log = logging.getLogger(__name__)


class Decided(Struct):
    """What a record led to."""

    breaches: list[Breach]
    dead: list[DeadLetter]
    misplaced: list[Event]


class Saved(Struct):
    """A partition's state as it was saved: `next_offset` is the first record that is not in it."""

    next_offset: int
    ticked: bool
    head: bytes
    buckets: list[bytes]


class PartitionHost:
    """Applies the records of one partition in order."""

    def __init__(
        self, topic: str, number: int, partitions: int, runtime_of: Callable[[str], CityRuntime | None]
    ) -> None:
        self.number = number
        self.next_offset = 0
        self.counters: Counter[str] = Counter()
        self.found: Counter[tuple[str, str]] = Counter()
        self.dead: Counter[str] = Counter()
        self._reader = LogReader(topic, number, partitions)
        self._runtime_of = runtime_of
        self.processor = PartitionProcessor(None, self._city)
        self._ticked = False
        self._tick_sent_ms = NEVER_MS
        self._unsaved: set[str] = set()
        self._untold: set[str] = set()
        self._whole = True

    def _city(self, city_hash: str) -> CityRuntime:
        runtime = self._runtime_of(city_hash)
        assert runtime is not None, "a city is looked up before it is put in force"
        return runtime

    # -- records ----------------------------------------------------------------------------------------------------

    def cities_named(self, value: bytes | None) -> list[str]:
        """The cities that a record puts in force: to be at hand before it is applied."""
        if value is None or b"city_activated" not in value:
            return []
        events, _bad = decode_events(value)
        return [event.city_hash for event in events if isinstance(event, CityActivated)]

    def apply(self, value: bytes | None, timestamp_ms: int, offset: int) -> Decided:
        """Applies the record at `offset` (`next_offset` or later); `timestamp_ms` is when the broker took it."""
        record = self._reader.read(value, timestamp_ms, offset)
        breaches: list[Breach] = []
        processor = self.processor
        clock_ms = processor.clock_ms
        for event in record.events:
            if isinstance(event, CityActivated) and self._runtime_of(event.city_hash) is None:
                record.dead.append(
                    self._letter(event, offset, "unknown_city", f"没有这个城市 no such city: {event.city_hash}")
                )
                continue
            try:
                breaches += processor.apply(event)
            except Exception as error:  # a fault of ours in one event must not stop a city; the event is kept
                log.exception(
                    "an event could not be decided", extra={"fields": {"source": self._reader.source, "offset": offset}}
                )
                record.dead.append(self._letter(event, offset, "engine_failed", f"系统故障 fault of ours: {error!r}"))
        if processor.clock_ms > clock_ms:
            self._ticked = len(record.events) == 1 and isinstance(record.events[0], Tick)
        touched = processor.take_touched()
        self._unsaved |= touched
        self._untold |= touched
        self.next_offset = offset + 1
        self._count(record.events, breaches, record.dead)
        return Decided(breaches, record.dead, record.misplaced)

    def _letter(self, event: Event, offset: int, code: str, reason: str) -> DeadLetter:
        raw = printable(encode_event(event))
        return DeadLetter(reason=reason, code=code, source=self._reader.source, raw=raw, offset=offset)

    def _count(self, events: list[Event], breaches: list[Breach], dead: list[DeadLetter]) -> None:
        self.counters["records"] += 1
        self.counters["events"] += len(events)
        for breach in breaches:
            self.found[breach.rule_id, breach.phase] += 1
        for letter in dead:
            self.dead[letter.code] += 1

    # -- time -------------------------------------------------------------------------------------------------------

    def tick_due(self, now_ms: int) -> bool:
        """Whether the partition's clock should be told the time (see `streams.ticking`)."""
        clock_ms = self.processor.clock_ms
        if not ticking.tick_due(clock_ms, now_ms, ticked=self._ticked):
            return False
        if clock_ms < self._tick_sent_ms and now_ms - self._tick_sent_ms < TICK_LOST_MS:
            return False  # the last one is still on its way through the log
        self._tick_sent_ms = now_ms
        return True

    @property
    def live(self) -> bool:
        """Whether the log has begun and its clock is worth comparing with the wall clock."""
        return self.processor.clock_ms != NEVER_MS

    # -- what is told and saved ---------------------------------------------------------------------------------------

    def positions(self, at_most: int) -> list[TruckPosition]:
        """The last known state of trucks that changed since they were last told, `at_most` so many."""
        trucks = self.processor.trucks()
        told: list[TruckPosition] = []
        while self._untold and len(told) < at_most:
            state = trucks.get(self._untold.pop())
            if state is not None and state.fix_ms != NEVER_MS:
                told.append(position_of(state))
        return told

    @property
    def unsaved(self) -> bool:
        """Whether anything happened since the last `changes`."""
        return bool(self._unsaved) or self._whole

    def changes(self) -> Changes:
        """The parts of the state that changed since they were last taken."""
        unsaved, self._unsaved = self._unsaved, set()
        whole, self._whole = self._whole, False
        return self.processor.changes(unsaved, whole=whole)

    def save_all_again(self) -> None:
        """It is not certain what the last `changes` became, or another wrote meanwhile: the next ones are the whole."""
        self._whole = True

    @property
    def ticked(self) -> bool:
        """Whether it was a tick that last moved the clock."""
        return self._ticked

    def restore(self, saved: Saved) -> None:
        """Takes over a saved state. Raises ValueError or MsgspecError where this version cannot read it."""
        self.processor.restore_parts(saved.head, saved.buckets)
        self.next_offset = saved.next_offset
        self._ticked = saved.ticked
        self._whole = False
        self._untold = set(self.processor.trucks())  # the one before may have been killed before it told

    def waiting(self) -> int:
        """Events in the reorder buffers."""
        return sum(len(state.waiting) for state in self.processor.trucks().values())
