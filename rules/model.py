"""A rule book after loading: every name resolved, every expression a checked tree, every duration in milliseconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from haulwatch.domain.breaches import Category, Severity
from haulwatch.domain.registry import Hours
from haulwatch.domain.text import Text
from rules.nodes import Expression

Status = Literal["draft", "shadow", "active", "deprecated"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in a rule file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Param:
    """A number, duration (seconds), text or switch that operators tune, with its permitted range."""

    name: str
    value: float | str | bool
    unit: Literal["duration", "number", "text", "switch"]
    minimum: float | None = None
    maximum: float | None = None
    label: Text | None = None


@dataclass(frozen=True, slots=True)
class OnMatch:
    """Fires on each event of `kind` for which `where` is definitely true."""

    kind: str
    where: Expression | None


@dataclass(frozen=True, slots=True)
class WhileMatch:
    """Fires when `condition` has held without a break for `for_ms`; ends when it stops, or at `until`."""

    condition: Expression
    for_ms: int
    until: Expression | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a sequence: an event, or (with `absent`) that no such event comes for `for_ms`."""

    alias: str
    kind: str
    where: Expression | None
    absent: bool = False
    for_ms: int = 0


@dataclass(frozen=True, slots=True)
class SequenceMatch:
    """The steps one after the other, others between allowed, first to last within `within_ms`."""

    steps: tuple[Step, ...]
    within_ms: int


@dataclass(frozen=True, slots=True)
class CountMatch:
    """`count` or more events of `kind` with `where` within `within_ms`."""

    count: int
    kind: str
    where: Expression | None
    within_ms: int


Match = OnMatch | WhileMatch | SequenceMatch | CountMatch


@dataclass(frozen=True, slots=True)
class EpisodePolicy:
    """What is one finding: findings of equal `key` within `cooldown_ms` of each other.

    Rules with the same `group` share their episodes, so that one dumped load seen by four rules is one order.
    """

    key: tuple[Literal["truck_id", "trip_id", "zone_id", "station_id", "camera_id"], ...] = ("truck_id",)
    cooldown_ms: int = 0
    group: str | None = None


@dataclass(frozen=True, slots=True)
class WorkOrderPolicy:
    """How dispatch treats a finding: urgency, departments that each get a task, steps whose records are evidence."""

    urgency: Literal["urgent", "normal", "low"] = "normal"
    departments: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleException:
    """Trucks, carriers or zones that a rule spares, why, by whose word and until when (inclusive)."""

    truck_ids: frozenset[str]
    carrier_ids: frozenset[str]
    zone_ids: frozenset[str]
    reason: str
    approved_by: str
    expires: date


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `rule_hash` covers everything that decides, `match_hash` only what its state depends on."""

    rule_id: str
    title: Text
    category: Category
    severity: Severity
    status: Status
    owner: str
    law: tuple[str, ...]
    params: dict[str, Param]
    match: Match
    unless: Expression | None
    schedule: tuple[Hours, ...]
    episode: EpisodePolicy
    work_order: WorkOrderPolicy
    runbook: Text | None
    exceptions: tuple[RuleException, ...]
    rule_hash: str
    match_hash: str
    place: Place
    summary: Text | None = None
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class ExampleEvent:
    """One event of an inline example: offset from the example's start, kind and fields, as written."""

    offset_ms: int
    kind: str
    fields: dict[str, object]
    place: Place


@dataclass(frozen=True, slots=True)
class Expected:
    """A finding that an example expects: when (offset of `detected_at`), and its category."""

    at_ms: int
    category: str


@dataclass(frozen=True, slots=True)
class Example:
    """A story that a rule's author tells about it, run by `rules check`."""

    name: str
    truck: dict[str, object]
    events: tuple[ExampleEvent, ...]
    until_ms: int
    expect: tuple[Expected, ...]
    place: Place
    zones: tuple[dict[str, object], ...] = ()
    start: str | None = None
    extras: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules of a city in the order of their ids."""

    rules: tuple[Rule, ...]
    book_hash: str
