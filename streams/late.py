"""The late lane: what arrives after its truck has moved on never rewrites history.

When a truck falls silent its state is kept. Events that arrive later and fall into that spell are replayed from that
state, in order, together with what was applied live meanwhile; what this finds is marked `late`. The live state goes
on as it was, and learns only (`gap_filled`) that the terminal had been out of reach and not switched off.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import msgspec

from haulwatch.domain.breaches import Breach
from haulwatch.domain.events import Manifest, Position, Weighing
from haulwatch.domain.instants import FOREVER_MS
from haulwatch.domain.motion import insert_late
from haulwatch.domain.trips import take_late_manifest
from haulwatch.domain.trucks import WEIGHED_KEPT, Gap, TruckState, Waiting
from rules.engine import Detection
from streams.judge import judge, release_held
from streams.pipeline import apply_event, apply_gap_filled, apply_rule_deadline, apply_silence, silence_due_ms
from streams.runtime import CityRuntime

SETTLE_MS = 15_000
"""A batch is looked at once nothing more of it has come for this long (by `received_at`)."""
GAPS_KEPT = 2
EVENTS_KEPT = 2_000
"""Events a gap remembers: five hours at one every 10 s."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(TruckState)


def open_gap(state: TruckState) -> None:
    """Keeps the state as it is before the silence is known; the track and the episodes are shared, not copied."""
    bare = msgspec.structs.replace(state, waiting=[], gaps=[], episodes={}, track=bytearray())
    gap = Gap(heard_ms=state.heard_ms, start_ms=state.applied_ms, state=_encoder.encode(bare))
    state.gaps = [*state.gaps[1 - GAPS_KEPT :], gap]


def close_or_join(state: TruckState, waiting: Waiting) -> None:
    """An event is about to be applied to a silent truck: a position ends the gap, anything else belongs to it."""
    if not state.gaps:
        return
    gap = state.gaps[-1]
    if isinstance(waiting[4], Position):
        gap.end_ms = waiting[0]
    elif len(gap.events) < EVENTS_KEPT:
        insort(gap.events, waiting)


def take(runtime: CityRuntime, state: TruckState, waiting: Waiting, counters: Counter[str], out: list[Breach]) -> None:
    """Takes an event older than what has been applied: into its gap, else only into the track or the papers.

    A weighing is judged all the same, by itself: a scale's network may be slow, and what it says needs no history.
    """
    at_ms, _priority, event_id, received_ms, event = waiting
    for gap in state.gaps:
        if gap.start_ms < at_ms < gap.end_ms:
            if any(w[0] == at_ms and w[2] == event_id for w in gap.events) or len(gap.events) >= EVENTS_KEPT:
                counters["duplicate"] += 1
                return
            insort(gap.events, waiting)
            gap.late_count += 1
            gap.replay_at_ms = max(received_ms, state.applied_ms) + SETTLE_MS
            counters["late_in_gap"] += 1
            return
    counters["late"] += 1
    if isinstance(event, Position) and event.valid is not False:
        insert_late(state, event, at_ms)
    elif isinstance(event, Manifest):
        take_late_manifest(state, event, at_ms)
    elif isinstance(event, Weighing):
        _weigh(runtime, state, event, at_ms, out)


def _weigh(runtime: CityRuntime, state: TruckState, event: Weighing, at_ms: int, out: list[Breach]) -> None:
    """Shows a late weighing to the rules on a copy of the truck that remembers nothing of them."""
    if event.event_id in state.weighed:
        return
    state.weighed = [*state.weighed[1 - WEIGHED_KEPT :], event.event_id]
    bare = msgspec.structs.replace(
        state, waiting=[], gaps=[], episodes={}, rules={}, rule_deadline_ms=FOREVER_MS, episode_deadline_ms=FOREVER_MS
    )
    past = _decoder.decode(_encoder.encode(bare))
    past.late = True
    past.episodes = state.episodes
    for detection in apply_event(runtime, past, event, at_ms):
        judge(runtime, past, detection, out)
    state.episode_deadline_ms = min(state.episode_deadline_ms, past.episode_deadline_ms)


def carry_over(state: TruckState, runtime: CityRuntime, previous: CityRuntime) -> None:
    """Another city is in force: what kept states remember of rules that changed goes, as from the live one."""
    for gap in state.gaps:
        past = _decoder.decode(gap.state)
        runtime.engine.drop_changed(past, previous.city.compiled)
        gap.state = _encoder.encode(past)


def replay_due_ms(state: TruckState) -> int:
    """When the next gap is to be replayed."""
    due_ms = FOREVER_MS
    for gap in state.gaps:
        if gap.replay_at_ms < due_ms:
            due_ms = gap.replay_at_ms
    return due_ms


def replay(runtime: CityRuntime, state: TruckState, at_ms: int, out: list[Breach]) -> Sequence[Detection]:
    """Replays the gaps that are due; appends late breaches; returns what `gap_filled` makes the live rules find."""
    detections: list[Detection] = []
    for gap in state.gaps:
        if gap.replay_at_ms > at_ms:
            continue
        gap.replay_at_ms = FOREVER_MS
        _replay_gap(runtime, state, gap, out)
        end_ms = min(gap.end_ms, at_ms)
        share = _covered_share(runtime, gap, end_ms)
        detections += apply_gap_filled(runtime, state, at_ms, gap.heard_ms, end_ms, share)
    return detections


def _replay_gap(runtime: CityRuntime, state: TruckState, gap: Gap, out: list[Breach]) -> None:
    past = _decoder.decode(gap.state)
    past.late = True
    past.episodes = state.episodes
    past.episode_deadline_ms = FOREVER_MS
    for at_ms, _priority, _event_id, _received_ms, event in gap.events:
        _fire_until(runtime, past, at_ms - 1, out)
        for detection in apply_event(runtime, past, event, at_ms):
            judge(runtime, past, detection, out)
        if isinstance(event, Position) and event.valid is not False:
            insert_late(state, event, at_ms)
    _fire_until(runtime, past, min(gap.end_ms, state.applied_ms) - 1, out)
    release_held(state, past.heard_ms)
    state.episode_deadline_ms = min(state.episode_deadline_ms, past.episode_deadline_ms)


def _fire_until(runtime: CityRuntime, past: TruckState, until_ms: int, out: list[Breach]) -> None:
    """Lets the deadlines of the replayed past fall, up to and including `until_ms`."""
    while (at_ms := min(silence_due_ms(runtime, past), past.rule_deadline_ms)) <= until_ms:
        silence = silence_due_ms(runtime, past) <= at_ms
        found = apply_silence(runtime, past, at_ms) if silence else apply_rule_deadline(runtime, past, at_ms)
        for detection in found:
            judge(runtime, past, detection, out)


def _covered_share(runtime: CityRuntime, gap: Gap, end_ms: int) -> float:
    """How much of the spell lies within `gap` of a position: 1 when nothing of it stayed dark."""
    times = [gap.heard_ms, *(w[0] for w in gap.events if isinstance(w[4], Position)), end_ms]
    whole_ms = end_ms - gap.heard_ms
    dark_ms = sum(b - a for a, b in pairwise(times) if b - a > runtime.gap_ms)
    return round(1 - dark_ms / whole_ms, 3) if whole_ms > 0 else 1.0
