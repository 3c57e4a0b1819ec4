"""Judge: from detections to breaches. One episode is one breach, however many rules and events speak of it."""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from haulwatch.domain.breaches import Breach, Condition, Evidence, LawNote, Phase
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.instants import FOREVER_MS, NEVER_MS, rfc3339
from haulwatch.domain.motion import track_rows
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import Capture, Episode, TruckState
from rules.engine import Detection
from rules.model import Rule, WhileMatch
from streams.runtime import CityRuntime, local_time

UPDATE_EVERY_MS = 60_000
"""At most one `updated` a minute of event time: a person reads them."""
EPISODE_MEMORY_MS = 86_400_000
"""How long an ended episode is remembered, so that late data cannot open it a second time."""


def judge(runtime: CityRuntime, state: TruckState, detection: Detection, out: list[Breach]) -> None:
    """Opens, updates or ends the episode that a detection belongs to; appends what is to be told."""
    scope = episode_scope(state, detection)
    episode = state.episodes.get(scope)
    if detection.phase == "ended":
        if episode is not None and not episode.ended and episode.rule_id == detection.rule.rule_id:
            episode.holding = False
            episode.last_ms = max(episode.last_ms, detection.detected_ms)
            if episode.cooldown_ms == 0:
                _end(runtime, state, episode, detection.rule, out)
    elif episode is not None and _joins(episode, detection):
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


def _holds(detection: Detection) -> bool:
    """A `while` rule goes on until it says that the conduct is over; the others speak of an instant."""
    return isinstance(detection.rule.match, WhileMatch)


def _captured(captures: tuple[Capture, ...], name: str) -> str:
    for capture in reversed(captures):
        value = getattr(capture.event, name, None)
        if value is not None:
            return str(value)
    return ""


def _joins(episode: Episode, detection: Detection) -> bool:
    if episode.holding and not episode.ended:
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
        holding=_holds(detection),
        late=state.late,
    )
    out.append(_breach(runtime, state, episode, rule, "opened", detection))


def _update(runtime: CityRuntime, state: TruckState, episode: Episode, detection: Detection, out: list[Breach]) -> None:
    if state.late and detection.detected_ms <= episode.last_ms:
        return  # a gap replayed again finds again what it has found before
    episode.occurrences += 1
    episode.last_ms = max(episode.last_ms, detection.detected_ms)
    episode.holding = episode.holding or _holds(detection)
    episode.ended = False
    if detection.detected_ms - episode.emitted_ms >= UPDATE_EVERY_MS:
        episode.emitted_ms = detection.detected_ms
        rule = _rule_of(runtime, episode, detection.rule)
        out.append(_breach(runtime, state, episode, rule, "updated", detection))


def end_episodes(runtime: CityRuntime, state: TruckState, at_ms: int, out: list[Breach]) -> None:
    """Ends the episodes whose cooldown is over at `at_ms`."""
    for episode in state.episodes.values():
        if not episode.ended and not episode.holding and episode.last_ms + episode.cooldown_ms <= at_ms:
            rule = runtime.rule(episode.rule_id)
            if rule is None:
                episode.ended = True  # the rule left the book; its order stays with people
            else:
                _end(runtime, state, episode, rule, out)
    _set_deadline(state)


def _end(runtime: CityRuntime, state: TruckState, episode: Episode, rule: Rule, out: list[Breach]) -> None:
    episode.ended = True
    episode.holding = False
    out.append(_breach(runtime, state, episode, rule, "ended", None))


def _set_deadline(state: TruckState) -> None:
    state.episode_deadline_ms = min(
        (e.last_ms + e.cooldown_ms for e in state.episodes.values() if not e.ended and not e.holding),
        default=FOREVER_MS,
    )


def _rule_of(runtime: CityRuntime, episode: Episode, otherwise: Rule) -> Rule:
    """An episode speaks in the name of the rule that opened it."""
    return runtime.rule(episode.rule_id) or otherwise


def _breach(
    runtime: CityRuntime,
    state: TruckState,
    episode: Episode,
    rule: Rule,
    phase: Phase,
    detection: Detection | None,
) -> Breach:
    captures = detection.captures if detection is not None else ()
    conditions = [condition for capture in captures for condition in capture.conditions]
    conditions += detection.conditions if detection is not None else ()
    status: Literal["active", "shadow"] = "shadow" if rule.status == "shadow" else "active"
    located = state.fix_ms != NEVER_MS
    return Breach(
        breach_id=episode.breach_id,
        phase=phase,
        rule_id=rule.rule_id,
        rule_hash=rule.rule_hash,
        city_hash=runtime.city_hash,
        category=rule.category,
        severity=rule.severity,
        status=status,
        truck_id=state.truck_id,
        started_at=rfc3339(episode.started_ms),
        detected_at=rfc3339(episode.detected_ms),
        ended_at=rfc3339(episode.last_ms) if phase == "ended" else None,
        occurrences=episode.occurrences,
        late=episode.late or state.late,
        lon=state.lon if located else None,
        lat=state.lat if located else None,
        zone_ids=list(state.zones.view.ids),
        title=rule.title,
        summary=_summary(runtime, state, episode, rule, conditions),
        conditions=conditions,
        evidence=[_evidence(capture) for capture in captures],
        track=track_rows(state.track),
        law=LawNote(list(rule.law), _suggestion(runtime, state, rule, captures)),
    )


def _summary(
    runtime: CityRuntime, state: TruckState, episode: Episode, rule: Rule, conditions: list[Condition]
) -> Text:
    """One sentence a dispatcher can read out: plate, local time, place, what was seen against what is allowed."""
    when = local_time(episode.detected_ms, runtime.timezone).strftime("%m-%d %H:%M:%S")
    names = [runtime.zone_names[z] for z in state.zones.view.ids if z in runtime.zone_names]
    seen = "；".join(_said(c) for c in conditions[:3])
    zh_place = f"，位于{'、'.join(n.zh for n in names[:3])}" if names else ""
    en_place = f" in {', '.join(n.en for n in names[:3])}" if names else ""
    return Text(
        f"{state.truck_id} {when} {rule.title.zh}{zh_place}" + (f"：{seen}" if seen else ""),
        f"{state.truck_id} {when} {rule.title.en}{en_place}" + (f": {seen.replace('；', '; ')}" if seen else ""),
    )


def _said(condition: Condition) -> str:
    unit = f" {condition.unit}" if condition.unit else ""
    return f"{condition.name} = {condition.observed}{unit} ({condition.operator} {condition.threshold}{unit})"


def _evidence(capture: Capture) -> Evidence:
    event = capture.event
    payload: dict[str, Any] = msgspec.to_builtins(event)
    payload.pop("kind", None)
    kind = type(event).__struct_config__.tag
    return Evidence(event.event_id, str(kind), capture.alias, rfc3339(capture.at_ms), {"kind": kind, **payload})


def _suggestion(
    runtime: CityRuntime, state: TruckState, rule: Rule, captures: tuple[Capture, ...]
) -> dict[str, Any] | None:
    """What the law packs suggest for a weighed truck, with the raw and the tolerance-corrected mass."""
    if rule.category != "overweight":
        return None
    truck = runtime.truck(state.truck_id)
    for capture in reversed(captures):
        event: Position | Weighing | Sighting | Manifest | Any = capture.event
        if isinstance(event, Weighing):
            judged_kg = event.gross_kg * (1 - runtime.tolerance_pct(event.station_id) / 100)
            return runtime.law.suggestion(
                rule.category, truck, event.gross_kg, judged_kg, capture.at_ms, axle_count=event.axle_count
            )
    return None
