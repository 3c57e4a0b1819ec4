"""What operators work on: the rules in force as sheets with their params, and drafts of what they would change."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from msgspec import Struct

from haulwatch.domain.errors import Finding
from haulwatch.domain.orders import Actor
from haulwatch.domain.rollouts import CityChanges, Rollout
from haulwatch.domain.text import Text
from haulwatch.domain.trials import Backtest, Difference, Scorecard

ParamValue = bool | float | str
"""Durations are seconds."""


class ParamSheet(Struct, frozen=True):
    """A param as it is in force. `shown` is the value as a file has it (`2m`); `unit` says what it is: `duration`,
    `number`, `text` or `switch`."""

    name: str
    value: ParamValue
    shown: str
    unit: str
    minimum: float | None = None
    maximum: float | None = None
    label: Text | None = None


class ExceptionSheet(Struct, frozen=True):
    """Whom a rule spares, why, by whose word, and the last day (YYYY-MM-DD)."""

    reason: str
    approved_by: str
    expires: str
    truck_id: list[str] = []
    carrier_id: list[str] = []
    zone: list[str] = []


class RuleSheet(Struct, frozen=True):
    """A rule as it is in force. `file` and `line`: where it stands; `tuned`: a local file has changed it."""

    rule_id: str
    title: Text
    category: str
    severity: str
    status: str
    owner: str
    law: list[str]
    file: str
    line: int
    tuned: bool
    rule_hash: str
    params: list[ParamSheet]
    exceptions: list[ExceptionSheet]
    runbook: Text | None = None


class CityFile(Struct, frozen=True):
    """A text file of the city; `shipped`: it came with the program. One that is changed becomes the city's own."""

    name: str
    text: str
    shipped: bool = False


class Workshop(Struct, frozen=True):
    """The city in force, as operators see it. `pending`: what waits for its second person."""

    city_hash: str
    in_force: Rollout | None
    pending: list[Rollout]
    rules: list[RuleSheet]
    files: list[CityFile]
    today: str


class RuleDraft(Struct, frozen=True):
    """What is to be changed of a rule by a local file; None leaves it. `exceptions` take the place of all there are."""

    params: dict[str, ParamValue] = {}
    status: str | None = None
    exceptions: list[ExceptionSheet] | None = None


class ZoneDraft(Struct, frozen=True):
    """What is to be changed of a zone: properties as zone files have them (null takes one away), and its geometry as
    GeoJSON in WGS-84 (null keeps it). `added`: it is a new one, whether or not the id is taken."""

    properties: dict[str, Any] = {}
    geometry: dict[str, Any] | None = None
    added: bool = False


class Draft(Struct, frozen=True):
    """What an operator would change of the city `base_hash`: rules, whole files by name and zones by id (null deletes
    one)."""

    base_hash: str
    rules: dict[str, RuleDraft] = {}
    files: dict[str, str | None] = {}
    zones: dict[str, ZoneDraft | None] = {}

    @property
    def empty(self) -> bool:
        """Whether it changes nothing."""
        return not (self.rules or self.files or self.zones)


class Checked(Struct, frozen=True):
    """What a draft comes to: findings of its files, examples of rules among them; without errors also what it changes.
    `city_hash` is None while there are errors."""

    findings: list[Finding]
    changes: CityChanges
    city_hash: str | None


class Trial(Struct, frozen=True):
    """A trial on recorded events: how far it is, and when it is done what it found: of the rules in force (`backtest`,
    its findings left out) or of a draft (`difference`). `total`: about how many events there are, where known."""

    trial_id: int
    state: Literal["running", "done", "failed", "cancelled"]
    began_at: str
    events: int
    total: int | None
    backtest: Backtest | None = None
    difference: Difference | None = None
    trouble: Text | None = None


class Trials(Protocol):
    """Where trials are run; see `haulwatch.bootstrap.trial_desk.TrialDesk` for each."""

    def begin(self, draft: Draft, days: int | None) -> Trial: ...

    def get(self, trial_id: int) -> Trial: ...

    def cancel(self, trial_id: int) -> Trial: ...

    def scorecard(self, days: int | None) -> Scorecard: ...


class Workbench(Protocol):
    """Where drafts are made into cities; see `haulwatch.bootstrap.workbench.CityWorkbench`."""

    def workshop(self) -> Workshop:
        """The city in force. Raises WorldError before there is one."""
        ...

    def check(self, draft: Draft) -> Checked:
        """Raises `RolloutRefused` for a draft of a city that is not known, or of files that are none of a city's."""
        ...

    def propose(self, draft: Draft, note: str, *, actor: Actor) -> Rollout:
        """Raises AuthorError with every finding, `RolloutRefused`."""
        ...
