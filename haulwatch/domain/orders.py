"""A work order and what may happen to it: the vocabulary that dispatch stores and the console shows.

Instants are RFC 3339 UTC with milliseconds, coordinates WGS-84 degrees. `OrderDesk` is everything that a screen needs
of the order store; `haulwatch.dispatch.store.OrderStore` is the one that is put into service.
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

Stage = Literal[
    "new",
    "filed",
    "dispatched",
    "returned",
    "accepted",
    "on_site",
    "handled",
    "verifying",
    "closed",
    "rejected",
    "void",
]
Command = Literal[
    "file", "reject", "dispatch", "accept", "return", "arrive", "handle", "verify", "close", "rework", "void"
]
Urgency = Literal["low", "normal", "urgent"]
Verdict = Literal["confirmed", "false_alarm", "not_found", "handed_over"]
Role = Literal[
    "dispatcher", "duty_officer", "verifier", "squad", "operator", "rule_approver", "auditor", "administrator"
]

STAGES: tuple[Stage, ...] = get_args(Stage)
COMMANDS: tuple[Command, ...] = get_args(Command)
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
ROLES: tuple[Role, ...] = get_args(Role)


class Actor(Struct, frozen=True):
    """Who acts: a person's or service's id, and the roles it holds at this moment."""

    actor_id: str
    roles: frozenset[Role] = frozenset()


class Choice(Struct, frozen=True):
    """One of the values that a field may have, and how people call it."""

    code: str
    label: Text


class Given(Struct, frozen=True):
    """One thing that must be given with a command; `choices` empty = free text of `max_length` characters.

    `when` limits the demand to commands whose field `when[0]` has the value `when[1]`.
    """

    name: str
    label: Text
    choices: tuple[Choice, ...] = ()
    when: tuple[str, str] | None = None
    max_length: int = 2000


class Transition(Struct, frozen=True):
    """One row of the life cycle: in stage `source`, `command` by one of `roles` with `given` leads to `target`."""

    source: Stage
    command: Command
    target: Stage
    roles: tuple[Role, ...]
    label: Text
    given: tuple[Given, ...] = ()


class Order(Struct, frozen=True, kw_only=True):
    """A work order as lists show it.

    `version` counts the commands carried out (a command must name the version it was decided on); findings that join
    do not move it, but every change moves `change_id`, so of two copies the one with the larger `change_id` is newer.
    `detected_at` is the event time of the finding that opened the order, `last_detected_at` when the conduct was last
    seen, `ended_at` when it ended (null while any of its episodes goes on); by the wall clock, `opened_at` is when the
    order came into being and `stage_at` when it entered its stage.
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
    """Everything about one order; `breach` as it was when the order opened, `commands` what may follow now."""

    order: Order
    breach: Breach
    occurrences: list[Occurrence]
    audit: list[AuditEntry]
    commands: list[Transition]


class OrderFilter(Struct, frozen=True, kw_only=True):
    """What a list is limited to; an empty tuple or None does not limit. `since`: first detected at or after."""

    stages: tuple[Stage, ...] = ()
    categories: tuple[Category, ...] = ()
    severities: tuple[Severity, ...] = ()
    truck_id: str | None = None
    late: bool | None = None
    since: str | None = None


class OrderPage(Struct, frozen=True):
    """A page of orders, newest first; `next_cursor` is null on the last one."""

    orders: list[Order]
    next_cursor: str | None


class Change(Struct, frozen=True, kw_only=True):
    """Something happened to an order; `change_id` grows without gaps in the order of the commits.

    `kind`: `opened`, `finding` (one joined, continued or ended) or the command carried out; `order` as it was then.
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

    `code`: `stale` (another version), `illegal` (its stage does not know the command), `key_reused` (the idempotency
    key belongs to another request).
    """

    def __init__(self, code: Literal["stale", "illegal", "key_reused"], text: Text, order: Order) -> None:
        super().__init__(text)
        self.code = code
        self.order = order


class NotPermitted(OrderError):  # noqa: N818 - named for what is the matter
    """None of the actor's roles may give this command in this stage."""

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

    def get(self, order_id: str) -> OrderDetail: ...

    def counts(self) -> dict[Stage, int]: ...

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
    ) -> Order: ...

    def bulk(
        self,
        command: str,
        steps: Sequence[Step],
        *,
        actor: Actor,
        data: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
    ) -> Sequence[Order | OrderError]: ...

    def note(self, order_id: str, action: str, *, actor: Actor, detail: Mapping[str, Any]) -> None: ...

    def transitions(self) -> Sequence[Transition]: ...

    def changes_since(self, change_id: int, limit: int = 500) -> Sequence[Change]: ...

    def last_change_id(self) -> int: ...
