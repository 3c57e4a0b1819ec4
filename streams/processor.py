"""PartitionProcessor: events of one partition in, breaches out. Pure: no clock, file, socket or random number.

Order. An event waits in its truck's buffer until the partition clock (the largest `received_at` seen) has passed
its `received_at` + lateness. Then it leaves, and everything of that truck that sorts before it leaves first. Deadlines
take part in that order as if they were events: one at D leaves after the events at D and before those later than D.
So what is concluded of a truck depends on its own events alone.

Waking. A wheel of quarter-second slots says which trucks have something due; a truck is also released when its own
next event comes, before that event joins the buffer. Both give the same order of application.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import SOURCE_PRIORITY, CityActivated, Event
from haulwatch.domain.instants import EPOCH, FOREVER_MS, NEVER_MS
from haulwatch.domain.trucks import Pending, TruckState, Waiting
from streams import late
from streams.judge import end_episodes, judge, release_held
from streams.pipeline import apply_event, apply_rule_deadline, apply_silence, silence_due_ms
from streams.runtime import CityRuntime
from streams.snapshots import (
    BUCKETS,
    SNAPSHOT_VERSION,
    Changes,
    Head,
    Snapshot,
    bucket_of,
    decode_bucket,
    decode_head,
    decode_snapshot,
    encode,
)

SLOT_MS = 256
DAY_SLOTS = 86_400_000 // SLOT_MS
STRANGER_MS = 7 * 86_400_000
"""A plate that only cameras and scales have seen, and not for a week, is forgotten: misread plates have no end."""
AFTER_EVENTS = 99
"""Sorts a deadline behind every event of its instant."""


class PartitionProcessor:
    """Decides for all trucks of one partition. `runtime_of` resolves a city hash when a `city_activated` comes."""

    def __init__(self, runtime: CityRuntime | None, runtime_of: Callable[[str], CityRuntime] | None = None) -> None:
        self._runtime = runtime
        self._runtime_of = runtime_of
        self.clock_ms = NEVER_MS
        self.counters: Counter[str] = Counter()
        self._trucks: dict[str, TruckState] = {}
        self._wheel: dict[int, list[TruckState]] = {}
        self._swept = NEVER_MS
        self._sweep_from_ms = NEVER_MS
        self._touched: set[str] = set()

    # -- in ---------------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> list[Breach]:
        """Takes the next event of the log; returns what is thereby concluded, in a fixed order.

        Before any city is in force, observations are counted and nothing else.
        """
        runtime = self._runtime
        priority = SOURCE_PRIORITY.get(type(event))
        if runtime is None or priority is None:
            return self._apply_other(event)
        seen: Pending = event  # type: ignore[assignment] # what has a priority is an observation
        since = seen.at - EPOCH
        at_ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        received_at = seen.received_at
        if received_at is None:
            received_ms = at_ms
        else:
            since = received_at - EPOCH
            received_ms = (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
        out: list[Breach] = []
        if received_ms > self.clock_ms:
            self.clock_ms = received_ms
            if received_ms >= self._sweep_from_ms:
                self._sweep(received_ms // SLOT_MS, out)
        state = self._trucks.get(seen.truck_id)
        if state is None or state.wake_ms < self.clock_ms or state.fix_ms == NEVER_MS:
            state = self._woken(seen.truck_id, state, out)
        self._touched.add(state.truck_id)
        waiting = state.waiting
        # Nearly every event is the only one of its truck that waits, and newer than all that has been applied.
        if at_ms > state.applied_ms and not waiting:
            waiting.append((at_ms, priority, seen.event_id, received_ms, seen))
        elif not self._sort_in(state, (at_ms, priority, seen.event_id, received_ms, seen), out):
            return in_order(out)
        due_ms = received_ms + runtime.lateness_ms
        if due_ms < state.wake_ms:
            self._wake_at(state, due_ms)
        return in_order(out) if out else out

    def _apply_other(self, event: Event) -> list[Breach]:
        """Takes a tick, an activation, or whatever comes before any city is in force."""
        out: list[Breach] = []
        if isinstance(event, CityActivated):
            # Its place in the log counts, not its time: recorded traffic may come behind it.
            self._activate(event.city_hash, out)
        elif self._runtime is None:
            self.counters["before_city"] += 1
        else:
            clock_ms = _floor_ms(event.at if event.received_at is None else event.received_at)
            if clock_ms > self.clock_ms:
                self.clock_ms = clock_ms
                if clock_ms >= self._sweep_from_ms:
                    self._sweep(clock_ms // SLOT_MS, out)
        return in_order(out)

    def advance_to(self, clock_ms: int) -> list[Breach]:
        """Moves the partition clock, as a tick at that instant would."""
        out: list[Breach] = []
        if clock_ms > self.clock_ms:
            self.clock_ms = clock_ms
        self._sweep(self.clock_ms // SLOT_MS, out)
        for state in self._trucks.values():
            self._release(state, out)
        return in_order(out)

    def _woken(self, truck_id: str, state: TruckState | None, out: list[Breach]) -> TruckState:
        """The truck's state, a new one if it is not known (any more), once all that is due of it has been applied."""
        if state is not None:
            if state.wake_ms < self.clock_ms:
                self._release(state, out)
            if not self._is_forgotten(state):
                return state
        state = self._trucks[truck_id] = TruckState(truck_id)
        return state

    def _sort_in(self, state: TruckState, taken: Waiting, out: list[Breach]) -> bool:
        """Puts an event where it belongs among those that wait; False when it is none of them (late, a duplicate)."""
        key = taken[:3]
        if key <= (state.applied_ms, state.applied_priority, state.applied_id):
            late.take(self._runtime_in_force(), state, taken, self.counters, out)
            self._reschedule(state)
            return False
        waiting = state.waiting
        place = bisect_left(waiting, key)
        if place < len(waiting) and waiting[place][:3] == key:
            self.counters["duplicate"] += 1
            return False
        waiting.insert(place, taken)
        return True

    # -- time -------------------------------------------------------------------------------------------------------

    def _sweep(self, slot: int, out: list[Breach]) -> None:
        """Releases every truck with something due before the current slot."""
        wheel = self._wheel
        first, self._swept = self._swept, slot
        self._sweep_from_ms = (slot + 1) * SLOT_MS
        slots = range(first, slot) if slot - first <= len(wheel) else sorted(s for s in wheel if s < slot)
        for passed in slots:
            for state in wheel.pop(passed, ()):
                if state.wake_ms < self.clock_ms:
                    self._release(state, out)
        if slot // DAY_SLOTS > first // DAY_SLOTS:
            for state in [state for state in self._trucks.values() if self._is_forgotten(state)]:
                del self._trucks[state.truck_id]
                self._touched.add(state.truck_id)

    def _is_forgotten(self, state: TruckState) -> bool:
        """Whether a truck counts as never seen; its own next event finds the same, freed meanwhile or not."""
        return (
            state.fix_ms == NEVER_MS
            and self.clock_ms - state.applied_ms > STRANGER_MS
            and state.wake_ms == FOREVER_MS
            and not state.rules
            and all(episode.ended for episode in state.episodes.values())
        )

    def _release(self, state: TruckState, out: list[Breach]) -> None:
        """Applies everything of one truck that is due by the partition clock, in order."""
        runtime = self._runtime_in_force()
        self._touched.add(state.truck_id)
        limit_ms = self.clock_ms - runtime.lateness_ms
        waiting = state.waiting
        deadline_ms = state.deadline_ms
        while True:
            if waiting and waiting[0][0] <= deadline_ms:
                if waiting[0][3] >= limit_ms and deadline_ms >= limit_ms and not _any_due(state, limit_ms):
                    break
                first = waiting.pop(0)
                at_ms, priority, event_id, _received_ms, event = first
                if state.silent:
                    late.close_or_join(state, first)
                detections = apply_event(runtime, state, event, at_ms)
                state.applied_ms = at_ms
                if state.applied_priority != priority:
                    state.applied_priority = priority
                state.applied_id = event_id
                for detection in detections:
                    judge(runtime, state, detection, out)
            elif deadline_ms < limit_ms or (waiting and _any_due(state, limit_ms)):
                self._fire(runtime, state, deadline_ms, out)
            else:
                break
            deadline_ms = next_deadline_ms(runtime, state)
        self._schedule(runtime, state, deadline_ms)

    def _fire(self, runtime: CityRuntime, state: TruckState, at_ms: int, out: list[Breach]) -> None:
        """Lets the deadline at `at_ms` fall: silence first (it breaks holds), then rules, late data, episodes.

        One that a replayed past or another city sets before what has been applied falls now: time never runs back.
        """
        at_ms = max(at_ms, state.applied_ms)
        if silence_due_ms(runtime, state) <= at_ms:
            late.open_gap(state)
            detections = apply_silence(runtime, state, at_ms)
        elif state.rule_deadline_ms <= at_ms:
            detections = apply_rule_deadline(runtime, state, at_ms)
        elif late.replay_due_ms(state) <= at_ms:
            detections = late.replay(runtime, state, at_ms, out)
        else:
            detections = ()
            end_episodes(runtime, state, at_ms, out)
        state.applied_ms = at_ms
        state.applied_priority = AFTER_EVENTS
        for detection in detections:
            judge(runtime, state, detection, out)

    def _schedule(self, runtime: CityRuntime, state: TruckState, deadline_ms: int) -> None:
        """Notes when the truck next has something due, and puts it on the wheel for then."""
        if deadline_ms != state.deadline_ms:
            state.deadline_ms = deadline_ms
        wake_ms = deadline_ms
        if state.waiting:
            wake_ms = min(wake_ms, min(waiting[3] for waiting in state.waiting))
        if wake_ms == FOREVER_MS:
            state.wake_ms = FOREVER_MS
        else:
            self._wake_at(state, wake_ms + runtime.lateness_ms)

    def _wake_at(self, state: TruckState, wake_ms: int) -> None:
        state.wake_ms = wake_ms
        slot = wake_ms // SLOT_MS
        if slot < self._swept:
            slot = self._swept
        bucket = self._wheel.get(slot)
        if bucket is None:
            self._wheel[slot] = [state]
        elif bucket[-1] is not state:
            bucket.append(state)

    def _reschedule(self, state: TruckState) -> None:
        runtime = self._runtime_in_force()
        self._schedule(runtime, state, next_deadline_ms(runtime, state))

    # -- city -------------------------------------------------------------------------------------------------------

    def _runtime_in_force(self) -> CityRuntime:
        if self._runtime is None:
            raise RuntimeError("an observation came before any city was activated")
        return self._runtime

    def _activate(self, city_hash: str, out: list[Breach]) -> None:
        """Puts another city in force from this point of the log on; partial matches of unchanged rules survive."""
        if self._runtime is not None and self._runtime.city_hash == city_hash:
            return
        assert self._runtime_of is not None, "city_activated without a source of cities"
        runtime, previous = self._runtime_of(city_hash), self._runtime
        if runtime is previous:
            return
        for state in self._trucks.values():
            if previous is not None:
                self._release(state, out)
                self.counters["memory_dropped"] += runtime.engine.drop_changed(state, previous.city.compiled)
                release_held(state, state.heard_ms)
                late.carry_over(state, runtime, previous)
        self._runtime = runtime
        self._touched.update(self._trucks)
        for state in self._trucks.values():
            self._reschedule(state)

    @property
    def runtime(self) -> CityRuntime | None:
        """The city in force."""
        return self._runtime

    # -- state ------------------------------------------------------------------------------------------------------

    def trucks(self) -> dict[str, TruckState]:
        """The live states by plate, for maps and counters; not to be changed."""
        return self._trucks

    def snapshot(self) -> bytes:
        """The whole state as bytes."""
        city_hash = self._runtime.city_hash if self._runtime is not None else None
        trucks = [self._trucks[truck_id] for truck_id in sorted(self._trucks)]
        return encode(Snapshot(SNAPSHOT_VERSION, self.clock_ms, city_hash, trucks, dict(self.counters)))

    def restore(self, data: bytes) -> None:
        """Takes over the state that `snapshot` gave. Raises ValueError for another version's bytes."""
        snapshot = decode_snapshot(data)
        self._take_over(snapshot.city_hash, snapshot.clock_ms, snapshot.counters, snapshot.trucks)

    def _take_over(
        self, city_hash: str | None, clock_ms: int, counters: dict[str, int], trucks: list[TruckState]
    ) -> None:
        if city_hash is not None and (self._runtime is None or self._runtime.city_hash != city_hash):
            assert self._runtime_of is not None, "the snapshot is of another city"
            self._runtime = self._runtime_of(city_hash)
        self.clock_ms = clock_ms
        self.counters = Counter(counters)
        self._trucks = {state.truck_id: state for state in trucks}
        self._touched = set()
        self._wheel = {}
        self._swept = self.clock_ms // SLOT_MS
        self._sweep_from_ms = (self._swept + 1) * SLOT_MS
        for state in trucks:
            self._reschedule(state)

    def take_touched(self) -> set[str]:
        """The plates of trucks whose state may have changed since the last call (or `restore`)."""
        touched, self._touched = self._touched, set()
        return touched

    def changes(self, trucks: set[str], *, whole: bool = False) -> Changes:
        """The state in parts: the buckets that hold one of `trucks` (those touched since the last parts), or all."""
        wanted = range(BUCKETS) if whole else {bucket_of(truck_id) for truck_id in trucks}
        members: dict[int, list[TruckState]] = {bucket: [] for bucket in wanted}
        for truck_id, state in self._trucks.items():
            bucket = members.get(bucket_of(truck_id))
            if bucket is not None:
                bucket.append(state)
        city_hash = self._runtime.city_hash if self._runtime is not None else None
        head = Head(SNAPSHOT_VERSION, self.clock_ms, city_hash, dict(self.counters))
        return Changes(encode(head), {b: encode(states) for b, states in members.items()}, trucks)

    def restore_parts(self, head: bytes, buckets: Iterable[bytes]) -> None:
        """Takes over the state whose parts `changes` gave. Raises ValueError for another version's."""
        found = decode_head(head)
        trucks = [state for bucket in buckets for state in decode_bucket(bucket)]
        self._take_over(found.city_hash, found.clock_ms, found.counters, trucks)


def next_deadline_ms(runtime: CityRuntime, state: TruckState) -> int:
    """The earliest instant at which something happens to the truck without an event of its own."""
    deadline_ms = state.heard_ms + runtime.gap_ms if not state.silent and state.heard_ms != NEVER_MS else FOREVER_MS
    if state.rule_deadline_ms < deadline_ms:
        deadline_ms = state.rule_deadline_ms
    if state.episode_deadline_ms < deadline_ms:
        deadline_ms = state.episode_deadline_ms
    if state.gaps:
        replay_ms = late.replay_due_ms(state)
        if replay_ms < deadline_ms:
            deadline_ms = replay_ms
    return deadline_ms


def _floor_ms(at: datetime) -> int:
    """The whole milliseconds of an instant; `apply` spells it out, as it is asked twice of every event."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _any_due(state: TruckState, limit_ms: int) -> bool:
    return any(waiting[3] < limit_ms for waiting in state.waiting)


def in_order(out: list[Breach]) -> list[Breach]:
    """A fixed order of what one step concludes, whichever truck was woken first; a truck's own order is kept."""
    return sorted(out, key=_truck_of)


def _truck_of(breach: Breach) -> Any:
    return breach.truck_id
