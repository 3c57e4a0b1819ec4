"""How an episode is told: the breach with its place, conditions, records, track and law, as a person needs them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from haulwatch.domain.breaches import Breach, Condition, Evidence, LawNote, Phase
from haulwatch.domain.events import Sighting, Weighing
from haulwatch.domain.instants import NEVER_MS, rfc3339
from haulwatch.domain.motion import track_rows
from haulwatch.domain.registry import Camera, Station
from haulwatch.domain.text import Text
from haulwatch.domain.trucks import Capture, Episode, TruckState
from rules.engine import Detection
from rules.model import Rule
from streams.runtime import CityRuntime, local_time
from streams.wording import is_guard, said

STALE_FIX_MS = 600_000
"""A fix older than this says less of where the finding was made than the device that made it."""


def tell(
    runtime: CityRuntime, state: TruckState, episode: Episode, rule: Rule, phase: Phase, detection: Detection | None
) -> Breach:
    """The breach of this phase; without a detection (`ended`) there are no new conditions and records."""
    captures = detection.captures if detection is not None else ()
    conditions = [condition for capture in captures for condition in capture.conditions]
    conditions += detection.conditions if detection is not None else ()
    status: Literal["active", "shadow"] = "shadow" if rule.status == "shadow" else "active"
    lon, lat, zone_ids = _place(runtime, state, episode, captures)
    suggestion = _suggestion(runtime, state, rule, captures)
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
        lon=lon,
        lat=lat,
        zone_ids=zone_ids,
        title=rule.title,
        summary=_summary(runtime, state, episode, rule, conditions, suggestion, zone_ids),
        conditions=conditions,
        evidence=[_evidence(capture) for capture in captures],
        track=track_rows(state.track),
        law=LawNote(runtime.law.basis(rule.law), suggestion),
    )


def _place(
    runtime: CityRuntime, state: TruckState, episode: Episode, captures: tuple[Capture, ...]
) -> tuple[float | None, float | None, list[str]]:
    """Where it was: at the scale that weighed it; else at its last fix; else, without a recent one, at the camera."""
    scale = _device(runtime, captures, Weighing)
    if scale is not None:
        return scale
    if episode.last_ms - state.fix_ms > STALE_FIX_MS:
        camera = _device(runtime, captures, Sighting)
        if camera is not None:
            return camera
    if state.fix_ms == NEVER_MS:
        return None, None, []
    return state.lon, state.lat, list(state.zones.view.ids)


def _device(
    runtime: CityRuntime, captures: tuple[Capture, ...], kind: type[Weighing] | type[Sighting]
) -> tuple[float, float, list[str]] | None:
    """The place of the last device of this kind among the records, if the city's tables know it."""
    for capture in reversed(captures):
        event = capture.event
        if not isinstance(event, kind):
            continue
        device: Station | Camera | None = None
        if isinstance(event, Weighing):
            device = runtime.registry.stations.get(event.station_id)
        elif isinstance(event, Sighting):
            device = runtime.registry.cameras.get(event.camera_id)
        if device is not None and device.lon is not None and device.lat is not None:
            ids = runtime.city.index.at(device.lon, device.lat, capture.at_ms).ids
            return device.lon, device.lat, list(ids)
    return None


def _summary(
    runtime: CityRuntime,
    state: TruckState,
    episode: Episode,
    rule: Rule,
    conditions: list[Condition],
    suggestion: dict[str, Any] | None,
    zone_ids: list[str],
) -> Text:
    """One sentence a dispatcher can read out: plate, local time, what, where, seen against allowed."""
    when = local_time(episode.detected_ms, runtime.timezone).strftime("%m-%d %H:%M:%S")
    names = [runtime.zone_names[z] for z in zone_ids if z in runtime.zone_names][:3]
    what = _what(rule, conditions, suggestion)
    zh_place = f"，位于{'、'.join(name.zh for name in names)}" if names else ""
    en_place = f" in {', '.join(name.en for name in names)}" if names else ""
    return Text(
        f"{state.truck_id} {when} {rule.title.zh}{zh_place}" + (f"：{what.zh}" if what.zh else ""),
        f"{state.truck_id} {when} {rule.title.en}{en_place}" + (f": {what.en}" if what.en else ""),
    )


def _what(rule: Rule, conditions: list[Condition], suggestion: dict[str, Any] | None) -> Text:
    """The rule's own sentence, the law's arithmetic, or the measured values that carried the finding."""
    if suggestion is not None:
        return Text(suggestion["text"]["zh"], suggestion["text"]["en"])
    if rule.summary is not None:
        return rule.summary
    carried = [condition for condition in conditions if _exceeds(condition)]
    words = [said(c) for c in carried if not is_guard(c)] or [said(c) for c in carried]
    return Text("；".join(dict.fromkeys(w.zh for w in words[:2])), "; ".join(dict.fromkeys(w.en for w in words[:2])))


def _exceeds(condition: Condition) -> bool:
    """A measured value above what is allowed; guards ("not older than") and switches explain, but say little."""
    number = isinstance(condition.observed, int | float) and not isinstance(condition.observed, bool)
    return number and condition.threshold is not None and condition.operator in (">", ">=")


def _evidence(capture: Capture) -> Evidence:
    payload: dict[str, Any] = msgspec.to_builtins(capture.event)
    return Evidence(capture.event.event_id, payload["kind"], capture.alias, rfc3339(capture.at_ms), payload)


def _suggestion(
    runtime: CityRuntime, state: TruckState, rule: Rule, captures: tuple[Capture, ...]
) -> dict[str, Any] | None:
    """What the law packs suggest for a weighed truck, with the raw and the tolerance-corrected mass."""
    if rule.category != "overweight":
        return None
    for capture in reversed(captures):
        event = capture.event
        if isinstance(event, Weighing):
            judged_kg = event.gross_kg * (1 - runtime.tolerance_pct(event.station_id) / 100)
            truck = runtime.truck(state.truck_id)
            return runtime.law.suggestion(
                rule.category,
                truck,
                event.gross_kg,
                judged_kg,
                capture.at_ms,
                axle_count=event.axle_count,
                station=runtime.registry.stations.get(event.station_id),
            )
    return None
