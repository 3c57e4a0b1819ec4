"""A zone's and a rule's versions over the deployments: what each was, who wanted it, from when until when it held."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from haulwatch.domain.rollouts import ChangeKind, FieldChange, RolloutKind
from haulwatch.domain.zone_sheets import ZoneSheet


class Term(Struct, frozen=True, kw_only=True):
    """The deployment that a version came with, and how long the version held (`until` None: it still does)."""

    rollout_id: int
    kind: RolloutKind
    note: str
    proposed_by: str
    decided_by: str | None
    since: str
    until: str | None


class ZoneVersion(Struct, frozen=True, kw_only=True):
    """A zone as it was in a term; `zone` is None where it was taken out."""

    term: Term
    change: ChangeKind
    fields: list[str]
    zone: ZoneSheet | None


class RuleVersion(Struct, frozen=True, kw_only=True):
    """A rule as it was in a term: `params` as files write them, `text` its author's lines, adjustments in `params` and
    `status`. All empty where it was taken out."""

    term: Term
    change: ChangeKind
    fields: list[FieldChange]
    rule_hash: str | None
    status: str | None
    params: dict[str, str]
    text: str


class ZoneHistory(Struct, frozen=True):
    """Versions of a zone, the newest first."""

    zone_id: str
    versions: list[ZoneVersion]


class RuleHistory(Struct, frozen=True):
    """Versions of a rule, the newest first."""

    rule_id: str
    versions: list[RuleVersion]


class ZoneTurn(Struct, frozen=True):
    """A zone before and after a deployment; None where there was or will be none."""

    zone_id: str
    before: ZoneSheet | None
    after: ZoneSheet | None


class RolloutZones(Struct, frozen=True):
    """The zones that a deployment changes, for who decides about it; `bounds` hold all of them (None without any)."""

    rollout_id: int
    bounds: tuple[float, float, float, float] | None
    zones: list[ZoneTurn]


class Versions(Protocol):
    """Where versions are found; see `haulwatch.bootstrap.version_desk.VersionDesk`."""

    def zone(self, zone_id: str) -> ZoneHistory: ...

    def rule(self, rule_id: str) -> RuleHistory: ...

    def rollout(self, rollout_id: int) -> RolloutZones: ...
