"""A work order and what may happen to it: the vocabulary that dispatch stores and the console shows.

Instants are RFC 3339 UTC with milliseconds, coordinates WGS-84 degrees. `OrderDesk` is everything that a screen needs
of the order store; `haulwatch.dispatch.store.OrderStore` is the one that is put into service.

Long because it is one vocabulary: whoever reads about orders finds every word in one place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from msgspec import Struct

from haulwatch.domain.breaches import Breach, Category, Phase, Severity
from haulwatch.domain.errors import HaulwatchError
from haulwatch.domain.text import Text

if TYPE_CHECKING:
    from haulwatch.domain.deliveries import DeliveryEntry
    from haulwatch.domain.statistics import OrderStatistics

Stage = Literal[
    "new",
    "filed",
    "dispatched",
    "returned",
    "accepted",
    "on_site",
    "handled",
    "verifying",
    "rework",
    "on_hold",
    "closed",
    "rejected",
    "void",
    "merged",
    "transferred",
]
Command = Literal[
    "file",
    "reject",
    "dispatch",
    "accept",
    "return",
    "arrive",
    "handle",
    "verify",
    "close",
    "rework",
    "void",
    "hold",
    "resume",
    "extend",
    "merge",
    "transfer",
    "approve",
    "decline",
    "withdraw",
    "answer",
    "rate",
]
Urgency = Literal["low", "normal", "urgent"]
Verdict = Literal["confirmed", "false_alarm", "not_found", "handed_over"]
Role = Literal[
    "dispatcher",
    "duty_officer",
    "verifier",
    "squad",
    "operator",
    "rule_approver",
    "auditor",
    "administrator",
    "wall",
    "device",
]
ClockStep = Literal["file", "dispatch", "accept", "arrive", "handle", "verify"]
TaskState = Literal["open", "answered", "rated"]
Rating = Literal["good", "acceptable", "poor"]
SupervisionLevel = Literal["yellow", "red"]

STAGES: tuple[Stage, ...] = get_args(Stage)
COMMANDS: tuple[Command, ...] = get_args(Command)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
FINAL_STAGES: frozenset[Stage] = frozenset({"closed", "rejected", "void", "merged", "transferred"})
"""No command leaves these."""
ROLES: tuple[Role, ...] = get_args(Role)


class Actor(Struct, frozen=True):
    """Who acts: a person's or service's id, and what it may at this moment.

    `jurisdiction`: ids of administrative zones; () is the whole city. `squad_id`: of a squad member.
    """

    actor_id: str
    roles: frozenset[Role] = frozenset()
    jurisdiction: tuple[str, ...] = ()
    squad_id: str | None = None


class Choice(Struct, frozen=True):
    """One of the values that a field may have, and how people call it."""

    code: str
    label: Text


class Given(Struct, frozen=True):
    """One thing that must be given with a command; `choices` empty = free text of `max_length` characters.

    `when` limits the demand to commands whose field `when[0]` has the value `when[1]`. `between`: a whole number from
    the first to the second, written in digits.
    """

    name: str
    label: Text
    choices: tuple[Choice, ...] = ()
    when: tuple[str, str] | None = None
    max_length: int = 2000
    between: tuple[int, int] | None = None


class Transition(Struct, frozen=True):
    """One row of the life cycle: in stage `source`, `command` by one of `roles` with `given` leads to `target`.

    With `approval` it only asks for that: the order stays as it is until a second person approves. Where `target` is
    `source` the command leaves the stage as it is; `approve` leads to where the row of the request leads, and `resume`
    to the stage in which the order was put on hold (there is a row for each).
    """

    source: Stage
    command: Command
    target: Stage
    roles: tuple[Role, ...]
    label: Text
    given: tuple[Given, ...] = ()
    approval: bool = False


class Pending(Struct, frozen=True, kw_only=True):
    """A request that a second person has to approve: `command` with `data`, asked `by` whom and when."""

    command: Command
    data: dict[str, str]
    by: str
    at: str


class Task(Struct, frozen=True, kw_only=True):
    """One department's part in an order: its squad, its answer, and how the initiator rates that."""

    department: str
    squad_id: str | None = None
    state: TaskState = "open"
    answer: str | None = None
    answered_by: str | None = None
    answered_at: str | None = None
    rating: Rating | None = None
    rated_by: str | None = None
    rated_at: str | None = None


