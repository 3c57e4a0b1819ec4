"""Versions of zones and rules, from the cities that were in force; each deployment has on record what it changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from geofences.loading import load_zones
from geofences.zones import Zone
from haulwatch.bootstrap.zone_desk import zone_sheets
from haulwatch.city.assembly import rule_files
from haulwatch.city.comparing import shown_param
from haulwatch.city.zone_drafts import datum_of, zone_features, zone_files
from haulwatch.dispatch.evidence.scene import rule_text
from haulwatch.domain.instants import to_datetime
from haulwatch.domain.rollouts import (
    ChangeKind,
    FieldChange,
    Rollout,
    RolloutDesk,
    RolloutRefused,
    RuleChange,
    ZoneChange,
)
from haulwatch.domain.text import Text
from haulwatch.domain.versions import RolloutZones, RuleHistory, RuleVersion, Term, ZoneHistory, ZoneTurn, ZoneVersion
from haulwatch.domain.zone_sheets import ZoneSheet
from rules.loading import load_books

T = TypeVar("T")
ROLLOUTS = 10_000
VERSIONS = 50
"""More than anybody reads; each one is a city that is read again."""


class VersionDesk:
    """See `haulwatch.domain.versions.Versions`."""

    def __init__(self, desk: RolloutDesk, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._desk, self._now_ms = desk, now_ms

    def zone(self, zone_id: str) -> ZoneHistory:
        """The versions of a zone. Raises `RolloutRefused` for one that no deployment had."""

        def of(rollout: Rollout) -> ZoneChange | None:
            return next((change for change in rollout.changes.zones if change.zone_id == zone_id), None)

        versions = [
            ZoneVersion(
                term=turn.term(),
                change=turn.kind,
                fields=turn.change.fields if isinstance(turn.change, ZoneChange) else [],
                zone=self._zone(turn.rollout, zone_id),
            )
            for turn in self._turns(of)
        ]
        return ZoneHistory(zone_id, _known(versions, zone_id, lambda version: version.zone is not None))

    def rule(self, rule_id: str) -> RuleHistory:
        """The versions of a rule. Raises `RolloutRefused` for one that no deployment had."""

        def of(rollout: Rollout) -> RuleChange | None:
            return next((change for change in rollout.changes.rules if change.rule_id == rule_id), None)

        versions = [self._rule(turn, rule_id) for turn in self._turns(of)]
        return RuleHistory(rule_id, _known(versions, rule_id, lambda version: version.rule_hash is not None))

    def rollout(self, rollout_id: int) -> RolloutZones:
        """The zones that a deployment changes, before and after. Raises `RolloutRefused` for one that is not known."""
        rollout = self._desk.get(rollout_id)
        ids = [change.zone_id for change in rollout.changes.zones]
        if not ids:
            return RolloutZones(rollout_id, None, [])
        before, old = ({}, []) if rollout.base_hash is None else self._zones(rollout.base_hash, ids)
        after, new = self._zones(rollout.city_hash, ids)
        boxes = [zone.geometry.bounds for zone in (*old, *new)]
        west, south, east, north = zip(*boxes, strict=True)
        turns = [ZoneTurn(zone_id, before.get(zone_id), after.get(zone_id)) for zone_id in ids]
        return RolloutZones(rollout_id, (min(west), min(south), max(east), max(north)), turns)

    def _turns(self, of: Callable[[Rollout], ZoneChange | RuleChange | None]) -> list[_Turn]:
        """The deployments that changed it, and the first of all, in which everything is new; the newest first."""
        entered = [rollout for rollout in self._desk.list(ROLLOUTS) if rollout.in_force_at is not None]
        entered.sort(key=lambda rollout: (rollout.in_force_at or "", rollout.rollout_id))
        turns: list[_Turn] = []
        until: str | None = None
        for rollout in reversed(entered):
            change = of(rollout)
            if change is not None or rollout is entered[0]:
                turns.append(_Turn(rollout, change, until))
                until = rollout.in_force_at
        return turns[:VERSIONS]

    def _zone(self, rollout: Rollout, zone_id: str) -> ZoneSheet | None:
        return self._zones(rollout.city_hash, [zone_id])[0].get(zone_id)

    def _zones(self, city_hash: str, ids: Collection[str]) -> tuple[dict[str, ZoneSheet], list[Zone]]:
        """These zones of a city, as sheets by id and as they are."""
        files = self._files(city_hash)
        zones = [zone for zone in load_zones(zone_files(files), datum_of(files))[0] if zone.zone_id in ids]
        sheets = zone_sheets(zones, dict(zone_features(files)), to_datetime(self._now_ms()))
        return {sheet.zone_id: sheet for sheet in sheets}, zones

    def _rule(self, turn: _Turn, rule_id: str) -> RuleVersion:
        files = self._files(turn.rollout.city_hash)
        sources = rule_files(files)[0]
        book, _ = load_books(list(sources.items()), today=None)
        rule = None if book is None else next((rule for rule in book.rules if rule.rule_id == rule_id), None)
        fields: list[FieldChange] = turn.change.fields if isinstance(turn.change, RuleChange) else []
        return RuleVersion(
            term=turn.term(),
            change=turn.kind,
            fields=fields,
            rule_hash=None if rule is None else rule.rule_hash,
            status=None if rule is None else rule.status,
            params={} if rule is None else {name: shown_param(param) or "" for name, param in rule.params.items()},
            text="" if rule is None else rule_text(sources[rule.place.file], rule),
        )

    def _files(self, city_hash: str) -> Mapping[str, bytes]:
        files = self._desk.files(city_hash)
        if files is None:
            raise RolloutRefused("no-city", Text(f"没有城市 {city_hash}", f"there is no city {city_hash}"))
        return files


@dataclass(frozen=True, slots=True)
class _Turn:
    """A deployment that changed something, and until when that held."""

    rollout: Rollout
    change: ZoneChange | RuleChange | None
    until: str | None

    @property
    def kind(self) -> ChangeKind:
        return "added" if self.change is None else self.change.kind

    def term(self) -> Term:
        rollout = self.rollout
        return Term(
            rollout_id=rollout.rollout_id,
            kind=rollout.kind,
            note=rollout.note,
            proposed_by=rollout.proposed_by,
            decided_by=rollout.decided_by,
            since=rollout.in_force_at or rollout.proposed_at,
            until=self.until,
        )


def _known(versions: Sequence[T], name: str, there: Callable[[T], bool]) -> list[T]:
    """Without the first city where that did not have it."""
    kept = list(versions)
    if kept and not there(kept[-1]) and len(kept) < VERSIONS:
        kept.pop()
    if not kept:
        raise RolloutRefused("not-found", Text(f"没有 {name} 的记录", f"nothing is known of {name}"))
    return kept
