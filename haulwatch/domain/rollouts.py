"""Cities that were proposed, approved, put in force and replaced: what a screen and a command need to know of them.

A change of the city (rules, zones, tables) is proposed by one person and approved by another; going back to one that
was in force needs no second word, it had it. `haulwatch.dispatch.rollouts.Rollouts` keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct

from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.orders import Actor
from haulwatch.domain.text import Text

RolloutState = Literal["proposed", "approved", "in_force", "replaced", "rejected", "withdrawn"]
"""`approved`: on its way into force, which takes seconds. `replaced`: was in force once."""
RolloutKind = Literal["proposal", "rollback", "found"]
"""`found`: put in force past the desk: the city folder of an embedded system, a command on a cluster's machine."""
Memory = Literal["kept", "dropped", "none"]
ChangeKind = Literal["added", "removed", "changed"]


class FieldChange(Struct, frozen=True):
    """One thing that is different; None where there was none, or where it is more than a line."""

    name: str
    old: str | None = None
    new: str | None = None


class RuleChange(Struct, frozen=True):
    """A rule that is different. `memory`: what becomes of what it has begun to see in trucks (half-seen sequences,
    running times, counts): `kept` while its match is the same, `dropped` with another one; `none` where it had none or
    decides nothing any more."""

    rule_id: str
    title: Text
    kind: ChangeKind
    memory: Memory
    fields: list[FieldChange] = []


class ZoneChange(Struct, frozen=True):
    """A zone that is different; `fields` names what."""

    zone_id: str
    name: Text
    kind: ChangeKind
    fields: list[str] = []


class TableChange(Struct, frozen=True):
    """Rows of a table (trucks, stations, …) that are different."""

    table: str
    added: int
    removed: int
    changed: int


class CityChanges(Struct, frozen=True):
    """What one city decides otherwise than another. `memory_kept`: rules whose memory goes on, changed or not."""

    settings: list[FieldChange] = []
    rules: list[RuleChange] = []
    zones: list[ZoneChange] = []
    tables: list[TableChange] = []
    memory_kept: int = 0
    memory_dropped: int = 0


class Rollout(Struct, frozen=True, kw_only=True):
    """A city on its way into force, or that was. `base_hash`: the city that it was compared with, and replaces.

    `folder_hash`: the city of the folder that an embedded system was started with; it stays without a say until
    somebody changes it. Instants are RFC 3339.
    """

    rollout_id: int
    city_hash: str
    base_hash: str | None
    kind: RolloutKind
    state: RolloutState
    note: str
    changes: CityChanges
    proposed_by: str
    proposed_at: str
    decided_by: str | None = None
    decided_at: str | None = None
    decision_note: str = ""
    in_force_at: str | None = None
    folder_hash: str | None = None
    trouble: Text | None = None


class RolloutRefused(HaulwatchError):  # noqa: N818 - named for what is the matter
    """What was asked cannot be done now; `code` is stable, the text says why."""

    def __init__(self, code: str, text: Text) -> None:
        super().__init__(text)
        self.code = code


class UnknownRollout(RolloutRefused):
    """There is none with this number."""

    def __init__(self, rollout_id: int) -> None:
        super().__init__("not-found", Text(f"没有部署 {rollout_id}", f"there is no deployment {rollout_id}"))


class RolloutDesk(Protocol):
    """What the console asks of those who keep them; see `haulwatch.dispatch.rollouts.Rollouts` for each."""

    def list(self, limit: int = 100) -> Sequence[Rollout]: ...

    def get(self, rollout_id: int) -> Rollout: ...

    def in_force(self) -> Rollout | None: ...

    def files(self, city_hash: str) -> dict[str, bytes] | None: ...

    def propose(self, files: dict[str, bytes], note: str, *, actor: Actor) -> Rollout: ...

    def decide(self, rollout_id: int, *, approve: bool, note: str, actor: Actor) -> Rollout: ...

    def withdraw(self, rollout_id: int, *, actor: Actor) -> Rollout: ...

    def roll_back(self, note: str, *, actor: Actor, to: int | None = None) -> Rollout: ...