class ServiceClock(Struct, frozen=True, kw_only=True):
    """The service clock that runs: for which step, since when, and until when the step has to be done.

    `limit_min` are minutes of working hours where `working`, else of wall time. `marked_pct` is the last of 50, 80, 100
    and 200 percent that has been reached. While the order is on hold `paused_at` is set and `due_at` stands still.
    """

    step: ClockStep
    started_at: str
    due_at: str
    limit_min: int
    working: bool
    marked_pct: int = 0
    paused_at: str | None = None


class Supervision(Struct, frozen=True, kw_only=True):
    """督办: somebody one level up looks at the order, because a clock ran out. Fields as JT/T 809 0x9401 has them."""

    level: SupervisionLevel
    since: str
    deadline_at: str
    supervisor: str
    """Id of the administrative zone whose duty desk supervises; `city` for the city's own."""


class Order(Struct, frozen=True, kw_only=True):
    """A work order as lists show it.

    `version` counts the commands carried out (a command must name the version it was decided on); findings that join
    do not move it, but every change moves `change_id`, so of two copies the one with the larger `change_id` is newer.
    `detected_at` is the event time of the finding that opened the order, `last_detected_at` when the conduct was last
    seen, `ended_at` when it ended (null while any of its episodes goes on); by the wall clock, `opened_at` is when the
    order came into being and `stage_at` when it entered its stage.

    Routing: `jurisdictions` are the administrative zones that hold the place, the smallest first; `proposed_squad_id`
    the squad on duty there, `duty_desk` says that none fits and the district's duty desk has to find one; `tasks` the
    departments that take part. `pending` waits for a second person. `held_stage`: where an order on hold resumes.
    `terms` names the service terms (limits and calendar) that were in force when the order opened.
    """

    order_id: str
    version: int
    change_id: int
    stage: Stage
    category: Category
    severity: Severity
    urgency: Urgency
    title: Text
    summary: Text
    truck_id: str
    rule_id: str
    rule_hash: str
    city_hash: str
    breach_id: str
    dedup_key: str
    late: bool
    occurrences: int
    lon: float | None
    lat: float | None
    zone_ids: list[str]
    started_at: str
    detected_at: str
    last_detected_at: str
    ended_at: str | None
    opened_at: str
    stage_at: str
    squad_id: str | None = None
    verdict: Verdict | None = None
    reason_code: str | None = None
    jurisdictions: list[str] = []
    proposed_squad_id: str | None = None
    duty_desk: bool = False
    tasks: list[Task] = []
    pending: Pending | None = None
    held_stage: Stage | None = None
    extensions: int = 0
    reworks: int = 0
    merged_into: str | None = None
    transferred_to: str | None = None
    handled_by: str | None = None
    terms: str | None = None
    clock: ServiceClock | None = None
    supervision: Supervision | None = None


class Occurrence(Struct, frozen=True, kw_only=True):
    """One finding that belongs to an order, as the rules reported it; `count` is the episode's running count."""

    breach_id: str
    phase: Phase
    count: int
    rule_id: str
    severity: Severity
    late: bool
    detected_at: str
    ended_at: str | None
    lon: float | None
    lat: float | None
    recorded_at: str


class AuditEntry(Struct, frozen=True, kw_only=True):
    """One line of the audit: who did what when; `hash` covers all of it and `prev_hash`."""

    seq: int
    at: str
    actor: str
    action: str
    order_id: str | None
    detail: dict[str, Any]
    prev_hash: str
    hash: str


class OrderDetail(Struct, frozen=True, kw_only=True):
    """Everything about one order; `breach` as it was when the order opened.

    `commands` is what may follow now: what the actor who asks may do, or anybody where nobody is named.
    """

    order: Order
    breach: Breach
    occurrences: list[Occurrence]
    audit: list[AuditEntry]
    commands: list[Transition]


class Reach(Struct, frozen=True):
    """The orders that somebody may see: those in one of `jurisdictions` (() is the whole city) and, unless None, those
    that `squad_id` has or has a task of. `nothing`: none at all."""

    jurisdictions: tuple[str, ...] = ()
    squad_id: str | None = None
    nothing: bool = False


class OrderFilter(Struct, frozen=True, kw_only=True):
    """What a list is limited to; an empty tuple or None does not limit. `since`: first detected at or after."""

    stages: tuple[Stage, ...] = ()
    categories: tuple[Category, ...] = ()
    severities: tuple[Severity, ...] = ()
    truck_id: str | None = None
    late: bool | None = None
    since: str | None = None
    jurisdictions: tuple[str, ...] = ()
    """Only orders in one of these administrative zones."""
    squad_id: str | None = None
    """Only orders of this squad, or with a task of it."""
    unassigned: bool = False
    overdue: bool = False
    """Only orders whose clock has run out."""
    pending: bool = False
    """Only orders with a request that waits for approval."""
    search: str | None = None
    """Part of an order id or of a plate."""
    commanded_by: str | None = None
    """Only orders to which this actor has given a command."""
    reach: Reach = Reach()
    """What the asker may see at all; besides everything else."""


