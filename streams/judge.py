"""Judge: from detections to breaches. One episode is one breach, however many rules and events speak of it."""

from __future__ import annotations

import hashlib

from haulwatch.domain.breaches import Breach
from haulwatch.domain.instants import FOREVER_MS
from haulwatch.domain.trucks import Capture, Episode, TruckState
from rules.engine import Detection
from rules.model import Rule, WhileMatch
from streams.runtime import CityRuntime
from streams.telling import tell

UPDATE_EVERY_MS = 60_000
"""At most one `updated` a minute of event time: a person reads them."""
EPISODE_MEMORY_MS = 86_400_000
"""How long an ended episode is remembered, so that late data cannot open it a second time."""


def judge(runtime: CityRuntime, state: TruckState, detection: Detection, out: list[Breach]) -> None:
    """Opens, updates or ends the episode that a detection belongs to; appends what is to be told."""
    if detection.phase == "ended":
        _let_go(runtime, state, detection, out)
        _set_deadline(state)
        return
    scope = episode_scope(state, detection)
    episode = state.episodes.get(scope)
    if episode is not None and _joins(episode, detection):
        _update(runtime, state, episode, detection, out)
    else:
        if episode is not None and not episode.ended:
            _end(runtime, state, episode, _rule_of(runtime, episode, detection.rule), out)
        _open(runtime, state, scope, detection, out)
    _set_deadline(state)


def episode_scope(state: TruckState, detection: Detection) -> str:
    """What makes two findings of a truck one: the rule (or its group), active or shadow, and the key's values."""
    rule = detection.rule
    parts = [rule.episode.group or rule.rule_id, rule.status]
    for name in rule.episode.key:
        if name == "trip_id":
            parts.append((state.trip.trip_id if state.trip is not None else state.last_trip_id) or "")
        elif name != "truck_id":
            parts.append(_captured(detection.captures, name))
    return "|".join(parts)


def _let_go(runtime: CityRuntime, state: TruckState, detection: Detection, out: list[Breach]) -> None:
    """A hold is over: found by its rule, as the values of the episode's key may have changed since it began."""
    rule_id = detection.rule.rule_id
    for episode in state.episodes.values():
        if rule_id in episode.holders:
            episode.holders.remove(rule_id)
            episode.last_ms = max(episode.last_ms, detection.detected_ms)
            if not episode.holders and episode.cooldown_ms == 0:
                _end(runtime, state, episode, _rule_of(runtime, episode, detection.rule), out)


def release_held(state: TruckState, seen_ms: int) -> None:
    """Lets go of episodes that no hold speaks for any more: its rule changed, or it was of a replayed past.

    `seen_ms` is until when such a hold had been seen to go on.
    """
    for episode in state.episodes.values():
        held = [rule_id for rule_id in episode.holders if _is_held(state, rule_id)]
        if len(held) < len(episode.holders):
            episode.holders = held
            episode.last_ms = max(episode.last_ms, seen_ms)
    _set_deadline(state)


def _is_held(state: TruckState, rule_id: str) -> bool:
    memory = state.rules.get(rule_id)
    return memory is not None and memory.hold is not None and memory.hold.fired


def _holders(detection: Detection) -> list[str]:
    """A `while` rule goes on until it says that the conduct is over; the others speak of an instant."""
    return [detection.rule.rule_id] if isinstance(detection.rule.match, WhileMatch) else []


def _captured(captures: tuple[Capture, ...], name: str) -> str:
    for capture in reversed(captures):
        value = getattr(capture.event, name, None)
        if value is not None:
            return str(value)
    return ""


def _joins(episode: Episode, detection: Detection) -> bool:
    if episode.holders and not episode.ended:
        return True
    return abs(detection.detected_ms - episode.last_ms) <= episode.cooldown_ms or (
        episode.rule_id == detection.rule.rule_id and episode.opened_event_id == detection.opened_event_id
    )


def breach_id_of(rule_id: str, truck_id: str, opened_event_id: str) -> str:
    """The permanent id of an episode: the same after every crash, replay and backtest."""
    return hashlib.sha256(f"{rule_id}\0{truck_id}\0{opened_event_id}".encode()).hexdigest()[:32]


def _open(runtime: CityRuntime, state: TruckState, scope: str, detection: Detection, out: list[Breach]) -> None:
    rule = detection.rule
    now_ms = detection.detected_ms
    for old in [k for k, e in state.episodes.items() if e.ended and e.last_ms + EPISODE_MEMORY_MS < now_ms]:
        del state.episodes[old]
    episode = state.episodes[scope] = Episode(
        breach_id=breach_id_of(rule.rule_id, state.truck_id, detection.opened_event_id),
        rule_id=rule.rule_id,
        opened_event_id=detection.opened_event_id,
        started_ms=detection.started_ms,
        detected_ms=now_ms,
        last_ms=now_ms,
        emitted_ms=now_ms,
        cooldown_ms=rule.episode.cooldown_ms,
        holders=_holders(detection),
        late=state.late,
    )
    out.append(tell(runtime, state, episode, rule, "opened", detection))


def _update(runtime: CityRuntime, state: TruckState, episode: Episode, detection: Detection, out: list[Breach]) -> None:
    if state.late and detection.detected_ms <= episode.last_ms:
        return  # a gap replayed again finds again what it has found before
    if detection.detected_ms != episode.last_ms:
        episode.occurrences += 1  # at the very same instant it is another rule that saw the same
    episode.last_ms = max(episode.last_ms, detection.detected_ms)
    episode.holders = sorted({*episode.holders, *_holders(detection)})
    episode.ended = False
    if detection.detected_ms - episode.emitted_ms >= UPDATE_EVERY_MS:
        episode.emitted_ms = detection.detected_ms
        rule = _rule_of(runtime, episode, detection.rule)
        out.append(tell(runtime, state, episode, rule, "updated", detection))


def end_episodes(runtime: CityRuntime, state: TruckState, at_ms: int, out: list[Breach]) -> None:
    """Ends the episodes whose cooldown is over at `at_ms`."""
    for episode in state.episodes.values():
        if not episode.ended and not episode.holders and episode.last_ms + episode.cooldown_ms <= at_ms:
            rule = runtime.rule(episode.rule_id)
            if rule is None:
                episode.ended = True  # the rule left the book; its order stays with people
            else:
                _end(runtime, state, episode, rule, out)
    _set_deadline(state)


def _end(runtime: CityRuntime, state: TruckState, episode: Episode, rule: Rule, out: list[Breach]) -> None:
    episode.ended = True
    episode.holders = []
    out.append(tell(runtime, state, episode, rule, "ended", None))


def _set_deadline(state: TruckState) -> None:
    state.episode_deadline_ms = min(
        (e.last_ms + e.cooldown_ms for e in state.episodes.values() if not e.ended and not e.holders),
        default=FOREVER_MS,
    )


def _rule_of(runtime: CityRuntime, episode: Episode, otherwise: Rule) -> Rule:
    """An episode speaks in the name of the rule that opened it."""
    return runtime.rule(episode.rule_id) or otherwise
