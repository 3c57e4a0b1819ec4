"""An event that never happened, put to the rules: which would fire on it, and why the others would not.

It goes past the log, the trucks and the orders: nothing of it is kept, and nothing that trucks did before plays a part.
"""

from __future__ import annotations

from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct

from haulwatch.domain.breaches import Category, Scalar
from haulwatch.domain.events import Manifest, Position, Sighting, Weighing
from haulwatch.domain.text import Text
from haulwatch.domain.workbench import Draft

ProbeVerdict = Literal["fired", "held_back", "waiting", "not_met", "no_events"]


class ProbeBody(Struct):
    """An event of a truck, sent `repeat` times `every_s` apart; with a draft also to the rules that it would make."""

    draft: Draft
    event: Position | Weighing | Sighting | Manifest
    repeat: Annotated[int, Meta(ge=1, le=360)] = 1
    every_s: Annotated[int, Meta(ge=1, le=3600)] = 10


class ProbeReason(Struct, frozen=True, kw_only=True):
    """A part of a rule and how it came out: what was seen against what is asked, or what nobody knew."""

    role: str
    result: str
    text: str | None
    observed: Scalar | list[str] = None
    operator: str | None = None
    threshold: Scalar | list[str] = None
    unit: str | None = None
    unknown: list[str] = []
    note: Text | None = None


class Probed(Struct, frozen=True, kw_only=True):
    """What one rule says to it."""

    rule_id: str
    title: Text
    category: Category
    status: str
    verdict: ProbeVerdict
    fired_at: list[str]
    reasons: list[ProbeReason]


class ProbeAnswer(Struct, frozen=True):
    """What every rule says, of the city in force and, with a draft, of the city that it would make."""

    events: int
    in_force: list[Probed]
    drafted: list[Probed] | None


class Prober(Protocol):
    """Where rules are asked; see `haulwatch.bootstrap.prober.RuleProber`."""

    def probe(self, body: ProbeBody) -> ProbeAnswer: ...