class OrderPage(Struct, frozen=True):
    """A page of orders, newest first; `next_cursor` is null on the last one."""

    orders: list[Order]
    next_cursor: str | None


class Change(Struct, frozen=True, kw_only=True):
    """Something happened to an order; `change_id` grows without gaps in the order of the commits.

    `kind`: `opened`, `finding` (one joined, continued or ended, or those of another order were merged in), the command
    carried out, or `reminder`, `overdue`, `overdue_red` (its clock reached 50 or 80, 100, 200 percent); `order` as it
    was then.
    """

    change_id: int
    kind: str
    at: str
    order: Order


class IntakeResult(Struct, frozen=True, kw_only=True):
    """What became of a batch of findings. `opened`, `joined`, `updated`: ids of orders, in the batch's order.

    `shadow` findings are on record without an order; `unchanged` were known already.
    """

    opened: tuple[str, ...] = ()
    joined: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    shadow: int = 0
    unchanged: int = 0


class OrderError(HaulwatchError):
    """A command that was not carried out; nothing has changed."""


class UnknownOrder(OrderError):  # noqa: N818 - named for what is the matter
    """There is no order of this id."""

    def __init__(self, order_id: str) -> None:
        super().__init__(Text(f"没有工单 {order_id}", f"there is no order {order_id}"))
        self.order_id = order_id


class Conflict(OrderError):  # noqa: N818 - named for what is the matter
    """The order is not as the sender thought; `order` is how it is now.

    `code`: `stale` (another version), `illegal` (not a command of its stage, or not as the order is now), `key_reused`
    (the idempotency key belongs to another request), `pending` (a request waits for approval and holds the order up).
    """

    def __init__(self, code: Literal["stale", "illegal", "key_reused", "pending"], text: Text, order: Order) -> None:
        super().__init__(text)
        self.code = code
        self.order = order


class NotPermitted(OrderError):  # noqa: N818 - named for what is the matter
    """This actor may not give this command now: its roles, its squad, or that it must be a second person."""

    def __init__(self, text: Text, order: Order) -> None:
        super().__init__(text)
        self.order = order


class BadCommand(OrderError):  # noqa: N818 - named for what is the matter
    """Something that the command needs is missing, unknown or not among its choices: `problems` by field name."""

    def __init__(self, problems: Mapping[str, Text]) -> None:
        zh = "；".join(f"{name}：{text.zh}" for name, text in problems.items())
        en = "; ".join(f"{name}: {text.en}" for name, text in problems.items())
        super().__init__(Text(zh, en))
        self.problems = dict(problems)


class Step(Struct, frozen=True):
    """One order of a bulk command and the version on which it was decided."""

    order_id: str
    expected_version: int


class OrderDesk(Protocol):
    """What screens and services ask of the order store; see `haulwatch.dispatch.store.OrderStore` for each."""

    def list(self, where: OrderFilter = ..., *, cursor: str | None = None, limit: int = 50) -> OrderPage: ...

    def get(self, order_id: str, actor: Actor | None = ...) -> OrderDetail: ...

    def counts(self, reach: Reach = ...) -> dict[Stage, int]: ...

    def notices(self, order_id: str) -> Sequence[DeliveryEntry]: ...

    def command(
        self,
        order_id: str,
        command: str,
        *,
        expected_version: int,
        actor: Actor,
        data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        reach: Reach = ...,
    ) -> Order: ...

    def bulk(
        self,
        command: str,
        steps: Sequence[Step],
        *,
        actor: Actor,
        data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        reach: Reach = ...,
    ) -> Sequence[Order | OrderError]: ...

    def note(self, order_id: str, action: str, *, actor: Actor, detail: Mapping[str, Any]) -> None: ...

    def note_read(self, action: str, order_id: str | None, *, actor: Actor, detail: Mapping[str, Any]) -> None: ...

    def note_export(self, where: OrderFilter, *, actor: Actor, form: str, plates: bool) -> None: ...

    def transitions(self) -> Sequence[Transition]: ...

    def statistics(self) -> OrderStatistics: ...

    def changes_since(self, change_id: int, limit: int = 500) -> Sequence[Change]: ...

    def order_before(self, order_id: str, change_id: int) -> Order | None: ...

    def last_change_id(self) -> int: ...
